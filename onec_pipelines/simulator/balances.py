"""Present balances of the generated data, kept packed by one dimension once somebody asked for part of them.

Clients read stock warehouse by warehouse; without this every part would cost a computation of the whole.
Nothing here knows what was written since the start.
"""

from __future__ import annotations

import asyncio
import pickle
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from onec_pipelines.simulator.source import Data, Row
from onec_pipelines.simulator.tables import BLOCK

_MOST_VALUES = 64
_MOST_ROWS = 1_000_000
Packed = dict[str, list[bytes]]


class Balances:
    """Blocks of balance rows; those of one value of a dimension are found without computing the others."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._packed: dict[tuple[str, str], Packed | None] = {}

    async def blocks(
        self, register: str, dimension: str = "", values: Sequence[str] = ()
    ) -> AsyncIterator[list[Row]]:
        """Rows in blocks: all of the register, or (at least) those whose dimension has one of the values."""
        if dimension:
            key = (register, dimension)
            if key not in self._packed:
                self._packed[key] = await self._pack(register, dimension)
            packed = self._packed[key]
            if packed is not None:
                for value in values:
                    for blob in packed.get(value, ()):
                        yield pickle.loads(zlib.decompress(blob))  # noqa: S301 - packed below, by this process
                        await asyncio.sleep(0)
                return
        async for block in self._computed(register):
            yield block

    async def _computed(self, register: str) -> AsyncIterator[list[Row]]:
        block: list[Row] = []
        for row in self._data.balance(register):
            block.append(row)
            if len(block) == BLOCK:
                yield block
                block = []
                await asyncio.sleep(0)
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
