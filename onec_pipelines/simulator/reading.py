"""Reading a set: which rows, in which order, which page. Long scans give way to other requests.

The order and paging behaviours of PROTOCOL §3.3 live here; what a filter means is the query language's.
"""

from __future__ import annotations

import asyncio
import random
from array import array
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from onec_pipelines.simulator.ordering import Ordering
from onec_pipelines.simulator.scanning import Narrowing, Scanner, Test
from onec_pipelines.simulator.source import Row
from onec_pipelines.simulator.tables import BLOCK, LiveTable, StoredTable, gather

_REMEMBERED = 24


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which rows are wanted.

    `filter_text` names the test, so that its result can be remembered; `keys` are known hits.
    """

    test: Test | None = None
    filter_text: str = ""
    keys: tuple[str, ...] | None = None
    narrowing: Narrowing | None = None
    stamp: int = 0
    ordering: Ordering
    top: int | None = None
    skip: int = 0
    count: bool = False


@dataclass(frozen=True, kw_only=True)
class Distortion:
    """How a faulty server pages: rows repeated, pages shifted, `$skip` not honoured, any order."""

    duplicates: int = 0
    shift: int = 0
    shuffle: int = 0
    skip_ignored: bool = False

    def wish(self, wish: Wish) -> Wish:
        """The wish as such a server understands it.

        A positive shift repeats rows of the page before, a negative one loses rows.
        """
        if self.skip_ignored:
            return replace(wish, skip=0)
        if self.shift and wish.skip:
            return replace(wish, skip=max(wish.skip - self.shift, 0))
        if self.shuffle and wish.top:
            return replace(wish, skip=max(wish.skip - self.shuffle % max(wish.top // 10, 2), 0))
        return wish

    def page(self, page: Page) -> Page:
        """The page as such a server sends it."""
        if not self.duplicates and not self.shuffle:
            return page

        def produce() -> Iterator[list[Row]]:
            rows = [row for chunk in page.chunks() for row in chunk]
            rows += rows[: self.duplicates]
            if self.shuffle:
                random.Random(self.shuffle).shuffle(rows)  # noqa: S311 - reproducible chance is the point
            yield rows

        return replace(page, size=page.size + min(self.duplicates, page.size), chunks=produce)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page: how many rows it has, the rows in chunks, and how many rows pass if that was asked."""

    size: int
    chunks: Callable[[], Iterator[list[Row]]]
    count: int | None = None


class Reader:
    """Finds pages of tables.

    Remembers the positions that recent filters and orders gave, per version of the table.
    """

    def __init__(self) -> None:
        self._memory: OrderedDict[tuple[str, str, str], tuple[tuple[int, int], array[int] | None]] = (
            OrderedDict()
        )
        self._busy: dict[tuple[str, str, str], asyncio.Lock] = {}
        self.scanner = Scanner()

    async def page(self, table: LiveTable, wish: Wish, *, name: str) -> Page:
        """Find a page. Raises what the filter's test raises."""
        await _prepare(table)
        if wish.keys is not None:
            return self._by_keys(table, wish)
        positions = await self._positions(table, wish, name)
        total = len(table) if positions is None else len(positions)
        start = min(wish.skip, total)
        stop = total if wish.top is None else min(start + wish.top, total)
        wanted: range | array[int]
        if positions is not None:
            wanted = positions[start:stop]
        elif wish.ordering.descending:
            wanted = range(total - 1 - start, total - 1 - stop, -1)
        else:
            wanted = range(start, stop)
        unstable = wish.ordering.unstable and positions is None
        chunks = _unstable(table, start, stop) if unstable else _chunks(table, wanted)
        return Page(size=len(wanted), chunks=chunks, count=total if wish.count else None)

    def _by_keys(self, table: LiveTable, wish: Wish) -> Page:
        found = [row for key in dict.fromkeys(wish.keys or ()) if (row := table.get((key,))) is not None]
        if wish.test is not None:
            found = [row for row in found if wish.test(table.meta.complete(row))]
        ordered = wish.ordering.sort(found, table.meta)
        stop = None if wish.top is None else wish.skip + wish.top
        page = ordered[wish.skip : stop]
        return Page(size=len(page), chunks=lambda: iter([page]), count=len(found) if wish.count else None)

    async def _positions(self, table: LiveTable, wish: Wish, name: str) -> array[int] | None:
        """Positions of the rows in order, or None when all rows stand in native order."""
        if wish.test is None and wish.ordering.native:
            return None
        key = (name, wish.filter_text, wish.ordering.text)
        lock = self._busy.setdefault(key, asyncio.Lock())
        async with lock:
            version = (table.version, wish.stamp)
            known = self._memory.get(key)
            if known is not None and known[0] == version:
                self._memory.move_to_end(key)
                return known[1]
            positions = await self._found(table, wish, name)
            self._memory[key] = (version, positions)
            while len(self._memory) > _REMEMBERED:
                old, _ = self._memory.popitem(last=False)
                self._busy.pop(old, None)
            return positions

    async def _found(self, table: LiveTable, wish: Wish, name: str) -> array[int] | None:
        ordering = wish.ordering
        if wish.test is None:
            return await self._sorted(table, ordering)
        hits = await self._hits(table, wish, wish.test, name)
        if ordering.native:
            return array("Q", reversed(hits)) if ordering.descending else hits
        keys: list[Any] = []
        for start in range(0, len(hits), BLOCK):
            rows = gather(table, hits[start : start + BLOCK])
            keys += [ordering.key(table.meta.complete(row)) for row in rows]
            await asyncio.sleep(0)
        return array("Q", (hits[index] for index in ordering.arrange(keys)))

    async def _hits(self, table: LiveTable, wish: Wish, test: Test, name: str) -> array[int]:
        if isinstance(table, StoredTable):
            text = f"{wish.filter_text}\0{wish.stamp}"
            return await self.scanner.positions(table, name, text, test, wish.narrowing)
        hits = array("Q")
        async for start, rows in _walk(table):
            self.scanner.scanned += len(rows)
            hits.extend(at for at, row in enumerate(rows, start) if test(table.meta.complete(row)))
        return hits

    async def _sorted(self, table: LiveTable, ordering: Ordering) -> array[int] | None:
        """Sort all rows; a table that already stands in that order costs no memory."""
        previous: Any = None
        keys: list[Any] = []
        if ordering.ascending_only:
            async for _, rows in _walk(table):
                self.scanner.scanned += len(rows)
                for row in rows:
                    key = ordering.key(table.meta.complete(row))
                    if previous is not None and key < previous:
                        break
                    previous = key
                else:
                    continue
                break
            else:
                return None
        async for _, rows in _walk(table):
            keys.extend(ordering.key(table.meta.complete(row)) for row in rows)
        return array("Q", ordering.arrange(keys))


async def _prepare(table: LiveTable) -> None:
    for _ in table.build():
        await asyncio.sleep(0)


async def _walk(table: LiveTable) -> AsyncIterator[tuple[int, list[Row]]]:
    for start in range(0, len(table), BLOCK):
        yield start, table.rows(start, start + BLOCK)
        await asyncio.sleep(0)


def _chunks(table: LiveTable, wanted: range | array[int]) -> Callable[[], Iterator[list[Row]]]:
    def produce() -> Iterator[list[Row]]:
        for start in range(0, len(wanted), BLOCK):
            yield gather(table, wanted[start : start + BLOCK])

    return produce


def _unstable(table: LiveTable, start: int, stop: int) -> Callable[[], Iterator[list[Row]]]:
    """A page of a section ordered by `Ref_Key` only.

    Rows of one owner come in an order that differs between pages, so that rows at the edges of pages are lost
    and doubled (PROTOCOL §3.3).
    """

    def produce() -> Iterator[list[Row]]:
        low = max(start - BLOCK, 0)
        rows = table.rows(low, stop + BLOCK)
        places: dict[str, int] = {}
        for at, row in enumerate(rows):
            places.setdefault(row["Ref_Key"], at)
        rows.sort(key=lambda row: (places[row["Ref_Key"]], (int(row["LineNumber"]) * 7 + start) % 11))
        yield rows[start - low : stop - low]

    return produce
