"""The throttle of all processes: several of them, on a real PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.db.urls import conninfo
from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.ledger import controls
from onec_pipelines.ledger.throttle import SharedThrottle
from onec_pipelines.ledger.throttle_rules import Limits, Patience

SYSTEM = "test"
CALLER = Path(__file__).with_name("throttled_caller.py")
LOUD = Stop("401", code="ONEC_AUTH", http_status=401, remedy="Check the password.")


@contextmanager
def throttle(url, *, patience=None, quiet="", **limits):
    defaults = {"rate_per_second": 1000.0, "max_calls": 4}
    with connect(url) as database:
        made = SharedThrottle(
            database,
            system_name=SYSTEM,
            limits=Limits(**{**defaults, **limits}),
            quiet_until=controls.quiet_hours(quiet, ZoneInfo("Europe/Moscow")),
            patience=patience,
        )
        try:
            yield made
        finally:
            made.close()


def caller(url, **options):
    """A process that calls in threads for a while and prints what it did as JSON."""
    return subprocess.Popen(
        [sys.executable, str(CALLER), json.dumps({"url": url, "system": SYSTEM, **options})],
        stdout=subprocess.PIPE,
        text=True,
    )


def ended(process):
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(out)


def most_at_once(spans):
    events = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    running = most = 0
    for _, step in events:
        running += step
        most = max(most, running)
    return most


def wait_until(condition, seconds=10):
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def test_three_processes_together_hold_no_more_calls_than_one_may_and_each_has_its_turn(database_url):
    processes = [caller(database_url, seconds=3, threads=3, latency=0.03, max_calls=4) for _ in range(3)]
    spans = [ended(process)["spans"] for process in processes]
    assert most_at_once([span for one in spans for span in one]) <= 4
    counts = sorted(len(one) for one in spans)
    assert counts[0] > 0.3 * counts[-1]


def test_more_processes_than_calls_take_turns(database_url):
    processes = [caller(database_url, seconds=4, threads=2, latency=0.03, max_calls=1) for _ in range(3)]
    spans = [ended(process)["spans"] for process in processes]
    assert most_at_once([span for one in spans for span in one]) == 1
    assert all(len(one) >= 5 for one in spans)


def test_writers_share_one_lane_and_readers_have_the_rest(database_url):
    writers = [
        caller(database_url, seconds=3, threads=2, latency=0.03, lane="write", max_calls=4) for _ in range(2)
    ]
    reader = caller(database_url, seconds=3, threads=4, latency=0.03, max_calls=4)
    written = [span for process in writers for span in ended(process)["spans"]]
    read = ended(reader)["spans"]
    assert most_at_once(written) == 1
    assert most_at_once([*written, *read]) <= 4
    assert most_at_once(read) >= 2


def test_the_rate_is_one_for_all_processes(database_url):
    processes = [
        caller(database_url, seconds=3, threads=3, latency=0, rate=40, max_calls=9) for _ in range(3)
    ]
    begins = sorted(begin for process in processes for begin, _ in ended(process)["spans"])
    in_two_seconds = [begin for begin in begins if begins[0] + 0.8 < begin < begins[0] + 2.8]
    assert len(begins) <= 40 * (begins[-1] - begins[0]) + 44
    assert 50 <= len(in_two_seconds) <= 84


def test_a_process_killed_in_the_middle_of_a_call_frees_it_at_once(database_url):
    victim = caller(database_url, seconds=60, threads=1, latency=50, max_calls=1)
    with throttle(database_url, max_calls=1) as ours:
        with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
            wait_until(
                lambda: connection.execute("SELECT sum(held) FROM integ.throttle_members").fetchone()[0] == 1
            )
        with pytest.raises(RetryLater, match="ONEC_BUSY"), ours.slot(0.3):
            pass
        victim.kill()
        victim.communicate()
        begun = time.monotonic()
        with ours.slot(10):
            assert time.monotonic() - begun < 3


def test_a_stopped_process_loses_its_call_after_its_heartbeats_are_missed(database_url, monkeypatch):
    victim = caller(database_url, seconds=60, threads=1, latency=50, max_calls=1)
    try:
        with (
            throttle(database_url, max_calls=1) as ours,
            psycopg.connect(conninfo(database_url), autocommit=True) as connection,
        ):
            wait_until(
                lambda: connection.execute("SELECT sum(held) FROM integ.throttle_members").fetchone()[0] == 1
            )
            os.kill(victim.pid, signal.SIGSTOP)
            connection.execute("UPDATE integ.throttle_members SET seen_at = seen_at - interval '16 seconds'")
            with ours.slot(5):
                pass
    finally:
        os.kill(victim.pid, signal.SIGCONT)
        victim.kill()
        victim.communicate()


def test_a_refused_login_stops_every_process_until_a_person_resumes(database_url, database):
    with throttle(database_url) as first, throttle(database_url) as second:
        with first.slot(1):
            pass
        first.failed(LOUD)
        time.sleep(0.3)
        for one in (first, second):
            with pytest.raises(RetryLater) as caught, one.slot(1):
                pass
            assert (caught.value.code, caught.value.sent) == ("ONEC_BREAKER_OPEN", False)
            assert "Check the password." in caught.value.remedy
        with database.transaction() as connection:
            assert controls.resume(driver_connection(connection), system_name=SYSTEM, by="tester")
        time.sleep(0.3)
        with second.slot(1):
            pass


def test_of_many_waiting_calls_one_goes_as_the_probe_and_its_success_lets_the_others_follow(database_url):
    patience = Patience(failures=1, silence_seconds=0, open_seconds=0.5)
    with throttle(database_url, patience=patience) as ours:
        ours.failed(RetryLater("no connection", code="ONEC_UNREACHABLE", sent=False))
        time.sleep(0.6)
        outcomes = []
        release = threading.Event()

        def call():
            try:
                with ours.slot(3):
                    release.wait(5)
                ours.succeeded()
                outcomes.append("called")
            except RetryLater as error:
                outcomes.append(error.code)

        threads = [threading.Thread(target=call) for _ in range(5)]
        for thread in threads:
            thread.start()
        time.sleep(1.0)
        assert outcomes.count("called") == 0
        with (
            throttle(database_url) as another,
            pytest.raises(RetryLater, match="probe is under way"),
            another.slot(1),
        ):
            pass
        release.set()
        for thread in threads:
            thread.join(10)
        assert outcomes.count("called") >= 1
        with ours.slot(1):
            pass


def test_a_pause_is_felt_by_a_process_that_is_calling_and_ends_by_itself(database_url, database):
    with throttle(database_url) as ours:
        with ours.slot(1):
            pass
        until = datetime.now(UTC) + timedelta(seconds=1.5)
        with database.transaction() as connection:
            controls.pause(
                driver_connection(connection), system_name=SYSTEM, by="anna", reason="month end", until=until
            )
        time.sleep(0.3)
        with pytest.raises(RetryLater, match=r"paused .* by anna: month end") as caught, ours.slot(1):
            pass
        assert caught.value.code == "ONEC_PAUSED"
        time.sleep(1.5)
        with ours.slot(1):
            pass


def test_quiet_hours_refuse_calls_with_their_end(database_url):
    now = datetime.now(ZoneInfo("Europe/Moscow"))
    span = f"{now - timedelta(minutes=5):%H:%M}-{now + timedelta(minutes=10):%H:%M}"
    with throttle(database_url, quiet=span) as ours, pytest.raises(RetryLater) as caught, ours.slot(1):
        pass
    assert caught.value.code == "ONEC_QUIET_HOURS"
    assert 0 < caught.value.retry_after <= 600


def test_calls_go_on_after_all_connections_were_cut(database_url):
    """As after a restart of the database: the throttle connects anew, and what is under way is counted again."""
    with (
        psycopg.connect(conninfo(database_url), autocommit=True) as connection,
        throttle(database_url, max_calls=2) as ours,
        ours.slot(5),
    ):
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        time.sleep(0.5)
        with ours.slot(20):
            held = connection.execute("SELECT sum(held) FROM integ.throttle_members").fetchone()[0]
        assert held == 2


def test_a_call_waits_for_a_free_one_and_gives_up_unsent(database_url):
    with (
        throttle(database_url, max_calls=1) as ours,
        ours.slot(5),
        pytest.raises(RetryLater) as caught,
        ours.slot(0.3),
    ):
        pass
    assert (caught.value.code, caught.value.sent) == ("ONEC_BUSY", False)


def test_what_is_not_used_is_given_back_within_a_second_or_two(database_url, tx):
    with throttle(database_url) as ours:
        with ours.slot(1):
            pass
        wait_until(
            lambda: tx.execute("SELECT count(*) FROM integ.throttle_members").fetchone()[0] == 0, seconds=4
        )


def test_overload_that_one_process_meets_halves_the_calls_of_all(database_url):
    with ExitStack() as stack:
        first, second = (stack.enter_context(throttle(database_url)) for _ in range(2))
        with first.slot(1):
            pass
        first.overloaded()
        with ExitStack() as held:
            held.enter_context(second.slot(5))
            held.enter_context(second.slot(5))
            with pytest.raises(RetryLater, match="ONEC_BUSY"), second.slot(0.3):
                pass


def test_the_standing_of_a_base_says_who_calls_and_why_not(database_url, database):
    quiet = controls.quiet_hours("", ZoneInfo("Europe/Moscow"))
    assert controls.standing(database, SYSTEM, quiet).refusal is None
    with throttle(database_url) as ours:
        with ours.slot(1):
            standing = controls.standing(database, SYSTEM, quiet)
            assert (standing.breaker, standing.held, standing.refusal) == ("closed", 1, None)
        ours.failed(LOUD)
        standing = controls.standing(database, SYSTEM, quiet)
    assert (standing.breaker, standing.cause["code"], standing.refusal.code) == (
        "open",
        "ONEC_AUTH",
        "ONEC_BREAKER_OPEN",
    )


@pytest.mark.parametrize(
    ("spans", "now", "until"),
    [
        ("02:00-04:00", "2026-11-23T01:59", None),
        ("02:00-04:00", "2026-11-23T02:00", "2026-11-23T04:00"),
        ("02:00-04:00", "2026-11-23T04:00", None),
        ("23:30-00:15", "2026-11-23T23:45", "2026-11-24T00:15"),
        ("23:30-00:15", "2026-11-23T00:10", "2026-11-23T00:15"),
        ("23:30-00:15,00:10-01:00", "2026-11-23T00:12", "2026-11-23T01:00"),
    ],
)
def test_quiet_hours_are_spans_of_the_infobases_clock(spans, now, until):
    zone = ZoneInfo("Europe/Moscow")
    moment = datetime.fromisoformat(now).replace(tzinfo=zone)
    wanted = datetime.fromisoformat(until).replace(tzinfo=zone) if until else None
    assert controls.quiet_hours(spans, zone)(moment.astimezone(UTC)) == wanted
