"""`integ.alert_deliveries`: notices that wait for a channel, each sent at least once and marked only after the channel took it.

What an alert says and who is told of it is `alerts.py`; how a channel works is `monitoring/channels.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger.alerts import Alert

Tx = psycopg.Connection[Any]

LEASE_SECONDS = 120
"""Longer than any channel may take; after it a notice whose sender died is sent by the next one."""
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 15.0, 900.0
MAX_ATTEMPTS = 200
"""With the waits above: about two days."""
_LONGEST_ERROR = 300


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A claimed notice. `id` names it to the receiver, who may see it twice."""

    id: int
    channel: str
    event: str
    round: int
    attempts: int
    created_at: datetime
    alert: Alert


def claim(database: Database, channels: Sequence[str], *, system_name: str) -> Delivery | None:
    """Take the oldest notice that is due on one of the channels, None when there is none. Committed when it returns.

    Notices of one alert go to a channel in order. The claim ends by itself after `LEASE_SECONDS`.
    """
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .cursor(row_factory=dict_row)
            .execute(
                "UPDATE integ.alert_deliveries d SET attempts = attempts + 1,"
                " run_at = clock_timestamp() + make_interval(secs => %(lease)s) FROM ("
                "  SELECT w.id FROM integ.alert_deliveries w JOIN integ.alerts a ON a.id = w.alert_id"
                "  WHERE w.state = 'waiting' AND w.run_at <= clock_timestamp() AND w.channel = ANY(%(channels)s)"
                "  AND a.system_name = %(system)s AND NOT EXISTS (SELECT FROM integ.alert_deliveries older"
                "   WHERE older.alert_id = w.alert_id AND older.channel = w.channel AND older.state = 'waiting' AND older.id < w.id)"
                "  ORDER BY w.id LIMIT 1 FOR UPDATE OF w SKIP LOCKED) due WHERE d.id = due.id"
                " RETURNING d.id, d.channel, d.event, d.round, d.attempts, d.created_at,"
                " (SELECT to_jsonb(a) FROM integ.alerts a WHERE a.id = d.alert_id) AS alert",
                {"lease": LEASE_SECONDS, "channels": list(channels), "system": system_name},
            )
            .fetchone()
        )
    if row is None:
        return None
    return Delivery(**{**row, "alert": _alert(row["alert"])})


def sent(database: Database, delivery: Delivery) -> None:
    """The channel took it."""
    with database.transaction() as connection:
        driver_connection(connection).execute(
            "UPDATE integ.alert_deliveries SET state = 'sent', sent_at = clock_timestamp(), last_error = NULL WHERE id = %s",
            (delivery.id,),
        )


def failed(database: Database, delivery: Delivery, why: str) -> None:
    """The channel did not take it: it is tried again later, at last given up. `why` must hold no secret."""
    wait = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(delivery.attempts - 1, 10))
    with database.transaction() as connection:
        driver_connection(connection).execute(
            "UPDATE integ.alert_deliveries SET state = CASE WHEN attempts >= %s THEN 'given_up' ELSE 'waiting' END,"
            " run_at = clock_timestamp() + make_interval(secs => %s), last_error = %s WHERE id = %s AND state = 'waiting'",
            (MAX_ATTEMPTS, wait, why[:_LONGEST_ERROR], delivery.id),
        )


def drop_unknown(tx: Tx, channels: Sequence[str], *, system_name: str) -> int:
    """Cancel what waits for channels that are not configured any more; gives how many."""
    return tx.execute(
        "UPDATE integ.alert_deliveries d SET state = 'cancelled' FROM integ.alerts a WHERE a.id = d.alert_id"
        " AND a.system_name = %s AND d.state = 'waiting' AND d.channel <> ALL(%s)",
        (system_name, list(channels)),
    ).rowcount


def broken_channels(tx: Tx, *, system_name: str, minutes: float) -> list[dict[str, Any]]:
    """Channels that have not taken anything for so long: channel, since, rows (notices that wait), error."""
    return (
        tx.cursor(row_factory=dict_row)
        .execute(
            "SELECT d.channel, min(d.created_at) AS since, count(*)::int AS rows,"
            " (array_agg(d.last_error ORDER BY d.id))[1] AS error"
            " FROM integ.alert_deliveries d JOIN integ.alerts a ON a.id = d.alert_id"
            " WHERE a.system_name = %s AND d.state = 'waiting' AND d.last_error IS NOT NULL GROUP BY d.channel"
            " HAVING min(d.created_at) < clock_timestamp() - make_interval(secs => %s * 60)",
            (system_name, minutes),
        )
        .fetchall()
    )


def _alert(document: dict[str, Any]) -> Alert:
    times = {name for name, kind in Alert.__annotations__.items() if "datetime" in str(kind)}
    values: dict[str, Any] = {
        name: datetime.fromisoformat(document[name]) if name in times and document[name] else document[name]
        for name in Alert.__annotations__
    }
    return Alert(**values)
