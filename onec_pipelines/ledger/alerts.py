"""`integ.alerts`: what is wrong, told once per fingerprint, and who has been told; survives restarts.

A finding opens a row or touches the open one; the deliveries of a notice are made in the same transaction, one row per channel, and each
channel takes its own (`alert_deliveries.py`). What counts as wrong is decided in `monitoring/`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger import audit
from onec_pipelines.remedies import Severity

Tx = psycopg.Connection[Any]

GROWN = 2
"""An open alert is told again when it is about so many times as many rows as it was when it was last told."""

_LEVELS = tuple(Severity)
_COLUMNS = (
    "id, system_name, fingerprint, kind, code, severity, source, facts, lasting, since, opened_at, seen_at, occurrences,"
    " event_id, announced_at, announced_size, escalated_at, acknowledged_at, acknowledged_by, resolved_at"
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is wrong now. `since` is aware; `facts` are JSON values without personal data.

    `fingerprint` says what is the same trouble: `kind:subject`. `event_id` is the number of the event in Dagster's log that told of it, 0
    when it was seen in our own tables. `lasting` is False for what happened once and has no end to tell of.
    """

    fingerprint: str
    kind: str
    code: str
    severity: Severity
    since: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)
    event_id: int = 0
    lasting: bool = True

    @property
    def size(self) -> int:
        """How many rows or items it is about; 1 when it is not about rows."""
        rows = self.facts.get("rows")
        return rows if isinstance(rows, int) else 1


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Who is told what: channels of every alert, further channels of escalated ones, the least severity, and times in seconds."""

    channels: tuple[str, ...]
    escalation_channels: tuple[str, ...] = ()
    level: Severity = Severity.WARNING
    cooldown_seconds: float = 3600.0
    escalate_seconds: float = 4 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A row. Times are aware."""

    id: int
    system_name: str
    fingerprint: str
    kind: str
    code: str
    severity: str
    source: str
    facts: dict[str, Any]
    lasting: bool
    since: datetime
    opened_at: datetime
    seen_at: datetime
    occurrences: int
    event_id: int
    announced_at: datetime | None
    announced_size: int | None
    escalated_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None


def lock(tx: Tx, system_name: str) -> None:
    """Let nobody else judge the alerts of this base until the transaction ends: sensors and cron may meet."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"onec:{system_name}:alerts",))


def found(tx: Tx, finding: Finding, policy: Policy, *, system_name: str, source: str) -> None:
    """Open or touch the alert of a finding and make the deliveries that are due.

    An event that the row knows already changes nothing. One that ended less than the cooldown ago is opened again in silence, and told when
    it stays for the cooldown.
    """
    last = _last(tx, system_name, finding.fingerprint)
    if last is not None and finding.event_id and finding.event_id <= last.event_id:
        return
    if last is not None and (last.resolved_at is None or _may_flap(tx, last, policy)):
        _touch(tx, last, finding)
    else:
        _open(tx, finding, system_name=system_name, source=source)
    alert = _last(tx, system_name, finding.fingerprint)
    assert alert is not None  # noqa: S101 - written above
    _announce(tx, alert, finding.size, policy)


def gone(tx: Tx, fingerprint: str, *, system_name: str, event_id: int = 0) -> bool:
    """End the open alert of a fingerprint and tell those who were told of it; gives whether there was one."""
    alert = _last(tx, system_name, fingerprint)
    if alert is None or (event_id and event_id <= alert.event_id):
        return False
    tx.execute(
        "UPDATE integ.alerts SET event_id = greatest(event_id, %s) WHERE id = %s", (event_id, alert.id)
    )
    if alert.resolved_at is not None:
        return False
    tx.execute("UPDATE integ.alerts SET resolved_at = clock_timestamp() WHERE id = %s", (alert.id,))
    # Who has not heard that it began need not hear that it ended.
    tx.execute(
        "UPDATE integ.alert_deliveries SET state = 'cancelled' WHERE alert_id = %s AND state = 'waiting' AND attempts = 0",
        (alert.id,),
    )
    if alert.lasting:
        tx.execute(
            "INSERT INTO integ.alert_deliveries (alert_id, channel, event, round)"
            " SELECT alert_id, channel, 'recovered', max(round) FROM integ.alert_deliveries d"
            " WHERE alert_id = %s AND event <> 'recovered' AND (state = 'sent' OR state = 'waiting')"
            " AND NOT EXISTS (SELECT FROM integ.alert_deliveries r WHERE r.alert_id = d.alert_id"
            "  AND r.channel = d.channel AND r.event = 'recovered' AND r.round >= d.round)"
            " GROUP BY alert_id, channel ON CONFLICT DO NOTHING",
            (alert.id,),
        )
    return True


def escalate(tx: Tx, policy: Policy, *, system_name: str) -> int:
    """Tell the further channels of alerts that stay open, were told long ago and that nobody acknowledged; gives how many."""
    if not policy.escalation_channels:
        return 0
    rows = tx.execute(
        "UPDATE integ.alerts SET escalated_at = clock_timestamp() WHERE system_name = %s AND resolved_at IS NULL"
        " AND escalated_at IS NULL AND acknowledged_at IS NULL AND severity IN ('error', 'critical')"
        " AND announced_at IS NOT NULL AND opened_at <= clock_timestamp() - make_interval(secs => %s) RETURNING id",
        (system_name, policy.escalate_seconds),
    ).fetchall()
    for (alert_id,) in rows:
        _deliver(tx, alert_id, policy.escalation_channels, "escalated")
    return len(rows)


def forget_events_that_passed(tx: Tx, policy: Policy, *, system_name: str) -> None:
    """End what happened once after a cooldown, without a word."""
    tx.execute(
        "UPDATE integ.alerts SET resolved_at = clock_timestamp() WHERE system_name = %s AND resolved_at IS NULL AND NOT lasting"
        " AND seen_at < clock_timestamp() - make_interval(secs => %s)",
        (system_name, policy.cooldown_seconds),
    )


def open_alerts(tx: Tx, system_name: str, *, source: str | None = None) -> list[Alert]:
    """Open alerts, the worst and oldest first."""
    with tx.cursor(row_factory=class_row(Alert)) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM integ.alerts WHERE system_name = %s AND resolved_at IS NULL"
            " AND (%s::text IS NULL OR source = %s) ORDER BY id".encode(),
            (system_name, source, source),
        ).fetchall()
    return sorted(rows, key=lambda alert: (-_LEVELS.index(Severity(alert.severity)), alert.since))


def listing(
    database: Database, system_name: str, *, resolved: bool = False, limit: int = 100
) -> list[dict[str, Any]]:
    """Open alerts, or with `resolved` also those that ended, newest first, each with how many deliveries wait and were sent."""
    with database.transaction() as connection:
        return (
            driver_connection(connection)
            .cursor(row_factory=dict_row)
            .execute(
                f"SELECT {_COLUMNS}, (SELECT count(*) FROM integ.alert_deliveries d WHERE d.alert_id = a.id AND state = 'waiting')"
                " AS waiting, (SELECT count(*) FROM integ.alert_deliveries d WHERE d.alert_id = a.id AND state = 'sent') AS sent"
                " FROM integ.alerts a WHERE system_name = %s AND (%s OR resolved_at IS NULL) ORDER BY id DESC LIMIT %s".encode(),
                (system_name, resolved, limit),
            )
            .fetchall()
        )


def acknowledge(tx: Tx, ids: Collection[int], *, system_name: str, by: str) -> list[int]:
    """Somebody takes care: these open alerts are not escalated. Gives those that were open."""
    rows = tx.execute(
        "UPDATE integ.alerts SET acknowledged_at = clock_timestamp(), acknowledged_by = %s"
        " WHERE system_name = %s AND resolved_at IS NULL AND id = ANY(%s) RETURNING id",
        (by, system_name, list(ids)),
    ).fetchall()
    done = sorted(int(found_id) for (found_id,) in rows)
    if done:
        _note(tx, system_name, "alert.acknowledged", {"alerts": done, "by": by})
    return done


def silence(tx: Tx, pattern: str, *, system_name: str, hours: float, by: str, reason: str = "") -> datetime:
    """Announce nothing whose fingerprint fits the pattern (`*` = anything) for so many hours; gives until when."""
    row = tx.execute(
        "INSERT INTO integ.alert_silences (system_name, pattern, until, by, reason)"
        " VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s * 3600), %s, %s) RETURNING until",
        (system_name, pattern, hours, by, reason),
    ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING gives a row
    _note(tx, system_name, "alert.silenced", {"pattern": pattern, "hours": hours, "by": by})
    until: datetime = row[0]
    return until


def speak_again(tx: Tx, pattern: str, *, system_name: str, by: str) -> int:
    """End the silences of a pattern; gives how many there were."""
    ended = tx.execute(
        "UPDATE integ.alert_silences SET until = clock_timestamp() WHERE system_name = %s AND pattern = %s"
        " AND until > clock_timestamp()",
        (system_name, pattern),
    ).rowcount
    if ended:
        _note(tx, system_name, "alert.unsilenced", {"pattern": pattern, "by": by})
    return ended


def silences(database: Database, system_name: str) -> list[dict[str, Any]]:
    """Silences that hold now."""
    with database.transaction() as connection:
        return (
            driver_connection(connection)
            .cursor(row_factory=dict_row)
            .execute(
                "SELECT pattern, until, by, reason FROM integ.alert_silences WHERE system_name = %s"
                " AND until > clock_timestamp() ORDER BY until",
                (system_name,),
            )
            .fetchall()
        )


def prune(tx: Tx, *, system_name: str, keep_days: float = 180) -> int:
    """Remove alerts that ended longer ago, with their deliveries; gives how many."""
    return tx.execute(
        "DELETE FROM integ.alerts WHERE system_name = %s AND resolved_at < now() - make_interval(secs => %s * 86400)",
        (system_name, keep_days),
    ).rowcount


def _last(tx: Tx, system_name: str, fingerprint: str) -> Alert | None:
    with tx.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM integ.alerts WHERE system_name = %s AND fingerprint = %s ORDER BY id DESC LIMIT 1".encode(),
            (system_name, fingerprint),
        ).fetchone()


def _may_flap(tx: Tx, alert: Alert, policy: Policy) -> bool:
    """Whether the alert ended so shortly ago that coming back is the same story."""
    row = tx.execute(
        "SELECT clock_timestamp() < %s + make_interval(secs => %s)",
        (alert.resolved_at, policy.cooldown_seconds),
    ).fetchone()
    return bool(row and row[0])


def _open(tx: Tx, finding: Finding, *, system_name: str, source: str) -> None:
    tx.execute(
        "INSERT INTO integ.alerts (system_name, fingerprint, kind, code, severity, source, facts, lasting, since, event_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            system_name,
            finding.fingerprint,
            finding.kind,
            finding.code,
            finding.severity.value,
            source,
            Jsonb(dict(finding.facts)),
            finding.lasting,
            finding.since,
            finding.event_id,
        ),
    )


def _touch(tx: Tx, alert: Alert, finding: Finding) -> None:
    back = alert.resolved_at is not None
    tx.execute(
        "UPDATE integ.alerts SET code = %s, severity = %s, facts = %s, seen_at = clock_timestamp(), resolved_at = NULL,"
        " event_id = greatest(event_id, %s), occurrences = occurrences + %s, since = CASE WHEN %s THEN %s ELSE since END,"
        " opened_at = CASE WHEN %s THEN clock_timestamp() ELSE opened_at END,"
        " acknowledged_at = CASE WHEN %s THEN NULL ELSE acknowledged_at END,"
        " escalated_at = CASE WHEN %s THEN NULL ELSE escalated_at END WHERE id = %s",
        (
            finding.code,
            finding.severity.value,
            Jsonb(dict(finding.facts)),
            finding.event_id,
            1 if back or finding.event_id else 0,
            back,
            finding.since,
            back,
            back,
            back,
            alert.id,
        ),
    )


def _announce(tx: Tx, alert: Alert, size: int, policy: Policy) -> None:
    if _LEVELS.index(Severity(alert.severity)) < _LEVELS.index(policy.level) or _is_silenced(tx, alert):
        return
    told_since_opened = alert.announced_at is not None and alert.announced_at >= alert.opened_at
    is_calm = alert.announced_at is None or _passed(tx, alert.announced_at, policy.cooldown_seconds)
    if not told_since_opened and is_calm:
        event = "raised"
    elif told_since_opened and is_calm and size >= GROWN * (alert.announced_size or 1):
        event = "grew"
    else:
        return
    tx.execute(
        "UPDATE integ.alerts SET announced_at = clock_timestamp(), announced_size = %s WHERE id = %s",
        (size, alert.id),
    )
    _deliver(tx, alert.id, policy.channels, event)


def _deliver(tx: Tx, alert_id: int, channels: Sequence[str], event: str) -> None:
    tx.execute(
        "INSERT INTO integ.alert_deliveries (alert_id, channel, event, round) SELECT a.id, channel.name, %s,"
        " (SELECT coalesce(max(round), 0) + 1 FROM integ.alert_deliveries d WHERE d.alert_id = a.id)"
        " FROM integ.alerts a CROSS JOIN unnest(%s::text[]) AS channel (name)"
        # A channel that is itself what does not work is not told so.
        " WHERE a.id = %s AND a.fingerprint <> 'channel:' || channel.name",
        (event, list(channels), alert_id),
    )


def _passed(tx: Tx, moment: datetime, seconds: float) -> bool:
    row = tx.execute(
        "SELECT clock_timestamp() >= %s + make_interval(secs => %s)", (moment, seconds)
    ).fetchone()
    return bool(row and row[0])


def _is_silenced(tx: Tx, alert: Alert) -> bool:
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM integ.alert_silences WHERE system_name = %s AND until > clock_timestamp()"
        r" AND %s LIKE replace(replace(replace(pattern, '\', '\\'), '_', '\_'), '*', '%%'))",
        (alert.system_name, alert.fingerprint),
    ).fetchone()
    return bool(row and row[0])


def _note(tx: Tx, system_name: str, action: str, details: dict[str, Any]) -> None:
    audit.record(tx, system_name=system_name, action=action, entity=None, job_id=None, details=details)
