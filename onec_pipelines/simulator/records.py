"""What virtual tables share: a walk over the records of a register, and the names of service properties."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from onec_pipelines.simulator.source import Row
from onec_pipelines.simulator.tables import BLOCK, LiveTable, fetched

SERVICE = frozenset(
    ("Period", "Recorder", "Recorder_Key", "Recorder_Type", "LineNumber", "Active", "RecordType")
)


async def walk(table: LiveTable, positions: Sequence[int]) -> AsyncIterator[tuple[int, Row]]:
    """Rows with their positions, read in blocks."""
    for start in range(0, len(positions), BLOCK):
        block = positions[start : start + BLOCK]
        found = fetched(table, block)
        for at in block:
            if at in found:
                yield at, found[at]
        await asyncio.sleep(0)
