"""Virtual tables by name, and slices of periodic registers; the answer is a table like any set (PROTOCOL §6).

Balances and turnovers are computed in `accumulation.py`.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from onec_pipelines.simulator import query as language
from onec_pipelines.simulator.accumulation import Accumulation, Call
from onec_pipelines.simulator.asking import Asking
from onec_pipelines.simulator.balances import Balances
from onec_pipelines.simulator.base import Base, Movements
from onec_pipelines.simulator.columns import Columns
from onec_pipelines.simulator.errors import OdataError, no_segment
from onec_pipelines.simulator.kinds import TypeMeta
from onec_pipelines.simulator.records import dimensions_of, walk
from onec_pipelines.simulator.scanning import Test
from onec_pipelines.simulator.shape import Function
from onec_pipelines.simulator.short_slices import ShortSlices
from onec_pipelines.simulator.source import Key, Row
from onec_pipelines.simulator.tables import LiveTable, StoredTable, gather

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
        self._balances = Balances(base.data)
        self._shortcuts = ShortSlices(base)
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
        call = Call(register=set_name, function=function, arguments=arguments)
        rows = Accumulation(self._base, self._movements, self._balances, call, asking)
        listed = await rows.compute()
        return Listed(meta=rows.meta, listed=listed, shown=rows.shown, version=self._base.writes)

    async def _slice(
        self, set_name: str, function: Function, arguments: Mapping[str, str], asking: Asking
    ) -> LiveTable:
        table = self._base.table(set_name)
        for _ in table.build():
            await asyncio.sleep(0)
        period, condition = arguments.get("Period", ""), arguments.get("Condition", "")
        if function.name == "SliceLast" and isinstance(table, StoredTable):
            found = self._shortcuts.slice(set_name, table, condition, period)
            if found is not None:
                return found
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
        """Positions among which the rows of a condition are, by an index of what it compares with constants."""
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
        async for at, row in walk(table, range(len(table))):
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


async def _latest(
    table: LiveTable, positions: Sequence[int], test: Test | None, period: str, *, last: bool
) -> array[int]:
    meta = table.meta
    dimensions = dimensions_of(meta)
    best: dict[tuple[Any, ...], tuple[str, int]] = {}
    async for at, row in walk(table, positions):
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
