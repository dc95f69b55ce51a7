"""Judges the figures of `ledger/health.py`: what is wrong now, how bad it is, and whether the integration can do its work.

A reason has a code of the catalogue of remedies, so that the dashboard, `/health` and `onec status` say the same in the same words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from onec_pipelines.db.engine import Database
from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger import health
from onec_pipelines.ledger.health import EntityHealth, Health
from onec_pipelines.monitoring.expectations.cadence import watch_of
from onec_pipelines.remedies import Language, advise

Level = Literal["ok", "degraded", "down"]

FAILURES_IN_A_ROW = 3
"""So many failed runs in a row are no accident."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What still counts as healthy, in seconds."""

    stale_seconds: float | None = None
    """The same for every entity, whoever syncs it; None: as old as the schedules that run promise (`expectations/cadence.py`)."""
    due_seconds: float = 900.0
    stuck_seconds: float = 6 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Something that is wrong. `down`: the integration cannot do its work; otherwise it goes on with less.

    `entity` is empty for what concerns all; `figures` are the numbers it rests on.
    """

    code: str
    down: bool
    entity: str
    figures: dict[str, Any]


def level(reasons: list[Reason]) -> Level:
    """The worst of the reasons."""
    if any(reason.down for reason in reasons):
        return "down"
    return "degraded" if reasons else "ok"


def reasons_of(found: Health, policy: Policy) -> list[Reason]:
    """What is wrong, the worst first."""
    reasons = [*_of_base(found), *_of_queue(found, policy), *_of_entities(found, policy), *_of_changes(found)]
    return sorted(reasons, key=lambda reason: not reason.down)


def read_or_reason(database: Database, system_name: str) -> Health | Reason:
    """The figures, or why they cannot be had: the database is down, or lacks migrations."""
    try:
        return health.read(database, system_name)
    except PipelineError as error:
        known = "MIGRATIONS_PENDING" if error.code == "DB_SCHEMA" else error.code
        return Reason(code=known, down=True, entity="", figures={})


def as_document(reason: Reason, language: Language = "en") -> dict[str, Any]:
    """A reason for a script: code, level, entity, figures, and the catalogue's title and remedy."""
    words = advise(reason.code, language)
    return {
        "code": reason.code,
        "level": "down" if reason.down else "degraded",
        **({"entity": reason.entity} if reason.entity else {}),
        **reason.figures,
        **({"title": words.title, "remedy": words.remedy} if words else {}),
    }


def _of_base(found: Health) -> Iterator[Reason]:
    base = found.base
    if base.breaker != "closed":
        since = round((found.now - base.opened_at).total_seconds()) if base.opened_at else 0
        yield Reason(
            code="ONEC_BREAKER_OPEN",
            down=True,
            entity="",
            figures={"seconds": since, "cause": base.cause_code},
        )
    if base.paused:
        yield Reason(code="ONEC_PAUSED", down=False, entity="", figures={"until": _iso(base.paused_until)})
    if found.schema is not None and found.schema.broken_entities:
        names = found.schema.broken_entities
        yield Reason(
            code="SCHEMA_CHANGED",
            down=False,
            entity=", ".join(names[:5]),
            figures={"entities": len(names)},
        )


def _of_queue(found: Health, policy: Policy) -> Iterator[Reason]:
    for kind in found.queue:
        if kind.dead:
            yield Reason(
                code="DEAD_LETTERS", down=False, entity="", figures={"kind": kind.kind, "items": kind.dead}
            )
        # While calls are not allowed, waiting is right.
        allowed = found.base.breaker == "closed" and not found.base.paused
        if allowed and kind.oldest_due_seconds > policy.due_seconds:
            yield Reason(
                code="QUEUE_BEHIND" if found.base.workers else "WORKER_DEAD",
                down=not found.base.workers,
                entity="",
                figures={
                    "kind": kind.kind,
                    "due": kind.due,
                    "oldest_due_seconds": round(kind.oldest_due_seconds),
                    "workers": found.base.workers,
                },
            )


def _of_entities(found: Health, policy: Policy) -> Iterator[Reason]:
    for entity in found.entities:
        if entity.failures_in_a_row >= FAILURES_IN_A_ROW:
            yield Reason(
                code="RUN_FAILED",
                down=False,
                entity=entity.entity_type,
                figures={"in_a_row": entity.failures_in_a_row, "cause": entity.error_code},
            )
        if is_stale(entity, found, policy):
            yield Reason(
                code="FRESHNESS_MISSED",
                down=False,
                entity=entity.entity_type,
                figures={"lag_seconds": round(entity.lag_seconds or 0)},
            )
        if entity.status == "running" and entity.seconds > policy.stuck_seconds:
            yield Reason(
                code="JOB_STUCK",
                down=False,
                entity=entity.entity_type,
                figures={"seconds": round(entity.seconds)},
            )
    for held in found.approvals:
        yield Reason(
            code="APPROVAL_HELD",
            down=False,
            entity=held.entity_type,
            figures={"approval": held.id, "held_runs": held.held_runs},
        )


def _of_changes(found: Health) -> Iterator[Reason]:
    for node in found.nodes:
        if node.stuck_since is not None:
            yield Reason(
                code=node.stuck_code or "JOB_STUCK",
                down=False,
                entity="",
                figures={"node": node.node, "failures": node.failures, "since": _iso(node.stuck_since)},
            )


def is_stale(entity: EntityHealth, found: Health, policy: Policy) -> bool:
    """Whether its newest confirmed state is too old. One that was never confirmed is judged by its runs alone."""
    if policy.stale_seconds is not None:
        return entity.lag_seconds is not None and entity.lag_seconds > policy.stale_seconds
    return is_late(entity, found.schedules, found.now)


def is_late(entity: EntityHealth, schedules: Mapping[str, datetime], now: datetime) -> bool:
    """Whether a schedule that runs should have confirmed it by now. A schedule that was just switched on gets its time first."""
    known = BY_NAME.get(entity.entity_type)
    watch = watch_of(known, schedules) if known is not None else None
    # What this release does not have is not late.
    if watch is None or entity.confirmed_at is None or entity.status == "skipped":
        return False
    return now - max(entity.confirmed_at, watch.since) > watch.age.fail


def _iso(moment: Any) -> str | None:
    return moment.isoformat() if moment else None
