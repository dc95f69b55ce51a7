"""The pipeline as Dagster runs it: records in PostgreSQL, checks, and layers that run alone."""

from __future__ import annotations

import shutil
from collections import Counter

import dagster as dg
import pytest

from onec_pipelines.definitions import defs
from onec_pipelines.defs.in_process import run_job
from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.settings import project_root
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines_tests.fixtures.pipeline import control, environment, query, value

MAKERS = BY_NAME["manufacturers"]


@pytest.fixture(scope="module")
def shop():
    with Simulator.start_thread(products=60, seed=5) as running:
        yield running


@pytest.fixture
def home(shop, database_url, tmp_path, monkeypatch):
    """An instance as `dagster.yaml` describes it, on the database of this test."""
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    for name, held in environment(shop, database_url, tmp_path, page_rows=500).items():
        monkeypatch.setenv(name, held)
    yield tmp_path
    control(shop, "faults", method="DELETE")


@pytest.fixture
def instance(home):
    with dg.DagsterInstance.get() as opened:
        yield opened


def materialize(instance, entity, *layers, raise_on_error=True):
    """Materialize some layers of an entity, as somebody does who picks them in the UI."""
    assets = [one for one in defs.assets if isinstance(one, dg.AssetsDefinition)]
    wanted = next(one for one in assets if asset_key(entity, Layer.RAW) in one.keys)
    return dg.materialize(
        [wanted],
        selection=[asset_key(entity, layer) for layer in layers],
        resources={"onec": OnecResource()},
        instance=instance,
        raise_on_error=raise_on_error,
    )


def test_everything_is_synced_and_recorded(home, instance, database_url):
    heard = []

    run = run_job(defs, "sync_all", heard.append)

    assert run.problems == []
    assert set(run.outcomes) == {entity.name for entity in ENTITIES}
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.SUCCESS
    assert query(database_url, "SELECT DISTINCT run_id, status FROM integ.sync_jobs") == [
        (run.run_id, "succeeded")
    ]
    products = asset_key(BY_NAME["products"], Layer.SHOP)
    event = instance.get_latest_materialization_event(products).asset_materialization
    rows = value(database_url, "SELECT count(*) FROM shop.products")
    assert event.metadata["dagster/row_count"].value == rows
    assert "dagster/column_lineage" in event.metadata
    checked = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    names = Counter(record.event_log_entry.asset_check_evaluation.check_name for record in checked.records)
    of_each = ("completeness", "quarantine", "references", "diff")
    assert [names[name] for name in of_each] == [len(ENTITIES)] * len(of_each)
    assert {"schema_drift", "intake"} <= names.keys()


def test_clean_alone_is_replayed_without_1c(instance, shop):
    assert materialize(instance, MAKERS, Layer.RAW, Layer.CLEAN).success
    control(shop, "faults", {"type": "reset_peer"})

    result = materialize(instance, MAKERS, Layer.CLEAN)

    assert result.success
    (event,) = result.get_asset_materialization_events()
    assert event.asset_key == asset_key(MAKERS, Layer.CLEAN)
    assert event.materialization.metadata["rows_new"].value == 0


def test_the_shop_alone_is_filled_from_clean_without_1c(instance, shop, database_url):
    materialize(instance, MAKERS, Layer.RAW, Layer.CLEAN)
    control(shop, "faults", {"type": "reset_peer"})
    assert value(database_url, "SELECT count(*) FROM shop.manufacturers") == 0

    assert materialize(instance, MAKERS, Layer.SHOP, Layer.IDS).success

    assert value(database_url, "SELECT count(*) FROM shop.manufacturers") > 50


def test_a_failure_says_what_happened_and_what_to_do(instance, shop):
    control(shop, "faults", {"type": "status", "attributes": {"status": 401}})

    result = materialize(instance, MAKERS, Layer.RAW, Layer.CLEAN, raise_on_error=False)

    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    failure = failed.step_failure_data
    assert "ONEC_AUTH" in failure.user_failure_data.description
    assert failure.user_failure_data.metadata["code"].value == "ONEC_AUTH"
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_a_row_that_was_rejected_is_a_warning_and_the_rest_is_loaded(instance, home):
    """One of a hundred brands is broken."""
    brands = BY_NAME["brands"]
    result = materialize(instance, brands, *(layer for layer in Layer if layer is not Layer.IDS))

    found = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert {name: one.passed for name, one in found.items() if name != "references"} == {
        "diff": True,
        "completeness": True,
        "quarantine": False,
    }
    assert found["quarantine"].severity is dg.AssetCheckSeverity.WARN
    assert found["quarantine"].metadata["rejected_rows"].value == 1
