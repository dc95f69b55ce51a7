"""Which rows pass a filter: scans that are remembered, as generated rows never change, and indexes by reference.

Only what was written since the start is tested again after a write. Scans give way to other requests.
"""

from __future__ import annotations

import asyncio
import hashlib
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onec_pipelines.simulator.source import Row
from onec_pipelines.simulator.tables import BLOCK, StoredTable

Test = Callable[[Row], bool]
_REMEMBERED = 24
_INDEXED = 5000
_HASH_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Narrowing:
    """A property that a filter compares with constants: only rows with one of the values can pass."""

    name: str
    values: tuple[str, ...]


class Index:
    """Positions by the hash of one property, sorted: sixteen bytes a row."""

    def __init__(self, pairs: list[tuple[int, int]]) -> None:
        pairs.sort()
        self._hashes = array("Q", (digest for digest, _ in pairs))
        self._positions = array("Q", (at for _, at in pairs))

    def find(self, values: Sequence[str]) -> list[int]:
        """Positions whose value has the hash of one of these; sorted, others may be among them."""
        out: set[int] = set()
        for value in values:
            digest = _hashed(value)
            low, high = bisect_left(self._hashes, digest), bisect_right(self._hashes, digest)
            out.update(self._positions[low:high])
        return sorted(out)


def _hashed(value: str) -> int:
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=_HASH_BYTES).digest(), "big")


class Scanner:
    """Finds the rows of stored tables that pass a test. `scanned` counts rows read for it."""

    def __init__(self) -> None:
        self._hits: OrderedDict[tuple[str, str], array[int]] = OrderedDict()
        self._indexes: dict[tuple[str, str], Index] = {}
        self.scanned = 0

    async def positions(
        self, table: StoredTable, name: str, text: str, test: Test, narrowing: Narrowing | None
    ) -> array[int]:
        """Positions of the rows that pass, in native order; `text` names the test."""
        key = (name, text)
        hits = self._hits.get(key)
        if hits is None:
            hits = await self._generated(table, name, test, narrowing)
            self._hits[key] = hits
            while len(self._hits) > _REMEMBERED:
                self._hits.popitem(last=False)
        else:
            self._hits.move_to_end(key)
        return _merged(table, hits, test)

    async def _generated(
        self, table: StoredTable, name: str, test: Test, narrowing: Narrowing | None
    ) -> array[int]:
        size = table.generated_size
        if narrowing is not None and size > _INDEXED:
            index = await self._index(table, name, narrowing.name)
            return array("Q", [at for at in index.find(narrowing.values) if _passes(table, at, test)])
        hits = array("Q")
        for start in range(0, size, BLOCK):
            rows = table.generated(start, start + BLOCK)
            self.scanned += len(rows)
            complete = table.meta.complete
            hits.extend(at for at, row in enumerate(rows, start) if test(complete(row)))
            await asyncio.sleep(0)
        return hits

    async def _index(self, table: StoredTable, name: str, property_: str) -> Index:
        key = (name, property_)
        if key not in self._indexes:
            pairs: list[tuple[int, int]] = []
            for start in range(0, table.generated_size, BLOCK):
                rows = table.generated(start, start + BLOCK)
                self.scanned += len(rows)
                pairs.extend((_hashed(str(row.get(property_, ""))), at) for at, row in enumerate(rows, start))
                await asyncio.sleep(0)
            self._indexes[key] = Index(pairs)
        return self._indexes[key]


def _passes(table: StoredTable, at: int, test: Test) -> bool:
    return test(table.meta.complete(table.generated(at, at + 1)[0]))


def _merged(table: StoredTable, hits: array[int], test: Test) -> array[int]:
    """The hits among generated rows with those among written ones, as positions of the table as it stands."""
    changed, deleted, added = table.overlay()
    complete = table.meta.complete
    if changed or deleted:
        gone = set(deleted)
        kept = {at for at in hits if at not in changed and at not in gone}
        kept.update(at for at, row in changed.items() if test(complete(row)))
        hits = array("Q", [at - bisect_left(deleted, at) for at in sorted(kept)])
    if not added:
        return hits
    first = table.generated_size - len(deleted)
    return hits + array("Q", [first + at for at, row in enumerate(added) if test(complete(row))])
