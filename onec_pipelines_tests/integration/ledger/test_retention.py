"""Retention: old pages go, but never those that a replay begins with, nor a body that a page still needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onec_pipelines.db.engine import connect
from onec_pipelines.ledger import raw_pages, retention, scans, state
from onec_pipelines.ledger.raw_pages import NewPage
from onec_pipelines_tests.fixtures.pipeline import query, value
from onec_pipelines_tests.fixtures.tables import SYSTEM

NOW = datetime.now(UTC)


@pytest.fixture
def database(database_url):
    with connect(database_url) as opened:
        yield opened


def keep(tx, scan, body, *, days, plan=None):
    page = NewPage(
        part="",
        page_index=0,
        request="GET Catalog_X?…",
        format="json",
        requested_at=NOW - timedelta(days=days),
        elapsed_seconds=0.1,
        row_count=1,
        body=raw_pages.pack(body),
    )
    if plan:
        raw_pages.keep_plan(tx, plan, {"resource": "Catalog_X"})
    raw_pages.store(tx, page, system_name=SYSTEM, entity="brands", job_id=scan, scan_id=scan, plan=plan)


def age(tx):
    tx.execute("UPDATE raw.bodies SET created_at = now() - interval '2 days'")
    tx.execute("UPDATE raw.plans SET created_at = now() - interval '2 days'")


def bodies(url):
    rows = query(url, "SELECT p.scan_id FROM raw.pages p ORDER BY p.id")
    return [scan for (scan,) in rows]


def test_old_pages_go_and_the_last_whole_reading_stays(tx, database, database_url):
    with tx.transaction():
        keep(tx, 1, b"first", days=90, plan="old")
        keep(tx, 2, b"whole", days=80, plan="new")
        keep(tx, 3, b"after", days=70, plan="new")
        keep(tx, 4, b"fresh", days=1, plan="new")
        state.write(tx, SYSTEM, "brands", scans.COMPLETE, {"scan_id": 2})
        age(tx)

    removed = retention.prune_pages(database, keep_days=30)

    assert (removed.pages, removed.bodies, removed.plans) == (1, 1, 1)
    assert bodies(database_url) == [2, 3, 4]


def test_a_body_that_a_kept_page_needs_stays(tx, database, database_url):
    with tx.transaction():
        keep(tx, 1, b"the same", days=90)
        keep(tx, 2, b"the same", days=1)
        age(tx)

    removed = retention.prune_pages(database, keep_days=30)

    assert (removed.pages, removed.bodies) == (1, 0)
    assert value(database_url, "SELECT count(*) FROM raw.bodies") == 1


def test_pages_of_a_scan_under_way_stay_until_nobody_continues_it(tx, database, database_url):
    with tx.transaction():
        scans.begin(tx, SYSTEM, "brands", plan="p", scan_id=5, kind=scans.of_window("2026-01-01/2026-04-01"))
        keep(tx, 5, b"window", days=90)

    assert retention.prune_pages(database, keep_days=30).pages == 0
    tx.execute("UPDATE integ.sync_state SET updated_at = now() - interval '8 days'")
    assert retention.prune_pages(database, keep_days=30).scans == 1
    assert retention.prune_pages(database, keep_days=30).pages == 1
    assert query(database_url, "SELECT 1 FROM pg_class WHERE relname = 'seen_5'") == []


def test_of_dagsters_events_the_last_of_each_partition_stays(tx, database, database_url):
    with tx.transaction():
        tx.execute("CREATE SCHEMA dagster")
        tx.execute(
            "CREATE TABLE dagster.event_logs (id bigserial PRIMARY KEY, dagster_event_type text,"
            " timestamp timestamp, asset_key text, partition text)"
        )
        for kind, days, asset, partition in (
            ("STEP_START", 90, None, None),
            ("STEP_START", 1, None, None),
            ("ASSET_MATERIALIZATION", 90, "orders", "2026-01-01"),
            ("ASSET_MATERIALIZATION", 80, "orders", "2026-01-01"),
            ("ASSET_MATERIALIZATION", 90, "orders", "2026-01-02"),
            ("ASSET_MATERIALIZATION", 90, "products", None),
            ("ASSET_MATERIALIZATION", 1, "products", None),
        ):
            tx.execute(
                "INSERT INTO dagster.event_logs (dagster_event_type, timestamp, asset_key, partition)"
                " VALUES (%s, now() - make_interval(days => %s), %s, %s)",
                (kind, days, asset, partition),
            )

    assert retention.prune_dagster(database, keep_days=30) == 3
    assert query(database_url, "SELECT id FROM dagster.event_logs ORDER BY id") == [(2,), (4,), (5,), (7,)]


def test_a_database_without_dagster_is_left_alone(database):
    assert retention.prune_dagster(database, keep_days=30) == 0
