"""What of the ledger's facts is worth an alert: one short rule a kind. Each is about a state, so that its end is seen as well as its begin.

Who is told and how often is `ledger/alerts.py`; failed runs and checks come from Dagster (`defs/alert_events.py`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import alert_deliveries, alert_facts, health, schedules
from onec_pipelines.ledger.alerts import Finding
from onec_pipelines.ledger.controls import quiet_hours
from onec_pipelines.ledger.workers import ALIVE_SECONDS
from onec_pipelines.monitoring.alert_schema import schema_changes
from onec_pipelines.monitoring.health import is_late
from onec_pipelines.onec.links import deep_link
from onec_pipelines.remedies import Severity, catalogue
from onec_pipelines.settings import Settings
from onec_pipelines.steps.resolve import SCHEMA_CODES

Tx = psycopg.Connection[Any]

EXHAUSTED = frozenset({"ONEC_POOL_FULL", "ONEC_NO_LICENCE"})
BRAKE = "DELETION_BRAKE"
NOT_TOLD = frozenset(
    {"ALREADY_RUNNING", "ONEC_BREAKER_OPEN", "ONEC_PAUSED", "ONEC_QUIET_HOURS", "QUEUE_STOPPING"}
)
"""Refusals of our own: the state behind them has its own rule, or there is nothing to tell."""

_REFUSED = frozenset({"ONEC_AUTH", "ONEC_FORBIDDEN", "ONEC_CLIENT_CERTIFICATE"})
_EXHAUSTED_MINUTES = 30
_CHANNEL_MINUTES = 10
_FEW_REJECTS = 10
_log = logging.getLogger("onec_pipelines.alerts")
_ERROR_TEXT = re.compile(r"^\[[A-Z0-9_]+\] ")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a rule may look at: a transaction, the settings, the database's clock."""

    tx: Tx
    settings: Settings
    now: datetime

    @property
    def system(self) -> str:
        """The base's name."""
        return self.settings.system


def findings(tx: Tx, settings: Settings) -> tuple[list[Finding], bool]:
    """Everything that is wrong by the ledger now, and whether every rule could be asked: one that fails does not silence the others."""
    look = Look(tx=tx, settings=settings, now=alert_facts.now(tx))
    found: list[Finding] = []
    complete = True
    for rule in RULES:
        try:
            with tx.transaction():
                found += rule(look)
        except psycopg.Error as error:
            complete = False
            _log.warning("the rule of alerts %s failed (%s)", rule.__name__, error.sqlstate)
    return found, complete


def severity_of(code: str, least: Severity = Severity.NOTE) -> Severity:
    """The severity of a code by the catalogue, but not below `least`; an unknown code is an error."""
    levels = list(Severity)
    own = catalogue()[code].severity if code in catalogue() else Severity.ERROR
    return max(own, least, key=levels.index)


def error_facts(text: str | None) -> dict[str, Any]:
    """Message and 1C's words of an error as its text has them (`PipelineError.__str__`); what to do is told by the catalogue."""
    parts = (text or "").split(" · ")
    onec = next((part.removeprefix("1C says: ") for part in parts if part.startswith("1C says: ")), None)
    return {"message": _ERROR_TEXT.sub("", parts[0]) or None, "onec_message": onec}


def _dead_letters(look: Look) -> Iterator[Finding]:
    for row in alert_facts.dead_letters(look.tx, look.system):
        error = row["error"] or {}
        yield _finding(
            "dead_letters",
            f"{row['kind']}:{row['code']}",
            "DEAD_LETTERS",
            row["since"],
            severity_of(row["code"], Severity.ERROR),
            cause_code=row["code"],
            rows=row["rows"],
            items=row["kind"],
            subjects=row["subjects"],
            message=error.get("message"),
            onec_message=error.get("onec_message"),
            http_status=error.get("http_status"),
            onec_link=_link(look, row["subjects"][0]),
        )


def _breaker(look: Look) -> Iterator[Finding]:
    row = alert_facts.throttle(look.tx, look.system)
    if row is None or row["breaker"] == "closed" or row["opened_at"] is None:
        return
    cause = row["cause"] or {}
    code = cause.get("code") or "ONEC_BREAKER_OPEN"
    # A refused login does not mend itself; the rest gets time.
    if code in _REFUSED or row["open_seconds"] >= look.settings.alert_breaker_minutes * 60:
        yield _finding(
            "breaker_open",
            look.system,
            "ONEC_BREAKER_OPEN",
            row["opened_at"],
            severity_of(code, Severity.ERROR),
            cause_code=code,
            message=cause.get("message"),
            onec_message=cause.get("onec_message"),
            http_status=cause.get("http_status"),
        )


def _paused(look: Look) -> Iterator[Finding]:
    row = alert_facts.throttle(look.tx, look.system)
    if row and row["is_paused"] and row["paused_seconds"] >= look.settings.alert_paused_minutes * 60:
        yield _finding(
            "paused",
            look.system,
            "ONEC_PAUSED",
            row["paused_at"],
            Severity.WARNING,
            by=row["paused_by"],
            reason=row["pause_reason"] or None,
        )


def _exhausted(look: Look) -> Iterator[Finding]:
    rows = alert_facts.exhausted(look.tx, look.system, EXHAUSTED, minutes=_EXHAUSTED_MINUTES)
    held = alert_facts.throttle(look.tx, look.system) or {}
    cause = held.get("cause") or {}
    if held.get("breaker", "closed") != "closed" and cause.get("code") in EXHAUSTED:
        rows = [row for row in rows if row["code"] != cause["code"]]
        rows.append(
            {
                "code": cause["code"],
                "since": held["opened_at"],
                "rows": None,
                "message": str(cause.get("onec_message") or ""),
            }
        )
    for row in rows:
        yield _finding(
            "exhausted",
            row["code"],
            row["code"],
            row["since"],
            Severity.ERROR,
            items="calls" if row["rows"] else None,
            rows=row["rows"],
            onec_message=error_facts(row["message"])["onec_message"] or cause.get("onec_message"),
        )


def _failed_jobs(look: Look) -> Iterator[Finding]:
    for row in alert_facts.failed_jobs(look.tx, look.system):
        code = row["code"] or "RUN_FAILED"
        facts = {
            "entity": row["entity"],
            "run_id": row["run_id"],
            "job_id": row["job_id"],
            **error_facts(row["error"]),
        }
        if code == BRAKE:
            yield _finding("deletion_brake", row["entity"], code, row["since"], Severity.CRITICAL, **facts)
        elif code in SCHEMA_CODES:
            yield _finding(
                "schema_break", row["entity"], code, row["since"], severity_of(code, Severity.ERROR), **facts
            )
        elif row["run_id"] is None and code not in NOT_TOLD | EXHAUSTED:
            # A run of Dagster's is told by its own sensor, with all its entities.
            yield _finding(
                "sync_failed", row["entity"], code, row["since"], severity_of(code, Severity.ERROR), **facts
            )


def _stuck_jobs(look: Look) -> Iterator[Finding]:
    for row in alert_facts.stuck_jobs(look.tx, look.system, hours=look.settings.alert_job_hours):
        yield _finding(
            "stuck_job",
            row["entity"],
            "JOB_STUCK",
            row["since"],
            Severity.ERROR,
            entity=row["entity"],
            run_id=row["run_id"],
            job_id=row["job_id"],
            message="its process is gone" if row["is_gone"] else "its process still holds the entity",
        )


def _quarantine(look: Look) -> Iterator[Finding]:
    for row in alert_facts.quarantined(look.tx, look.system):
        entity = BY_NAME.get(row["entity"])
        if entity is None or not row["total"] or row["rows"] <= _FEW_REJECTS:
            continue
        if row["rows"] / row["total"] > entity.max_quarantined_share:
            yield _finding(
                "quarantine_spike",
                entity.name,
                "QUARANTINE_SPIKE",
                row["since"],
                Severity.ERROR,
                entity=entity.name,
                rows=row["rows"],
                run_id=row["run_id"],
                message=f"{row['rows'] / row['total']:.1%} of {row['total']}; {', '.join(filter(None, row['rules']))}",
            )


def _worker(look: Look) -> Iterator[Finding]:
    if _is_left_in_peace(look):
        return
    row = alert_facts.waiting_items(
        look.tx, look.system, minutes=look.settings.alert_waiting_minutes, alive_seconds=ALIVE_SECONDS
    )
    if row:
        yield _finding(
            "worker_dead",
            look.system,
            "WORKER_DEAD",
            row["since"],
            Severity.CRITICAL,
            rows=row["rows"],
            items=", ".join(row["kinds"]),
        )


def _freshness(look: Look) -> Iterator[Finding]:
    """One alert for all that is late: a daemon that stands still makes everything old together."""
    if _is_left_in_peace(look):
        return
    running = schedules.running(look.tx)
    late = (
        [one for one in health.entities(look.tx, look.system) if is_late(one, running, look.now)]
        if running
        else []
    )
    if late:
        oldest = min(late, key=lambda one: one.confirmed_at or look.now)
        yield _finding(
            "freshness",
            "assets",
            "FRESHNESS_MISSED",
            oldest.confirmed_at,
            severity_of("FRESHNESS_MISSED"),
            assets=sorted(one.entity_type for one in late),
            rows=len(late),
            items="entities",
            asset=f"shop/{oldest.entity_type}",
        )


def _is_left_in_peace(look: Look) -> bool:
    """Whether 1C is not called on purpose or for a reason that has an alert of its own."""
    state = alert_facts.throttle(look.tx, look.system) or {}
    return bool(state.get("is_paused") or state.get("breaker", "closed") != "closed" or _is_quiet(look))


def _held(look: Look) -> Iterator[Finding]:
    for row in alert_facts.held_loads(look.tx, look.system):
        breaches = row["breaches"]
        yield _finding(
            "approval_held",
            row["entity"],
            "APPROVAL_HELD",
            row["since"],
            Severity.ERROR,
            entity=row["entity"],
            approval=row["id"],
            job_id=row["job_id"],
            message=", ".join(sorted(_limit_name(one) for one in breaches)) if breaches else None,
        )


def _skew(look: Look) -> Iterator[Finding]:
    row = alert_facts.clock_skew(look.tx, look.system, seconds=look.settings.alert_skew_seconds)
    refused = alert_facts.refused_for_time(look.tx, look.system)
    seen = alert_facts.skew_that_the_doctor_saw(look.tx, look.system) or {}
    if row or refused or seen:
        yield _finding(
            "clock_skew",
            look.system,
            "CLOCK_SKEW",
            row["since"] if row else seen.get("since", look.now),
            Severity.WARNING,
            seconds=round(row["skew"]) if row else None,
            rows=refused or None,
            items="refused webhooks" if refused else None,
            message=seen.get("saw"),
        )


def _reconciliation(look: Look) -> Iterator[Finding]:
    for row in alert_facts.reconciliation(look.tx, look.system):
        yield _finding(
            "reconciliation",
            row["entity"],
            "RECONCILIATION_DRIFT",
            row["since"],
            Severity.ERROR,
            entity=row["entity"],
            rows=row["rows"],
        )


def _schema(look: Look) -> Iterator[Finding]:
    for change in schema_changes(look.tx, look.system, look.now):
        yield Finding(
            fingerprint=f"schema_changed:{change.version}",
            kind="schema_changed",
            code="SCHEMA_CHANGED",
            severity=Severity.WARNING,
            since=change.since,
            facts={"rows": change.count, "items": "changes", "message": change.text},
            lasting=False,
        )


def _channels(look: Look) -> Iterator[Finding]:
    for row in alert_deliveries.broken_channels(look.tx, system_name=look.system, minutes=_CHANNEL_MINUTES):
        yield _finding(
            "channel",
            row["channel"],
            "CHANNEL_DOWN",
            row["since"],
            Severity.ERROR,
            rows=row["rows"],
            items="notices",
            message=f"{row['channel']}: {row['error']}",
        )


def _finding(
    kind: str, subject: str, code: str, since: datetime | None, severity: Severity, **facts: Any
) -> Finding:
    assert since is not None  # noqa: S101 - every fact has its time
    return Finding(
        fingerprint=f"{kind}:{subject}",
        kind=kind,
        code=code,
        severity=severity,
        since=since,
        facts={name: value for name, value in facts.items() if value is not None},
    )


def _link(look: Look, subject: str) -> str | None:
    """Where the object that an item of the queue is about stands in 1C: `order:123` of a push, `products:GUID` of a hint."""
    found = alert_facts.pushed_object(look.tx, look.system, subject)
    if found:
        return deep_link(found["resource"], found["key"])
    name, _, key = subject.partition(":")
    entity = BY_NAME.get(name)
    return deep_link(entity.source.resources[0], key) if entity else None


def _is_quiet(look: Look) -> bool:
    settings = look.settings
    return (
        bool(settings.quiet_hours) and quiet_hours(settings.quiet_hours, settings.zone)(look.now) is not None
    )


def _limit_name(breach: object) -> str:
    return str(breach.get("limit", breach)) if isinstance(breach, Mapping) else str(breach)


RULES: tuple[Callable[[Look], Iterator[Finding]], ...] = (
    _dead_letters,
    _breaker,
    _paused,
    _exhausted,
    _failed_jobs,
    _stuck_jobs,
    _quarantine,
    _worker,
    _freshness,
    _held,
    _skew,
    _reconciliation,
    _schema,
    _channels,
)
