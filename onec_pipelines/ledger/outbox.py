"""`integ.outbox` and `shop.stores` for people: how much is on its way, and which store sells through which base with which defaults."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger import audit, state

Tx = psycopg.Connection[Any]


def counts(database: Database, system_name: str) -> list[tuple[str, str, int]]:
    """(order, customer or return; state of the push; how many)."""
    with database.transaction() as connection:
        rows = driver_connection(connection).execute(
            "SELECT aggregate, push_state, count(*) FROM integ.push_status WHERE system_name = %s GROUP BY 1, 2 ORDER BY 1, 2",
            (system_name,),
        )
        return [(str(aggregate), str(found), int(count)) for aggregate, found, count in rows]


def attention(database: Database, system_name: str, limit: int) -> list[dict[str, Any]]:
    """What a person must decide, the oldest first: the thing, its queue item, and what 1C or the preflight said."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).execute(
            "SELECT s.aggregate, s.aggregate_id, s.queue_id, s.error_code, s.onec_key, q.last_error ->> 'message' AS message,"
            " q.last_error ->> 'onec_message' AS onec_message, q.last_error ->> 'remedy' AS remedy, s.updated_at"
            " FROM integ.push_status s JOIN integ.retry_queue q ON q.id = s.queue_id"
            " WHERE s.system_name = %s AND s.push_state = 'attention' ORDER BY s.queue_id LIMIT %s",
            (system_name, limit),
        )
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def set_store(
    database: Database, system_name: str, code: str, *, title: str | None, values: dict[str, str]
) -> dict[str, str]:
    """Make a store or change its defaults (an empty value removes one), and give all it has then."""
    given = {name: value for name, value in values.items() if value}
    gone = [name for name, value in values.items() if not value]
    with database.transaction() as connection:
        tx = driver_connection(connection)
        row = tx.execute(
            "INSERT INTO shop.stores AS s (code, system_name, title, defaults) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (code) DO UPDATE SET title = coalesce(excluded.title, s.title),"
            " defaults = (s.defaults || excluded.defaults) - %s::text[], updated_at = now()"
            " WHERE s.system_name = excluded.system_name RETURNING defaults",
            (code, system_name, title, Jsonb(given), gone),
        ).fetchone()
        audit.record(
            tx,
            system_name=system_name,
            action="store.changed",
            entity=None,
            job_id=None,
            details={"store": code, "defaults": sorted(values), "done": row is not None},
        )
    return {} if row is None else {str(name): str(value) for name, value in row[0].items()}


def forget_keys(database: Database, system_name: str) -> None:
    """Forget what is known of the base's way with our keys: its next answer tells anew."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        state.forget(tx, system_name, "push", "keys")
        audit.record(
            tx, system_name=system_name, action="push.forget_keys", entity=None, job_id=None, details={}
        )
