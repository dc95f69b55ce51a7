"""Which of Dagster's schedules run, read from its own tables beside ours: importing Dagster would take seconds, and it may not be there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg

from onec_pipelines.db.urls import DAGSTER_SCHEMA

Tx = psycopg.Connection[Any]

_RUNNING = b"SELECT instigator_body, update_timestamp FROM dagster.instigators WHERE instigator_type = 'SCHEDULE' AND status <> 'STOPPED'"


def running(tx: Tx) -> dict[str, datetime]:
    """The schedules that are switched on, each with since when; none where Dagster has no tables (`onec sync` works without it)."""
    try:
        with tx.transaction():
            there = tx.execute(
                "SELECT to_regclass(%s) IS NOT NULL", (f"{DAGSTER_SCHEMA}.instigators",)
            ).fetchone()
            found = tx.execute(_RUNNING).fetchall() if there is not None and there[0] else []
    except psycopg.errors.InsufficientPrivilege:
        # `onec doctor` tells of it; the figures of the ledger are worth showing without.
        return {}
    known = (_read(json.loads(body), changed) for body, changed in found)
    return {name: since for name, since in known if name}


def _read(body: Mapping[str, Any], changed: datetime) -> tuple[str, datetime]:
    """Name and begin of one; Dagster's columns bear no zone and are in UTC."""
    origin = body.get("origin") or {}
    data = body.get("job_specific_data") or {}
    begun = data.get("start_timestamp")
    since = datetime.fromtimestamp(begun, UTC) if begun else changed.replace(tzinfo=UTC)
    return str(origin.get("job_name") or ""), since
