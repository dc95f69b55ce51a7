"""What is kept for how long: pages of the raw layer, scans that nobody continues, Dagster's own events. Each in small transactions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger import scans

Tx = psycopg.Connection[Any]
_BATCH = 2_000
# A cancelled backfill is continued within days or not at all.
_SCAN_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What was removed: rows of raw.pages, of raw.bodies and of raw.plans, and unfinished scans."""

    pages: int
    bodies: int
    plans: int
    scans: int


def prune_pages(database: Database, *, keep_days: int) -> Removed:
    """Remove pages older than that, of all bases, and the bodies and plans that no page needs any more.

    Kept whatever their age: the last whole reading of each entity with everything that came after it, which a replay begins with, and the
    pages of scans under way. Readers and writers of the raw layer may go on meanwhile.
    """
    pages = _repeat(database, lambda tx: _remove_pages(tx, keep_days))
    bodies = _repeat(database, _remove_bodies)
    with database.transaction() as connection:
        tx = driver_connection(connection)
        plans = tx.execute(
            "DELETE FROM raw.plans l WHERE created_at < now() - interval '1 day'"
            " AND NOT EXISTS (SELECT FROM raw.pages p WHERE p.plan = l.fingerprint)"
        ).rowcount
        forgotten = scans.forget_old(tx, days=_SCAN_DAYS)
    return Removed(pages=pages, bodies=bodies, plans=plans, scans=forgotten)


def prune_dagster(database: Database, *, keep_days: int) -> int:
    """Remove Dagster's events older than that, and say how many; Dagster 1.13 itself never does (DAGSTER.md §0.6).

    Kept whatever their age: the last event of its kind of each asset and partition, from which the UI tells what is materialized. Nothing
    happens in a database without Dagster's tables.
    """
    with database.transaction() as connection:
        found = driver_connection(connection).execute("SELECT to_regclass('dagster.event_logs')").fetchone()
    if found is None or found[0] is None:
        return 0
    return _repeat(database, lambda tx: _remove_events(tx, keep_days))


def _repeat(database: Database, remove: Callable[[Tx], int]) -> int:
    total = 0
    while True:
        with database.transaction() as connection:
            removed = remove(driver_connection(connection))
        total += removed
        if removed < _BATCH:
            return total


def _remove_pages(tx: Tx, keep_days: int) -> int:
    return tx.execute(
        "DELETE FROM raw.pages WHERE id IN (SELECT p.id FROM raw.pages p"
        " LEFT JOIN LATERAL (SELECT min(f.id) AS first_id FROM integ.sync_state s JOIN raw.pages f"
        " ON f.system_name = s.system_name AND f.entity_type = s.entity_type"
        " AND f.scan_id = (s.state ->> 'scan_id')::bigint"
        " WHERE s.system_name = p.system_name AND s.entity_type = p.entity_type AND s.kind = 'complete') whole ON TRUE"
        " WHERE p.requested_at < now() - make_interval(days => %s)"
        " AND (whole.first_id IS NULL OR p.id < whole.first_id)"
        " AND NOT EXISTS (SELECT FROM integ.sync_state u WHERE u.system_name = p.system_name"
        " AND u.entity_type = p.entity_type AND u.kind LIKE 'scan%%'"
        " AND (u.state ->> 'scan_id')::bigint = p.scan_id) LIMIT %s)",
        (keep_days, _BATCH),
    ).rowcount


def _remove_bodies(tx: Tx) -> int:
    # A page that takes one of them up meanwhile holds its key; that body is left for the next time.
    return tx.execute(
        "DELETE FROM raw.bodies WHERE sha256 IN (SELECT b.sha256 FROM raw.bodies b"
        " WHERE b.created_at < now() - interval '1 day'"
        " AND NOT EXISTS (SELECT FROM raw.pages p WHERE p.body_sha256 = b.sha256)"
        " LIMIT %s FOR UPDATE SKIP LOCKED)",
        (_BATCH,),
    ).rowcount


def _remove_events(tx: Tx, keep_days: int) -> int:
    return tx.execute(
        "DELETE FROM dagster.event_logs WHERE id IN (SELECT e.id FROM dagster.event_logs e"
        " WHERE e.timestamp < now() - make_interval(days => %s) AND (e.asset_key IS NULL OR EXISTS"
        " (SELECT FROM dagster.event_logs n WHERE n.asset_key = e.asset_key"
        " AND n.dagster_event_type = e.dagster_event_type AND n.partition IS NOT DISTINCT FROM e.partition"
        " AND n.id > e.id)) ORDER BY e.id LIMIT %s)",
        (keep_days, _BATCH),
    ).rowcount
