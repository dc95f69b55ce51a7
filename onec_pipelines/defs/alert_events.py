"""What Dagster's log says of failed runs and checks, as findings. Reads the log and the open alerts; notes and sends nothing.

Every event is read at least once, in the order of the log: the number of each is kept with what it led to, so that reading it again changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from onec_pipelines.ledger.alerts import Alert, Finding
from onec_pipelines.monitoring.alert_rules import BRAKE, EXHAUSTED, NOT_TOLD, severity_of
from onec_pipelines.remedies import Severity, catalogue
from onec_pipelines.steps.resolve import SCHEMA_CODES

SOURCE = "dagster"

_TYPES = (
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_SUCCESS,
)
_BATCH = 100
_FIRST_SECONDS = 600.0
# A number is given before the event can be seen: a later number may be seen first.
_OVERLAP_SECONDS = 15.0
_TOLD_ELSEWHERE = NOT_TOLD | EXHAUSTED | SCHEMA_CODES | {BRAKE}
_COVERED_BY: Mapping[str, tuple[str, ...]] = {
    "completeness": ("schema_break", "deletion_brake"),
    "quarantine": ("quarantine_spike",),
    "schema_drift": ("schema_break", "schema_changed"),
    "reconciliation": ("reconciliation",),
    "diff": ("approval_held",),
}
_MESSAGES = ("reason", "problems", "broken_entities", "message")
_COUNTS = (
    "rejected_rows",
    "failed_rows",
    "negative_rows",
    "held_rows",
    "waiting_references",
    "drift",
    "rows_failed",
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of the log. `number` is its place in it."""

    number: int
    at: float
    run_id: str
    data: dg.DagsterEvent


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Events in order, and where the next batch begins."""

    events: tuple[Event, ...]
    cursor: int


@dataclass(kw_only=True)
class Told:
    """What a batch says: findings in order, and fingerprints that ended with the event that said so."""

    began: list[Finding] = field(default_factory=list)
    ended: list[tuple[str, int]] = field(default_factory=list)


def read(instance: dg.DagsterInstance, cursor: int | None, now: float) -> Batch:
    """The events after `cursor`; without one those of the last ten minutes, because history is no news."""
    found: list[Event] = []
    horizon: int | None = None
    for kind in _TYPES:
        records = instance.event_log_storage.get_event_records(
            dg.EventRecordsFilter(
                event_type=kind,
                after_cursor=cursor,
                after_timestamp=now - _FIRST_SECONDS if cursor is None else None,
            ),
            limit=_BATCH,
            ascending=True,
        )
        found += filter(None, map(_event, records))
        if len(records) == _BATCH:
            last = records[-1].storage_id
            horizon = last if horizon is None else min(horizon, last)
    events = sorted(
        (one for one in found if horizon is None or one.number <= horizon), key=lambda one: one.number
    )
    settled = [one.number for one in events if one.at < now - _OVERLAP_SECONDS]
    return Batch(events=tuple(events), cursor=max([cursor or 0, *settled]))


def has_failed_checks(events: Iterable[Event]) -> bool:
    """Whether the ledger should be asked first: it may know the reason."""
    return any(
        _is(one, dg.DagsterEventType.ASSET_CHECK_EVALUATION) and not _check(one).passed for one in events
    )


def tell(instance: dg.DagsterInstance, events: Sequence[Event], open_alerts: Sequence[Alert]) -> Told:
    """What the events mean, given what is open."""
    told = Told()
    runs = {one.fingerprint: _as_finding(one) for one in open_alerts if one.kind == "run_failed"}
    for event in events:
        if _is(event, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            _tell_check(event, open_alerts, told)
        else:
            _tell_run(instance, event, runs, told)
    return told


def _event(record: dg.EventLogRecord) -> Event | None:
    entry = record.event_log_entry
    if entry.dagster_event is None:
        return None
    return Event(number=record.storage_id, at=entry.timestamp, run_id=entry.run_id, data=entry.dagster_event)


def _is(event: Event, kind: dg.DagsterEventType) -> bool:
    return event.data.event_type is kind


def _moment(event: Event) -> datetime:
    return datetime.fromtimestamp(event.at, UTC)


# --- checks ---


def _check(event: Event) -> dg.AssetCheckEvaluation:
    data = event.data.event_specific_data
    assert isinstance(data, dg.AssetCheckEvaluation)  # noqa: S101 - that is the type of the event
    return data


def _tell_check(event: Event, open_alerts: Sequence[Alert], told: Told) -> None:
    check = _check(event)
    asset = check.asset_key.to_user_string()
    fingerprint = f"check:{asset}:{check.check_name}"
    if check.passed:
        told.ended.append((fingerprint, event.number))
        return
    entity = _entity(check.asset_key)
    if _is_covered(check.check_name, entity, open_alerts):
        return
    values = {name: held.value for name, held in check.metadata.items()}
    code = str(values.get("code") or "")
    # What only warns is kept and shown, and told to those who want notes.
    is_error = check.severity is dg.AssetCheckSeverity.ERROR
    facts = {
        "entity": entity,
        "asset": asset,
        "check": check.check_name,
        "run_id": event.run_id or None,
        "rows": next((values[name] for name in _COUNTS if isinstance(values.get(name), int)), None),
        "message": next((str(values[name]) for name in _MESSAGES if values.get(name)), None),
        "remedy": str(values["remedy"]) if values.get("remedy") else None,
    }
    told.began.append(
        Finding(
            fingerprint=fingerprint,
            kind="check_failed",
            code=code if code in catalogue() else "CHECK_FAILED",
            severity=Severity.ERROR if is_error else Severity.NOTE,
            since=_moment(event),
            facts={name: value for name, value in facts.items() if value is not None},
            event_id=event.number,
        )
    )


def _entity(key: dg.AssetKey) -> str:
    layer, _, name = key.path[0], "", key.path[-1]
    return name.removesuffix(f"_{layer}")


def _is_covered(check: str, entity: str, open_alerts: Sequence[Alert]) -> bool:
    """Whether an alert of the ledger tells the same, and better."""
    kinds = _COVERED_BY.get(check, ())
    return any(
        one.kind in kinds and (check == "schema_drift" or one.facts.get("entity") == entity)
        for one in open_alerts
    )


# --- runs ---


def _tell_run(instance: dg.DagsterInstance, event: Event, runs: dict[str, Finding], told: Told) -> None:
    """A failed run opens or widens findings; steps that went well since then are taken out of them, and without steps they end."""
    failed = _is(event, dg.DagsterEventType.RUN_FAILURE)
    run = instance.get_run_by_id(event.run_id) if failed or runs else None
    # One that Dagster starts again by itself is not over.
    if run is None or (failed and run.tags.get("dagster/will_retry") == "true"):
        return
    began = list(_failures(instance, run, event)) if failed else []
    done = _done_steps(instance, run) if runs else set()
    for finding in began:
        widened = _with_steps_of(finding, runs.get(finding.fingerprint))
        told.began.append(widened)
        runs[finding.fingerprint] = widened
    for fingerprint in runs.keys() - {one.fingerprint for one in began}:
        left = _left(runs[fingerprint], done, finished_job=None if failed else run.job_name)
        if left is None:
            told.ended.append((fingerprint, event.number))
            del runs[fingerprint]
        elif left is not runs[fingerprint]:
            runs[fingerprint] = replace(left, event_id=event.number)
            told.began.append(runs[fingerprint])


def _left(finding: Finding, done: set[str], *, finished_job: str | None) -> Finding | None:
    """What is left of a failure after these steps went well: the same, less, or None when nothing is."""
    steps = set(finding.facts.get("steps", ()))
    if not steps:
        return None if finding.facts.get("job") == finished_job else finding
    left = sorted(steps - done)
    if len(left) == len(steps):
        return finding
    return replace(finding, facts={**finding.facts, "steps": left, "rows": len(left)}) if left else None


def _failures(instance: dg.DagsterInstance, run: dg.DagsterRun, event: Event) -> Iterator[Finding]:
    """One finding a code: a base that is down fails every step of a run."""
    steps: dict[str, list[str]] = {}
    words: dict[str, dict[str, Any]] = {}
    for record in instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records:
        step = record.event_log_entry.dagster_event
        if step is None or step.step_key is None:
            continue
        code, said = _said(step)
        steps.setdefault(code, []).append(step.step_key)
        words.setdefault(code, said)
    if not steps:
        steps, words = {"RUN_FAILED": []}, {"RUN_FAILED": {"message": event.data.message}}
    for code in steps.keys() - _TOLD_ELSEWHERE:
        names = sorted(steps[code])
        subject = f"{run.job_name}:{code}" if code == "RUN_FAILED" else code
        facts = {
            "job": run.job_name,
            "run_id": run.run_id,
            "steps": names,
            "cause_code": None if code == "RUN_FAILED" else code,
            "rows": len(names) or None,
            "items": "steps" if names else None,
            **words[code],
        }
        yield Finding(
            fingerprint=f"run:{subject}",
            kind="run_failed",
            code="RUN_FAILED",
            severity=severity_of(code, Severity.ERROR),
            since=_moment(event),
            facts={name: value for name, value in facts.items() if value is not None},
            event_id=event.number,
        )


def _said(step: dg.DagsterEvent) -> tuple[str, dict[str, Any]]:
    """Code and words of a failed step: ours are in its metadata (`assets.as_failure`); of others only the kind of error is told."""
    failure = step.step_failure_data
    own = failure.user_failure_data
    values = {name: held.value for name, held in own.metadata.items()} if own else {}
    code = str(values.get("code") or "RUN_FAILED")
    kind = failure.error.cls_name if failure.error else None
    message = str(values["what"]) if values.get("what") else kind
    return code, {
        "message": None if code != "RUN_FAILED" and message == kind else message,
        "onec_message": values.get("onec_message"),
        "http_status": values.get("http_status"),
    }


def _with_steps_of(finding: Finding, earlier: Finding | None) -> Finding:
    steps = sorted({*finding.facts.get("steps", ()), *(earlier.facts.get("steps", ()) if earlier else ())})
    return replace(finding, facts={**finding.facts, "steps": steps, "rows": len(steps)}) if steps else finding


def _done_steps(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[str]:
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_SUCCESS).records
    found = (record.event_log_entry.dagster_event for record in records)
    return {event.step_key for event in found if event is not None and event.step_key}


def _as_finding(alert: Alert) -> Finding:
    return Finding(
        fingerprint=alert.fingerprint,
        kind=alert.kind,
        code=alert.code,
        severity=Severity(alert.severity),
        since=alert.since,
        facts=alert.facts,
        event_id=alert.event_id,
    )
