"""Dagster's door: everything is joined here and nothing is done here."""

from __future__ import annotations

import dagster as dg

from onec_pipelines.defs.assets import all_assets, external_assets
from onec_pipelines.defs.jobs import JOBS
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.defs.schedules import SCHEDULES
from onec_pipelines.defs.schema import metadata


def build_definitions() -> dg.Definitions:
    """Assets, jobs, schedules and the resource, with the in-process executor: a spawned step costs seconds (DAGSTER.md)."""
    return dg.Definitions(
        assets=[*external_assets(), metadata, *all_assets()],
        jobs=JOBS,
        schedules=SCHEDULES,
        resources={"onec": OnecResource()},
        executor=dg.in_process_executor,
    )


defs = build_definitions()
