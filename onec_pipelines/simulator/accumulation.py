"""Balances and turnovers of accumulation registers, computed from records and present balances (PROTOCOL §6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

from onec_pipelines.simulator import query as language
from onec_pipelines.simulator.asking import Asking
from onec_pipelines.simulator.balances import Balances
from onec_pipelines.simulator.base import Base, Movements, add, direction, key_of
from onec_pipelines.simulator.errors import no_segment
from onec_pipelines.simulator.records import SERVICE, walk
from onec_pipelines.simulator.shape import Function
from onec_pipelines.simulator.source import Key, Row


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of a virtual table with its arguments as text."""

    register: str
    function: Function
    arguments: Mapping[str, str]


class Accumulation:
    """One call of Balance, Turnovers or BalanceAndTurnovers."""

    def __init__(
        self, base: Base, movements: Movements, balances: Balances, call: Call, asking: Asking
    ) -> None:
        self._base = base
        self._balances = balances
        self._movements = movements
        register, function, arguments = call.register, call.function, call.arguments
        self._register = register
        self._function = function
        self._arguments = arguments
        self.meta = base.kinds.row(function.returns or "")
        suffix = "Balance" if function.name == "Balance" else "Turnover"
        numeric = {"Edm.Double", "Edm.Int16", "Edm.Int32", "Edm.Int64"}
        self._resources = tuple(
            name.removesuffix(suffix)
            for name, one in self.meta.properties.items()
            if one.type in numeric and name.endswith(suffix) and name != suffix
        )
        declared = base.kinds.entity(f"{register}_RecordType").properties
        computed = {f"{name}{ending}" for name in self._resources for ending in _ENDINGS}
        self._all = tuple(
            name
            for name in self.meta.order
            if name in declared and name not in SERVICE and name not in computed
        )
        condition = arguments.get("Condition", "")
        self._test = asking.condition(self.meta, condition) if condition else None
        self.shown = self._chosen(arguments.get("Dimensions", ""))

    def _chosen(self, text: str) -> tuple[str, ...]:
        if not text.strip():
            return self._all
        out: list[str] = []
        for name in language.parse_dimensions(text):
            wire = [one for one in (f"{name}_Key", name, f"{name}_Type") if one in self._all]
            if not wire:
                raise no_segment(name)
            out += wire
        return tuple(out)

    async def compute(self) -> list[Row]:
        """The rows of the table."""
        if self._function.name == "Balance":
            period = self._arguments.get("Period", "")
            return await self._balance(period)
        return await self._turnovers()

    async def _balance(self, period: str) -> list[Row]:
        if not period and self.shown == self._all:
            return await self._direct()
        totals = await self._at(period)
        return [
            {
                **{name: row[name] for name in self.shown if name in row},
                **{f"{name}Balance": row[name] for name in self._resources},
            }
            for row in totals.values()
            if any(row[name] for name in self._resources)
        ]

    async def _direct(self) -> list[Row]:
        """Present balances by all dimensions: the generated ones, each with what was written since the start."""
        names = [(name, f"{name}Balance") for name in self._resources]
        deltas = self._movements.deltas(self._register, self._all, self._resources)
        out = []
        async for rows in self._balances.blocks(self._register, *self._restriction()):
            for row in filter(self._passes, rows):
                delta = deltas.pop(key_of(row, self._all), None) if deltas else None
                for name, wire in names:
                    row[wire] = row.pop(name, 0) + (delta[name] if delta else 0)
                out.append(row)
        rest = filter(self._passes, deltas.values())
        out.extend({**row, **{wire: row.pop(name) for name, wire in names}} for row in rest)
        return [row for row in out if any(row[wire] for _, wire in names)]

    def _restriction(self) -> tuple[str, tuple[str, ...]]:
        """A dimension that the condition compares with constants, and those; empty if there is none."""
        condition = self._arguments.get("Condition", "")
        tree = language.parse_condition(condition) if condition else None
        for name in reversed(self._all):
            constants = language.literals(tree, name) if tree is not None else None
            if constants and all(one.type == "guid" for one in constants):
                return name, tuple(str(one.value) for one in constants)
        return "", ()

    async def _at(self, period: str) -> dict[Key, Row]:
        """Balances by the shown dimensions at the beginning of a second, or now."""
        totals: dict[Key, Row] = {}
        async for rows in self._balances.blocks(self._register, *self._restriction()):
            self._sum(totals, rows)
        self._sum(totals, self._movements.deltas(self._register, self._all, self._resources).values())
        if period:
            async for row in self._records():
                if str(row.get("Period", "")) >= period and self._passes(row):
                    add(totals, row, self.shown, self._resources, sign=-direction(row))
        return totals

    def _sum(self, totals: dict[Key, Row], rows: Iterable[Row]) -> None:
        for row in filter(self._passes, rows):
            add(totals, row, self.shown, self._resources, sign=1)

    def _passes(self, row: Row) -> bool:
        return self._test is None or self._test({**self.meta.empty, **row})

    async def _records(self) -> AsyncIterator[Row]:
        table = self._base.table(f"{self._register}_RecordType")
        for _ in table.build():
            await asyncio.sleep(0)
        async for _, row in walk(table, range(len(table))):
            if row.get("Active", True):
                yield row

    async def _turnovers(self) -> list[Row]:
        start, end = self._arguments.get("StartPeriod", ""), self._arguments.get("EndPeriod", "")
        receipts: dict[Key, Row] = {}
        expenses: dict[Key, Row] = {}
        async for row in self._records():
            moment = str(row.get("Period", ""))
            if (start and moment < start) or (end and moment > end) or not self._passes(row):
                continue
            target = expenses if direction(row) < 0 else receipts
            add(target, row, self.shown, self._resources, sign=1)
        opening = await self._at(start) if self._function.name == "BalanceAndTurnovers" and start else {}
        keys = dict.fromkeys((*opening, *receipts, *expenses))
        rows = (self._turnover(opening.get(key), receipts.get(key), expenses.get(key)) for key in keys)
        return [
            row
            for row in rows
            if any(row.get(f"{name}{end}") for name in self._resources for end in _ENDINGS)
        ]

    def _turnover(self, opening: Row | None, receipt: Row | None, expense: Row | None) -> Row:
        known = opening or receipt or expense or {}
        out: Row = {name: known[name] for name in self.shown if name in known}
        for name in self._resources:
            before, plus, minus = ((part or {}).get(name, 0) for part in (opening, receipt, expense))
            values = {
                "OpeningBalance": before,
                "Turnover": plus - minus,
                "Receipt": plus,
                "Expense": minus,
                "ClosingBalance": before + plus - minus,
            }
            out.update({f"{name}{ending}": value for ending, value in values.items()})
        return out


_ENDINGS = ("OpeningBalance", "Turnover", "Receipt", "Expense", "ClosingBalance", "Balance")
