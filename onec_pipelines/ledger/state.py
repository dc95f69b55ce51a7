"""`integ.sync_state`: checkpoints, one JSON document per (base, entity, kind)."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

Tx = psycopg.Connection[Any]


def read(tx: Tx, system_name: str, entity: str, kind: str) -> dict[str, Any] | None:
    """The document, or None."""
    row = tx.execute(
        "SELECT state FROM integ.sync_state WHERE system_name = %s AND entity_type = %s AND kind = %s",
        (system_name, entity, kind),
    ).fetchone()
    return dict(row[0]) if row else None


def write(tx: Tx, system_name: str, entity: str, kind: str, document: dict[str, Any]) -> None:
    """Put the document in the place of the old one."""
    tx.execute(
        "INSERT INTO integ.sync_state (system_name, entity_type, kind, state) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (system_name, entity_type, kind) DO UPDATE SET state = excluded.state, updated_at = now()",
        (system_name, entity, kind, Jsonb(document)),
    )


def forget(tx: Tx, system_name: str, entity: str, kind: str) -> None:
    """Remove the document."""
    tx.execute(
        "DELETE FROM integ.sync_state WHERE system_name = %s AND entity_type = %s AND kind = %s",
        (system_name, entity, kind),
    )
