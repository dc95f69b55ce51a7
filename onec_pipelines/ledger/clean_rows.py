"""The clean layer's writes: stage by COPY, find what changed, write only that; afterwards mark what a complete read did not show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
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
    """What a merge did: rows that were new, rows written in all (new or changed), and rows that the asked keys no longer have."""

    new: int
    changed: int
    gone: int = 0


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which rows of clean a reading was about: those whose timestamp `field` lies from `start` up to but without `end` (None: no end)."""

    field: str
    start: datetime
    end: datetime | None


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


def unstage(tx: Tx, entity: Entity, newer: str) -> None:
    """Take rows out of the stage whose keys are in the table `newer`."""
    tx.execute(clean_sql.unstage(entity, newer).encode())


def merge(tx: Tx, entity: Entity, *, system_name: str, job_id: int, everything: bool = False) -> Written:
    """Write the staged rows that are new or differ, and the tabular sections of those.

    `everything` writes them all: after a change of our own mapping a row may differ in its tabular sections alone. It proves nothing of
    whether they still exist: what is known to be deleted stays so, even if the table was emptied.
    """
    values = {"system_name": system_name, "job_id": job_id}
    tx.execute(clean_sql.write_changed(entity, everything=everything).encode(), values)
    row = tx.execute(clean_sql.count_changed().encode()).fetchone()
    for section in entity.sections:
        for statement in clean_sql.replace_section(entity, section):
            tx.execute(statement.encode(), values)
    new, changed = row or (0, 0)
    if new and not everything:
        tx.execute(clean_sql.note_returned(entity).encode(), values)
    return Written(new=new, changed=changed)


def absent_share(
    tx: Tx, entity: Entity, seen: str, *, system_name: str, scan_id: int, scope: Scope | None = None
) -> tuple[int, int]:
    """Live rows, and how many of them a complete read did not show; a row that others wrote since it began is not missed."""
    statement = clean_sql.count_absent(entity, seen, scope=_field(scope))
    row = tx.execute(statement.encode(), _values(system_name, scan_id, scope)).fetchone()
    live, absent = row or (0, 0)
    return int(live), int(absent)


def mark_absent(
    tx: Tx,
    entity: Entity,
    seen: str,
    *,
    system_name: str,
    job_id: int,
    scan_id: int,
    sweeps: int,
    scope: Scope | None = None,
) -> Absence:
    """Count the rows that were not seen; those missed by `sweeps` complete reads in a row become deleted."""
    statement = clean_sql.mark_absent(entity, seen, sweeps=sweeps, scope=_field(scope))
    row = tx.execute(
        statement.encode(), {**_values(system_name, scan_id, scope), "job_id": job_id}
    ).fetchone()
    missed, deleted = row or (0, 0)
    return Absence(missed=missed, deleted=deleted)


def unseen(tx: Tx, entity: Entity, seen: str, *, system_name: str, scan_id: int, scope: Scope) -> list[str]:
    """Keys of the rows of a window that a complete read of it did not show."""
    rows = tx.execute(
        clean_sql.unseen(entity, seen, scope=scope.field).encode(), _values(system_name, scan_id, scope)
    )
    return [str(key) for (key,) in rows]


def compare_versions(
    tx: Tx, entity: Entity, seen: str, *, system_name: str, scan_id: int, scope: Scope | None
) -> dict[str, int]:
    """Compare clean with a version scan, for the rest of this transaction; gives how many rows are to 'fetch', 'back' and 'missed'."""
    values = _values(system_name, scan_id, scope)
    # Both sides are large and meet once: a hash join in memory instead of a sort on disk.
    tx.execute("SET LOCAL work_mem = '128MB'")
    for statement in clean_sql.compare_versions(entity, seen, scope=_field(scope)):
        tx.execute(statement.encode(), values)
    rows = tx.execute("SELECT what, count(DISTINCT row_key) FROM pg_temp.differs GROUP BY what").fetchall()
    return {"fetch": 0, "back": 0, "missed": 0, **{what: int(count) for what, count in rows}}


def differing(tx: Tx, what: str) -> list[str]:
    """Keys of one kind of the last `compare_versions`."""
    rows = tx.execute(
        "SELECT row_key::text FROM pg_temp.differs WHERE what = %s GROUP BY row_key ORDER BY 1", (what,)
    )
    return [str(key) for (key,) in rows]


def mark_missed(tx: Tx, entity: Entity, *, system_name: str, job_id: int, sweeps: int) -> Absence:
    """What `mark_absent` does, with what the last `compare_versions` missed."""
    row = tx.execute(
        clean_sql.mark_missed(entity, sweeps=sweeps).encode(), {"system_name": system_name, "job_id": job_id}
    ).fetchone()
    missed, deleted = row or (0, 0)
    return Absence(missed=missed, deleted=deleted)


def _field(scope: Scope | None) -> str | None:
    return None if scope is None else scope.field


def _values(system_name: str, scan_id: int, scope: Scope | None) -> dict[str, Any]:
    return {
        "system_name": system_name,
        "scan_id": scan_id,
        "start": None if scope is None else scope.start,
        "end": None if scope is None else scope.end,
    }


def mark_gone(
    tx: Tx,
    entity: Entity,
    field: str,
    *,
    system_name: str,
    job_id: int,
    asked: Sequence[str],
    rejected: Sequence[str],
    may_go: Callable[[int], None],
) -> int:
    """Delete the rows of the asked keys that the staged rows do not show; gives how many. `may_go` is told how many first and may raise."""
    values = {
        "system_name": system_name,
        "job_id": job_id,
        "asked": list(asked),
        "rejected": list(rejected),
    }
    row = tx.execute(clean_sql.count_gone(entity, field).encode(), values).fetchone()
    gone = int(row[0]) if row else 0
    may_go(gone)
    if gone:
        tx.execute(clean_sql.mark_gone(entity, field).encode(), values)
    return gone


def live_count(tx: Tx, entity: Entity, *, system_name: str) -> int:
    """How many live rows clean has."""
    row = tx.execute(
        f"SELECT count(*) FROM {entity.clean_table} WHERE system_name = %s AND deleted_at IS NULL".encode(),
        (system_name,),
    ).fetchone()
    return int(row[0]) if row else 0


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
