"""The live base: its published shape and its tables, generated rows under what was written since the start.

Here belongs finding rows; what a write means is in `writing.py`, what a query means in `reading.py`.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from onec_pipelines.simulator import errors
from onec_pipelines.simulator.dialect import Dialect
from onec_pipelines.simulator.kinds import EMPTY_DATE, UNDEFINED, ZERO_GUID, Kinds, TypeMeta
from onec_pipelines.simulator.shape import NAMESPACE, Shape
from onec_pipelines.simulator.source import Data, Key, Row, Table
from onec_pipelines.simulator.tables import EmptyTable, FlatTable, GroupedTable, LiveTable, StoredTable

_RECORDED_IDS = {"Catalog_Пользователи": "604931cd-d4a8-48d0-bc59-2ac90e044abb"}
_IDS = uuid.UUID("5f2b2a8e-9d0c-5c1f-8f43-7f0b6f0f2d11")


def unavailable(type_name: str) -> str:
    """The wire name of a reference type outside the composition (PROTOCOL §1.1)."""
    known = _RECORDED_IDS.get(type_name) or str(uuid.uuid5(_IDS, type_name))
    return f"UnavailableEntities.UnavailableEntity_{known}"


class Masked:
    """A source of rows in which types outside the composition have their unavailable names."""

    def __init__(self, source: Table, meta: TypeMeta, types: Mapping[str, str]) -> None:
        self.name = source.name
        self._source = source
        self._meta = meta
        self._types = types

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self._source)

    def find(self, key: Key) -> int | None:
        """Give the position of a row; the key may name a type either way."""
        back = {masked: plain for plain, masked in self._types.items()}
        return self._source.find(tuple(back.get(part, part) for part in key))

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions, masked."""
        return [self._mask(self._meta, row) for row in self._source.rows(start, stop)]

    def _mask(self, meta: TypeMeta, row: Row) -> Row:
        for name in meta.composites:
            value = str(row.get(f"{name}_Type", ""))
            if value in self._types:
                row[f"{name}_Type"] = self._types[value]
        for name in meta.sections:
            section = meta.section(name)
            if section is not None:
                row[name] = [self._mask(section, one) for one in row.get(name) or ()]
        return row


class Base:
    """Published tables by set name.

    `full` is the shape of the whole configuration, `shape` the published part, `dialect` how the records of
    postings are said in it.
    """

    def __init__(self, *, full: Shape, shape: Shape, data: Data, dialect: Dialect | None = None) -> None:
        self.full = full
        self.dialect = dialect or Dialect(full, None)
        self.shape = shape
        self.kinds = Kinds(shape)
        self.data = data
        hidden = [name for name in full.objects() if name not in shape.sets]
        self.masks = {f"{NAMESPACE}.{name}": unavailable(name) for name in hidden}
        self._tables: dict[str, LiveTable] = {}

    @property
    def writes(self) -> int:
        """A number that differs after every write to any set."""
        return sum(table.version for table in self._tables.values())

    def meta(self, name: str) -> TypeMeta:
        """The type of a set; raises OdataError 404 code 8 when it is not published."""
        if name not in self.shape.sets:
            raise errors.no_set(name)
        return self.kinds.entity(self.shape.sets[name])

    def table(self, name: str) -> LiveTable:
        """The set; raises OdataError 404 code 8 when it is not published."""
        if name not in self._tables:
            self._tables[name] = self._make(name, self.meta(name))
        return self._tables[name]

    def stored(self, name: str) -> StoredTable:
        """A set that can be written; raises OdataError 405 code 19 for derived sets."""
        table = self.table(name)
        if not isinstance(table, StoredTable):
            raise errors.OdataError(405, "19", "HTTP-метод запрещен в данном контексте")
        return table

    def _make(self, name: str, meta: TypeMeta) -> LiveTable:
        owner = self.shape.owners[name]
        if owner != name:
            parent = self.stored(owner)
            if meta.kind == "record" and name in self.data.tables:
                return StoredTable(meta, self._source(name, meta))
            if meta.kind == "record":
                return FlatTable(meta, parent, "RecordSet", parent.meta.key)
            section = next(one for one, rows in parent.meta.sections.items() if rows == f"{name}_RowType")
            return FlatTable(meta, parent, section, ("Ref_Key",))
        return StoredTable(meta, self._source(name, meta))

    def _source(self, name: str, meta: TypeMeta) -> Table:
        found = self.data.tables.get(name)
        records = self.data.tables.get(f"{name}_RecordType")
        source: Table
        if found is not None:
            source = found
        elif records is not None and meta.kind == "recorder_register":
            source = GroupedTable(meta, records)
        else:
            source = EmptyTable(name)
        return Masked(source, meta, self.masks) if self.masks else source

    def resolve(self, set_name: str, guid: str) -> Row | None:
        """The complete row with this `Ref_Key`, or None if there is none or the set is not published."""
        if set_name not in self.shape.sets:
            return None
        row = self.table(set_name).get((guid,))
        return None if row is None else self.meta(set_name).complete(row)

    def unmask(self, type_name: str) -> str:
        """The plain name of a type that may be written as unavailable."""
        return next((plain for plain, masked in self.masks.items() if masked == type_name), type_name)


class Movements:
    """What records written since the start change in the balances of accumulation registers."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._written: dict[str, dict[Key, tuple[Sequence[Row], Sequence[Row]]]] = {}
        self._present: dict[str, dict[bytes, Decimal]] = {}

    def replaced(self, register: str, recorder: Key, before: Sequence[Row], after: Sequence[Row]) -> None:
        """Remember that the records of a recorder changed."""
        sets = self._written.setdefault(register, {})
        first = sets[recorder][0] if recorder in sets else before
        sets[recorder] = (first, after)

    def changes(self, register: str, resources: Sequence[str]) -> Iterator[Row]:
        """Records that came, and those that went with their resources negated, receipts and expenses as they are."""
        for before, after in self._written.get(register, {}).values():
            yield from after
            for row in before:
                yield {**row, **{name: -row[name] for name in resources if row.get(name)}}

    def deltas(self, register: str, dimensions: Sequence[str], resources: Sequence[str]) -> dict[Key, Row]:
        """What is to be added to the generated balances, by all dimensions."""
        totals: dict[Key, Row] = {}
        for row in self.changes(register, resources):
            if row.get("Active", True):
                add(totals, row, dimensions, resources, sign=direction(row))
        return totals

    def left(self, register: str, dimensions: Sequence[str], resource: str) -> Callable[[Key], Decimal]:
        """How much there is now of a resource by its dimensions; the generated part is computed once and kept."""
        present = self._present.get(register)
        if present is None:
            rows = self._base.data.balance(register)
            present = {_digest(key_of(row, dimensions)): decimal(row.get(resource)) for row in rows}
            self._present[register] = present
        known, deltas = present, self.deltas(register, dimensions, (resource,))

        def amount(key: Key) -> Decimal:
            delta = deltas.get(key)
            return known.get(_digest(key), Decimal(0)) + (decimal(delta[resource]) if delta else Decimal(0))

        return amount


def _digest(key: Key) -> bytes:
    return hashlib.blake2b("\0".join(key).encode(), digest_size=12).digest()


def key_of(row: Row, dimensions: Sequence[str]) -> Key:
    """The dimensions of a row as text; those that are left out are empty."""
    return tuple(
        _NO_DATE.get(value := str(row.get(name) or _empty_dimension(name)), value) for name in dimensions
    )


_NO_DATE = {EMPTY_DATE: ""}  # a record may leave an empty date out


def _empty_dimension(name: str) -> str:
    if name.endswith("_Key"):
        return ZERO_GUID
    return UNDEFINED if name.endswith("_Type") else ""


def direction(row: Row) -> int:
    """1 for a receipt or a turnover, -1 for an expense."""
    return -1 if row.get("RecordType") == "Expense" else 1


def add(
    totals: dict[Key, Row], row: Row, dimensions: Sequence[str], resources: Iterable[str], *, sign: int
) -> None:
    """Add the resources of a row to the total of its dimensions (given as wire names, types included)."""
    key = key_of(row, dimensions)
    total = totals.get(key)
    if total is None:
        total = {name: row[name] for name in dimensions if name in row}
        total.update(dict.fromkeys(resources, 0))
        totals[key] = total
    for name in resources:
        value = row.get(name)
        if value:
            total[name] += sign * value


def decimal(value: object) -> Decimal:
    """A number of a row as Decimal; None and empty count as zero."""
    return Decimal(str(value)) if value else Decimal(0)
