"""Dagster's own freshness policies follow the schedules that run, and the table of ages knows what each schedule brings."""

from __future__ import annotations

import shutil

import pytest

from onec_pipelines.definitions import build_definitions
from onec_pipelines.defs.freshness import schedules_that_run
from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.schedules import SCHEDULES
from onec_pipelines.entities import ENTITIES
from onec_pipelines.monitoring.expectations.cadence import age_of, schedules_of
from onec_pipelines.settings import project_root
from onec_pipelines.spec import Layer

NAMES = [one.name for one in SCHEDULES]


def with_policy(defs):
    return {spec.key for spec in defs.resolve_all_asset_specs() if spec.freshness_policy is not None}


@pytest.fixture(scope="module")
def defs():
    return build_definitions(NAMES)


def test_every_shop_asset_has_a_policy_when_all_schedules_run(defs):
    shops = {asset_key(entity, Layer.SHOP): entity for entity in ENTITIES}
    policies = {
        spec.key: spec.freshness_policy for spec in defs.resolve_all_asset_specs() if spec.key in shops
    }

    assert with_policy(defs) == set(shops)
    for key, entity in shops.items():
        assert policies[key].fail_window.to_timedelta() == age_of(entity).fail


def test_none_has_one_when_no_schedule_runs_and_some_when_some_do():
    some = with_policy(build_definitions(["prices_and_stock_every_10_minutes"]))

    assert with_policy(build_definitions([])) == set()
    assert some == {
        asset_key(entity, Layer.SHOP) for entity in ENTITIES if entity.group in {"prices", "stock"}
    }


def test_the_table_of_ages_names_for_each_entity_the_schedules_that_bring_it(defs):
    jobs = {one.name: defs.resolve_job_def(one.job_name) for one in SCHEDULES}
    for entity in ENTITIES:
        key = asset_key(entity, Layer.SHOP)
        bring = {name for name, job in jobs.items() if key in job.asset_layer.executable_asset_keys}
        # Pictures come with the catalogue, too.
        assert set(schedules_of(entity)) == bring - {"pictures_every_hour"}, entity.name


def test_without_an_instance_no_schedule_is_known(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert schedules_that_run() == frozenset()


def test_a_storage_that_does_not_answer_does_not_keep_the_code_from_loading(monkeypatch, tmp_path):
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("ONEC_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    assert schedules_that_run() == frozenset()
