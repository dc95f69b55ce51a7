"""After an outage: a thousand due items do not storm 1C, and a base that is away costs no attempts."""

from __future__ import annotations

import threading
import time

import pytest

from onec_pipelines import dispatch
from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger import controls, queue
from onec_pipelines.onec.client import OnecClient, RetryPolicy
from onec_pipelines.onec.query import SetQuery
from onec_pipelines.runtime import Runtime, connection_of
from onec_pipelines.settings import load_settings
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.steps import drain as drain_module
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until
from onec_pipelines_tests.fixtures.pipeline import SYSTEM, control, environment, query, value

KIND = "test_read"
RATE = 50
THREADS = 8


@pytest.fixture(scope="module")
def shop():
    with Simulator.start_process(products=60, seed=5, pool_size=100) as running:
        yield running


@pytest.fixture
def statuses():
    """HTTP statuses of all attempts of the opened runtimes; None for those that got no answer."""
    return []


@pytest.fixture
def open_runtime(shop, database_url, tmp_path, monkeypatch, statuses):
    """Opens runtimes under the shared throttle, whose handler reads one small thing from 1C without repeating."""
    opened = []
    variables = {
        **environment(shop, database_url, tmp_path),
        "ONEC_RATE_PER_SECOND": str(RATE),
        "ONEC_WORKER_THREADS": str(THREADS),
        "ONEC_MAX_SESSIONS": str(THREADS),
        # A request that is late is not a failure here.
        "ONEC_DEADLINE_SECONDS": str(PATIENCE_SECONDS),
    }

    def read(runtime, item):
        runtime.client.get(SetQuery(resource="Catalog_Валюты", top=1).target())

    def made():
        settings = load_settings(variables)
        runtime = Runtime(settings, connect(database_url))

        def observe(call):
            runtime.meter.add(call)
            statuses.append(call.status)

        runtime.__dict__["client"] = OnecClient(
            connection_of(settings),
            runtime.throttle,
            observer=observe,
            retry=RetryPolicy(attempts=1),
        )
        opened.append(runtime)
        return runtime

    monkeypatch.setitem(dispatch.HANDLERS, KIND, read)
    yield made
    for runtime in opened:
        runtime.close()
    control(shop, "faults", method="DELETE")


def put(runtime, count):
    with runtime.database.transaction() as connection:
        driver_connection(connection).execute(
            "SELECT integ.enqueue(%s, %s, 'thing:' || n, 'thing:' || n, jsonb_build_object('n', n))"
            " FROM generate_series(1, %s) AS n",
            (SYSTEM, KIND, count),
        )


def requests_over_time(shop, stop):
    """What the simulator itself has counted, ten times a second: asked at, answered at, requests so far."""
    seen = []
    while not stop.is_set():
        asked_at = time.monotonic()
        total = control(shop, "stats")["requests_total"]
        seen.append((asked_at, time.monotonic(), total))
        time.sleep(0.1)
    return seen


def drain_together(runtimes):
    drains = [
        threading.Thread(target=dispatch.drain, args=(runtime,), kwargs={"kinds": [KIND]})
        for runtime in runtimes
    ]
    for drain in drains:
        drain.start()
    for drain in drains:
        drain.join()


def drain_what_was_put_off(runtime, database_url):
    """An item that met a lost answer waits for its next attempt; here it need not wait as long as that."""

    def nothing_is_left():
        with runtime.database.transaction() as connection:
            driver_connection(connection).execute(
                "UPDATE integ.retry_queue SET run_at = now() WHERE state = 'ready'"
            )
        dispatch.drain(runtime, kinds=[KIND])
        return not value(database_url, "SELECT count(*) FROM integ.retry_queue WHERE state = 'ready'")

    until(nothing_is_left)


@pytest.mark.timeout(900)
def test_a_thousand_due_items_after_an_outage_do_not_storm_1c(shop, open_runtime, database_url):
    runtimes = [open_runtime() for _ in range(2)]
    put(runtimes[0], 1000)
    control(shop, "faults", {"type": "status", "match": "Валюты", "attributes": {"status": 503}})

    def is_given_up():
        dispatch.drain(runtimes[0], kinds=[KIND], until=time.monotonic() + 9)
        return runtimes[0].standing().refusal

    until(is_given_up)
    assert runtimes[0].standing().breaker == "open"
    assert value(database_url, "SELECT max(attempts) FROM integ.retry_queue") == 0
    # However long it takes to get here.
    query(database_url, "UPDATE integ.throttle SET retry_at = now() + interval '1 hour'")
    before = runtimes[0].spent.calls
    assert dispatch.drain(runtimes[0], kinds=[KIND]).claimed == 0
    assert runtimes[0].spent.calls == before
    control(shop, "faults", method="DELETE")
    with runtimes[0].database.transaction() as connection:
        tx = driver_connection(connection)
        controls.resume(tx, system_name=SYSTEM, by="tester")
        tx.execute("UPDATE integ.retry_queue SET run_at = now()")

    stop, seen = threading.Event(), []
    watch = threading.Thread(target=lambda: seen.extend(requests_over_time(shop, stop)))
    watch.start()
    drain_together(runtimes)
    stop.set()
    watch.join()
    drain_what_was_put_off(runtimes[0], database_url)

    assert query(database_url, "SELECT state, count(*) FROM integ.retry_queue GROUP BY state") == [
        ("done", 1000)
    ]
    spans = [
        (answered_at - asked_at, later - total)
        for asked_at, _, total in seen
        for answered_at, later in [
            next(((at, count) for begun, at, count in seen if begun >= asked_at + 1), (None, None))
        ]
        if answered_at is not None
    ]
    whole = (seen[-1][1] - seen[0][0], seen[-1][2] - seen[0][2])
    # A second's worth of tokens may have been saved up before the first; each thread may have a request under way, and each process a
    # tenth of a second's worth taken ahead. This holds however slow the machine is: then the requests are fewer.
    at_most = [(seconds, RATE * (seconds + 1.2) + 2 * THREADS) for seconds, _ in (*spans, whole)]
    assert [
        (most, count) for (_, count), (_, most) in zip((*spans, whole), at_most, strict=True) if count > most
    ] == []


def test_a_refused_login_is_tried_once_and_burns_no_attempt(shop, open_runtime, database_url, statuses):
    runtime = open_runtime()
    put(runtime, 20)
    control(shop, "faults", {"type": "status", "match": "Валюты", "attributes": {"status": 401}})
    drained = dispatch.drain(runtime, kinds=[KIND], threads=1)
    assert drained.refusal is not None
    assert "ONEC_AUTH" in drained.refusal
    assert [status for status in statuses if status is not None] == [401]
    assert value(database_url, "SELECT max(attempts) FROM integ.retry_queue") == 0


def test_the_end_of_the_pause_wakes_a_worker(shop, open_runtime, database_url, monkeypatch):
    # A worker that was not woken would not look again before the test is over.
    monkeypatch.setattr(dispatch, "_POLL_SECONDS", 2.0 * PATIENCE_SECONDS)
    monkeypatch.setattr(drain_module, "_STANDING_SECONDS", 2.0 * PATIENCE_SECONDS)
    runtime = open_runtime()
    with runtime.database.transaction() as connection:
        controls.pause(driver_connection(connection), system_name=SYSTEM, by="anna")
    put(runtime, 5)
    stop = threading.Event()
    failures: list[PipelineError] = []

    def work():
        try:
            dispatch.work(runtime, stop, kinds=[KIND], threads=2)
        except PipelineError as error:
            failures.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    listening = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %%'"
    until(lambda: query(database_url, listening))
    until(lambda: query(database_url, "SELECT 1 FROM integ.workers WHERE waits_for IS NOT NULL"))
    waits_for = value(database_url, "SELECT waits_for FROM integ.workers")
    with runtime.database.transaction() as connection:
        controls.resume(driver_connection(connection), system_name=SYSTEM, by="anna")
    done = "SELECT count(*) FROM integ.retry_queue WHERE state = 'done'"
    until(lambda: value(database_url, done) == 5)
    stop.set()
    worker.join()
    assert not failures
    assert "paused" in waits_for
    assert value(database_url, "SELECT state FROM integ.workers") == "stopped"


def test_an_item_of_a_kind_that_nobody_knows_is_a_dead_letter_with_words(open_runtime, database_url):
    runtime = open_runtime()
    with runtime.database.transaction() as connection:
        queue.enqueue(
            driver_connection(connection),
            system_name=SYSTEM,
            kind="teleport",
            subject="order:1",
            ordering_key="order:1",
            payload={},
        )
    assert dispatch.drain(runtime).dead == 1
    ((kind, message),) = query(
        database_url, "SELECT last_error ->> 'kind', last_error ->> 'message' FROM integ.retry_queue"
    )
    assert kind == "unknown_kind"
    assert "teleport" in message
