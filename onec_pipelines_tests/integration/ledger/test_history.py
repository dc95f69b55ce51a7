"""What is over goes after its time, and what state stands on never; what is shown stays what it was."""

from __future__ import annotations

import json

import pytest

from onec_pipelines.ledger import health, history, jobs
from onec_pipelines_tests.fixtures.pipeline import query, value

GOOD = {"way": "changes", "seconds": {"shop": 0.1}}


@pytest.fixture
def run(database_url):
    def add(entity, days, status="succeeded", *, job_type="inbound", **figures):
        return value(
            database_url,
            "INSERT INTO integ.sync_jobs (job_type, system_name, entity_type, status, started_at, completed_at, metadata)"
            " VALUES (%s, 'ut', %s, %s, now() - make_interval(days => %s), now() - make_interval(days => %s), %s) RETURNING id",
            *(job_type, entity, status, days, days, json.dumps(GOOD | figures)),
        )

    return add


def kept(url):
    return {found for (found,) in query(url, "SELECT id FROM integ.sync_jobs")}


def test_of_old_jobs_those_stay_that_something_stands_on(database, database_url, run):
    old = [run("products", 200 - n) for n in range(3)]
    whole = run("products", 190, whole=True)
    by_page, by_scan, by_mark, by_reject, by_deletion = [run("products", 180 - n) for n in range(5)]
    last_good, running, failing = (
        run("products", 120),
        run("products", 110, "running"),
        run("products", 100, "failed"),
    )
    replay = run("products", 150, job_type="replay")
    fresh = run("products", 10, "failed")
    only = run("brands", 300, "failed")
    query(
        database_url,
        "INSERT INTO raw.bodies (sha256, body, raw_bytes) VALUES ('x', 'y', 1)",
    )
    query(
        database_url,
        "INSERT INTO raw.pages (system_name, entity_type, job_id, scan_id, part, page_index, request, format, requested_at,"
        " elapsed_ms, row_count, body_sha256) VALUES ('ut', 'products', %s, %s, '', 0, '', 'json', now(), 1, 1, 'x')",
        *(by_page, by_page),
    )
    query(
        database_url,
        "INSERT INTO integ.sync_state (system_name, entity_type, kind, state) VALUES ('ut', 'products', 'complete', %s)",
        json.dumps({"scan_id": by_scan, "complete": True}),
    )
    query(
        database_url,
        "INSERT INTO integ.packet_marks VALUES ('ut', 'products', 'P', gen_random_uuid(), 1, 1, 1, %s, now(), now())",
        by_mark,
    )
    query(
        database_url,
        "INSERT INTO clean.quarantine (system_name, entity_type, external_key, row_key, failures, source_row, job_id)"
        " VALUES ('ut', 'products', 'x', gen_random_uuid(), '[]', '', %s)",
        by_reject,
    )
    query(
        database_url,
        "INSERT INTO integ.deletion_log (system_name, entity_type, row_key, why, deleted_at, job_id)"
        " VALUES ('ut', 'products', gen_random_uuid(), 'mark', now(), %s)",
        by_deletion,
    )
    before = health.read(database, "ut").entities

    removed = history.prune(database, keep_days=90)

    stay = {
        *(whole, by_page, by_scan, by_mark, by_reject, by_deletion),
        *(last_good, running, replay, fresh, only),
    }
    assert kept(database_url) == stay
    assert removed["jobs"] == len([*old, failing])
    # The failure between the last good run and the newest is gone from the streak, and nothing else has changed.
    after = health.read(database, "ut").entities
    told = [
        [
            (one.entity_type, one.job_id, one.status, one.confirmed_at, one.failures_in_a_row > 0)
            for one in found
        ]
        for found in (before, after)
    ]
    assert told[0] == told[1]
    assert [job["status"] for job in jobs.latest(database, "ut")] == ["failed", "failed"]


def test_what_is_settled_goes_and_what_is_open_stays(database, database_url):
    for days, state in ((200, "resolved"), (200, "open"), (1, "resolved")):
        query(
            database_url,
            "INSERT INTO integ.alerts (system_name, fingerprint, kind, code, severity, source, since, resolved_at)"
            " VALUES ('ut', %s, 'k', 'C', 'error', 'ledger', now(), CASE WHEN %s THEN now() - make_interval(days => %s) END)",
            *(f"{days} {state}", state == "resolved", days),
        )
        query(
            database_url,
            "INSERT INTO clean.quarantine (system_name, entity_type, external_key, row_key, failures, source_row, job_id, resolved_at)"
            " VALUES ('ut', 'products', %s, gen_random_uuid(), '[]', '', 1, CASE WHEN %s THEN now() - make_interval(days => %s) END)",
            *(f"{days} {state}", state == "resolved", days),
        )
        query(
            database_url,
            "INSERT INTO integ.approvals (system_name, entity_type, state, fingerprint, breaches, diff, job_id, closed_at)"
            " VALUES ('ut', %s, %s, 'x', '[]', '{}', 1, CASE WHEN %s THEN now() - make_interval(days => %s) END)",
            *(
                f"{days} {state}",
                "used" if state == "resolved" else "pending",
                state == "resolved",
                days,
            ),
        )
    for days in (300, 200, 1):
        query(
            database_url,
            "INSERT INTO integ.webhook_counts VALUES ('ut', current_date - %s::integer, 'accepted', 5)",
            days,
        )
    for entity, days in (("prices", 300), ("prices", 200), ("stock", 300)):
        query(
            database_url,
            "INSERT INTO integ.reconciliation (system_name, entity_type, status, started_at, finished_at, rows_asked,"
            " rows_compared, rows_late, rows_drift, rows_repaired, rows_left) VALUES ('ut', %s, 'same', now(),"
            " now() - make_interval(days => %s), 1, 1, 0, 0, 0, 0)",
            *(entity, days),
        )

    removed = history.prune(database, keep_days=90)

    assert {name: number for name, number in removed.items() if number} == {
        "alerts": 1,
        "settled_rejects": 1,
        "closed_approvals": 1,
        "comparisons": 1,
        "webhook_counts": 2,
    }
    assert query(database_url, "SELECT entity_type, status FROM integ.drift ORDER BY 1") == [
        ("prices", "same"),
        ("stock", "same"),
    ]
    assert set(history.prune(database, keep_days=90).values()) == {0}


def test_what_is_shown_of_runs_is_found_by_indexes(database, database_url):
    """Not a matter of taste: with a million jobs the pages took half a minute when they read the table."""
    query(
        database_url,
        "INSERT INTO integ.sync_jobs (job_type, system_name, entity_type, status, started_at, completed_at, metadata)"
        " SELECT 'inbound', 'ut', 'entity_' || n % 20, 'succeeded', now() - n * interval '1 hour', now(), %s"
        " FROM generate_series(1, 20000) n".replace("n % 20", "n %% 20"),
        json.dumps(GOOD),
    )
    query(database_url, "ANALYZE integ.sync_jobs")
    read = "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relid = 'integ.sync_jobs'::regclass"
    with database.transaction() as connection:
        for view in ("known_entities", "health_entities", "health_base"):
            connection.exec_driver_sql(f"SELECT * FROM integ.{view} WHERE system_name = 'ut'").all()  # noqa: S608 - names of views
        assert connection.exec_driver_sql(read).scalar_one() < 1000
