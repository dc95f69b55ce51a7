"""`integ.doctor_reports`: the latest reports of `onec doctor` of each base."""

from __future__ import annotations

from typing import Any

from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection

_KEPT = 50


def add(database: Database, document: dict[str, Any], *, system_name: str) -> None:
    """Keep a report; of each base the last fifty stay."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        tx.execute(
            "INSERT INTO integ.doctor_reports (system_name, worst, requests, document) VALUES (%s, %s, %s, %s)",
            (system_name, document["worst"], document["requests"], Jsonb(document)),
        )
        tx.execute(
            "DELETE FROM integ.doctor_reports WHERE system_name = %s AND id <= ("
            "SELECT id FROM integ.doctor_reports WHERE system_name = %s ORDER BY id DESC OFFSET %s LIMIT 1)",
            (system_name, system_name, _KEPT),
        )


def latest(database: Database, system_name: str) -> dict[str, Any] | None:
    """The newest report of a base, None before the first."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute(
                "SELECT document FROM integ.doctor_reports WHERE system_name = %s ORDER BY id DESC LIMIT 1",
                (system_name,),
            )
            .fetchone()
        )
    return dict(row[0]) if row else None
