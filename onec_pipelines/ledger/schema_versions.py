"""`integ.schema_versions`: one row per meaning of a base's `$metadata`, narrowed to what the entities read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection

Tx = psycopg.Connection[Any]

_COLUMNS = "id, fetched_at, confirmed_at, fingerprint, file_sha256, document, reported_at"


@dataclass(frozen=True, kw_only=True)
class SchemaVersion:
    """A stored meaning. `fetched_at` is when it was first seen, `confirmed_at` the latest fetch that meant the same; both aware.

    `document` is of `onec/metadata_document.py`; `reported_at` is when a check showed what the version changed, None until then.
    """

    id: int
    fetched_at: datetime
    confirmed_at: datetime
    fingerprint: str
    file_sha256: str
    document: dict[str, Any]
    reported_at: datetime | None


def lock(tx: Tx, system_name: str) -> None:
    """Keep others from storing versions of this base until the transaction ends."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"onec:{system_name}:schema",))


def newest(tx: Tx, system_name: str) -> SchemaVersion | None:
    """The version that holds now, None before the first one."""
    return _one(tx, "system_name = %s", (system_name,))


def previous(tx: Tx, system_name: str, version_id: int) -> SchemaVersion | None:
    """The version before this one."""
    return _one(tx, "system_name = %s AND id < %s", (system_name, version_id))


def last_reported(tx: Tx, system_name: str) -> SchemaVersion | None:
    """The newest version that a check has shown."""
    return _one(tx, "system_name = %s AND reported_at IS NOT NULL", (system_name,))


def add(
    tx: Tx,
    *,
    system_name: str,
    fetched_at: datetime,
    fingerprint: str,
    file_sha256: str,
    document: dict[str, Any],
) -> None:
    """Store a new meaning as the one that holds now."""
    tx.execute(
        "INSERT INTO integ.schema_versions"
        " (system_name, fetched_at, confirmed_at, fingerprint, file_sha256, document)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (system_name, fetched_at, fetched_at, fingerprint, file_sha256, Jsonb(document)),
    )


def confirm(tx: Tx, version_id: int, *, fetched_at: datetime, file_sha256: str) -> None:
    """Note that a later fetch meant the same."""
    tx.execute(
        "UPDATE integ.schema_versions SET confirmed_at = %s, file_sha256 = %s WHERE id = %s",
        (fetched_at, file_sha256, version_id),
    )


def reported(database: Database, version_id: int) -> None:
    """Note that a check has shown what this version changed."""
    with database.transaction() as connection:
        driver_connection(connection).execute(
            "UPDATE integ.schema_versions SET reported_at = now() WHERE id = %s AND reported_at IS NULL",
            (version_id,),
        )


def _one(tx: Tx, where: str, values: tuple[object, ...]) -> SchemaVersion | None:
    with tx.cursor(row_factory=class_row(SchemaVersion)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM integ.schema_versions WHERE {where} ORDER BY id DESC LIMIT 1".encode(),
            values,
        )
        return cursor.fetchone()
