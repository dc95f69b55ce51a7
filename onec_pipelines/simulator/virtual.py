"""Virtual tables computed from records: slices of periodic registers, balances and turnovers of accumulation.

See PROTOCOL §6.

Arguments come parsed; the answer is a table that is then read like any set.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from onec_pipelines.simulator import query as language
from onec_pipelines.simulator.asking import Asking
from onec_pipelines.simulator.base import Base, Movements, add, direction
from onec_pipelines.simulator.columns import Columns
from onec_pipelines.simulator.errors import OdataError, no_segment
from onec_pipelines.simulator.kinds import TypeMeta
from onec_pipelines.simulator.reading import Test
from onec_pipelines.simulator.shape import Function
from onec_pipelines.simulator.source import Key, Row
from onec_pipelines.simulator.tables import BLOCK, LiveTable, gather

_SERVICE = frozenset(
    ("Period", "Recorder", "Recorder_Key", "Recorder_Type", "LineNumber", "Active", "RecordType")
)
_INDEX_VALUES = 2000
_REMEMBERED = 16


class Picked:
    """Some rows of a table, by position."""

    def __init__(self, table: LiveTable, positions: array[int]) -> None:
        self.meta = table.meta
        self._table = table
        self._positions = positions

    @property
    def version(self) -> int:
        """That of the table."""
        return self._table.version

    def __len__(self) -> int:
        """Give the number of picked rows."""
        return len(self._positions)

    def build(self) -> Iterator[None]:
        """Nothing to prepare."""
        yield from ()

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the picked rows of these places."""
        return gather(self._table, self._positions[max(start, 0) : stop])

    def get(self, key: Key) -> Row | None:
        """Picked rows have no keys."""
        raise no_segment(",".join(key))


@dataclass(kw_only=True)
class Listed:
    """Computed rows; they have no keys and live for one request."""

    meta: TypeMeta
    listed: Sequence[Row]
    shown: tuple[str, ...] = ()
    version: int = field(default=0)

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.listed)

    def build(self) -> Iterator[None]:
        """Nothing to prepare."""
        yield from ()

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these places."""
        return list(self.listed[max(start, 0) : stop])

    def get(self, key: Key) -> Row | None:
        """Computed rows have no keys."""
        raise no_segment(",".join(key))

    def narrow(self, columns: Columns) -> Columns:
        """The columns without dimensions that the rows are not grouped by.

        Computed rows have no addresses to link to.
        """
        rows = self.listed[0] if self.listed else {}
        kept = tuple(name for name in columns.scalars if name in rows or name in self.shown)
        return replace(columns, scalars=kept, links=())


class Virtual:
    """Computes virtual tables of one base; remembers indexes and slices per version of their register."""

    def __init__(self, base: Base, movements: Movements) -> None:
        self._base = base
        self._movements = movements
        self._indexes: dict[tuple[str, str], tuple[int, dict[str, array[int]] | None]] = {}
        self._slices: dict[tuple[str, ...], tuple[int, array[int]]] = {}

    async def table(
        self, set_name: str, function: Function, arguments: Mapping[str, str], asking: Asking
    ) -> LiveTable:
        """Compute a virtual table.

        Raises OdataError for unknown arguments and QueryError for a bad `Condition`.
        """
        known = {name for name, _ in function.parameters}
        for name in arguments:
            if name not in known:
                raise OdataError(400, "2", f"Неверный формат запроса: параметр {name}")
        if function.name in {"SliceLast", "SliceFirst"}:
            return await self._slice(set_name, function, arguments, asking)
        call = _Call(register=set_name, function=function, arguments=arguments)
        rows = _Accumulation(self._base, self._movements, call, asking)
        return Listed(meta=rows.meta, listed=await rows.compute(), shown=rows.shown)

    async def _slice(
        self, set_name: str, function: Function, arguments: Mapping[str, str], asking: Asking
    ) -> LiveTable:
        table = self._base.table(set_name)
        for _ in table.build():
            await asyncio.sleep(0)
        period, condition = arguments.get("Period", ""), arguments.get("Condition", "")
        memo = (set_name, function.name, period, condition)
        known = self._slices.get(memo)
        if known is None or known[0] != table.version:
            test = asking.condition(table.meta, condition) if condition else None
            candidates = await self._candidates(table, set_name, condition)
            positions = await _latest(table, candidates, test, period, last=function.name == "SliceLast")
            while len(self._slices) >= _REMEMBERED:
                self._slices.pop(next(iter(self._slices)))
            self._slices[memo] = known = (table.version, positions)
        return Picked(table, known[1])

    async def _candidates(self, table: LiveTable, name: str, condition: str) -> Sequence[int]:
        """Positions among which the rows of a condition are.

        By an index of a property that it compares with a constant.
        """
        whole = range(len(table))
        if not condition:
            return whole
        tree = language.parse_condition(condition)
        for property_ in table.meta.key:
            constants = language.literals(tree, property_)
            if property_ == "Period" or not constants or any(one.type != "guid" for one in constants):
                continue
            index = await self._index(table, name, property_)
            if index is not None:
                found = [at for one in constants for at in index.get(str(one.value), ())]
                return array("Q", sorted(found))
        return whole

    async def _index(self, table: LiveTable, name: str, property_: str) -> dict[str, array[int]] | None:
        known = self._indexes.get((name, property_))
        if known is not None and known[0] == table.version:
            return known[1]
        version = table.version
        out: dict[str, array[int]] = {}
        few = True
        async for at, row in _walk(table, range(len(table))):
            value = str(row.get(property_, ""))
            places = out.get(value)
            if places is None:
                if len(out) >= _INDEX_VALUES:
                    few = False
                    break
                places = out[value] = array("Q")
            places.append(at)
        self._indexes[name, property_] = (version, out if few else None)
        return out if few else None


async def _walk(table: LiveTable, positions: Sequence[int]) -> AsyncIterator[tuple[int, Row]]:
    """Rows with their positions, read in blocks."""
    for start in range(0, len(positions), BLOCK):
        block = positions[start : start + BLOCK]
        for at, row in zip(block, gather(table, block), strict=True):
            yield at, row
        await asyncio.sleep(0)


async def _latest(
    table: LiveTable, positions: Sequence[int], test: Test | None, period: str, *, last: bool
) -> array[int]:
    meta = table.meta
    dimensions = dimensions_of(meta)
    best: dict[tuple[Any, ...], tuple[str, int]] = {}
    async for at, row in _walk(table, positions):
        moment = str(row.get("Period", ""))
        if not row.get("Active", True) or (period and (moment > period if last else moment < period)):
            continue
        if test is not None and not test(meta.complete(row)):
            continue
        key = tuple(row.get(name) for name in dimensions)
        known = best.get(key)
        if known is None or (moment >= known[0] if last else moment < known[0]):
            best[key] = (moment, at)
    return array("Q", sorted(at for _, at in best.values()))


def dimensions_of(meta: TypeMeta) -> tuple[str, ...]:
    """Dimensions of an information register.

    Its key, or what cannot be null in its records if the key is the recorder.
    """
    names = tuple(name for name in meta.key if name not in _SERVICE)
    if names:
        return names
    base = meta.name.removesuffix("_RecordType")
    records = meta.kinds.shape.complexes.get(f"{base}_RowType")
    if records is None:
        return ()
    return tuple(
        one.name for one in records.properties.values() if not one.nullable and one.name not in _SERVICE
    )


@dataclass(frozen=True, kw_only=True)
class _Call:
    register: str
    function: Function
    arguments: Mapping[str, str]


class _Accumulation:
    """One call of Balance, Turnovers or BalanceAndTurnovers."""

    def __init__(self, base: Base, movements: Movements, call: _Call, asking: Asking) -> None:
        self._base = base
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
            if name in declared and name not in _SERVICE and name not in computed
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
        if not period and self.shown == self._all and not self._movements.written(self._register):
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
        """The generated balances as they are: nothing was written and nothing is to be grouped."""
        names = [(name, f"{name}Balance") for name in self._resources]
        out = []
        for at, row in enumerate(self._base.data.balance(self._register)):
            if at % BLOCK == 0:
                await asyncio.sleep(0)
            if self._passes(row):
                for name, wire in names:
                    row[wire] = row.pop(name, 0)
                out.append(row)
        return out

    async def _at(self, period: str) -> dict[Key, Row]:
        """Balances by the shown dimensions at the beginning of a second, or now."""
        totals: dict[Key, Row] = {}
        await self._sum(totals, self._movements.balance(self._register, self._all, self._resources), 1)
        if period:
            async for row in self._records():
                if str(row.get("Period", "")) >= period and self._passes(row):
                    add(totals, row, self.shown, self._resources, sign=-direction(row))
        return totals

    async def _sum(self, totals: dict[Key, Row], rows: Iterable[Row], sign: int) -> None:
        for at, row in enumerate(rows):
            if at % BLOCK == 0:
                await asyncio.sleep(0)
            if self._passes(row):
                add(totals, row, self.shown, self._resources, sign=sign)

    def _passes(self, row: Row) -> bool:
        return self._test is None or self._test({**self.meta.empty, **row})

    async def _records(self) -> AsyncIterator[Row]:
        table = self._base.table(f"{self._register}_RecordType")
        for _ in table.build():
            await asyncio.sleep(0)
        async for _, row in _walk(table, range(len(table))):
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
