"""Schedules skip their tick, with words, while 1C may not be called: a pause, quiet hours, an open breaker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import dagster as dg

from onec_pipelines.db.engine import connect
from onec_pipelines.errors import PipelineError, RetryLater
from onec_pipelines.ledger.controls import quiet_hours, standing
from onec_pipelines.runtime import database_url
from onec_pipelines.settings import load_settings


def refusal_now() -> RetryLater | None:
    """Why 1C may not be called now, None when it may or when that cannot be known: then the run itself says what is wrong."""
    try:
        settings = load_settings()
        with connect(database_url(settings), application_name="onec_gate", pool_size=1) as database:
            return standing(
                database, settings.system, quiet_hours(settings.quiet_hours, settings.zone)
            ).refusal
    except PipelineError:
        return None


def gated(
    schedule: dg.ScheduleDefinition, refusal: Callable[[], RetryLater | None] = refusal_now
) -> dg.ScheduleDefinition:
    """The same schedule, which skips while `refusal` gives a reason."""

    def evaluate(context: dg.ScheduleEvaluationContext) -> Iterator[dg.SkipReason | dg.RunRequest]:
        if reason := refusal():
            yield dg.SkipReason(str(reason))
            return
        tick = schedule.evaluate_tick(context)
        if tick.run_requests:
            yield from tick.run_requests
        else:
            yield dg.SkipReason(tick.skip_message or "there is nothing to do")

    return dg.ScheduleDefinition(
        name=schedule.name,
        job=schedule.job,
        cron_schedule=schedule.cron_schedule,
        execution_timezone=schedule.execution_timezone,
        description=schedule.description,
        default_status=schedule.default_status,
        execution_fn=evaluate,
    )
