"""What webhooks did is in Dagster's history, summed up and once."""

from __future__ import annotations

import dagster as dg
import pytest

from onec_pipelines.definitions import build_definitions
from onec_pipelines.defs.webhooks import webhooks_report
from onec_pipelines_tests.fixtures.pipeline import query

APPLIED = (
    "INSERT INTO integ.webhook_applied (system_name, entity_type, way, job_id, hints, rows_changed, rows_deleted, oldest_at, applied_at)"
    " VALUES (%s, %s, 'fetched', 1, %s, %s, 0, now() - interval '12 seconds', now() - %s * interval '1 second')"
)


@pytest.fixture
def environment(database_url, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ONEC_SYSTEM", "test")
    monkeypatch.setenv("ONEC_DATABASE_URL", database_url)
    monkeypatch.setenv("ONEC_HOME", str(tmp_path))


def tick(instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    return webhooks_report(context)


def test_the_sums_of_each_entity_are_reported_once(environment, database_url) -> None:
    for values in (("test", "stock", 5, 4, 10), ("test", "stock", 2, 2, 9), ("test", "orders", 1, 0, 8)):
        query(database_url, APPLIED, *values)
    query(database_url, APPLIED, "other", "stock", 99, 99, 9)
    with dg.instance_for_test() as instance:
        result = tick(instance, None)
        assert isinstance(result, dg.SensorResult)
        found = {event.asset_key.to_user_string(): event.metadata for event in result.asset_events}
        assert set(found) == {"shop/stock", "shop/orders"}
        stock = found["shop/stock"]
        assert (stock["hints"].value, stock["fetches"].value, stock["rows_changed"].value) == (7, 2, 6)
        assert 2.5 < stock["seconds_from_event_worst"].value < 4
        assert isinstance(tick(instance, result.cursor), dg.SkipReason)

        query(database_url, APPLIED, "test", "stock", 1, 1, 5)
        again = tick(instance, result.cursor)
        assert isinstance(again, dg.SensorResult)
        assert [event.metadata["hints"].value for event in again.asset_events] == [1]


def test_what_has_just_happened_waits_for_the_next_report(environment, database_url) -> None:
    query(database_url, APPLIED, "test", "stock", 1, 1, -60)
    with dg.instance_for_test() as instance:
        assert isinstance(tick(instance, None), dg.SkipReason)


def test_without_a_base_there_is_nothing_to_report(monkeypatch, database_url) -> None:
    monkeypatch.setenv("ONEC_DATABASE_URL", database_url)
    with dg.instance_for_test() as instance:
        assert isinstance(tick(instance, None), dg.SkipReason)


def test_the_sensor_is_part_of_the_definitions_and_runs_by_itself() -> None:
    sensor = build_definitions().resolve_sensor_def("webhooks_report")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
