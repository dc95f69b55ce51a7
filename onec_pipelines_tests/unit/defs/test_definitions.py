"""What Dagster is told: every entity in all its layers, checked, capped, and cheap to load."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import pytest

from onec_pipelines.definitions import build_definitions
from onec_pipelines.defs.assets import POOL
from onec_pipelines.defs.images import IMAGE_FILES_KEY
from onec_pipelines.defs.keys import HEALTH_KEY, METADATA_KEY, asset_key, layers_of, source_key
from onec_pipelines.defs.partitions import DAILY, today_key
from onec_pipelines.defs.schedules import SCHEDULES
from onec_pipelines.entities import ENTITIES
from onec_pipelines.spec import Layer
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS

LAYERS = {asset_key(entity, layer) for entity in ENTITIES for layer in layers_of(entity)}
WEIGHT = "import sys, onec_pipelines.definitions; sys.exit('great_expectations' in sys.modules)"


@pytest.fixture(scope="module")
def defs():
    found = build_definitions()
    dg.Definitions.validate_loadable(found)
    return found


@pytest.fixture(scope="module")
def steps(defs):
    """One for each entity."""
    found = [one for one in defs.assets if isinstance(one, dg.AssetsDefinition)]
    return [one for one in found if LAYERS & one.keys]


def test_every_layer_of_every_entity_is_an_asset(defs):
    keys = {spec.key for spec in defs.resolve_all_asset_specs()}

    assert keys >= LAYERS
    assert {source_key(entity) for entity in ENTITIES} <= keys


def test_the_graph_shows_different_names(defs):
    """It shows only the last part of a key."""
    names = [spec.key.path[-1] for spec in defs.resolve_all_asset_specs()]

    assert len(names) == len(set(names))


def test_all_steps_that_call_1c_share_a_pool(defs, steps):
    assert len(steps) == len(ENTITIES)
    calling = [
        one for one in defs.assets if isinstance(one, dg.AssetsDefinition) and HEALTH_KEY not in one.keys
    ]
    assert {one.op.pool for one in calling} == {POOL}


def test_each_layer_can_be_materialized_alone(steps):
    assert all(step.can_subset for step in steps)


def test_every_entity_has_its_checks(steps):
    for step in steps:
        names = {spec.name for spec in step.check_specs}
        assert {"completeness", "quarantine", "references"} <= names, step.op.name


def test_assets_say_what_they_are(defs):
    for spec in defs.resolve_all_asset_specs():
        assert spec.description
        assert spec.kinds
        assert spec.group_name
        if spec.key.path[0] != "onec":
            assert spec.owners
            assert spec.metadata["dagster/table_name"]


def test_shop_tables_come_after_what_they_point_to(defs):
    graph = defs.resolve_asset_graph()
    for entity in ENTITIES:
        parents = graph.get(asset_key(entity, Layer.SHOP)).parent_keys
        assert asset_key(entity, Layer.CLEAN) in parents


@pytest.mark.parametrize("job", ["sync_all", "sync_catalog", "sync_prices_and_stock"])
def test_jobs_select_whole_entities(defs, job):
    names = defs.resolve_job_def(job).asset_layer.executable_asset_keys
    touched = [e for e in ENTITIES if asset_key(e, Layer.RAW) in names]

    assert touched
    layers = {asset_key(entity, layer) for entity in touched for layer in layers_of(entity)}
    assert names & LAYERS == layers
    assert METADATA_KEY in names


def test_pictures_are_fetched_after_everything_else_of_a_run(defs):
    """The first fetch of a large shop takes hours, and prices must not wait for it."""
    (step,) = [
        one for one in defs.assets if isinstance(one, dg.AssetsDefinition) and IMAGE_FILES_KEY in one.keys
    ]

    assert IMAGE_FILES_KEY in defs.resolve_job_def("sync_all").asset_layer.executable_asset_keys
    assert int(step.op.tags["dagster/priority"]) < 0


def test_documents_and_history_share_one_partition_definition(defs, steps):
    """Assets with different ones could not be in one job."""
    days = {one.partitions_def for one in steps if one.partitions_def is not None}

    assert len(days) == 1
    windowed = {asset_key(entity, Layer.RAW) for entity in ENTITIES if entity.source.window}
    partitioned = {key for one in steps if one.partitions_def is not None for key in one.keys}
    assert windowed <= partitioned
    assert all(one.backfill_policy is not None for one in steps if one.partitions_def is not None)


@pytest.mark.parametrize("name", ["documents_every_10_minutes", "everything_every_night"])
def test_a_schedule_with_documents_asks_for_the_open_day(defs, name):
    schedule = next(one for one in SCHEDULES if one.name == name)

    with dg.build_schedule_context(repository_def=defs.get_repository_def()) as context:
        (request,) = schedule.evaluate_tick(context).run_requests

    assert request.partition_key == today_key()
    full = all(op["config"]["full"] for op in request.run_config.get("ops", {}).values())
    assert (len(request.run_config.get("ops", {})) == len(ENTITIES)) == (name == "everything_every_night")
    assert full


def test_every_entity_has_a_cadence_beside_the_nightly_one(defs):
    names = {one.job_name for one in SCHEDULES} - {"sync_all", "clean_up", "read_metadata"}
    selected = {key for name in names for key in defs.resolve_job_def(name).asset_layer.executable_asset_keys}

    assert {entity.name for entity in ENTITIES if asset_key(entity, Layer.RAW) not in selected} == set()


def test_metadata_is_read_before_anything_else(defs):
    graph = defs.resolve_asset_graph()

    assert all(METADATA_KEY in graph.get(asset_key(entity, Layer.RAW)).parent_keys for entity in ENTITIES)


def test_schedules_wait_for_somebody_to_switch_them_on(defs):
    assert defs.schedules
    assert {one.default_status for one in defs.schedules} == {dg.DefaultScheduleStatus.STOPPED}


def test_great_expectations_is_not_loaded_with_the_definitions():
    """It costs seconds and memory in every process (RELIABILITY)."""
    assert (
        subprocess.run([sys.executable, "-c", WEIGHT], check=False, timeout=PATIENCE_SECONDS).returncode == 0
    )


def test_each_schedule_says_what_it_does_and_keeps_the_clock_of_the_base(defs):
    for schedule in defs.schedules:
        assert schedule.description, schedule.name
    nightly = [one for one in defs.schedules if one.name.endswith(("night", "week"))]
    assert {one.execution_timezone for one in nightly} == {DAILY.timezone}
