"""Present balances of the generated data, kept packed by one dimension once somebody asked for part of them.

Clients read stock warehouse by warehouse; without this every part would cost a computation of the whole.
Nothing here knows what was written since the start.
"""

from __future__ import annotations

import asyncio
import pickle
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence

from onec_pipelines.simulator.source import Data, Row, Shortcuts
from onec_pipelines.simulator.tables import BLOCK

_MOST_VALUES = 64
_MOST_ROWS = 1_000_000
Packed = dict[str, list[bytes]]


class Balances:
    """Blocks of balance rows; those of one value of a dimension are found without computing the others."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._packed: dict[tuple[str, str], Packed | None] = {}
        self._parts: dict[tuple[str, str, str], list[bytes]] = {}

    async def blocks(
        self, register: str, dimension: str = "", values: Sequence[str] = ()
    ) -> AsyncIterator[list[Row]]:
        """Rows in blocks: all of the register, or (at least) those whose dimension has one of the values."""
        if dimension and values and self._part(register, dimension, values[0]) is not None:
            for value in values:
                async for block in self._kept(register, dimension, value):
                    yield block
            return
        if dimension:
            key = (register, dimension)
            if key not in self._packed:
                self._packed[key] = await self._pack(register, dimension)
            packed = self._packed[key]
            if packed is not None:
                for value in values:
                    for blob in packed.get(value, ()):
                        yield _unpacked(blob)
                        await asyncio.sleep(0)
                return
        async for block in self._computed(register):
            yield block

    def _part(self, register: str, dimension: str, value: str) -> Iterable[Row] | None:
        return (
            self._data.balance_part(register, dimension, value) if isinstance(self._data, Shortcuts) else None
        )

    async def _kept(self, register: str, dimension: str, value: str) -> AsyncIterator[list[Row]]:
        """The rows that the data computes for one value, packed when they were read once."""
        key = (register, dimension, value)
        if key in self._parts:
            for blob in self._parts[key]:
                yield _unpacked(blob)
                await asyncio.sleep(0)
            return
        packed: list[bytes] = []
        async for block in _blocks(self._part(register, dimension, value) or ()):
            packed.append(_packed(block))
            yield block
        if len(self._parts) < _MOST_VALUES and len(packed) * BLOCK <= _MOST_ROWS:
            self._parts[key] = packed

    async def _computed(self, register: str) -> AsyncIterator[list[Row]]:
        async for block in _blocks(self._data.balance(register)):
            yield block

    async def _pack(self, register: str, dimension: str) -> Packed | None:
        """Pack all rows by a dimension; None when it has too many values or there are too many rows to keep."""
        packed: Packed = defaultdict(list)
        open_blocks: dict[str, list[Row]] = defaultdict(list)
        total = 0
        async for rows in self._computed(register):
            total += len(rows)
            for row in rows:
                value = str(row.get(dimension, ""))
                open_blocks[value].append(row)
                if len(open_blocks[value]) == BLOCK:
                    packed[value].append(_packed(open_blocks.pop(value)))
            if total > _MOST_ROWS or len(packed) + len(open_blocks) > 2 * _MOST_VALUES:
                return None
        for value, rows in open_blocks.items():
            packed[value].append(_packed(rows))
        return dict(packed)


def _packed(rows: list[Row]) -> bytes:
    return zlib.compress(pickle.dumps(rows, protocol=5), 1)


def _unpacked(blob: bytes) -> list[Row]:
    rows: list[Row] = pickle.loads(zlib.decompress(blob))  # noqa: S301 - packed above, by this process
    return rows


async def _blocks(rows: Iterable[Row]) -> AsyncIterator[list[Row]]:
    block: list[Row] = []
    for row in rows:
        block.append(row)
        if len(block) == BLOCK:
            yield block
            block = []
            await asyncio.sleep(0)
    yield block
