"""sweep: is the reading proved complete, and what does it say is gone? A brake stops a sweep that would delete too much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from onec_pipelines.errors import Stop
from onec_pipelines.ledger import audit, clean_rows, quarantine, scans
from onec_pipelines.ledger.clean_rows import Scope
from onec_pipelines.ledger.scans import Checkpoint
from onec_pipelines.spec import Entity, Reading
from onec_pipelines.steps.resolve import Plan

Tx = psycopg.Connection[Any]
# Fewer rows than this may vanish without asking: a small catalog would trip over any share.
_FREE_ROWS = 10
SWEEPS = {Reading.PAGED: 2, Reading.WHOLE: 1}
"""After how many complete readings in a row that did not show it a row is believed gone.

A virtual table is one consistent answer, and there absence is the way in which 1C says zero (PROTOCOL §6).
"""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What the end of a reading showed.

    `rows` are the different rows that were seen, rejects included; `absent` rows of clean were not seen, `deleted` ones are believed gone.
    """

    complete: bool
    reason: str
    rows: int
    absent: int
    deleted: int


def finish_scan(
    tx: Tx,
    plan: Plan,
    checkpoint: Checkpoint,
    *,
    system_name: str,
    job_id: int,
    brake: bool = True,
    scope: Scope | None = None,
    settled: int | None = None,
    whole: bool = True,
) -> Finished:
    """Judge the reading; only a complete one may say that something is gone. Raises Stop DELETION_BRAKE without deleting anything.

    `scope` says which rows of clean it was about (None = all), `settled` how many were found gone by asking for them by key: then absence
    needs no counting. Only a `whole` reading closes entries of the quarantine and is what a replay begins with.
    """
    entity = plan.entity
    distinct = scans.distinct_seen(tx, checkpoint)
    complete, reason = verdict(entity, checkpoint, distinct)
    absent = deleted = settled or 0
    if complete and settled is None:
        if brake:
            _brake(tx, entity, checkpoint, system_name, scope)
        gone = clean_rows.mark_absent(
            tx,
            entity,
            checkpoint.table,
            system_name=system_name,
            job_id=job_id,
            scan_id=checkpoint.scan_id,
            sweeps=SWEEPS[entity.source.reading],
            scope=scope,
        )
        absent, deleted = gone.missed, gone.deleted
    if complete and whole:
        quarantine.resolve_unseen(tx, entity, checkpoint.table, system_name)
    finished = Finished(complete=complete, reason=reason, rows=distinct, absent=absent, deleted=deleted)
    _note(tx, plan, checkpoint, finished, system_name=system_name, job_id=job_id, whole=whole)
    return finished


def suspects(
    tx: Tx, plan: Plan, checkpoint: Checkpoint, *, system_name: str, scope: Scope, brake: bool = True
) -> list[str]:
    """Objects of the window that a complete reading of it did not show: gone, or dated otherwise now. Only their keys can tell.

    Nothing for an incomplete reading. Raises Stop DELETION_BRAKE when there are too many.
    """
    entity = plan.entity
    complete, _ = verdict(entity, checkpoint, scans.distinct_seen(tx, checkpoint))
    if not complete:
        return []
    if brake:
        _brake(tx, entity, checkpoint, system_name, scope)
    return clean_rows.unseen(
        tx, entity, checkpoint.table, system_name=system_name, scan_id=checkpoint.scan_id, scope=scope
    )


def verdict(entity: Entity, checkpoint: Checkpoint, distinct: int) -> tuple[bool, str]:
    """Whether every row that 1C counts was seen, and why."""
    if entity.source.reading is Reading.WHOLE:
        return True, f"{distinct} rows in {len(checkpoint.parts_done)} whole answers"
    words = f"{distinct} different rows"
    before, after = checkpoint.count_before, checkpoint.count_after
    if after is None:
        return distinct == 0, "1C has no rows" if distinct == 0 else f"{words}, 1C did not count its own"
    if distinct < after:
        return False, f"only {words} were seen, 1C counts {after}"
    if before != after:
        return True, f"{words}, 1C counted {before} before and {after} after"
    return True, f"{words}, 1C counts {after}"


def _note(
    tx: Tx,
    plan: Plan,
    checkpoint: Checkpoint,
    finished: Finished,
    *,
    system_name: str,
    job_id: int,
    whole: bool,
) -> None:
    """Put the end of the reading into its scan, where a replay looks for it, and into the audit log."""
    summary = {
        "complete": finished.complete,
        "reason": finished.reason,
        "rows": checkpoint.rows,
        "distinct": finished.rows,
        "rejected": checkpoint.rejected,
        "absent": finished.absent,
        "deleted": finished.deleted,
    }
    name = plan.entity.name
    kind = scans.COMPLETE if whole else scans.PARTIAL
    scans.end(tx, system_name, name, checkpoint, {**summary, "plan": plan.document}, kind=kind)
    audit.record(
        tx, system_name=system_name, action="scan_finished", entity=name, job_id=job_id, details=summary
    )


def check_brake(tx: Tx, entity: Entity, gone: int, *, system_name: str) -> None:
    """Raise Stop DELETION_BRAKE when more rows are gone than the entity allows of its live ones."""
    if gone > _FREE_ROWS:
        live = clean_rows.live_count(tx, entity, system_name=system_name)
        _judge(entity, live, gone)


def _brake(tx: Tx, entity: Entity, checkpoint: Checkpoint, system_name: str, scope: Scope | None) -> None:
    live, absent = clean_rows.absent_share(
        tx, entity, checkpoint.table, system_name=system_name, scan_id=checkpoint.scan_id, scope=scope
    )
    _judge(entity, live, absent)


def _judge(entity: Entity, live: int, absent: int) -> None:
    if absent > _FREE_ROWS and absent > live * entity.max_absent_share:
        raise Stop(
            f"{absent} of {live} rows of {entity.name} are gone from 1C, more than {entity.max_absent_share:.0%}",
            code="DELETION_BRAKE",
            remedy=(
                "Check the 1C user's rights and the publication. If the rows are really gone, run"
                f" `onec sync {entity.name} --allow-deletes` once."
            ),
        )
