"""Failed runs and checks of Dagster's log become alerts exactly once, however often the log is read."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.definitions import build_definitions
from onec_pipelines.defs import alerts as sensors
from onec_pipelines.defs.assets import as_failure
from onec_pipelines.defs.freshness import schedules_that_run
from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.ledger import schedules
from onec_pipelines.monitoring.alerting import Alerting
from onec_pipelines.settings import project_root
from onec_pipelines_tests.fixtures.alerts import http_receiver
from onec_pipelines_tests.fixtures.pipeline import query
from onec_pipelines_tests.fixtures.schedules import state_of

ASSET = dg.AssetKey(["clean", "products_clean"])


class Watched:
    """A Dagster instance, the sensor with its cursor, and what arrived."""

    def __init__(self, instance, receiver):
        self.instance, self.receiver, self.cursor = instance, receiver, None

    def tick(self, *, forget=False):
        """One tick of the sensor; with `forget` it dies before its cursor is kept."""
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        sensors.alerts_of_dagster(context)
        if not forget:
            self.cursor = context.cursor
        return list(self.receiver.told)

    def check(self, *, passed, severity=dg.AssetCheckSeverity.ERROR, name="completeness"):
        @dg.asset(key=ASSET, check_specs=[dg.AssetCheckSpec(name, asset=ASSET)])
        def made():
            yield dg.MaterializeResult(
                check_results=[
                    dg.AssetCheckResult(
                        check_name=name,
                        passed=passed,
                        severity=severity,
                        metadata={
                            "reason": "only 5 of 9 rows were seen",
                            "rejected_rows": 4,
                            "secret": "canary-77",
                        },
                    )
                ]
            )

        dg.materialize([made], instance=self.instance)

    def run(self, **errors):
        """A run of one op for each keyword, which fails with the error or goes well with None."""

        def op_of(name, error):
            @dg.op(name=name)
            def work():
                if error is not None:
                    raise error

            return work

        ops = [op_of(name, error) for name, error in errors.items()]

        @dg.job(name="sync_all")
        def job():
            for op in ops:
                op()

        return job.execute_in_process(instance=self.instance, raise_on_error=False)


@pytest.fixture
def watched(database_url, tmp_path, monkeypatch):
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    with http_receiver() as receiver:
        for name, held in {
            "DAGSTER_HOME": str(tmp_path),
            "ONEC_SYSTEM": "test",
            "ONEC_DATABASE_URL": database_url,
            "ONEC_HOME": str(tmp_path),
            "ONEC_ALERT_WEBHOOK_URL": receiver.url,
            "ONEC_DAGSTER_URL": "http://dagster.example.com",
        }.items():
            monkeypatch.setenv(name, held)
        # The one that the product runs on: others number their events otherwise.
        with dg.DagsterInstance.get() as instance:
            yield Watched(instance, receiver)


def unreachable():
    return as_failure(RetryLater("the host is away", code="ONEC_UNREACHABLE", onec_message="нет связи"))


def test_a_failed_check_is_told_once_and_so_is_its_recovery(watched):
    name = "check:clean/products_clean:completeness"
    watched.check(passed=False)
    watched.tick()
    watched.check(passed=False)
    assert watched.tick() == [("raised", name)]
    watched.check(passed=True)
    watched.tick()
    assert watched.tick() == [("raised", name), ("recovered", name)]

    document = watched.receiver.documents[0]
    assert (document["entity"], document["rows"], document["severity"]) == ("products", 4, "error")
    assert document["facts"]["message"] == "only 5 of 9 rows were seen"
    assert document["dagster_link"].startswith("http://dagster.example.com/runs/")
    assert "canary-77" not in str(document)


def test_a_check_that_only_warns_is_a_note_that_is_listed_and_not_sent(watched, database_url):
    watched.check(passed=False, severity=dg.AssetCheckSeverity.WARN)

    assert watched.tick() == []
    assert query(database_url, "SELECT severity FROM integ.alerts") == [("note",)]


def test_a_sensor_that_dies_before_its_cursor_is_kept_tells_nothing_twice(watched):
    watched.check(passed=False)
    watched.tick(forget=True)
    watched.check(passed=True)
    watched.tick(forget=True)
    told = watched.tick()

    assert [event for event, _ in told] == ["raised", "recovered"]


def test_a_sensor_that_dies_before_sending_sends_in_the_next_tick(watched, monkeypatch):
    def die(_alerting):
        raise RuntimeError("killed")

    watched.check(passed=False)
    with monkeypatch.context() as broken:
        broken.setattr(Alerting, "send", die)
        with pytest.raises(RuntimeError):
            watched.tick()
    assert watched.receiver.told == []

    assert [event for event, _ in watched.tick()] == ["raised"]


def test_what_the_ledger_tells_better_is_not_told_twice(watched, database_url):
    query(
        database_url,
        "INSERT INTO integ.sync_jobs (job_type, system_name, entity_type, run_id, status, completed_at, error_message)"
        " VALUES ('sync', 'test', 'products', 'r', 'failed', now(), '[ONEC_COLUMN_MISSING] products lacks a column')",
    )
    watched.check(passed=False)

    assert watched.tick() == [("raised", "schema_break:products")]


def test_one_cause_of_many_failed_steps_is_one_alert_that_ends_when_each_went_well(watched):
    watched.run(products_sync=unreachable(), prices_sync=unreachable(), stock_sync=None)
    watched.run(products_sync=unreachable(), prices_sync=unreachable())
    name = "run:ONEC_UNREACHABLE"
    assert watched.tick() == [("raised", name)]
    watched.run(products_sync=None)
    assert watched.tick() == [("raised", name)]
    watched.run(prices_sync=None, stock_sync=None)
    watched.tick()
    assert watched.tick() == [("raised", name), ("recovered", name)]

    document = watched.receiver.documents[0]
    assert document["facts"]["steps"] == ["prices_sync", "products_sync"]
    assert document["onec_message"] == "нет связи"
    assert "ONEC_URL" in document["remedy"]


def test_failure_and_recovery_between_two_ticks_leave_nothing_open(watched, database_url):
    watched.run(products_sync=unreachable())
    watched.run(products_sync=None)

    assert watched.tick() == []
    assert query(database_url, "SELECT resolved_at IS NOT NULL FROM integ.alerts") == [(True,)]


def test_a_mistake_of_ours_is_told_by_its_kind_and_without_its_values(watched):
    watched.run(products_sync=ValueError("phone +7 900 canary"))
    watched.tick()

    (document,) = watched.receiver.documents
    assert document["fingerprint"] == "run:sync_all:RUN_FAILED"
    assert "canary" not in str(document)


def test_a_brake_is_left_to_the_ledger(watched):
    watched.run(products_sync=as_failure(Stop("too many", code="DELETION_BRAKE")))

    assert watched.tick() == []


def test_what_dagster_keeps_of_schedules_is_read_as_it_is_written(watched, database_url):
    """The tables are Dagster's: this is the test that tells when a release writes them otherwise."""
    with connect(database_url) as database:

        def running():
            with database.transaction() as connection:
                return schedules.running(driver_connection(connection))

        assert running() == {}
        watched.instance.add_instigator_state(state_of("catalog_every_hour", on_for=timedelta(hours=3)))
        watched.instance.add_instigator_state(state_of("clean_up_every_night", is_on=False))
        (found,) = running().items()
        assert (found[0], schedules_that_run()) == ("catalog_every_hour", {"catalog_every_hour"})
        assert datetime.now(UTC) - found[1] == pytest.approx(timedelta(hours=3), abs=timedelta(minutes=1))
        watched.instance.update_instigator_state(state_of("catalog_every_hour", is_on=False))
        assert (running(), schedules_that_run()) == ({}, frozenset())


def test_the_sensor_of_the_ledger_sends_and_both_are_on_from_the_start(watched, database_url):
    query(
        database_url,
        "INSERT INTO integ.throttle (system_name, paused_at, paused_by) VALUES ('test', now() - interval '1 day', 'anna')",
    )
    sensors.alerts_of_ledger(dg.build_sensor_context(instance=watched.instance))

    assert watched.receiver.told == [("raised", "paused:test")]
    defined = {sensor.name: sensor.default_status for sensor in build_definitions().sensors or ()}
    for sensor in sensors.ALERT_SENSORS:
        assert defined[sensor.name] is dg.DefaultSensorStatus.RUNNING
