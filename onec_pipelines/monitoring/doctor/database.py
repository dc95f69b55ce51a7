"""Checks of PostgreSQL: whether it answers, is fit and migrated, what we may do there, and how Dagster lives in it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.db.migrations import Migration, pending
from onec_pipelines.db.urls import DAGSTER_SCHEMA
from onec_pipelines.errors import PipelineError
from onec_pipelines.monitoring.doctor.findings import Finding, Severity, complaint, of_error, ok
from onec_pipelines.monitoring.doctor.patient import Patient

_MOST_SKEW_SECONDS = 5.0
_DAEMON_SECONDS = 300.0
_LEDGER = "public.onec_schema_migrations"
_SCHEMAS = ("raw", "clean", "shop", "integ")
_FACTS = (
    "SELECT current_setting('server_version'), current_setting('TimeZone'), pg_is_in_recovery(),"
    " extract(epoch FROM clock_timestamp())::float8, pg_size_pretty(pg_database_size(current_database())),"
    " has_database_privilege(current_database(), 'TEMP'),"
    " (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'), current_setting('default_transaction_read_only')::boolean"
)
_RIGHTS = (
    "SELECT n.nspname, has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE'),"
    " (SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')"
    "  AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')"
    "  AND ((n.nspname = 'integ' AND c.relname LIKE 'audit%%') OR (has_table_privilege(c.oid, 'UPDATE')"
    "  AND has_table_privilege(c.oid, 'DELETE')))))"
    " FROM pg_namespace n WHERE n.nspname = ANY (%s)"
)

# The column "timestamp" bears no zone; the moment in the body is one.
_BEATS = (
    b"SELECT daemon_type, extract(epoch FROM clock_timestamp())::float8 - (body::jsonb ->> 'timestamp')::float8"
    b" FROM dagster.daemon_heartbeats ORDER BY 1"
)
_LIMITS = b'SELECT concurrency_key, "limit" FROM dagster.concurrency_limits ORDER BY 1'


def server(patient: Patient) -> Iterator[Finding]:
    """Whether it answers, can be written to, has the right time and all migrations."""
    try:
        facts = _row(patient.stores(), _FACTS)
        waiting = _waiting(patient)
    except PipelineError as error:
        patient.database = None
        yield of_error("database", error)
        return
    if waiting is None:
        yield complaint("database", Severity.ERROR, "DB_RIGHTS", f"missing: GRANT SELECT ON {_LEDGER}")
    version, _, standby, clock, size, temporary, zone, read_only = facts
    if standby or read_only:
        why = "the server is a standby" if standby else "default_transaction_read_only is on"
        yield complaint("database", Severity.ERROR, "DB_READ_ONLY", f"{why}: nothing can be written")
    if not temporary:
        yield complaint(
            "database", Severity.ERROR, "DB_RIGHTS", "temporary tables are not allowed: GRANT TEMPORARY"
        )
    skew = clock - time.time()
    if abs(skew) > _MOST_SKEW_SECONDS:
        yield complaint("database", Severity.WARNING, "DB_CLOCK", f"its clock is {_way(skew)} ours")
    if waiting:
        yield complaint(
            "database",
            Severity.ERROR,
            "MIGRATIONS_PENDING",
            f"{len(waiting)} migrations are missing, the first is {waiting[0]}",
        )
    # Not knowing it, the rights on the tables are looked at all the same.
    patient.migrated = not waiting
    yield ok("database", f"PostgreSQL {version}, {size}, time zone {zone} (sessions of ours use UTC)")


def _waiting(patient: Patient) -> Sequence[Migration] | None:
    """The migrations that are not applied, None when we may not know."""
    try:
        return pending(patient.database_url)
    except PipelineError as error:
        if error.code == "DB_RIGHTS":
            return None
        raise


def rights(patient: Patient) -> Iterator[Finding]:
    """Whether we may read and write every table of ours. Where we may not, nothing that rests on them is looked at."""
    with patient.stores().transaction() as connection:
        rows = driver_connection(connection).execute(_RIGHTS.encode(), (list(_SCHEMAS),)).fetchall()
    bad = False
    for schema, usage, create, tables in rows:
        lacks = []
        if not usage:
            lacks.append(f"GRANT USAGE ON SCHEMA {schema}")
        if schema == "clean" and not create:
            lacks.append(f"GRANT CREATE ON SCHEMA {schema}")
        if tables:
            lacks.append(f"SELECT, INSERT, UPDATE and DELETE on {schema}: {tables[:300]}")
        if lacks:
            bad = True
            yield complaint("database rights", Severity.ERROR, "DB_RIGHTS", "missing: " + "; ".join(lacks))
    patient.migrated = not bad
    if not bad:
        yield ok("database rights", f"tables of {', '.join(_SCHEMAS)} can be read and written")


def dagster(patient: Patient) -> Iterator[Finding]:
    """Whether Dagster's storage is there and its daemon alive, asked of its tables: importing Dagster would take seconds."""
    database = patient.stores()
    there = _row(database, "SELECT to_regclass(%s) IS NOT NULL", f"{DAGSTER_SCHEMA}.daemon_heartbeats")[0]
    if not there:
        yield complaint(
            "dagster", Severity.NOTE, "DAGSTER_UNUSED", f"the schema {DAGSTER_SCHEMA} has no tables of its"
        )
        return
    try:
        with database.transaction() as connection:
            beats = driver_connection(connection).execute(_BEATS).fetchall()
    except PipelineError as error:
        yield of_error("dagster", error)
        return
    stale = [f"{name} for {age / 60:.0f} min" for name, age in beats if age > _DAEMON_SECONDS]
    if not beats or len(stale) == len(beats):
        yield complaint("dagster", Severity.WARNING, "DAGSTER_DAEMON", "no daemon has given a sign of life")
    elif stale:
        yield complaint("dagster", Severity.WARNING, "DAGSTER_DAEMON", f"silent: {', '.join(stale)}")
    else:
        yield ok("dagster", f"the storage is there and {len(beats)} daemons are alive")
    yield from _pools(patient, database)


def _pools(patient: Patient, database: Database) -> Iterator[Finding]:
    """The pool of all that calls 1C, where somebody has set a limit of its own (else dagster.yaml's default holds)."""
    there = _row(database, "SELECT to_regclass(%s) IS NOT NULL", f"{DAGSTER_SCHEMA}.concurrency_limits")[0]
    if not there:
        return
    with database.transaction() as connection:
        rows = driver_connection(connection).execute(_LIMITS).fetchall()
    closed = [name for name, limit in rows if limit == 0]
    if closed:
        yield complaint(
            "dagster",
            Severity.WARNING,
            "DAGSTER_POOL",
            f"the pool {', '.join(closed)} has limit 0: its steps wait for ever",
        )
    elif rows:
        limits = ", ".join(f"{name} {limit}" for name, limit in rows)
        yield ok("dagster", f"pools: {limits}; ONEC_MAX_SESSIONS is {patient.settings.max_sessions}")


def _row(database: Database, statement: str, *values: object) -> tuple[Any, ...]:
    with database.transaction() as connection:
        raw: psycopg.Connection[Any] = driver_connection(connection)
        row = raw.execute(statement.encode(), values or None).fetchone()
    assert row is not None  # noqa: S101 - these statements give one row
    return tuple(row)


def _way(seconds: float) -> str:
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'}"
