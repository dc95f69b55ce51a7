"""What virtual tables share: a walk over the records of a register, names of service properties, dimensions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from onec_pipelines.simulator.kinds import TypeMeta
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


def dimensions_of(meta: TypeMeta) -> tuple[str, ...]:
    """Dimensions of an information register: its key, or what is never null in its records."""
    names = tuple(name for name in meta.key if name not in SERVICE)
    if names:
        return names
    base = meta.name.removesuffix("_RecordType")
    records = meta.kinds.shape.complexes.get(f"{base}_RowType")
    if records is None:
        return ()
    return tuple(
        one.name for one in records.properties.values() if not one.nullable and one.name not in SERVICE
    )
