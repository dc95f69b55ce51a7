"""What 1C deleted, why, when, and noticed by which job; and what came back. Written by triggers of migration 0024, read here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from onec_pipelines.db.engine import Database, driver_connection


def listing(
    database: Database,
    *,
    system_name: str,
    entity: str | None = None,
    since: datetime | None = None,
    restored: bool | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Deletions as rows of the view `integ.deletions`, newest first.

    `since` (aware) is compared with the deletion and with the return, whichever is later; `restored` keeps those that came back, or those
    that did not.
    """
    with database.transaction() as connection:
        cursor = driver_connection(connection).cursor(row_factory=dict_row)
        cursor.execute(
            "SELECT * FROM integ.deletions WHERE system_name = %(system_name)s"
            " AND (%(entity)s::text IS NULL OR entity_type = %(entity)s)"
            " AND (%(since)s::timestamptz IS NULL OR greatest(deleted_at, restored_at) >= %(since)s)"
            " AND (%(restored)s::boolean IS NULL OR (restored_at IS NOT NULL) = %(restored)s)"
            " ORDER BY greatest(deleted_at, restored_at) DESC, id DESC LIMIT %(limit)s",
            {
                "system_name": system_name,
                "entity": entity,
                "since": since,
                "restored": restored,
                "limit": limit,
            },
        )
        return cursor.fetchall()


def summary(database: Database, *, system_name: str, since: datetime | None = None) -> list[dict[str, Any]]:
    """How many are deleted now by entity and reason, and how many of them since then."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).cursor(row_factory=dict_row)
        cursor.execute(
            "SELECT entity_type, why, count(*) FILTER (WHERE restored_at IS NULL) AS deleted,"
            " count(*) FILTER (WHERE restored_at IS NOT NULL) AS restored, max(deleted_at) AS last_deleted_at"
            " FROM integ.deletion_log WHERE system_name = %(system_name)s"
            " AND (%(since)s::timestamptz IS NULL OR greatest(deleted_at, restored_at) >= %(since)s)"
            " GROUP BY entity_type, why ORDER BY entity_type, why",
            {"system_name": system_name, "since": since},
        )
        return cursor.fetchall()
