"""`clean.quarantine`: rows that may not pass, each with everything that is wrong with it, until the row passes again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from onec_pipelines.db import clean_sql
from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.spec import Entity

Tx = psycopg.Connection[Any]


@dataclass(frozen=True, kw_only=True)
class QuarantinedRow:
    """A reject as it is stored; `failures` are dicts of field, rule, reason and (masked) value."""

    external_key: str
    failures: list[dict[str, str]]
    source_row: str
    data_version: str | None = None


def row_key(external_key: str) -> str:
    """Key of a rejected row as clean would have it: the GUID of an object, else the md5 that `db/clean_sql.py` makes in SQL."""
    try:
        return str(UUID(external_key))
    except ValueError:
        # It names a row and guards nothing.
        return str(UUID(md5(external_key.encode(), usedforsecurity=False).hexdigest()))


def put(
    tx: Tx,
    rows: Sequence[QuarantinedRow],
    *,
    system_name: str,
    entity: str,
    job_id: int,
    body_sha256: bytes | None,
) -> None:
    """Store rejects; a row that is rejected again for the same reasons is not written again."""
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO clean.quarantine AS q (system_name, entity_type, external_key, failures, source_row,"
            " body_sha256, job_id, row_key, data_version) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (system_name, entity_type, external_key) DO UPDATE SET failures = excluded.failures,"
            " source_row = excluded.source_row, body_sha256 = excluded.body_sha256, job_id = excluded.job_id,"
            " last_seen_at = now(), resolved_at = NULL, row_key = excluded.row_key, data_version = excluded.data_version"
            " WHERE q.resolved_at IS NOT NULL OR q.failures IS DISTINCT FROM excluded.failures"
            " OR q.source_row IS DISTINCT FROM excluded.source_row"
            " OR q.data_version IS DISTINCT FROM excluded.data_version",
            [
                (
                    system_name,
                    entity,
                    row.external_key,
                    Jsonb(row.failures),
                    row.source_row,
                    body_sha256,
                    job_id,
                    row_key(row.external_key),
                    row.data_version,
                )
                for row in rows
            ],
        )


def resolve_staged(tx: Tx, entity: Entity, system_name: str) -> None:
    """Close the entries of objects that are among the staged good rows."""
    # The same text that `steps/validate.py` makes of a row's key.
    key = " || '|' || ".join(f"coalesce(x.{name}::text, '')" for name in entity.key)
    tx.execute(
        f"UPDATE clean.quarantine q SET resolved_at = now() FROM {clean_sql.STAGE} x"
        f" WHERE q.system_name = %s AND q.entity_type = %s AND q.resolved_at IS NULL AND q.external_key = {key}".encode(),
        (system_name, entity.name),
    )


def resolve_unseen(tx: Tx, entity: Entity, seen: str, system_name: str) -> None:
    """Close the entries of rows that a complete reading no longer shows: they are gone from 1C."""
    tx.execute(
        f"UPDATE clean.quarantine q SET resolved_at = now() WHERE q.system_name = %s AND q.entity_type = %s"
        f" AND q.resolved_at IS NULL AND NOT EXISTS (SELECT FROM {seen} s WHERE s.row_key = q.row_key)".encode(),
        (system_name, entity.name),
    )


def resolve_gone(tx: Tx, entity: Entity, system_name: str, asked: Sequence[str]) -> None:
    """Close the entries of objects that were asked for by key and did not come with this job's rejects: they are gone from 1C."""
    tx.execute(
        "UPDATE clean.quarantine SET resolved_at = now() WHERE system_name = %s AND entity_type = %s"
        " AND resolved_at IS NULL AND row_key = ANY(%s::uuid[])",
        (system_name, entity.name, list(asked)),
    )


def counts(database: Database, system_name: str) -> dict[str, int]:
    """Open entries by entity."""
    with database.transaction() as connection:
        rows = driver_connection(connection).execute(
            "SELECT entity_type, count(*) FROM clean.quarantine WHERE system_name = %s AND resolved_at IS NULL"
            " GROUP BY entity_type ORDER BY entity_type",
            (system_name,),
        )
        return {entity: int(count) for entity, count in rows}


def standing(database: Database, entity: Entity, *, system_name: str) -> tuple[int, int]:
    """Open entries of an entity, and of how many rows they are: these and the live ones of clean."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute(
                "SELECT q.rows, q.rows + c.rows FROM (SELECT count(*) AS rows FROM clean.quarantine WHERE system_name = %s"
                " AND entity_type = %s AND resolved_at IS NULL) q, (SELECT count(*) AS rows"
                f" FROM {entity.clean_table} WHERE system_name = %s AND deleted_at IS NULL) c".encode(),
                (system_name, entity.name, system_name),
            )
            .fetchone()
        )
    return (int(row[0]), int(row[1])) if row else (0, 0)


def listing(database: Database, system_name: str, entity: str | None, limit: int) -> list[dict[str, Any]]:
    """Open entries, newest first."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).execute(
            "SELECT id, entity_type, external_key, failures, first_seen_at, last_seen_at, job_id"
            " FROM clean.quarantine WHERE system_name = %s AND resolved_at IS NULL"
            " AND (%s::text IS NULL OR entity_type = %s) ORDER BY id DESC LIMIT %s",
            (system_name, entity, entity, limit),
        )
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def entry(database: Database, entry_id: int) -> dict[str, Any] | None:
    """One entry whole, or None."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).execute(
            "SELECT id, system_name, entity_type, external_key, failures, source_row, job_id,"
            " encode(body_sha256, 'hex') AS body_sha256, first_seen_at, last_seen_at, resolved_at"
            " FROM clean.quarantine WHERE id = %s",
            (entry_id,),
        )
        names = [column.name for column in cursor.description or ()]
        row = cursor.fetchone()
        return dict(zip(names, row, strict=True)) if row else None
