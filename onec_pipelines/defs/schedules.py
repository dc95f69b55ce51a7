"""Schedules. They are off until somebody switches them on in the UI: a fresh deployment must not start pulling at 1C by itself."""

from __future__ import annotations

import dagster as dg

from onec_pipelines.defs.jobs import read_metadata, sync_all, sync_catalog, sync_prices_and_stock

SCHEDULES = (
    dg.ScheduleDefinition(
        name="prices_and_stock_every_10_minutes", job=sync_prices_and_stock, cron_schedule="*/10 * * * *"
    ),
    dg.ScheduleDefinition(name="catalog_every_hour", job=sync_catalog, cron_schedule="5 * * * *"),
    dg.ScheduleDefinition(name="metadata_every_night", job=read_metadata, cron_schedule="10 2 * * *"),
    dg.ScheduleDefinition(name="everything_every_night", job=sync_all, cron_schedule="30 2 * * *"),
)
