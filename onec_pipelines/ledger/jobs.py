"""`integ.sync_jobs`: one row per run of one entity, and the lock that keeps two runs of one entity apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import RetryLater
from onec_pipelines.ledger import audit

Tx = psycopg.Connection[Any]
_AUDITED = (
    "requests",
    "wire_bytes",
    "rows_read",
    "quarantined",
    "clean_changed",
    "shop_changed",
    "held",
    "unresolved",
    "complete",
    "seconds",
)


@contextmanager
def entity_lock(database: Database, system_name: str, entity: str) -> Iterator[None]:
    """Hold the entity for this process: a session lock, which PostgreSQL frees when the holder dies (RELIABILITY trap 9).

    Raises RetryLater ALREADY_RUNNING at once when another run holds it.
    """
    key = f"onec:{system_name}:{entity}"
    with database.session() as session:
        row = session.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (key,)).fetchone()
        if not row or not row[0]:
            raise RetryLater(
                f"another run of {entity} of {system_name} is under way",
                code="ALREADY_RUNNING",
                remedy="Wait for it to end; `onec status` shows it.",
            )
        yield


def start(database: Database, *, system_name: str, entity: str, job_type: str, run_id: str | None) -> int:
    """Note the start of a job and give its id; jobs of the same entity that died unnoticed become 'abandoned'."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        tx.execute(
            "UPDATE integ.sync_jobs SET status = 'abandoned', completed_at = now()"
            " WHERE system_name = %s AND entity_type = %s AND status = 'running'",
            (system_name, entity),
        )
        row = tx.execute(
            "INSERT INTO integ.sync_jobs (job_type, system_name, entity_type, run_id, status)"
            " VALUES (%s, %s, %s, %s, 'running') RETURNING id",
            (job_type, system_name, entity, run_id),
        ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING gives a row
    return int(row[0])


def before_running(tx: Tx, entity: str, *, system_name: str) -> int:
    """The number before the oldest job of the entity that is under way; beyond every number when none is."""
    row = tx.execute(
        "SELECT coalesce(min(id) - 1, 9223372036854775807) FROM integ.sync_jobs"
        " WHERE system_name = %s AND entity_type = %s AND status = 'running'",
        (system_name, entity),
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate gives a row
    return int(row[0])


def progress(tx: Tx, job_id: int, *, processed: int, failed: int) -> None:
    """Add to the counts of a running job, in the transaction that did the work."""
    tx.execute(
        "UPDATE integ.sync_jobs SET items_processed = items_processed + %s, items_failed = items_failed + %s"
        " WHERE id = %s",
        (processed, failed, job_id),
    )


def note(database: Database, job_id: int, figures: dict[str, Any]) -> None:
    """Add figures to a running job at once, whatever becomes of the transaction that the caller is in."""
    # Not from the pool: many callers that hold one of its connections and wait for another would wait for each other.
    with database.session() as session:
        session.execute(
            "UPDATE integ.sync_jobs SET metadata = metadata || %s WHERE id = %s", (Jsonb(figures), job_id)
        )


def finish(
    database: Database, job_id: int, *, status: str, error: str | None, metadata: dict[str, Any]
) -> None:
    """Note the end of a job with its figures; a summary of what it asked and did goes into the audit log."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        row = tx.execute(
            "UPDATE integ.sync_jobs SET status = %s, completed_at = now(), error_message = %s, metadata = %s"
            " WHERE id = %s RETURNING system_name, entity_type, job_type, run_id",
            (status, error, Jsonb(metadata), job_id),
        ).fetchone()
        if row is not None:
            system_name, entity, job_type, run_id = row
            figures = {name: metadata[name] for name in _AUDITED if name in metadata}
            audit.record(
                tx,
                system_name=system_name,
                action="run.finished",
                entity=entity,
                job_id=job_id,
                details={"status": status, "job_type": job_type, "run_id": run_id, **figures},
            )


def latest(database: Database, system_name: str) -> list[dict[str, Any]]:
    """The last job of each entity, for `onec status`."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).execute(
            "SELECT j.entity_type, j.job_type, j.status, j.started_at, j.completed_at, j.items_processed, j.items_failed,"
            " j.error_message, j.metadata FROM integ.known_entities k CROSS JOIN LATERAL (SELECT * FROM integ.sync_jobs n"
            "  WHERE n.system_name = k.system_name AND n.entity_type = k.entity_type ORDER BY n.id DESC LIMIT 1) j"
            " WHERE k.system_name = %s ORDER BY j.entity_type",
            (system_name,),
        )
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]
