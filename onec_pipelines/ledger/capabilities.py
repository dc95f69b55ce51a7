"""`integ.base_capabilities`: what `onec doctor` found a base able to do, by base and address; the client obeys it."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.onec.capabilities import UNKNOWN, Capabilities, of_document

__all__ = ["UNKNOWN", "Capabilities", "read", "store"]


def read(database: Database, *, system_name: str, place: str) -> Capabilities:
    """What is known of the base at this address; `UNKNOWN` before the first look."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute(
                "SELECT document FROM integ.base_capabilities WHERE system_name = %s AND place = %s",
                (system_name, place),
            )
            .fetchone()
        )
    return of_document(row[0]) if row else UNKNOWN


def store(database: Database, found: Capabilities, *, system_name: str, place: str) -> None:
    """Put what was found in the place of what was known."""
    with database.transaction() as connection:
        driver_connection(connection).execute(
            "INSERT INTO integ.base_capabilities (system_name, place, document) VALUES (%s, %s, %s)"
            " ON CONFLICT (system_name, place) DO UPDATE SET document = excluded.document, probed_at = now()",
            (system_name, place, Jsonb(found.document)),
        )
