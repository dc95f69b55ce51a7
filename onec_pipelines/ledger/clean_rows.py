"""The clean layer's writes: stage by COPY, find what changed, write only that; afterwards mark what a complete read did not show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa

from onec_pipelines.db import clean_sql
from onec_pipelines.db.copy import copy_into
from onec_pipelines.spec import Entity

Tx = psycopg.Connection[Any]
_BIG_STAGE = 5_000


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a merge did: rows that were new, and rows written in all (new or changed)."""

    new: int
    changed: int


@dataclass(frozen=True, kw_only=True)
class Absence:
    """What a complete read did not show: rows missed for the first times, and rows that are deleted by now."""

    missed: int
    deleted: int


def stage(tx: Tx, entity: Entity, rows: pa.Table, sections: dict[str, pa.Table]) -> None:
    """Put a page group into temporary tables of this transaction."""
    for statement in clean_sql.create_stage(entity):
        tx.execute(statement.encode())
    copy_into(tx, clean_sql.STAGE, rows)
    for section in entity.sections:
        copy_into(tx, clean_sql.section_stage(section), sections[section.name])
    if rows.num_rows > _BIG_STAGE:
        # Against a table that was analysed while empty the planner would choose a nested loop (PERFORMANCE §4, trap seen).
        tx.execute(f"ANALYZE {clean_sql.STAGE}".encode())
        tx.execute("SET LOCAL enable_nestloop = off")


def merge(tx: Tx, entity: Entity, *, system_name: str, job_id: int, everything: bool = False) -> Written:
    """Write the staged rows that are new or differ, and the tabular sections of those.

    `everything` writes them all: after a change of our own mapping a row may differ in its tabular sections alone.
    """
    values = {"system_name": system_name, "job_id": job_id}
    tx.execute(clean_sql.write_changed(entity, everything=everything).encode(), values)
    row = tx.execute(clean_sql.count_changed().encode()).fetchone()
    for section in entity.sections:
        for statement in clean_sql.replace_section(entity, section):
            tx.execute(statement.encode(), values)
    new, changed = row or (0, 0)
    return Written(new=new, changed=changed)


def absent_share(tx: Tx, entity: Entity, seen: str, *, system_name: str) -> tuple[int, int]:
    """Live rows, and how many of them a complete read did not show."""
    row = tx.execute(clean_sql.count_absent(entity, seen).encode(), {"system_name": system_name}).fetchone()
    live, absent = row or (0, 0)
    return int(live), int(absent)


def mark_absent(tx: Tx, entity: Entity, seen: str, *, system_name: str, job_id: int, sweeps: int) -> Absence:
    """Count the rows that were not seen; those missed by `sweeps` complete reads in a row become deleted."""
    row = tx.execute(
        clean_sql.mark_absent(entity, seen, sweeps=sweeps).encode(),
        {"system_name": system_name, "job_id": job_id},
    ).fetchone()
    missed, deleted = row or (0, 0)
    return Absence(missed=missed, deleted=deleted)


def live_refs(tx: Tx, entity: str, where: str, *, system_name: str) -> list[str]:
    """GUIDs of the live objects of an entity that meet a condition over its clean row `c`, in order."""
    rows = tx.execute(
        f"SELECT c.ref::text FROM clean.{entity} c WHERE c.system_name = %s AND c.deleted_at IS NULL"
        f" AND ({where}) ORDER BY 1".encode(),
        (system_name,),
    )
    return [str(value) for (value,) in rows]


def newest_change(tx: Tx, table: str, *, system_name: str) -> int:
    """The newest job that changed a row of a clean table; 0 when it is empty."""
    row = tx.execute(
        f"SELECT coalesce(max(changed_in), 0) FROM {table} WHERE system_name = %s".encode(), (system_name,)
    ).fetchone()
    return int(row[0]) if row else 0
