"""Days as partitions and single objects from the launchpad, as Dagster runs them."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from datetime import timedelta

import dagster as dg
import pytest
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from onec_pipelines.definitions import defs
from onec_pipelines.defs.keys import asset_key, layers_of, step_name
from onec_pipelines.defs.partitions import DAILY, today_key
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import jobs
from onec_pipelines.runtime import open_runtime
from onec_pipelines.settings import project_root
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines_tests.fixtures.patience import until
from onec_pipelines_tests.fixtures.pipeline import SYSTEM, control, environment, query, value

ORDERS, PRODUCTS, STOCK = BY_NAME["orders"], BY_NAME["products"], BY_NAME["stock"]


@pytest.fixture
def shop():
    with Simulator.start_thread(products=60, seed=5) as running:
        yield running


@pytest.fixture
def instance(shop, database_url, tmp_path, monkeypatch):
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    for name, held in environment(shop, database_url, tmp_path, page_rows=500).items():
        monkeypatch.setenv(name, held)
    with dg.DagsterInstance.get() as opened:
        yield opened


def materialize(instance, entity, *, layers=None, config=None, **values):
    assets = [one for one in defs.assets if isinstance(one, dg.AssetsDefinition)]
    wanted = next(one for one in assets if asset_key(entity, Layer.RAW) in one.keys)
    return dg.materialize(
        [wanted],
        selection=[asset_key(entity, layer) for layer in layers or layers_of(entity)],
        resources={"onec": OnecResource()},
        instance=instance,
        raise_on_error=False,
        run_config={"ops": {step_name(entity): {"config": config}}} if config else None,
        **values,
    )


def days(database_url):
    rows = query(
        database_url,
        "SELECT DISTINCT to_char(date AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM clean.orders ORDER BY 1",
    )
    return [day for (day,) in rows]


def test_a_range_of_days_is_one_run_that_reads_just_these(instance, database_url):
    result = materialize(
        instance,
        ORDERS,
        tags={
            ASSET_PARTITION_RANGE_START_TAG: "2026-03-01",
            ASSET_PARTITION_RANGE_END_TAG: "2026-05-29",
        },
    )

    assert result.success
    found = days(database_url)
    assert found
    assert "2026-03-01" <= found[0] <= found[-1] <= "2026-05-29"
    done = instance.get_materialized_partitions(asset_key(ORDERS, Layer.SHOP))
    assert len(done) == 90
    told = {one.metadata["days"].value for one in result.get_asset_check_evaluations()}
    assert told == {"2026-03-01…2026-05-29"}
    assert value(database_url, "SELECT count(*) FROM integ.sync_jobs") == 1


def test_today_is_the_incremental_run(instance, database_url):
    """The first time there is no history yet, and it is read."""
    first = materialize(instance, ORDERS, partition_key=today_key())
    second = materialize(instance, ORDERS, partition_key=today_key())

    assert first.success
    assert second.success
    assert value(database_url, "SELECT count(*) FROM clean.orders") > 0
    ways = query(
        database_url, "SELECT metadata ->> 'way', metadata ->> 'whole' FROM integ.sync_jobs ORDER BY id"
    )
    assert ways == [("windows", "true"), ("windows", "false")]


def test_a_whole_load_fills_every_day_of_every_layer_once(instance):
    first = materialize(instance, ORDERS, partition_key=today_key())
    whole = {layer: instance.get_materialized_partitions(asset_key(ORDERS, layer)) for layer in Layer}
    again = materialize(instance, ORDERS, partition_key=today_key(), config={"full": True})

    assert first.success
    assert again.success
    assert {len(days) for days in whole.values()} == {len(DAILY.get_partition_keys())}
    latest = instance.get_latest_materialization_event(asset_key(ORDERS, Layer.SHOP)).asset_materialization
    assert latest.partition == today_key()
    told = instance.get_records_for_run(again.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert len(told.records) == len(Layer)


def test_a_cancelled_step_is_not_tried_again(instance, shop, database_url):
    """Dagster would: its retry policy holds for interrupts, too, and the run somebody cancelled goes on after 20 seconds."""
    orders = r"Document_ЗаказКлиента\?"
    control(shop, "faults", {"type": "latency", "attributes": {"latency": 1000}, "match": orders})
    control(shop, "stats", method="DELETE")

    def interrupt():
        until(lambda: control(shop, "stats")["requests"].get("GET Document_ЗаказКлиента"))
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    # So many days that the step is under way however late the interrupt comes.
    result = materialize(
        instance,
        ORDERS,
        tags={
            ASSET_PARTITION_RANGE_START_TAG: "2025-06-01",
            ASSET_PARTITION_RANGE_END_TAG: "2026-05-29",
        },
    )
    interrupting.join()

    kinds = [event.event_type for event in result.all_events]
    assert dg.DagsterEventType.STEP_FAILURE in kinds
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds
    ((status, error),) = query(database_url, "SELECT status, error_message FROM integ.sync_jobs")
    assert status == "failed"
    assert error.startswith("cancelled")


def test_the_last_partition_is_today():
    last = DAILY.get_last_partition_key()
    window = DAILY.time_window_for_partition_key(last)

    assert last == today_key()
    assert window.end - window.start == timedelta(days=1)


def test_one_product_by_its_sku_from_the_launchpad(instance, shop, database_url):
    materialize(instance, PRODUCTS)
    key, sku = query(database_url, "SELECT ref::text, sku FROM clean.products WHERE sku IS NOT NULL LIMIT 1")[
        0
    ]
    control(shop, f"rows/Catalog_Номенклатура/{key}", {"Description": "Из пульта"})

    result = materialize(instance, PRODUCTS, config={"sku": sku})

    assert result.success
    assert query(database_url, "SELECT ref::text FROM clean.products WHERE name = 'Из пульта'") == [(key,)]
    latest = "SELECT metadata ->> 'way', (metadata ->> 'rows_read')::int FROM integ.sync_jobs ORDER BY id DESC LIMIT 1"
    way, rows = query(database_url, latest)[0]
    assert way == "keys"
    assert rows >= 1


def test_a_config_that_cannot_be_meant_fails_with_words(instance):
    result = materialize(instance, STOCK, config={"way": "versions"})

    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "WAY_NOT_POSSIBLE" in failed.step_failure_data.user_failure_data.description


def test_a_replay_of_a_time_from_the_launchpad(instance, shop, database_url):
    materialize(instance, PRODUCTS)
    control(shop, "faults", {"type": "reset_peer"})

    result = materialize(
        instance,
        PRODUCTS,
        layers=[Layer.CLEAN],
        config={"pages_from": "2026-01-01", "pages_to": "2126-01-01T00:00:00"},
    )

    assert result.success
    assert query(database_url, "SELECT job_type FROM integ.sync_jobs ORDER BY id") == [
        ("inbound",),
        ("replay",),
    ]


def test_a_scheduled_run_that_lost_the_race_is_skipped(instance, database_url):
    materialize(instance, PRODUCTS)
    with open_runtime() as runtime, jobs.entity_lock(runtime.database, SYSTEM, "products"):
        scheduled = materialize(instance, PRODUCTS, tags={"dagster/schedule_name": "catalog_every_hour"})

    assert scheduled.success
    event = instance.get_latest_materialization_event(asset_key(PRODUCTS, Layer.RAW)).asset_materialization
    assert event.metadata["status"].value == "skipped"
    assert "another run" in event.metadata["message"].value
    found = [one for one in scheduled.get_asset_check_evaluations() if one.check_name == "completeness"]
    assert [one.passed for one in found] == [True]
    assert value(database_url, "SELECT count(*) FROM integ.sync_jobs") == 1


def test_the_clean_up_runs_and_tells_what_it_removed(instance):
    materialize(instance, PRODUCTS)

    result = defs.resolve_job_def("clean_up").execute_in_process(instance=instance, raise_on_error=False)

    assert result.success
    assert result.output_for_node("remove_what_is_old")["pages"] == 0
