"""The one daily partition definition, shared by documents and price history: assets with different ones could not share a job."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import dagster as dg

from onec_pipelines.entities import ENTITIES
from onec_pipelines.settings import Settings, load_settings
from onec_pipelines.spec import Entity
from onec_pipelines.steps.ways import check_reading
from onec_pipelines.steps.windows import Window


def daily(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Days of the base from ONEC_HISTORY_START on; today is open, so that it can be materialized again and again."""
    return dg.DailyPartitionsDefinition(
        start_date=settings.first_day.isoformat(), timezone=settings.timezone or "UTC", end_offset=1
    )


_SETTINGS = load_settings(require_onec=False)
# A mistake there should be seen when Dagster starts, not by the first run.
check_reading(ENTITIES, _SETTINGS.ways)

DAILY = daily(_SETTINGS)
"""The days of ONEC_HISTORY_START up to today, in ONEC_TIMEZONE."""


def partitions_of(entity: Entity) -> dg.DailyPartitionsDefinition | None:
    """The partitions of an entity that is read in windows, None for all others."""
    return DAILY if entity.source.window else None


def backfill_policy() -> dg.BackfillPolicy:
    """A range of days is one run (DAGSTER.md §1.5: 24 partitions in one run instead of 24 runs of seconds each)."""
    with warnings.catch_warnings():
        # The parameter is marked beta in Dagster 1.13.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.BackfillPolicy.single_run()


def today_key() -> str:
    """Key of the open day."""
    return DAILY.get_partition_key_for_timestamp(datetime.now(UTC).timestamp())


def days_of(context: dg.AssetExecutionContext, entity: Entity) -> str | None:
    """The days that a run stands for, for people: `2026-06-01` or `2026-06-01…2026-08-29`; None where there are no days."""
    if partitions_of(entity) is None or not (context.has_partition_key or context.has_partition_key_range):
        return None
    span = context.partition_key_range
    return span.start if span.start == span.end else f"{span.start}…{span.end}"


def window_of(context: dg.AssetExecutionContext, entity: Entity) -> Window | None:
    """The days that a run was asked for; None for today alone, which is brought up to date incrementally, and where there are no days."""
    if partitions_of(entity) is None or not (context.has_partition_key or context.has_partition_key_range):
        return None
    span = context.partition_key_range
    if span.start == span.end == today_key():
        return None
    days = context.partition_time_window
    return Window(start=days.start, end=days.end)
