"""Managed locks of postings: who holds which goods, who waits, who gives up (PROTOCOL §8.3).

Locks are taken all at once, so two postings cannot wait for each other. Readers never wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from onec_pipelines.simulator.errors import lock_conflict
from onec_pipelines.simulator.source import Row

_SECTIONS = ("Товары", "ВозвращаемыеТовары")


def goods_of(row: Row) -> frozenset[str]:
    """The goods that a document moves."""
    lines = (line for section in _SECTIONS for line in row.get(section) or ())
    return frozenset(str(line["Номенклатура_Key"]) for line in lines if line.get("Номенклатура_Key"))


class Locks:
    """The locks of one base."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def held(self, keys: frozenset[str], hold_ms: float, timeout_ms: float) -> AsyncIterator[None]:
        """Hold the locks for a time and then let the caller work; no keys cost nothing.

        Raises OdataError 500/-1 when another holds one of them longer than `timeout_ms`.
        """
        if not keys:
            yield
            return
        await self._take(keys, timeout_ms)
        try:
            await asyncio.sleep(hold_ms / 1000)
            yield
        finally:
            self._held -= keys
            async with self._freed:
                self._freed.notify_all()

    async def _take(self, keys: frozenset[str], timeout_ms: float) -> None:
        try:
            async with asyncio.timeout(timeout_ms / 1000), self._freed:
                await self._freed.wait_for(lambda: self._held.isdisjoint(keys))
                self._held |= keys
        except TimeoutError:
            raise lock_conflict() from None
