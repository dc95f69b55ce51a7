"""Reads the views `integ.health_*`: how the pipeline is, in figures. No judgement and no words; those are `monitoring/health.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row, dict_row

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger import schedules

Tx = psycopg.Connection[Any]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class EntityHealth:
    """One entity: its last run, the newest state that is confirmed to be 1C's, the last day's runs, what waits. Times are aware."""

    entity_type: str
    job_id: int
    job_type: str
    status: str
    run_id: str | None
    started_at: datetime
    completed_at: datetime | None
    seconds: float
    items_processed: int
    items_failed: int
    error_code: str | None
    way: str | None
    confirmed_at: datetime | None
    lag_seconds: float | None
    failures_in_a_row: int
    failing_since: datetime | None
    runs_day: int
    failed_day: int
    requests_day: int
    wire_bytes_day: int
    rows_changed_day: int
    median_seconds: float | None
    worst_seconds: float | None
    quarantined: int
    waiting_references: int
    held_loads: int


@dataclass(frozen=True, kw_only=True)
class QueueHealth:
    """What is not finished of one kind."""

    kind: str
    ready: int
    due: int
    leased: int
    dead: int
    oldest_due_seconds: float
    oldest_seconds: float


@dataclass(frozen=True, kw_only=True)
class BaseHealth:
    """How the base is treated now; of a base that was never called nothing is wrong."""

    breaker: str = "closed"
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    cause_code: str | None = None
    paused: bool = False
    paused_until: datetime | None = None
    allowed: int | None = None
    in_use: int = 0
    waiting: int = 0
    workers: int = 0
    silent_workers: int = 0


@dataclass(frozen=True, kw_only=True)
class CallHealth:
    """Calls of the last day to one resource; `p95_seconds` is the upper edge of a bucket, infinite for the last one."""

    resource: str
    calls: int
    errors: int
    repeats: int
    seconds: float
    waited: float
    average_seconds: float
    p95_seconds: float | None
    slowest_seconds: float
    wire_bytes: int
    buckets: list[int]


@dataclass(frozen=True, kw_only=True)
class ErrorHealth:
    """How often a code came in the last day; `source` is runs, calls or queue."""

    source: str
    code: str
    count: int
    last_at: datetime


@dataclass(frozen=True, kw_only=True)
class QuarantineHealth:
    """Rejected rows of one entity that are still open; `commonest` is the field and rule that most of them break."""

    entity_type: str
    open: int
    new_day: int
    oldest_at: datetime
    commonest: str


@dataclass(frozen=True, kw_only=True)
class SchemaHealth:
    """What is known of `$metadata`: meaning since `changed_at`, last confirmed at `confirmed_at`, entities that it stops."""

    changed_at: datetime
    confirmed_at: datetime
    age_seconds: float
    versions: int
    reported: bool
    broken_entities: list[str]


@dataclass(frozen=True, kw_only=True)
class NodeHealth:
    """A node of an exchange plan that we read."""

    plan: str
    node: str
    drained_seconds_ago: float | None
    failures: int
    stuck_since: datetime | None
    stuck_code: str | None
    unacknowledged: int


@dataclass(frozen=True, kw_only=True)
class ApprovalHealth:
    """A load that is held until a person decides."""

    id: int
    entity_type: str
    created_at: datetime
    held_runs: int
    age_seconds: float


@dataclass(frozen=True, kw_only=True)
class AlertHealth:
    """An alert that is open."""

    id: int
    kind: str
    code: str
    severity: str
    entity_type: str | None
    since: datetime
    occurrences: int
    acknowledged_at: datetime | None
    age_seconds: float


@dataclass(frozen=True, kw_only=True)
class Health:
    """Everything about one base at one moment of the database's clock. `webhooks` is answers by name, today and yesterday."""

    system_name: str
    now: datetime
    entities: list[EntityHealth]
    queue: list[QueueHealth]
    base: BaseHealth
    calls: list[CallHealth]
    errors: list[ErrorHealth]
    quarantine: list[QuarantineHealth]
    schema: SchemaHealth | None
    nodes: list[NodeHealth]
    approvals: list[ApprovalHealth]
    alerts: list[AlertHealth]
    webhooks: Mapping[str, int]
    schedules: Mapping[str, datetime] = field(default_factory=dict)
    """Dagster's schedules that run, each with since when."""


def read(database: Database, system_name: str) -> Health:
    """How the base is now: every figure as of one snapshot."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        row = tx.execute("SELECT now()").fetchone()
        assert row is not None  # noqa: S101 - SELECT without FROM gives a row
        schema = _all(tx, SchemaHealth, "health_schema", system_name)
        base = _all(tx, BaseHealth, "health_base", system_name)
        return Health(
            system_name=system_name,
            now=row[0],
            entities=entities(tx, system_name),
            queue=_all(tx, QueueHealth, "health_queue", system_name, "kind"),
            base=base[0] if base else BaseHealth(),
            calls=_all(tx, CallHealth, "health_calls", system_name, "seconds DESC"),
            errors=_all(tx, ErrorHealth, "health_errors", system_name, "count DESC, code"),
            quarantine=_all(tx, QuarantineHealth, "health_quarantine", system_name, "open DESC"),
            schema=schema[0] if schema else None,
            nodes=_all(tx, NodeHealth, "health_changes", system_name),
            approvals=_all(tx, ApprovalHealth, "health_approvals", system_name, "id"),
            alerts=_all(
                tx,
                AlertHealth,
                "health_alerts",
                system_name,
                "array_position(ARRAY['critical', 'error', 'warning', 'note'], severity), since",
            ),
            webhooks=_webhooks(tx, system_name),
            schedules=schedules.running(tx),
        )


def entities(tx: Tx, system_name: str) -> list[EntityHealth]:
    """Every entity that ever ran."""
    return _all(tx, EntityHealth, "health_entities", system_name, "entity_type")


def hours(database: Database, system_name: str, *, since_hours: int = 24) -> list[dict[str, Any]]:
    """Runs by hour and entity, oldest first: hour, entity_type, runs, failed, seconds, worst_seconds, requests, rows_changed."""
    return _rows(
        database,
        "SELECT hour, entity_type, runs, failed, seconds, worst_seconds, requests, rows_changed FROM integ.health_hours"
        " WHERE system_name = %s AND hour > now() - make_interval(hours => %s) ORDER BY hour, entity_type",
        (system_name, since_hours),
    )


def lag_hours(database: Database, system_name: str) -> list[dict[str, Any]]:
    """How old the data was at the end of each of the last 24 hours, oldest first: at, entities, middle, worst (seconds), worst_entity."""
    return _rows(
        database,
        "SELECT at, count(*)::int AS entities, percentile_cont(0.5) WITHIN GROUP (ORDER BY lag_seconds) AS middle,"
        " max(lag_seconds) AS worst, (array_agg(entity_type ORDER BY lag_seconds DESC))[1] AS worst_entity"
        " FROM integ.health_lag_hours WHERE system_name = %s GROUP BY at ORDER BY at",
        (system_name,),
    )


def call_minutes(database: Database, system_name: str) -> list[dict[str, Any]]:
    """Calls of the last day by ten minutes, oldest first: at, calls, errors, seconds, wire_bytes."""
    return _rows(
        database,
        "SELECT at, calls, errors, seconds, wire_bytes FROM integ.health_call_minutes WHERE system_name = %s ORDER BY at",
        (system_name,),
    )


def call_totals(database: Database, system_name: str) -> list[dict[str, Any]]:
    """All calls that were ever noted, by resource and error_code: calls, seconds, waited, wire_bytes, buckets."""
    return _rows(
        database,
        "SELECT resource, error_code, calls, seconds, waited, wire_bytes, buckets FROM integ.call_totals"
        " WHERE system_name = %s ORDER BY resource, error_code",
        (system_name,),
    )


def _webhooks(tx: Tx, system_name: str) -> dict[str, int]:
    found = tx.execute(
        "SELECT name, count FROM integ.health_webhooks WHERE system_name = %s ORDER BY name", (system_name,)
    )
    return {name: int(count) for name, count in found}


def _all(tx: Tx, kind: type[T], view: str, system_name: str, order: str = "1") -> list[T]:
    columns = ", ".join(one.name for one in fields(kind))  # type: ignore[arg-type] # our dataclasses
    statement = f"SELECT {columns} FROM integ.{view} WHERE system_name = %s ORDER BY {order}"
    return tx.cursor(row_factory=class_row(kind)).execute(statement.encode(), (system_name,)).fetchall()


def _rows(database: Database, statement: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    with database.transaction() as connection:
        cursor = driver_connection(connection).cursor(row_factory=dict_row)
        return cursor.execute(statement.encode(), values).fetchall()
