"""The throttle of all processes: several of them, on a real PostgreSQL."""

from __future__ import annotations

import json
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
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until

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


class Callers:
    """Processes that call together from `begin` until they are told to stop; what they do is read while they do it."""

    def __init__(self, url, folder):
        self.url, self.folder, self.processes = url, folder, []
        self.begun_at = 0.0

    def start(self, **options):
        number = len(self.processes)
        files = {name: str(self.folder / name) for name in ("go", "stop")}
        own = {name: str(self.folder / f"{name}-{number}") for name in ("ready", "spans")}
        given = json.dumps({"url": self.url, "system": SYSTEM, **files, **own, **options})
        self.processes.append(subprocess.Popen([sys.executable, str(CALLER), given]))
        return self.processes[-1]

    def begin(self):
        until(lambda: len(list(self.folder.glob("ready-*"))) == len(self.processes))
        self.begun_at = time.time()
        (self.folder / "go").touch()

    def spans(self):
        """When each call began and ended, for each process."""
        texts = [(self.folder / f"spans-{number}").read_text() for number in range(len(self.processes))]
        return [
            [tuple(map(float, line.split())) for line in text.rpartition("\n")[0].splitlines()]
            for text in texts
        ]

    def work(self, is_enough):
        """Begin, stop when it is enough, and give all spans."""
        self.begin()
        until(lambda: is_enough(self.spans()))
        (self.folder / "stop").touch()
        assert [process.wait(PATIENCE_SECONDS) for process in self.processes] == [0] * len(self.processes)
        return self.spans()


@pytest.fixture
def callers(database_url, tmp_path):
    made = Callers(database_url, tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()


def most_at_once(spans):
    events = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    running = most = 0
    for _, step in events:
        running += step
        most = max(most, running)
    return most


def held_by_all(connection):
    return connection.execute("SELECT sum(held) FROM integ.throttle_members").fetchone()[0]


def test_three_processes_together_hold_no_more_calls_than_one_may_and_each_has_its_turn(callers):
    for _ in range(3):
        callers.start(threads=3, latency=0.03, max_calls=4)
    spans = callers.work(lambda found: all(len(one) >= 40 for one in found))
    assert most_at_once([span for one in spans for span in one]) <= 4
    # Far from fair is a machine that works for others meanwhile; a process without turns never comes this far.
    assert max(map(len, spans)) < 20 * min(map(len, spans))


def test_more_processes_than_calls_take_turns(callers):
    for _ in range(3):
        callers.start(threads=2, latency=0.03, max_calls=1)
    spans = callers.work(lambda found: all(len(one) >= 5 for one in found))
    assert most_at_once([span for one in spans for span in one]) == 1


def test_writers_share_one_lane_and_readers_have_the_rest(callers):
    for _ in range(2):
        callers.start(threads=2, latency=0.03, lane="write", max_calls=4)
    callers.start(threads=4, latency=0.03, max_calls=4)

    def is_enough(found):
        return all(len(one) >= 10 for one in found) and most_at_once(found[2]) >= 2

    *writers, read = callers.work(is_enough)
    written = [span for one in writers for span in one]
    assert most_at_once(written) == 1
    assert most_at_once([*written, *read]) <= 4


def test_the_rate_is_one_for_all_processes(callers):
    for _ in range(3):
        callers.start(threads=3, latency=0, rate=40, max_calls=9)
    spans = callers.work(lambda found: sum(map(len, found)) >= 150)
    begins = sorted(begin for one in spans for begin, _ in one)
    # A second's worth at once, and the rate from then on: three rates would be through before their time.
    assert len(begins) <= 40 * (begins[-1] - callers.begun_at) + 44


def test_a_process_killed_in_the_middle_of_a_call_frees_it_at_once(callers, database_url, tx):
    victim = callers.start(threads=1, latency=PATIENCE_SECONDS, max_calls=1)
    callers.begin()
    with throttle(database_url, max_calls=1) as ours:
        until(lambda: held_by_all(tx) == 1)
        with pytest.raises(RetryLater, match="ONEC_BUSY"), ours.slot(0.3):
            pass
        victim.kill()
        victim.wait()
        # However long one waited, no heartbeat of it would be missed.
        tx.execute("UPDATE integ.throttle_members SET seen_at = now() + interval '1 hour' WHERE held > 0")
        with ours.slot(PATIENCE_SECONDS):
            pass


def test_a_stopped_process_loses_its_call_after_its_heartbeats_are_missed(callers, database_url, tx):
    victim = callers.start(threads=1, latency=PATIENCE_SECONDS, max_calls=1)
    callers.begin()
    until(lambda: held_by_all(tx) == 1)

    def is_stopped():
        """Stopped between two of its transactions: within one it would hold up everybody by the row's lock."""
        victim.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        ((busy,),) = tx.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
        ).fetchall()
        if not busy:
            return True
        victim.send_signal(signal.SIGCONT)
        return False

    until(is_stopped)
    tx.execute("UPDATE integ.throttle_members SET seen_at = seen_at - interval '16 seconds'")
    with throttle(database_url, max_calls=1) as ours, ours.slot(PATIENCE_SECONDS):
        pass


def test_a_refused_login_stops_every_process_until_a_person_resumes(database_url, database):
    with throttle(database_url) as first, throttle(database_url) as second:
        with first.slot(PATIENCE_SECONDS):
            pass
        first.failed(LOUD)
        time.sleep(0.3)
        for one in (first, second):
            with pytest.raises(RetryLater) as caught, one.slot(PATIENCE_SECONDS):
                pass
            assert (caught.value.code, caught.value.sent) == ("ONEC_BREAKER_OPEN", False)
            assert "Check the password." in caught.value.remedy
        with database.transaction() as connection:
            assert controls.resume(driver_connection(connection), system_name=SYSTEM, by="tester")
        time.sleep(0.3)
        with second.slot(PATIENCE_SECONDS):
            pass


def test_of_many_waiting_calls_one_goes_as_the_probe_and_its_success_lets_the_others_follow(database_url):
    patience = Patience(failures=1, silence_seconds=0, open_seconds=0.5)
    with throttle(database_url, patience=patience) as ours:
        ours.failed(RetryLater("no connection", code="ONEC_UNREACHABLE", sent=False))
        time.sleep(0.6)
        outcomes, entered = [], []
        release = threading.Event()

        def call():
            try:
                with ours.slot(PATIENCE_SECONDS):
                    entered.append(threading.get_ident())
                    release.wait(PATIENCE_SECONDS)
                ours.succeeded()
                outcomes.append("called")
            except RetryLater as error:
                outcomes.append(error.code)

        threads = [threading.Thread(target=call) for _ in range(5)]
        for thread in threads:
            thread.start()
        until(lambda: entered)
        with (
            throttle(database_url) as another,
            pytest.raises(RetryLater, match="probe is under way"),
            another.slot(PATIENCE_SECONDS),
        ):
            pass
        time.sleep(0.5)
        assert len(entered) == 1
        release.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert outcomes == ["called"] * 5
        with ours.slot(PATIENCE_SECONDS):
            pass


def test_a_pause_is_felt_by_a_process_that_is_calling_and_ends_by_itself(database_url, database, tx):
    with throttle(database_url) as ours:
        with ours.slot(PATIENCE_SECONDS):
            pass
        in_an_hour = datetime.now(UTC) + timedelta(hours=1)
        with database.transaction() as connection:
            controls.pause(
                driver_connection(connection),
                system_name=SYSTEM,
                by="anna",
                reason="month end",
                until=in_an_hour,
            )
        time.sleep(0.3)
        with (
            pytest.raises(RetryLater, match=r"paused .* by anna: month end") as caught,
            ours.slot(PATIENCE_SECONDS),
        ):
            pass
        assert caught.value.code == "ONEC_PAUSED"
        tx.execute("UPDATE integ.throttle SET paused_until = now()")
        time.sleep(0.3)
        with ours.slot(PATIENCE_SECONDS):
            pass


def test_quiet_hours_refuse_calls_with_their_end(database_url):
    now = datetime.now(ZoneInfo("Europe/Moscow"))
    span = f"{now - timedelta(minutes=5):%H:%M}-{now + timedelta(minutes=10):%H:%M}"
    with (
        throttle(database_url, quiet=span) as ours,
        pytest.raises(RetryLater) as caught,
        ours.slot(PATIENCE_SECONDS),
    ):
        pass
    assert caught.value.code == "ONEC_QUIET_HOURS"
    assert 0 < caught.value.retry_after <= 600


def test_calls_go_on_after_all_connections_were_cut(database_url):
    """As after a restart of the database: the throttle connects anew, and what is under way is counted again."""
    with (
        psycopg.connect(conninfo(database_url), autocommit=True) as connection,
        throttle(database_url, max_calls=2) as ours,
        ours.slot(PATIENCE_SECONDS),
    ):
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        time.sleep(0.5)
        with ours.slot(PATIENCE_SECONDS):
            held = connection.execute("SELECT sum(held) FROM integ.throttle_members").fetchone()[0]
        assert held == 2


def test_a_call_waits_for_a_free_one_and_gives_up_unsent(database_url):
    with (
        throttle(database_url, max_calls=1) as ours,
        ours.slot(PATIENCE_SECONDS),
        pytest.raises(RetryLater) as caught,
        ours.slot(0.3),
    ):
        pass
    assert (caught.value.code, caught.value.sent) == ("ONEC_BUSY", False)


def test_what_is_not_used_is_given_back(database_url, tx):
    with throttle(database_url) as ours:
        with ours.slot(PATIENCE_SECONDS):
            pass
        until(lambda: tx.execute("SELECT count(*) FROM integ.throttle_members").fetchone() == (0,))


def test_overload_that_one_process_meets_halves_the_calls_of_all(database_url):
    with ExitStack() as stack:
        first, second = (stack.enter_context(throttle(database_url)) for _ in range(2))
        with first.slot(PATIENCE_SECONDS):
            pass
        first.overloaded()
        with ExitStack() as held:
            held.enter_context(second.slot(PATIENCE_SECONDS))
            held.enter_context(second.slot(PATIENCE_SECONDS))
            with pytest.raises(RetryLater, match="ONEC_BUSY"), second.slot(0.3):
                pass


def test_the_standing_of_a_base_says_who_calls_and_why_not(database_url, database):
    quiet = controls.quiet_hours("", ZoneInfo("Europe/Moscow"))
    assert controls.standing(database, SYSTEM, quiet).refusal is None
    with throttle(database_url) as ours:
        with ours.slot(PATIENCE_SECONDS):
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
    ("spans", "now", "ends"),
    [
        ("02:00-04:00", "2026-11-23T01:59", None),
        ("02:00-04:00", "2026-11-23T02:00", "2026-11-23T04:00"),
        ("02:00-04:00", "2026-11-23T04:00", None),
        ("23:30-00:15", "2026-11-23T23:45", "2026-11-24T00:15"),
        ("23:30-00:15", "2026-11-23T00:10", "2026-11-23T00:15"),
        ("23:30-00:15,00:10-01:00", "2026-11-23T00:12", "2026-11-23T01:00"),
    ],
)
def test_quiet_hours_are_spans_of_the_infobases_clock(spans, now, ends):
    zone = ZoneInfo("Europe/Moscow")
    moment = datetime.fromisoformat(now).replace(tzinfo=zone)
    wanted = datetime.fromisoformat(ends).replace(tzinfo=zone) if ends else None
    assert controls.quiet_hours(spans, zone)(moment.astimezone(UTC)) == wanted
