"""The views are the truth for everything shown: each tells what the tables say, and nothing personal."""

from __future__ import annotations

import json

import pytest

from onec_pipelines.ledger import health, measurements
from onec_pipelines.monitoring.health import Policy, level, reasons_of
from onec_pipelines_tests.fixtures.pipeline import query, value

POLICY = Policy(stale_seconds=26 * 3600)


@pytest.fixture
def run(database_url):
    def add(
        entity="products",
        status="succeeded",
        *,
        ago="1 minute",
        took=2.0,
        error=None,
        job_type="inbound",
        **figures,
    ):
        metadata = {
            "way": "snapshot",
            "requests": 3,
            "wire_bytes": 50,
            "seconds": {"shop": 0.1},
            "clean_changed": 1,
        } | figures
        return value(
            database_url,
            "INSERT INTO integ.sync_jobs (job_type, system_name, entity_type, status, started_at, completed_at,"
            " items_processed, error_message, metadata) VALUES (%s, 'ut', %s, %s, now() - %s::interval,"
            " CASE WHEN %s = 'running' THEN NULL ELSE now() - %s::interval + make_interval(secs => %s) END, 10, %s, %s) RETURNING id",
            *(job_type, entity, status, ago, status, ago, took, error, json.dumps(metadata)),
        )

    return add


def reasons(database):
    return [(reason.code, reason.entity) for reason in reasons_of(health.read(database, "ut"), POLICY)]


def test_a_base_without_any_run_is_well_and_empty(database):
    found = health.read(database, "ut")
    assert found.entities == found.calls == found.queue == []
    assert reasons_of(found, POLICY) == []
    assert level([]) == "ok"


def test_the_lag_counts_from_the_beginning_of_the_last_reading_that_reached_the_shop(database, run):
    run(ago="3 hours")
    run(ago="2 hours", status="failed", error="[ONEC_AUTH] no")
    run(ago="1 hour", way="keys")  # single objects say nothing of the others
    run(ago="50 minutes", job_type="replay")
    run(ago="40 minutes", job_type="dry_run")
    run(ago="30 minutes", status="held")
    run(ago="20 minutes", seconds={"clean": 1})  # never reached the shop
    (entity,) = health.read(database, "ut").entities
    assert entity.lag_seconds == pytest.approx(3 * 3600, abs=300)


def test_an_entity_shows_its_last_run_and_the_sum_of_its_day(database, run):
    run(ago="30 hours", requests=1000)
    run(ago="2 hours", took=4.0)
    run(ago="1 hour", status="failed", error="[ONEC_AUTH] wrong password")
    last = run(ago="5 minutes", took=6.0)
    (entity,) = health.read(database, "ut").entities
    assert (entity.job_id, entity.status, entity.runs_day, entity.failed_day, entity.requests_day) == (
        last,
        "succeeded",
        3,
        1,
        9,
    )
    assert (entity.median_seconds, entity.worst_seconds) == (5.0, 6.0)
    assert entity.failures_in_a_row == 0


def test_three_failures_in_a_row_are_a_reason_and_one_success_ends_it(database, run):
    run(ago="5 hours")
    for hours in (4, 3):
        run(ago=f"{hours} hours", status="failed", error="[ONEC_AUTH] no")
    assert reasons(database) == []
    run(ago="2 hours", status="abandoned")
    assert reasons(database) == [("RUN_FAILED", "products")]
    run(ago="1 hour")
    assert reasons(database) == []


def test_old_data_and_stuck_runs_and_held_loads_are_told_by_entity(database, database_url, run):
    run(entity="prices", ago="40 hours")
    run(entity="stock", ago="10 minutes")
    run(entity="stock", ago="7 hours", status="running")
    job = run(entity="brands")
    query(
        database_url,
        "INSERT INTO integ.approvals (system_name, entity_type, fingerprint, breaches, diff, job_id)"
        " VALUES ('ut', 'brands', 'x', '[]', '{}', %s)",
        job,
    )
    assert set(reasons(database)) == {
        ("FRESHNESS_MISSED", "prices"),
        ("JOB_STUCK", "stock"),
        ("APPROVAL_HELD", "brands"),
    }
    assert level(reasons_of(health.read(database, "ut"), POLICY)) == "degraded"


def test_only_the_code_of_an_error_is_shown_never_its_words(database, run):
    run(status="failed", error="[ONEC_BAD_VALUE] Иванов Иван +7 900 123-45-67 · 1C says: secret")
    run(entity="prices", status="failed", error="KeyError")
    run(entity="stock", status="failed", error="something with user@example.com in it")
    found = health.read(database, "ut")
    assert {(one.source, one.code) for one in found.errors} == {
        ("runs", "ONEC_BAD_VALUE"),
        ("runs", "KeyError"),
        ("runs", "OTHER"),
    }
    assert "Иванов" not in repr(found)
    assert "example.com" not in repr(found)


def test_the_queue_is_behind_only_while_calls_are_allowed(database, database_url):
    query(
        database_url,
        "SELECT integ.enqueue('ut', 'push', 'order:1', 'order:1', '{}', now() - interval '1 hour')",
    )
    found = health.read(database, "ut")
    assert found.queue[0].oldest_due_seconds == pytest.approx(3600, abs=300)
    (reason,) = reasons_of(found, POLICY)
    assert (reason.code, reason.down) == ("WORKER_DEAD", True)
    query(
        database_url,
        "INSERT INTO integ.workers (id, system_name, kinds, threads, host, pid, state)"
        " VALUES (gen_random_uuid(), 'ut', '{push}', 1, 'h', 1, 'running')",
    )
    assert reasons(database) == [("QUEUE_BEHIND", "")]
    query(database_url, "INSERT INTO integ.throttle (system_name, paused_at) VALUES ('ut', now())")
    assert reasons(database) == [("ONEC_PAUSED", "")]


def test_an_open_breaker_is_down_with_its_cause_and_a_pause_that_ended_is_none(database, database_url):
    query(
        database_url,
        "INSERT INTO integ.throttle (system_name, breaker, opened_at, cause, paused_at, paused_until) VALUES"
        " ('ut', 'open', now() - interval '90 seconds', '{\"code\": \"ONEC_DOWN\"}', now() - interval '2 h', now() - interval '1 h')",
    )
    (reason,) = reasons_of(health.read(database, "ut"), POLICY)
    assert (reason.code, reason.down, reason.figures) == (
        "ONEC_BREAKER_OPEN",
        True,
        {"seconds": pytest.approx(240, abs=150), "cause": "ONEC_DOWN"},
    )


def test_dead_items_are_a_reason_and_done_ones_are_not_counted(database, database_url):
    for state in ("dead", "done", "dropped"):
        query(
            database_url,
            "INSERT INTO integ.retry_queue (system_name, kind, subject, ordering_key, state, last_error)"
            " VALUES ('ut', 'image', %s, %s, %s, '{\"code\": \"ONEC_RIGHTS\"}')",
            *(state, state, state),
        )
    found = health.read(database, "ut")
    assert [(one.kind, one.dead, one.ready) for one in found.queue] == [("image", 1, 0)]
    assert [(one.source, one.code, one.count) for one in found.errors] == [("queue", "ONEC_RIGHTS", 1)]
    assert reasons(database) == [("DEAD_LETTERS", "")]


def test_calls_are_summed_by_resource_with_a_quantile_that_bounds_them(database, database_url):
    for minute, buckets in ((1, "{90,0,0,0,0,0,0,0,0,0,0}"), (2, "{0,0,0,0,8,0,0,2,0,0,0}")):
        query(
            database_url,
            "INSERT INTO integ.calls VALUES ('ut', date_trunc('minute', now()) - make_interval(mins => %s), 'Catalog_X', 'json',"
            " '', 1, (SELECT sum(n) FROM unnest(%s::int[]) n), 0, 10, 1, 100, 9, '', %s::int[])",
            *(minute, buckets, buckets),
        )
    query(
        database_url,
        "INSERT INTO integ.calls VALUES ('ut', now() - interval '2 days', 'Catalog_X', 'json', '', 1, 7, 0, 1, 0, 1, 1, '', '{7}')",
    )
    (call,) = health.read(database, "ut").calls
    assert (call.calls, call.average_seconds, call.p95_seconds, call.slowest_seconds) == (100, 0.2, 1.0, 9.0)
    assert call.buckets == [90, 0, 0, 0, 8, 0, 0, 2, 0, 0, 0]


def test_another_base_is_another_truth(database, run, database_url):
    run()
    query(database_url, "INSERT INTO integ.throttle (system_name, breaker) VALUES ('other', 'open')")
    assert reasons(database) == []
    assert health.read(database, "other").entities == []


def test_measurements_find_what_advice_needs(database, database_url, run):
    for minutes in range(60, 0, -2):
        run(ago=f"{minutes} minutes", took=2.0, clean_changed=0, rows_changed=0)
    query(database_url, "INSERT INTO raw.bodies VALUES ('\\x01', '\\x00', 1000)")
    for index in range(20):
        query(
            database_url,
            "INSERT INTO raw.pages (system_name, entity_type, job_id, scan_id, part, page_index, request, format, requested_at,"
            " elapsed_ms, row_count, body_sha256) VALUES ('ut', 'products', 1, 1, '', %s, %s, 'json', now(), %s, %s, '\\x01')",
            *(index, f"GET X?$top=9&$skip={index * 10}", 100 + 2 * (index + 1), index + 1),
        )
    found = measurements.read(database, "ut")
    (page,) = found.pages
    assert (round(page.base_ms), round(page.ms_per_row), page.pages, page.far_skip) == (100, 2, 20, 150)
    (cadence,) = found.cadences
    assert (cadence.runs, cadence.with_changes, cadence.median_interval) == (30, 0, pytest.approx(120, abs=1))
    (durations,) = found.durations
    assert durations.seconds == pytest.approx([2.0] * 30)
