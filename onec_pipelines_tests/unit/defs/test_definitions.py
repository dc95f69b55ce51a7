"""What Dagster is told: every entity in all its layers, checked, capped, and cheap to load."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import pytest

from onec_pipelines.definitions import build_definitions
from onec_pipelines.defs.assets import POOL
from onec_pipelines.defs.keys import METADATA_KEY, asset_key, layers_of, source_key
from onec_pipelines.entities import ENTITIES
from onec_pipelines.spec import Layer

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
    return [one for one in found if METADATA_KEY not in one.keys]


def test_every_layer_of_every_entity_is_an_asset(defs):
    keys = {spec.key for spec in defs.resolve_all_asset_specs()}

    assert {asset_key(entity, layer) for entity in ENTITIES for layer in layers_of(entity)} <= keys
    assert {source_key(entity) for entity in ENTITIES} <= keys


def test_the_graph_shows_different_names(defs):
    """It shows only the last part of a key."""
    names = [spec.key.path[-1] for spec in defs.resolve_all_asset_specs()]

    assert len(names) == len(set(names))


def test_all_steps_that_call_1c_share_a_pool(defs, steps):
    assert len(steps) == len(ENTITIES)
    assert {one.op.pool for one in defs.assets if isinstance(one, dg.AssetsDefinition)} == {POOL}


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
    assert names == layers | {METADATA_KEY}


def test_metadata_is_read_before_anything_else(defs):
    graph = defs.resolve_asset_graph()

    assert all(METADATA_KEY in graph.get(asset_key(entity, Layer.RAW)).parent_keys for entity in ENTITIES)


def test_schedules_wait_for_somebody_to_switch_them_on(defs):
    assert defs.schedules
    assert {one.default_status for one in defs.schedules} == {dg.DefaultScheduleStatus.STOPPED}


def test_great_expectations_is_not_loaded_with_the_definitions():
    """It costs seconds and memory in every process (RELIABILITY)."""
    assert subprocess.run([sys.executable, "-c", WEIGHT], check=False, timeout=60).returncode == 0
