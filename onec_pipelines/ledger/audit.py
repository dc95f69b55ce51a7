"""`integ.audit_log`: append-only; ids, hashes, counts and codes, never personal data."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

Tx = psycopg.Connection[Any]


def record(
    tx: Tx, *, system_name: str, action: str, entity: str | None, job_id: int | None, details: dict[str, Any]
) -> None:
    """Append one event, in the transaction that did what it tells of."""
    tx.execute(
        "INSERT INTO integ.audit_log (system_name, action, entity_type, job_id, details) VALUES (%s, %s, %s, %s, %s)",
        (system_name, action, entity, job_id, Jsonb(details)),
    )
