"""Tables of a live base: generated rows with what was written over them, and sets derived from other sets.

A table has a stable native order and positions; nothing here knows the network, formats or rights.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Protocol

from onec_pipelines.simulator.kinds import TypeMeta
from onec_pipelines.simulator.source import Key, Row, Table

BLOCK = 512
_NEAR = 16


class LiveTable(Protocol):
    """One entity set as it stands now.

    `version` changes with every write, so that results can be remembered.
    """

    meta: TypeMeta

    @property
    def version(self) -> int:
        """A number that differs after every change of the rows."""
        ...

    def __len__(self) -> int:
        """Give the number of rows."""
        ...

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions; positions outside give nothing."""
        ...

    def get(self, key: Key) -> Row | None:
        """Give the row with this key, or None."""
        ...

    def build(self) -> Iterator[None]:
        """Prepare positions, yielding now and then so that a caller may do other work.

        Nothing to do for most tables.
        """
        ...


def gather(table: LiveTable, positions: Sequence[int]) -> list[Row]:
    """The rows of some positions in the order asked; those that are gone by now are left out."""
    found = fetched(table, positions)
    return [found[at] for at in positions if at in found]


def fetched(table: LiveTable, positions: Sequence[int]) -> dict[int, Row]:
    """Rows by position, read in runs: neighbours cost less together than one by one."""
    found: dict[int, Row] = {}
    run: list[int] = []
    for at in sorted(set(positions)):
        if run and at - run[-1] > _NEAR:
            _fetch(table, run, found)
            run = []
        run.append(at)
    _fetch(table, run, found)
    return found


def _fetch(table: LiveTable, run: Sequence[int], found: dict[int, Row]) -> None:
    if run:
        rows = table.rows(run[0], run[-1] + 1)
        found.update((at, rows[at - run[0]]) for at in run if at - run[0] < len(rows))


class EmptyTable:
    """The source of a set that nobody filled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __len__(self) -> int:
        """Give zero."""
        return 0

    def rows(self, start: int, stop: int) -> Sequence[Row]:  # noqa: ARG002 - the protocol's names
        """Give nothing."""
        return []

    def find(self, key: Key) -> int | None:  # noqa: ARG002 - the protocol's name
        """Give None."""
        return None


class StoredTable:
    """Generated rows (by position) under an overlay of changed, deleted and added ones.

    Added rows follow the generated ones.
    """

    def __init__(self, meta: TypeMeta, source: Table) -> None:
        self.meta = meta
        self._source = source
        self._changed: dict[int, Row] = {}
        self._deleted: list[int] = []
        self._added: dict[Key, Row] = {}
        self._version = 0

    @cached_property
    def _size(self) -> int:
        return len(self._source)

    @property
    def version(self) -> int:
        """A number that differs after every change."""
        return self._version

    @property
    def generated_size(self) -> int:
        """The number of generated rows, deleted ones included."""
        return self._size

    def generated(self, start: int, stop: int) -> Sequence[Row]:
        """Generated rows of these positions as they were at the start."""
        return self._source.rows(start, min(stop, self._size))

    def original(self, key: Key) -> Row | None:
        """The generated row with this key as it was at the start, or None."""
        position = self._source.find(key)
        return None if position is None else self._source.rows(position, position + 1)[0]

    def overlay(self) -> tuple[dict[int, Row], list[int], list[Row]]:
        """What was written: changed rows by generated position, deleted generated positions in order, added rows."""
        return self._changed, self._deleted, list(self._added.values())

    def __len__(self) -> int:
        """Give the number of rows."""
        return self._size - len(self._deleted) + len(self._added)

    def build(self) -> Iterator[None]:
        """Nothing to prepare."""
        yield from ()

    def key_of(self, row: Row) -> Key:
        """The key of a row as text, in the order of the type's key."""
        empty = self.meta.empty
        return tuple(str(row.get(name, empty.get(name, ""))) for name in self.meta.key)

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        kept = self._size - len(self._deleted)
        out = self._generated(max(start, 0), min(stop, kept)) if start < kept else []
        if stop > kept:
            added = list(self._added.values())
            out += [dict(row) for row in added[max(start - kept, 0) : stop - kept]]
        return out

    def _generated(self, start: int, stop: int) -> list[Row]:
        if start >= stop:
            return []
        low, high = self._position(start), self._position(stop - 1) + 1
        out = list(self._source.rows(low, high))
        for position in (
            self._changed.keys() & set(range(low, high))
            if len(self._changed) > high - low
            else [one for one in self._changed if low <= one < high]
        ):
            out[position - low] = dict(self._changed[position])
        gone = {
            one - low
            for one in self._deleted[bisect_left(self._deleted, low) : bisect_left(self._deleted, high)]
        }
        return [row for at, row in enumerate(out) if at not in gone] if gone else out

    def _position(self, index: int) -> int:
        """Position in the source of the index-th row that is not deleted."""
        position = index
        while True:
            shifted = index + bisect_right(self._deleted, position)
            if shifted == position:
                return position
            position = shifted

    def get(self, key: Key) -> Row | None:
        """Give a copy of the row with this key, or None."""
        if key in self._added:
            return dict(self._added[key])
        position = self._live(key)
        if position is None:
            return None
        changed = self._changed.get(position)
        return dict(changed) if changed is not None else self._source.rows(position, position + 1)[0]

    def _live(self, key: Key) -> int | None:
        position = self._source.find(key)
        if position is None:
            return None
        at = bisect_left(self._deleted, position)
        return None if at < len(self._deleted) and self._deleted[at] == position else position

    def put(self, row: Row) -> None:
        """Insert the row, or replace the one with its key."""
        key = self.key_of(row)
        self._version += 1
        position = self._live(key)
        if position is None:
            self._added[key] = row
        else:
            self._changed[position] = row

    def delete(self, key: Key) -> bool:
        """Remove the row for good; False if there is none."""
        self._version += 1
        if self._added.pop(key, None) is not None:
            return True
        position = self._live(key)
        if position is None:
            return False
        self._changed.pop(position, None)
        insort(self._deleted, position)
        return True


class FlatTable:
    """The rows inside the rows of another set: a tabular section as a set, or the records of record sets.

    Positions are kept as one counter per block of parents, built once per version of the parent.
    """

    def __init__(self, meta: TypeMeta, parent: StoredTable, section: str, inherited: tuple[str, ...]) -> None:
        self.meta = meta
        self._parent = parent
        self._section = section
        self._inherited = inherited
        self._ends: array[int] = array("Q")
        self._built = -1

    @property
    def version(self) -> int:
        """That of the parent."""
        return self._parent.version

    def build(self) -> Iterator[None]:
        """Count the rows of every block of parents."""
        if self._built == self._parent.version:
            return
        version = self._parent.version
        ends: array[int] = array("Q")
        total = 0
        for start in range(0, len(self._parent), BLOCK):
            total += len(self._block(start))
            ends.append(total)
            yield
        self._ends, self._built = ends, version

    def _ready(self) -> None:
        for _ in self.build():
            pass

    def _block(self, start: int) -> list[Row]:
        return [one for parent in self._parent.rows(start, start + BLOCK) for one in self.of(parent)]

    def of(self, parent: Row) -> list[Row]:
        """The rows of one parent, with what they inherit from it."""
        head = {name: parent[name] for name in self._inherited if name in parent}
        return [{**row, **head} for row in parent.get(self._section) or ()]

    def __len__(self) -> int:
        """Give the number of rows."""
        self._ready()
        return self._ends[-1] if self._ends else 0

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        self._ready()
        start, stop = max(start, 0), min(stop, len(self))
        out: list[Row] = []
        block = bisect_right(self._ends, start)
        base = self._ends[block - 1] if block else 0
        while start + len(out) < stop and block < len(self._ends):
            rows = self._block(block * BLOCK)
            low = max(start - base, 0)
            out += rows[low : stop - base]
            base, block = self._ends[block], block + 1
        return out

    def get(self, key: Key) -> Row | None:
        """Give the row with this key: by its parent if the key names it, else by a scan."""
        named = dict(zip(self.meta.key, key, strict=True))
        parent_key = tuple(named.get(name, "") for name in self._parent.meta.key)
        parent = self._parent.get(parent_key) if all(parent_key) else None
        rows = self.of(parent) if parent is not None else self._all()
        return next((row for row in rows if all(str(row.get(name)) == named[name] for name in named)), None)

    def _all(self) -> Iterator[Row]:
        for start in range(0, len(self._parent), BLOCK):
            yield from self._block(start)


class GroupedTable:
    """Record sets made from records.

    One row per recorder with its `RecordSet`, in the order in which recorders first appear.

    Serves data that generates `X_RecordType` and not `X`. Memory: two positions per recorder.
    """

    def __init__(self, meta: TypeMeta, records: Table) -> None:
        self.name = meta.name
        self._records = records
        self._key = meta.key
        self._starts: array[int] = array("Q")
        self._index: dict[bytes, int] = {}

    def _group(self) -> None:
        if self._starts:
            return
        previous: Key | None = None
        for start in range(0, len(self._records), BLOCK):
            for at, row in enumerate(self._records.rows(start, start + BLOCK), start):
                key = tuple(str(row.get(name, "")) for name in self._key)
                if key != previous:
                    self._index[_digest(key)] = len(self._starts)
                    self._starts.append(at)
                    previous = key
        self._starts.append(len(self._records))

    def __len__(self) -> int:
        """Give the number of record sets; the first call reads all records."""
        self._group()
        return len(self._starts) - 1

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the record sets of these positions."""
        return [self._row(at) for at in range(max(start, 0), min(stop, len(self)))]

    def _row(self, at: int) -> Row:
        records = list(self._records.rows(self._starts[at], self._starts[at + 1]))
        head = {name: records[0].get(name, "") for name in self._key}
        return {**head, "RecordSet": records}

    def find(self, key: Key) -> int | None:
        """Give the position of the record set with this recorder, or None."""
        self._group()
        return self._index.get(_digest(key))


def _digest(key: Key) -> bytes:
    return hashlib.blake2b("\0".join(key).encode(), digest_size=12).digest()
