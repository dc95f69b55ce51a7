"""The sensors of alerts: one reads Dagster's own log, one looks at the ledger. Both send what waits. They start no run.

A sensor that dies anywhere loses nothing: what it noted is in `integ.alerts` before its cursor moves, and noting twice is noting once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from onec_pipelines.db.engine import connect
from onec_pipelines.defs import alert_events
from onec_pipelines.monitoring.alerting import Alerting, Round
from onec_pipelines.runtime import database_url
from onec_pipelines.settings import Settings, load_settings

_EVENTS_SECONDS = 10
_LEDGER_SECONDS = 30


@dg.sensor(
    name="alerts_of_dagster",
    minimum_interval_seconds=_EVENTS_SECONDS,
    # Without further settings alerts go to the log alone; off, nobody would ever be told.
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Failed runs and failed checks become alerts; what recovered is told once (docs/alerts.md).",
)
def alerts_of_dagster(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Read the events since the last tick, note what they say, then send."""
    settings = load_settings(require_onec=False)
    if not settings.system:
        return dg.SkipReason("ONEC_SYSTEM is not set")
    cursor = int(context.cursor) if context.cursor else None
    batch = alert_events.read(context.instance, cursor, time.time())
    done = Round()
    if batch.events:
        with _alerting(settings) as alerting:
            if alert_events.has_failed_checks(batch.events):
                alerting.note_ledger()
            told = alert_events.tell(context.instance, batch.events, alerting.open_alerts())
            alerting.note_in_order(told.began, told.ended, source=alert_events.SOURCE)
            done = alerting.send()
    # Zero is a place, too: before the first event that settles, all of them are read again.
    if batch.cursor:
        context.update_cursor(str(batch.cursor))
    return dg.SkipReason(f"{len(batch.events)} events, {_words(done)}")


@dg.sensor(
    name="alerts_of_ledger",
    minimum_interval_seconds=_LEDGER_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Dead letters, breaker, pause, licences, schema, quarantine, brake, approvals, drift, clocks, workers, stuck jobs and late"
        " entities become alerts (docs/alerts.md). `onec alerts check` does the same without Dagster."
    ),
)
def alerts_of_ledger(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Compare the open alerts with the ledger, then send."""
    del context
    settings = load_settings(require_onec=False)
    if not settings.system:
        return dg.SkipReason("ONEC_SYSTEM is not set")
    with _alerting(settings) as alerting:
        done = alerting.check()
    return dg.SkipReason(f"{done.open} alerts are open, {_words(done)}")


@contextmanager
def _alerting(settings: Settings) -> Iterator[Alerting]:
    with connect(database_url(settings), application_name="onec_alerts", pool_size=1) as database:
        yield Alerting(database, settings)


def _words(done: Round) -> str:
    return f"{done.sent} notices sent" + (f", {done.refused} refused" if done.refused else "")


ALERT_SENSORS = (alerts_of_dagster, alerts_of_ledger)
