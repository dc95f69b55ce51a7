"""Slices that the generated data computes directly, with what documents added since the start.

Only for a condition that is one equality, and only while no generated record was changed or removed: all other
slices are found by reading the register (`virtual.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from onec_pipelines.simulator import query as language
from onec_pipelines.simulator.base import Base, Masked
from onec_pipelines.simulator.errors import no_segment
from onec_pipelines.simulator.kinds import TypeMeta
from onec_pipelines.simulator.query.nodes import Comparison
from onec_pipelines.simulator.records import dimensions_of
from onec_pipelines.simulator.source import Key, Row, Shortcuts, Slice
from onec_pipelines.simulator.tables import StoredTable

_REMEMBERED = 16


class _Records:
    """A slice as a source of rows; a key finds the record with its dimensions, whatever its period."""

    def __init__(self, meta: TypeMeta, found: Slice) -> None:
        self.name = meta.name
        self._meta = meta
        self._found = found

    def __len__(self) -> int:
        """Give the number of records."""
        return len(self._found)

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the records of these places."""
        return self._found.rows(start, stop)

    def find(self, key: Key) -> int | None:
        """Give the place of the record with the dimensions of a key."""
        return self._found.find(dict(zip(self._meta.key, key, strict=True)))


@dataclass(kw_only=True)
class Latest:
    """The rows of a slice; they have no keys."""

    meta: TypeMeta
    table: StoredTable
    version: int

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.table)

    def build(self) -> Iterator[None]:
        """Nothing to prepare."""
        yield from ()

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these places."""
        return self.table.rows(start, stop)

    def get(self, key: Key) -> Row | None:
        """Rows of slices have no keys."""
        raise no_segment(",".join(key))


class ShortSlices:
    """Finds slices by the shortcuts of the data; remembers some per version of their register."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._known: dict[tuple[str, str, str, str], Latest] = {}

    def slice(self, name: str, table: StoredTable, condition: str, period: str) -> Latest | None:
        """The last records under a condition, or None if there is no shortcut."""
        data, changed, deleted = self._base.data, *table.overlay()[:2]
        equality = _equality(condition)
        if not isinstance(data, Shortcuts) or changed or deleted or equality is None:
            return None
        memo = (name, *equality, period)
        known = self._known.get(memo)
        if known is None or known.version != table.version:
            found = data.slice_last(name.removesuffix("_RecordType"), *equality, period)
            if found is None:
                return None
            while len(self._known) >= _REMEMBERED:
                self._known.pop(next(iter(self._known)))
            known = self._known[memo] = self._merged(table, found, equality, period)
        return known

    def _merged(self, table: StoredTable, found: Slice, equality: tuple[str, str], period: str) -> Latest:
        meta, masks = table.meta, self._base.masks
        records = _Records(meta, found)
        merged = StoredTable(meta, Masked(records, meta, masks) if masks else records)
        name, value = equality
        fitting = (
            row
            for row in table.overlay()[2]
            if str(row.get(name)) == value
            and row.get("Active", True)
            and (not period or str(row.get("Period", "")) <= period)
        )
        for row in _last(meta, fitting):
            place = found.find(row)
            before = "" if place is None else str(found.rows(place, place + 1)[0]["Period"])
            if str(row.get("Period", "")) >= before:
                merged.put(dict(row))
        return Latest(meta=meta, table=merged, version=table.version)


def _last(meta: TypeMeta, rows: Iterable[Row]) -> list[Row]:
    """The latest of the rows with the same dimensions; of one moment the one written last."""
    names = dimensions_of(meta)
    best: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(row.get(name, meta.empty.get(name)) for name in names)
        known = best.get(key)
        if known is None or str(row.get("Period", "")) >= str(known.get("Period", "")):
            best[key] = row
    return list(best.values())


def _equality(condition: str) -> tuple[str, str] | None:
    """The property and GUID of a condition that is a single equality."""
    tree = language.parse_condition(condition) if condition else None
    if not isinstance(tree, Comparison):
        return None
    for side in (tree.left, tree.right):
        name = getattr(side, "segments", ("",))[0]
        constants = language.literals(tree, name) if name else None
        if constants and constants[0].type == "guid":
            return name, str(constants[0].value)
    return None
