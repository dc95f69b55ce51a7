"""`integ.webhook_applied` and `integ.webhook_counts`: what hints led to, and how the receiver answered. For reports and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row

Tx = psycopg.Connection[Any]
Way = Literal["fetched", "direct"]


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What hints did to one entity between two reports. `worst_seconds` is the longest time from an event's arrival to the shop."""

    entity: str
    fetches: int
    hints: int
    rows_changed: int
    rows_deleted: int
    worst_seconds: float
    average_seconds: float


def note(
    tx: Tx,
    *,
    system_name: str,
    entity: str,
    way: Way,
    job_id: int,
    hints: int,
    rows_changed: int,
    rows_deleted: int,
    oldest_at: datetime,
) -> None:
    """Remember one fetch, or one batch of values that were applied directly."""
    tx.execute(
        "INSERT INTO integ.webhook_applied (system_name, entity_type, way, job_id, hints, rows_changed, rows_deleted, oldest_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (system_name, entity, way, job_id, hints, rows_changed, rows_deleted, oldest_at),
    )


def newest(tx: Tx, *, system_name: str) -> int:
    """The id up to which a report may tell; 0 when there is nothing.

    Ids are given before their commit: one that a transaction still holds back must not be jumped over, so a few seconds are left out.
    """
    row = tx.execute(
        "SELECT coalesce(max(id), 0) FROM integ.webhook_applied"
        " WHERE system_name = %s AND applied_at < clock_timestamp() - interval '2 seconds'",
        (system_name,),
    ).fetchone()
    return int(row[0]) if row else 0


def applied(tx: Tx, *, system_name: str, after: int, through: int) -> list[Applied]:
    """The sums by entity over the rows with `after` < id ≤ `through`, in the order of their names."""
    with tx.cursor(row_factory=class_row(Applied)) as cursor:
        return cursor.execute(
            "SELECT entity_type AS entity, count(*) AS fetches, sum(hints)::bigint AS hints,"
            " sum(rows_changed)::bigint AS rows_changed, sum(rows_deleted)::bigint AS rows_deleted,"
            " max(extract(epoch FROM applied_at - oldest_at))::float8 AS worst_seconds,"
            " avg(extract(epoch FROM applied_at - oldest_at))::float8 AS average_seconds"
            " FROM integ.webhook_applied WHERE system_name = %s AND id > %s AND id <= %s GROUP BY 1 ORDER BY 1",
            (system_name, after, through),
        ).fetchall()


def counts(tx: Tx, *, system_name: str) -> dict[str, int]:
    """All that the receiver ever answered, by name."""
    rows = tx.execute(
        "SELECT name, sum(count)::bigint FROM integ.webhook_counts WHERE system_name = %s GROUP BY 1 ORDER BY 1",
        (system_name,),
    )
    return {str(name): int(count) for name, count in rows}
