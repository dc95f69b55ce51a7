"""Dagster's door: everything is joined here and nothing is done here."""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from onec_pipelines.defs.alerts import ALERT_SENSORS
from onec_pipelines.defs.assets import all_assets, external_assets
from onec_pipelines.defs.changes import changes
from onec_pipelines.defs.doctor import doctor
from onec_pipelines.defs.freshness import judged, schedules_that_run
from onec_pipelines.defs.gate import gated
from onec_pipelines.defs.guard import approve_load
from onec_pipelines.defs.health import HEALTH_SCHEDULE, health, note_health
from onec_pipelines.defs.images import image_files
from onec_pipelines.defs.jobs import JOBS
from onec_pipelines.defs.outbound import application_assets, fed_by_application
from onec_pipelines.defs.quality import AUDIT_SCHEDULE, quality
from onec_pipelines.defs.queue import QUEUE_JOBS, QUEUE_SENSORS
from onec_pipelines.defs.reconciliation import reconciliation
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.defs.schedules import SCHEDULES
from onec_pipelines.defs.schema import metadata
from onec_pipelines.defs.stock import oversold
from onec_pipelines.defs.webhooks import webhooks_report


def build_definitions(running: Collection[str] | None = None) -> dg.Definitions:
    """Assets, jobs, schedules and the resource, with the in-process executor: a spawned step costs seconds (DAGSTER.md).

    `running` are the schedules that run, None to ask Dagster's storage: only what they bring up to date has a freshness policy.
    """
    running = schedules_that_run() if running is None else running
    return dg.Definitions(
        assets=[
            *fed_by_application(external_assets()),
            *application_assets(),
            metadata,
            changes,
            doctor,
            health,
            *(one.map_asset_specs(lambda spec: judged(spec, running)) for one in all_assets()),
            image_files,
        ],
        asset_checks=[oversold, reconciliation, quality],
        jobs=[*JOBS, *QUEUE_JOBS, approve_load, note_health],
        schedules=[*(gated(schedule) for schedule in SCHEDULES), HEALTH_SCHEDULE, AUDIT_SCHEDULE],
        sensors=[*QUEUE_SENSORS, webhooks_report, *ALERT_SENSORS],
        resources={"onec": OnecResource()},
        executor=dg.in_process_executor,
    )


defs = build_definitions()
