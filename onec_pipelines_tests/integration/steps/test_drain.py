"""Working the queue off with real processes that are killed, stopped and started, on a real PostgreSQL."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.errors import Quarantine, RetryLater, Stop
from onec_pipelines.ledger import controls, queue
from onec_pipelines.ledger.controls import quiet_hours, standing
from onec_pipelines.steps.drain import Bounds, Drainer, Work, single
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until

WORKER = Path(__file__).with_name("queue_worker.py")


@pytest.fixture
def database(database_url):
    with connect(database_url) as opened:
        yield opened


@pytest.fixture
def put(database):
    def put_in(count=1, *, kind="push", key=None, payload=None):
        with database.transaction() as connection:
            return [
                queue.enqueue(
                    driver_connection(connection),
                    system_name="test",
                    kind=kind,
                    subject=f"order:{number}",
                    ordering_key=key or f"order:{number}",
                    payload=payload or {"n": number},
                )
                for number in range(count)
            ]

    return put_in


@pytest.fixture
def worker(database_url, tmp_path):
    """Starts workers that end when the file `stop` exists; all that still run at the end are killed."""
    started = []

    def start(**options):
        files = {name: str(tmp_path / name) for name in ("log", "stop")}
        given = {"url": database_url, **files, "seconds": PATIENCE_SECONDS, **options}
        process = subprocess.Popen(
            [sys.executable, str(WORKER), json.dumps(given)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.communicate()


@pytest.fixture
def log(tmp_path):
    def read():
        path = tmp_path / "log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return read


def drainer(database, handle, **options):
    works = options.pop("works", None) or {"push": Work(handle=single(handle))}
    return Drainer(
        database,
        system_name="test",
        works=works,
        standing=lambda: standing(database, "test", quiet_hours("", ZoneInfo("Europe/Moscow"))),
        **options,
    )


def rows(database, statement):
    with database.transaction() as connection:
        return driver_connection(connection).execute(statement).fetchall()


def states(database):
    return dict(rows(database, "SELECT state, count(*)::int FROM integ.retry_queue GROUP BY state"))


def hurry(database):
    with database.transaction() as connection:
        driver_connection(connection).execute(
            "UPDATE integ.retry_queue SET run_at = now() WHERE state = 'ready' AND run_at > now()"
        )


def test_each_outcome_ends_where_it_belongs(database, put):
    ids = put(5)

    def handle(item):
        outcomes = {
            1: RetryLater("1C failed", code="ONEC_SERVER_ERROR"),
            2: RetryLater("busy", code="ONEC_BUSY", sent=False),
            3: Quarantine("closed period", code="ONEC_HANDLER", onec_message="Период закрыт"),
        }
        if item.payload["n"] == 4:
            raise ZeroDivisionError
        if error := outcomes.get(item.payload["n"]):
            raise error

    with drainer(database, handle) as engine:
        drained = engine.run(Bounds())
    assert (drained.done, drained.later, drained.put_off, drained.dead) == (1, 1, 1, 2)
    found = {row[0]: row[1:] for row in rows(database, "SELECT id, state, last_error FROM integ.retry_queue")}
    assert found[ids[3]][1]["onec_message"] == "Период закрыт"
    assert (found[ids[4]][0], found[ids[4]][1]["kind"]) == ("dead", "bug")
    assert "test_drain.py" in found[ids[4]][1]["message"]


def test_items_of_one_order_run_one_at_a_time_in_their_order_whatever_the_threads(database, put):
    for _ in range(6):
        put(5)
    running, seen, clashes = Counter(), defaultdict(list), []
    lock = threading.Lock()

    def handle(item):
        with lock:
            running[item.ordering_key] += 1
            if running[item.ordering_key] > 1:
                clashes.append(item.id)
            seen[item.ordering_key].append(item.id)
        time.sleep(0.005)
        with lock:
            running[item.ordering_key] -= 1

    with drainer(database, handle, threads=8) as engine:
        assert engine.run(Bounds()).done == 30
    assert not clashes
    assert all(ids == sorted(ids) for ids in seen.values())


def test_a_drain_stops_at_its_limit(database, put):
    put(10)
    with drainer(database, lambda _: None, threads=3) as engine:
        assert engine.run(Bounds(limit=4)).claimed == 4
    assert states(database) == {"done": 4, "ready": 6}


def test_nothing_is_claimed_while_1c_is_paused(database, put):
    put(3)
    with database.transaction() as connection:
        controls.pause(driver_connection(connection), system_name="test", by="anna", reason="month end")
    with drainer(database, lambda _: None) as engine:
        drained = engine.run(Bounds())
    assert (drained.claimed, "month end" in (drained.refusal or "")) == (0, True)
    assert states(database) == {"ready": 3}


def test_a_batch_is_worked_off_in_one_call_and_each_item_has_its_own_end(database, put):
    put(7, kind="webhook")
    calls = []

    def handle(items):
        calls.append(len(items))
        return {items[0].id: Stop("no", code="HINT_PAYLOAD")}

    works = {"webhook": Work(handle=handle, batch=5, at_once=1)}
    with drainer(database, None, works=works) as engine:
        drained = engine.run(Bounds())
    assert (calls, drained.done, drained.dead) == ([5, 2], 5, 2)


def test_a_slow_kind_leaves_a_thread_to_the_others(database, put):
    put(8)
    put(3, kind="webhook", key="stock")
    quick = threading.Event()

    def slow(_):
        assert quick.wait(10)

    def fast(_):
        quick.set()

    works = {"push": Work(handle=single(slow)), "webhook": Work(handle=single(fast))}
    with drainer(database, None, works=works, threads=3) as engine:
        assert engine.run(Bounds()).done == 11


def test_workers_killed_at_random_lose_nothing(database, put, worker, log):
    ids = put(60)
    generator = random.Random(5)  # noqa: S311 - a test's dice
    processes = [worker(sleep=0.05, lease=1.0) for _ in range(3)]
    for _ in range(5):
        time.sleep(generator.uniform(0.5, 1.2))
        victim = processes.pop(0)
        victim.kill()
        processes.append(worker(sleep=0.05, lease=1.0))
        hurry(database)

    def all_done():
        hurry(database)
        return states(database) == {"done": 60}

    until(all_done)
    assert {line["id"] for line in log() if line.get("worked")} == set(ids)


def test_a_poisonous_item_kills_five_workers_and_is_dead_while_the_others_are_done(
    database, put, worker, log
):
    # The poison is claimed together with three good items, which sleep until it has killed their worker.
    put(8, payload={"sleep": 0.3})
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE integ.retry_queue SET run_at = now() - interval '1 hour'")
    (poison,) = put(1, key="poison", payload={"kills": True})
    with database.transaction() as connection:
        connection.exec_driver_sql(
            f"UPDATE integ.retry_queue SET run_at = now() - interval '1 day' WHERE id = {poison}"  # noqa: S608
        )
    started = [worker(threads=4, lease=PATIENCE_SECONDS)]

    def is_over():
        hurry(database)
        if all(process.poll() is not None for process in started):
            with database.transaction() as connection:
                connection.exec_driver_sql(
                    "UPDATE integ.retry_queue SET lease_until = now() WHERE state = 'leased'"
                )
            started.append(worker(threads=4, lease=PATIENCE_SECONDS))
        return set(states(database)) == {"done", "dead"}

    until(is_over)
    assert states(database) == {"done": 8, "dead": 1}
    assert sum(line["id"] == poison for line in log()) == 5
    attempts = rows(database, "SELECT attempts, count(*)::int FROM integ.retry_queue GROUP BY 1 ORDER BY 1")
    assert attempts == [(1, 5), (2, 3), (5, 1)], "only those beside its first attempt lost a turn"
    ((kind, code),) = rows(
        database,
        "SELECT last_error ->> 'kind', last_error ->> 'code' FROM integ.retry_queue WHERE state = 'dead'",
    )
    assert (kind, code) == ("poison", "QUEUE_LEASE_LOST")


def test_a_worker_stopped_beyond_its_lease_is_fenced_when_it_wakes(database, put, worker, log, tmp_path):
    (item_id,) = put(1, payload={"sleep": 2.0})
    slow = worker(lease=1.0)
    until(log)
    os.kill(slow.pid, signal.SIGSTOP)
    time.sleep(1.2)
    fast = worker(lease=20.0)

    def taken_over():
        hurry(database)
        return len({line["pid"] for line in log()}) == 2

    until(taken_over)
    os.kill(slow.pid, signal.SIGCONT)
    until(lambda: sum(bool(line.get("worked")) for line in log()) == 2)
    until(lambda: states(database) == {"done": 1})
    (tmp_path / "stop").touch()
    reports = [json.loads(process.communicate(timeout=PATIENCE_SECONDS)[0]) for process in (slow, fast)]
    assert reports == [{"done": 0, "lost": 1}, {"done": 1, "lost": 0}]
    ((state, attempts),) = rows(
        database,
        f"SELECT state, attempts FROM integ.retry_queue WHERE id = {item_id}",  # noqa: S608 - a number of ours
    )
    assert (state, attempts) == ("done", 2)


def test_a_lease_is_renewed_while_the_work_takes_longer(database, put, worker, log, tmp_path):
    put(1, payload={"sleep": 7.0})
    first = worker(lease=3.0)
    until(log)
    second = worker(lease=3.0)
    until(lambda: states(database) == {"done": 1})
    (tmp_path / "stop").touch()
    assert json.loads(first.communicate(timeout=PATIENCE_SECONDS)[0])["done"] == 1
    assert json.loads(second.communicate(timeout=PATIENCE_SECONDS)[0])["done"] == 0
    assert len({line["pid"] for line in log()}) == 1
