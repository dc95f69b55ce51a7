"""`integ.quality_*`: what audits of the shop's tables found, and the figures of the last good one. Numbers and ids, no values of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection

_KEPT = 100


@dataclass(frozen=True, kw_only=True)
class Run:
    """An audit as it is remembered; `findings` are only those that failed."""

    id: int
    finished_at: datetime
    seconds: float
    expectations: int
    errors: int
    warnings: int
    docs: str | None
    findings: list[dict[str, Any]]


def last_good(database: Database, system_name: str) -> dict[str, dict[str, Any]]:
    """Figures by table, as they were when the table was last good."""
    with database.transaction() as connection:
        rows = driver_connection(connection).execute(
            "SELECT table_name, figures FROM integ.quality_figures WHERE system_name = %s", (system_name,)
        )
        return {name: dict(figures) for name, figures in rows}


def remember(
    database: Database,
    *,
    system_name: str,
    run_id: str | None,
    seconds: float,
    expectations: int,
    errors: int,
    warnings: int,
    docs: str | None,
    findings: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Mapping[str, Any]],
) -> int:
    """Note an audit and the new good figures in one transaction; old audits go. Gives its number."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        row = tx.execute(
            "INSERT INTO integ.quality_runs (system_name, run_id, seconds, expectations, errors, warnings, docs, findings)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            (system_name, run_id, seconds, expectations, errors, warnings, docs, Jsonb(list(findings))),
        ).fetchone()
        with tx.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO integ.quality_figures (system_name, table_name, figures) VALUES (%s, %s, %s)"
                " ON CONFLICT (system_name, table_name) DO UPDATE SET figures = excluded.figures, measured_at = now()",
                [(system_name, name, Jsonb(dict(one))) for name, one in figures.items()],
            )
        tx.execute(
            "DELETE FROM integ.quality_runs WHERE system_name = %s AND id NOT IN"
            " (SELECT id FROM integ.quality_runs WHERE system_name = %s ORDER BY id DESC LIMIT %s)",
            (system_name, system_name, _KEPT),
        )
    return int(row[0]) if row else 0


def latest(database: Database, system_name: str) -> Run | None:
    """The newest audit, None before the first."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute(
                "SELECT id, finished_at, seconds, expectations, errors, warnings, docs, findings FROM integ.quality_runs"
                " WHERE system_name = %s ORDER BY id DESC LIMIT 1",
                (system_name,),
            )
            .fetchone()
        )
    if row is None:
        return None
    return Run(
        id=row[0],
        finished_at=row[1],
        seconds=float(row[2]),
        expectations=row[3],
        errors=row[4],
        warnings=row[5],
        docs=row[6],
        findings=row[7],
    )
