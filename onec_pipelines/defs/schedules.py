"""Schedules. They are off until somebody switches them on in the UI: a fresh deployment must not start pulling at 1C by itself.

One run for all entities of a cadence. When two cadences meet, an entity that the other run holds is skipped with words; the first to
have it brings it up to date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from onec_pipelines.defs.clean_up import clean_up
from onec_pipelines.defs.doctor import examine_base
from onec_pipelines.defs.jobs import (
    FULL,
    read_metadata,
    sync_all,
    sync_catalog,
    sync_documents,
    sync_images,
    sync_loyalty_and_history,
    sync_prices_and_stock,
)
from onec_pipelines.defs.partitions import today_key
from onec_pipelines.defs.reconciliation import reconcile_job

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def _open_day(
    name: str, job: UnresolvedAssetJobDefinition, cron: str, *, config: dict[str, Any] | None = None
) -> dg.ScheduleDefinition:
    """A schedule of a job with documents: what is partitioned is asked for as today, which is the incremental run."""

    def request(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        del context
        return dg.RunRequest(partition_key=today_key(), run_config=config or {})

    return dg.ScheduleDefinition(name=name, job=job, cron_schedule=cron, execution_fn=request)


SCHEDULES = (
    dg.ScheduleDefinition(
        name="prices_and_stock_every_10_minutes", job=sync_prices_and_stock, cron_schedule="*/10 * * * *"
    ),
    _open_day("documents_every_10_minutes", sync_documents, "5-59/10 * * * *"),
    dg.ScheduleDefinition(name="catalog_every_hour", job=sync_catalog, cron_schedule="2 * * * *"),
    _open_day("loyalty_and_history_every_hour", sync_loyalty_and_history, "22 * * * *"),
    dg.ScheduleDefinition(name="pictures_every_hour", job=sync_images, cron_schedule="35 * * * *"),
    dg.ScheduleDefinition(name="metadata_every_night", job=read_metadata, cron_schedule="10 2 * * *"),
    dg.ScheduleDefinition(name="doctor_every_week", job=examine_base, cron_schedule="20 4 * * 1"),
    dg.ScheduleDefinition(name="clean_up_every_night", job=clean_up, cron_schedule="40 1 * * *"),
    dg.ScheduleDefinition(name="reconcile_every_night", job=reconcile_job, cron_schedule="30 4 * * *"),
    _open_day("everything_every_night", sync_all, "30 2 * * *", config=FULL),
)
