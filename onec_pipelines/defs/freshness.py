"""Dagster's own freshness policies: which assets have one, and how the code that is loaded knows which schedules run.

Alerts, dashboard and audit judge by the ledger (`monitoring/expectations/cadence.py`). This is for the badges of Dagster's UI: its daemon
judges what the definitions say, and they are made when the code is loaded.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import SQLAlchemyError

from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import PipelineError
from onec_pipelines.monitoring.expectations.cadence import age_of, schedules_of
from onec_pipelines.spec import Entity

_log = logging.getLogger("onec_pipelines.freshness")


def freshness_of(entity: Entity) -> dg.FreshnessPolicy:
    """How old the assets of a scheduled entity may be."""
    age = age_of(entity)
    return dg.FreshnessPolicy.time_window(fail_window=age.fail, warn_window=age.warn)


def judged(spec: dg.AssetSpec, running: Collection[str]) -> dg.AssetSpec:
    """The asset with its policy if a schedule that brings it up to date runs, else without one: who syncs by hand sees no red badge."""
    entity = BY_NAME.get(spec.tags.get("onec/entity", ""))
    if spec.freshness_policy is None or entity is None or set(schedules_of(entity)) & set(running):
        return spec
    return spec.replace_attributes(freshness_policy=None)


def schedules_that_run() -> frozenset[str]:
    """Names of the schedules that run, as Dagster's storage has it now; none where there is no instance or its storage does not answer."""
    if not os.environ.get("DAGSTER_HOME"):
        return frozenset()
    try:
        with dg.DagsterInstance.get() as instance:
            states = instance.all_instigator_state(
                instigator_type=InstigatorType.SCHEDULE,
                instigator_statuses={InstigatorStatus.RUNNING, InstigatorStatus.DECLARED_IN_CODE},
            )
            return frozenset(state.name for state in states)
    except (PipelineError, dg.DagsterError, DagsterPostgresException, SQLAlchemyError) as error:
        # The code loads without a database, too; who needs it says so better.
        _log.warning(
            "no asset is judged for freshness by Dagster: its storage does not answer (%s)",
            type(error).__name__,
        )
        return frozenset()
