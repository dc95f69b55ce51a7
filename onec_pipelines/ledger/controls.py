"""What a person says about calls to 1C: pause and resume, quiet hours; and whether calls may be made now.

The throttle of each process obeys within a quarter of a second. Every pause and resume is in the audit log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import RetryLater
from onec_pipelines.ledger import audit, throttle_rules
from onec_pipelines.ledger.refusals import breaker_refusal, pause_refusal, quiet_refusal
from onec_pipelines.ledger.throttle_rules import Base
from onec_pipelines.ledger.throttle_store import Pause, pause_of

Tx = psycopg.Connection[Any]
QuietUntil = Callable[[datetime], datetime | None]

_BASE = tuple(field.name for field in fields(Base))


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a base stands: the breaker with its cause, the pause, and who calls it now. Times are aware, by the database's clock.

    `breaker` is `closed`, `open` or `half_open`; `retry_at` is when the next probe may go; `allowed` is None when 1C bears as
    many calls at once as set; `held` and `waiting` count calls of all processes.
    """

    now: datetime
    breaker: Literal["closed", "open", "half_open"]
    opened_at: datetime | None
    retry_at: datetime | None
    cause: dict[str, Any] | None
    pause: Pause | None
    quiet_until: datetime | None
    allowed: int | None
    held: int
    waiting: int
    refusal: RetryLater | None
    """Why no calls may be made now, None when they may: also when the breaker is open and a probe is due."""


def quiet_hours(text: str, zone: ZoneInfo) -> QuietUntil:
    """A function that gives the end of the quiet hours a moment lies in, or None: `02:00-04:00,23:30-00:15` by the infobase's clock."""
    spans = [_span(part) for part in text.split(",") if part.strip()]

    def until(now: datetime) -> datetime | None:
        local = now.astimezone(zone)
        ends = [end for begin, span_end in spans if (end := _end(local, begin, span_end))]
        return max(ends, default=None)

    return until


def pause(
    tx: Tx, *, system_name: str, by: str, reason: str = "", until: datetime | None = None
) -> datetime | None:
    """Stop all calls to the base, for all processes, until `until` (aware) or `resume`; gives the `until` that holds."""
    _ensure(tx, system_name)
    tx.execute(
        "UPDATE integ.throttle SET paused_at = now(), paused_until = %s, paused_by = %s, pause_reason = %s"
        " WHERE system_name = %s",
        (until, by, reason, system_name),
    )
    _note(
        tx,
        system_name,
        "onec.pause",
        by=by,
        reason=reason,
        until=until.isoformat() if until else None,
    )
    return until


def resume(tx: Tx, *, system_name: str, by: str, reason: str = "") -> bool:
    """End a pause and close the breaker, so that calls go at once; gives whether there was anything to end."""
    row = (
        tx.cursor(row_factory=dict_row)
        .execute(
            f"SELECT {', '.join(_BASE)}, paused_at FROM integ.throttle WHERE system_name = %s FOR UPDATE".encode(),
            (system_name,),
        )
        .fetchone()
    )
    if row is None or (row["paused_at"] is None and row["breaker"] == "closed"):
        return False
    base = throttle_rules.reset(Base(**{name: row[name] for name in _BASE}))
    values = {name: getattr(base, name) for name in _BASE}
    values["cause"] = Jsonb(base.cause) if base.cause is not None else None
    tx.execute(
        f"UPDATE integ.throttle SET {', '.join(f'{name} = %({name})s' for name in _BASE)}, paused_at = NULL,"
        " paused_until = NULL, paused_by = NULL, pause_reason = NULL WHERE system_name = %(system)s".encode(),
        {**values, "system": system_name},
    )
    _note(tx, system_name, "onec.resume", by=by, reason=reason, breaker=row["breaker"])
    tx.execute("SELECT pg_notify('onec_queue', %s)", (f"{system_name}:",))
    return True


def standing(database: Database, system_name: str, quiet_until: QuietUntil) -> Standing:
    """How the base stands now; a base that was never called stands well."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .cursor(row_factory=dict_row)
            .execute(
                f"SELECT clock_timestamp() AS now, {', '.join(f't.{name}' for name in _BASE)}, t.paused_at, t.paused_until,"
                " t.paused_by, t.pause_reason, m.held, m.waiting FROM (VALUES (%s)) AS asked (name)"
                " LEFT JOIN integ.throttle t ON t.system_name = asked.name CROSS JOIN LATERAL ("
                "SELECT coalesce(sum(held), 0) AS held, coalesce(sum(greatest(wants - held, 0)), 0) AS waiting"
                " FROM integ.throttle_members WHERE system_name = asked.name"
                " AND seen_at > clock_timestamp() - interval '15 seconds') m".encode(),
                (system_name,),
            )
            .fetchone()
        )
    assert row is not None  # noqa: S101 - VALUES gives a row
    known = {name: row[name] for name in _BASE} if row["breaker"] else {"counted_at": row["now"]}
    base = Base(**known)
    paused, quiet = pause_of(row), quiet_until(row["now"])
    return Standing(
        now=row["now"],
        breaker=base.breaker,
        opened_at=base.opened_at,
        retry_at=base.retry_at,
        cause=base.cause,
        pause=paused,
        quiet_until=quiet,
        allowed=base.allowed,
        held=int(row["held"]),
        waiting=int(row["waiting"]),
        refusal=_refusal(base, paused, quiet, row["now"]),
    )


def _refusal(base: Base, paused: Pause | None, quiet: datetime | None, now: datetime) -> RetryLater | None:
    if paused is not None:
        return pause_refusal(paused, now)
    if quiet is not None:
        return quiet_refusal(quiet, now)
    ends_at = {"open": base.retry_at, "half_open": base.probe_until}.get(base.breaker)
    return breaker_refusal(base, now) if ends_at is not None and now < ends_at else None


def _span(text: str) -> tuple[time, time]:
    begin, _, end = text.strip().partition("-")
    return time.fromisoformat(begin.strip()), time.fromisoformat(end.strip())


def _end(local: datetime, begin: time, end: time) -> datetime | None:
    """The end of a span that holds `local`, on its own day or, for a span over midnight, the next."""
    at = local.time().replace(tzinfo=None)
    over_midnight = end <= begin
    inside = at >= begin or at < end if over_midnight else begin <= at < end
    if not inside:
        return None
    day = local.date() + timedelta(days=1) if over_midnight and at >= begin else local.date()
    return datetime.combine(day, end, tzinfo=local.tzinfo)


def _ensure(tx: Tx, system_name: str) -> None:
    tx.execute("INSERT INTO integ.throttle (system_name) VALUES (%s) ON CONFLICT DO NOTHING", (system_name,))


def _note(tx: Tx, system_name: str, action: str, **details: Any) -> None:
    audit.record(tx, system_name=system_name, action=action, entity=None, job_id=None, details=details)
