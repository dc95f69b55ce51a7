"""The queue as Dagster works it: the sensor that sees due items, the jobs, and schedules that skip with words."""

from __future__ import annotations

from uuid import uuid4

import dagster as dg
import pytest

from onec_pipelines import dispatch
from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.defs.gate import gated
from onec_pipelines.defs.queue import drain_queue, queue_act, queue_waiting
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.errors import Quarantine, RetryLater
from onec_pipelines.ledger import controls, queue, workers
from onec_pipelines.ledger.workers import Beat
from onec_pipelines_tests.fixtures.pipeline import query, value


@pytest.fixture
def database(database_url, tmp_path, monkeypatch):
    """A database with items; the settings in the environment lead to it and to a 1C that nobody calls."""
    for name, held in {
        "ONEC_URL": "http://127.0.0.1:9/ut/odata/standard.odata",
        "ONEC_USER": "odata",
        "ONEC_PASSWORD": "",
        "ONEC_TIMEZONE": "Europe/Moscow",
        "ONEC_SYSTEM": "test",
        "ONEC_DATABASE_URL": database_url,
        "ONEC_HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, held)
    with connect(database_url) as opened:
        yield opened


@pytest.fixture
def handled(monkeypatch):
    """Numbers of the items that were worked off; an item whose payload says so is refused."""
    seen = []

    def handle(_runtime, item):
        if item.payload.get("refused"):
            raise Quarantine("closed", code="ONEC_HANDLER", onec_message="Период закрыт")
        seen.append(item.id)

    monkeypatch.setitem(dispatch.HANDLERS, "push", handle)
    return seen


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def put(database, **payload):
    with database.transaction() as connection:
        return queue.enqueue(
            driver_connection(connection),
            system_name="test",
            kind="push",
            subject="order:1",
            ordering_key=f"order:{payload.get('n')}",
            payload=payload,
        )


def run(job, config=None):
    return job.execute_in_process(resources={"onec": OnecResource()}, run_config=config, raise_on_error=False)


def act(**config):
    return run(queue_act, {"ops": {"act_on_items": {"config": {"reason": "test", **config}}}})


def tick(instance):
    return queue_waiting(dg.build_sensor_context(instance=instance))


def test_the_sensor_asks_for_a_drain_only_when_something_can_be_done(database, instance):
    assert "nothing is due" in tick(instance).skip_message
    put(database, n=1)
    assert isinstance(tick(instance), dg.RunRequest)


def test_the_sensor_leaves_the_work_to_a_worker_that_lives(database, instance):
    put(database, n=1)
    beat = Beat(state="running", busy=0, done=0, failed=0, waits_for=None)
    workers.beat(database, uuid4(), system_name="test", kinds=["push"], threads=1, now=beat)
    assert "workers live" in tick(instance).skip_message
    query(database.url, "UPDATE integ.workers SET seen_at = now() - interval '1 minute'")
    assert isinstance(tick(instance), dg.RunRequest)


def test_the_sensor_says_that_1c_is_paused(database, instance):
    put(database, n=1)
    with database.transaction() as connection:
        controls.pause(driver_connection(connection), system_name="test", by="anna", reason="month end")
    assert "month end" in tick(instance).skip_message


def test_items_behind_a_dead_push_start_no_runs(database, instance, handled):
    put(database, n=1, refused=True)
    put(database, n=1)
    assert run(drain_queue).success
    assert "nothing is due" in tick(instance).skip_message


def test_the_job_works_off_what_is_due_and_tells_of_dead_letters(database, handled):
    good, _ = put(database, n=1), put(database, n=2, refused=True)
    result = run(drain_queue, {"ops": {"work_off": {"config": {"kinds": ["push"], "limit": 5}}}})
    assert result.success
    assert handled == [good]
    (output,) = [event for event in result.all_events if event.event_type_value == "STEP_OUTPUT"]
    metadata = output.step_output_data.metadata
    assert (metadata["done"].value, metadata["dead"].value) == (1, 1)


def test_items_are_retried_edited_and_dropped_by_id_and_the_audit_names_the_run(database, handled):
    item = put(database, n=1, refused=True)
    run(drain_queue)
    assert act(action="edit", ids=[item], payload='{"n": 1}').success
    result = act(action="retry", ids=[item])
    assert result.success
    run(drain_queue)
    assert handled == [item]
    by = value(database.url, "SELECT details ->> 'by' FROM integ.audit_log WHERE action = 'queue.retry'")
    assert result.run_id in by
    assert not act(action="drop", ids=[item]).success


def test_an_edit_without_a_json_object_fails_with_words(database, handled):
    item = put(database, n=1)
    for payload in ("[1]", "nonsense", ""):
        assert not act(action="edit", ids=[item], payload=payload).success
    assert value(database.url, "SELECT payload FROM integ.retry_queue") == {"n": 1}


def test_a_schedule_skips_with_the_reason_and_runs_without_one():
    @dg.job
    def nothing():
        pass

    schedule = dg.ScheduleDefinition(name="hourly", job=nothing, cron_schedule="5 * * * *")
    paused = RetryLater("calls are paused by anna", code="ONEC_PAUSED", sent=False)
    context = dg.build_schedule_context()
    assert "anna" in gated(schedule, lambda: paused).evaluate_tick(context).skip_message
    assert len(gated(schedule, lambda: None).evaluate_tick(context).run_requests) == 1
