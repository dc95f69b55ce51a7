"""Figures of calls: what is kept of each minute, and that keeping it never gets into the way."""

from __future__ import annotations

import gc
import threading
from datetime import UTC, datetime, timedelta

import pytest

from onec_pipelines.ledger import calls as calls_ledger
from onec_pipelines.ledger.calls import CallRecorder, Spent, in_flight, record
from onec_pipelines.onec.answers import Call
from onec_pipelines.runtime import Runtime
from onec_pipelines.settings import load_settings
from onec_pipelines_tests.fixtures.patience import until
from onec_pipelines_tests.fixtures.pipeline import query, value

AT = datetime(2026, 5, 4, 10, 0, 0, tzinfo=UTC)


def a_call(at: float = 0.0, seconds: float = 1.0, **changes) -> Call:
    given = {
        "kind": "json",
        "resource": "Catalog_Номенклатура",
        "status": 200,
        "seconds": seconds,
        "wire_bytes": 100,
        "attempt": 1,
        "error_code": None,
        "requested_at": AT + timedelta(seconds=at),
        "request": f"GET Catalog_Номенклатура?$skip={round(at)}",
    }
    return Call(**(given | changes))


def test_calls_of_one_minute_and_resource_are_one_row_that_grows(database, database_url):
    record(database, [a_call(0, 0.04), a_call(10, 2.0), a_call(20, 0.3, attempt=2)], system_name="ut")
    record(database, [a_call(40, 3.5)], system_name="ut")
    assert query(
        database_url,
        "SELECT minute, calls, repeats, round(seconds::numeric, 2)::float8, wire_bytes, slowest_request, buckets FROM integ.calls",
    ) == [
        (
            *(AT, 4, 1, pytest.approx(5.84, abs=0.01), 400, "GET Catalog_Номенклатура?$skip=40"),
            [1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0],
        )
    ]


def test_errors_resources_and_minutes_are_kept_apart(database, database_url):
    record(
        database,
        [
            a_call(),
            a_call(2, error_code="ONEC_BUSY", status=503),
            a_call(61),
            a_call(5, resource="Catalog_Склады"),
        ],
        system_name="ut",
    )
    assert value(database_url, "SELECT count(*) FROM integ.calls") == 4
    assert query(database_url, "SELECT error_code, calls FROM integ.calls WHERE error_code <> ''") == [
        ("ONEC_BUSY", 1)
    ]


def test_waiting_for_our_own_throttle_is_not_held_against_1c(database, database_url):
    record(database, [a_call(0, 9.0, waited=8.5)], system_name="ut")
    assert query(database_url, "SELECT seconds, waited FROM integ.calls") == [(0.5, 8.5)]
    assert value(database_url, "SELECT count(*) FROM integ.slow_calls") == 0


def test_slow_calls_are_kept_singly_and_the_worst_twenty_of_each_writing(database, database_url):
    record(database, [a_call(100 * i, 5 + i) for i in range(30)], system_name="ut")
    assert query(database_url, "SELECT count(*), min(seconds), max(seconds) FROM integ.slow_calls") == [
        (20, 15.0, 34.0)
    ]


def test_in_flight_is_the_average_number_of_calls_on_their_way():
    together = [a_call(0, 10), a_call(0, 10), a_call(0, 10), a_call(100, 1), a_call(99.5, 2)]
    assert in_flight(together) == [3, 3, 3, 2, 2]
    assert in_flight([a_call(0, 0.0), a_call(50, 0.0)]) == [1, 1]
    # Waiting for a turn is not being on the way.
    assert in_flight([a_call(0, 10), a_call(0, 20, waited=10)]) == [1, 1]


def test_the_recorder_writes_by_itself_and_the_rest_at_its_end(database, database_url):
    recorder = CallRecorder(database, system_name="ut", every_seconds=0.05)
    recorder.note(a_call())
    until(lambda: value(database_url, "SELECT count(*) FROM integ.calls"), pause=0.02)
    assert value(database_url, "SELECT sum(calls) FROM integ.calls") == 1
    recorder = CallRecorder(database, system_name="ut", every_seconds=3600)
    recorder.note(a_call(1))
    recorder.close()
    assert value(database_url, "SELECT sum(calls) FROM integ.calls") == 2
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "onec-calls"], pause=0.02)


def test_figures_wait_while_the_database_cannot_take_them_and_no_error_comes_out(
    database, database_url, caplog
):
    recorder = CallRecorder(database, system_name="ut", every_seconds=3600)
    recorder.note(a_call())
    query(database_url, "ALTER TABLE integ.calls RENAME TO calls_away")
    recorder.flush()
    assert "figures of 1 calls wait" in caplog.text
    query(database_url, "ALTER TABLE integ.calls_away RENAME TO calls")
    recorder.note(a_call(1))
    recorder.close()
    assert value(database_url, "SELECT sum(calls) FROM integ.calls") == 2


def test_two_processes_that_write_the_same_rows_at_once_lose_nothing(database, database_url):
    batch = [a_call(i, 0.1, resource=f"Catalog_{i % 7}") for i in range(50)]
    threads = [
        threading.Thread(target=lambda: [record(database, batch, system_name="ut") for _ in range(5)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value(database_url, "SELECT sum(calls) FROM integ.calls") == 50 * 5 * 4


def test_old_figures_are_forgotten(database, database_url):
    now = datetime.now(UTC)
    record(
        database,
        [a_call(requested_at=now, seconds=6), a_call(requested_at=now - timedelta(days=40), seconds=6)],
        system_name="ut",
    )
    assert calls_ledger.forget(database, keep_days=30) == 2
    assert value(database_url, "SELECT count(*) FROM integ.calls") == 1


def test_what_a_process_keeps_of_its_calls_does_not_grow_with_their_number(tmp_path, database, database_url):
    """A worker or receiver runs for months: it has sums, and what its recorder has not written yet."""
    settings = load_settings(
        {
            "ONEC_ENV_FILE": "",
            "ONEC_URL": "http://127.0.0.1:9/ut/odata/standard.odata",
            "ONEC_USER": "user",
            "ONEC_PASSWORD": "",
            "ONEC_TIMEZONE": "Europe/Moscow",
            "ONEC_SYSTEM": "ut",
            "ONEC_DATABASE_URL": database_url,
            "ONEC_HOME": str(tmp_path),
        }
    )
    runtime = Runtime(settings, database)
    for number in range(100):
        runtime._observe(a_call(number))
    assert runtime.spent == Spent(calls=100, wire_bytes=10_000)
    runtime._recorder.close()
    gc.collect()
    assert [one for one in gc.get_objects() if isinstance(one, Call)] == []
    assert value(database_url, "SELECT sum(calls) FROM integ.calls") == 100
