"""The comparison with 1C is a check of every shop table, in a job of its own: loads do not take it along."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from onec_pipelines.definitions import build_definitions
from onec_pipelines.defs.jobs import JOBS
from onec_pipelines.defs.reconciliation import CHECKS, OP, check_result
from onec_pipelines.defs.schedules import SCHEDULES
from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.ledger.reconciliation import Difference, Finding

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def defs():
    return build_definitions()


def test_every_entity_has_the_check(defs):
    assert set(CHECKS) <= set(defs.resolve_asset_graph().asset_check_keys)
    assert len(CHECKS) == len(ENTITIES)


def test_jobs_that_load_leave_it_out(defs):
    with_comparison = {
        job.name for job in JOBS if OP in {node.name for node in defs.resolve_job_def(job.name).nodes}
    }

    assert with_comparison == {"reconcile"}


def test_its_schedule_is_off_until_somebody_wants_it():
    (schedule,) = (one for one in SCHEDULES if one.job_name == "reconcile")

    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_a_materialization_of_an_asset_does_not_ask_1c_for_a_comparison(defs):
    """Dagster's own job for assets holds all checks: there the step says that it has nothing to do."""
    job = defs.resolve_implicit_global_asset_job_def()

    assert OP in {node.name for node in job.nodes}
    assert job.asset_layer.executable_asset_keys
    assert not defs.resolve_job_def("reconcile").asset_layer.executable_asset_keys


@pytest.mark.parametrize(("left", "passed"), [(0, True), (2, False)])
def test_the_check_fails_while_drift_is_left(left, passed):
    row = Difference(row_key="k", ask=None, where="shop", what="differs", columns=("name", "sku"))
    finding = Finding(
        entity="products",
        status="drift",
        started_at=NOW,
        rows_drift=3,
        rows_repaired=3 - left,
        rows_left=left,
        differences=(row,),
    )

    result = check_result(BY_NAME["products"], finding)

    assert (result.passed, result.metadata["drift"].value) == (passed, left)
    (record,) = result.metadata["differences"].records
    assert record.data["columns"] == "name, sku"
    assert ("remedy" in result.metadata) is not passed
