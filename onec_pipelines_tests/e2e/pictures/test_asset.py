"""The pictures as Dagster shows them: counts by state, and a warning that names the reasons."""

from __future__ import annotations

import dagster as dg
import pytest

from onec_pipelines.defs.images import IMAGE_FILES_KEY, image_files, remove_unneeded_pictures
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.ledger import image_rows, jobs
from onec_pipelines.pictures import image_store
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query


@pytest.fixture
def shop(database_url, tmp_path, monkeypatch):
    """A base whose rows of pictures are synced, named by the environment."""
    with Simulator.start_thread(products=120, seed=4) as simulator:
        variables = environment(simulator, database_url, tmp_path, page_rows=1000)
        with open_fast(variables) as runtime:
            for name in ("categories", "products", "images"):
                inbound(BY_NAME[name], runtime)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield simulator


def materialize(**tags):
    resources = {"onec": OnecResource()}
    return dg.materialize([image_files], resources=resources, raise_on_error=False, tags=tags)


def test_pictures_are_fetched_and_counted(shop, database_url):
    result = materialize()

    assert result.success
    (made,) = result.asset_materializations_for_node("image_files_sync")
    shown = {name: value.value for name, value in made.metadata.items()}
    states = dict(query(database_url, "SELECT state, count(*) FROM integ.image_files GROUP BY 1"))
    assert made.asset_key == IMAGE_FILES_KEY
    assert (shown["ready"], shown["unreachable"], shown["rejected"]) == (states["ready"], 2, 1)
    assert shown["pictures_fetched"] == states["ready"]
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert check.metadata["unreachable IMAGE_ON_VOLUME"].value == 1
    noted = query(
        database_url, "SELECT status, run_id FROM integ.sync_jobs WHERE entity_type = 'image_files'"
    )
    assert noted == [("succeeded", result.run_id)]


def test_a_base_that_is_down_fails_the_step_with_the_code(shop, database_url):
    control(shop, "faults", {"type": "status", "match": "Base64Data", "attributes": {"status": 401}})
    result = materialize()

    assert not result.success
    failure = result.failure_data_for_node("image_files_sync")
    assert failure.user_failure_data.metadata["code"].value == "ONEC_AUTH"
    noted = query(database_url, "SELECT status FROM integ.sync_jobs WHERE entity_type = 'image_files'")
    assert noted == [("failed",)]


def test_a_schedule_that_meets_another_run_leaves_it_the_work(shop, database_url, tmp_path):
    with (
        open_fast(environment(shop, database_url, tmp_path)) as runtime,
        jobs.entity_lock(runtime.database, runtime.system_name, image_rows.ENTITY),
    ):
        assert not materialize().success
        assert materialize(**{"dagster/schedule_name": "pictures_every_hour"}).success

    assert query(database_url, "SELECT count(*) FROM integ.image_files") == [(0,)]


def test_the_nightly_clean_up_removes_what_nobody_needs(shop, database_url, tmp_path):
    materialize()
    query(database_url, "UPDATE clean.images SET deletion_mark = true")
    clean_up = dg.GraphDefinition(name="only_pictures", node_defs=[remove_unneeded_pictures]).to_job(
        resource_defs={"onec": OnecResource()}
    )
    with open_fast(environment(shop, database_url, tmp_path)) as runtime:
        store = image_store(runtime)
        assert clean_up.execute_in_process().success
        assert len(list(store.paths())) > 20

        query(database_url, "UPDATE integ.image_blobs SET unneeded_since = now() - interval '40 days'")
        with image_rows.store_lock(runtime.database):
            assert clean_up.execute_in_process().success
        assert len(list(store.paths())) > 20
        assert clean_up.execute_in_process().success
        assert list(store.paths()) == []
