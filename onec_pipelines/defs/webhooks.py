"""What webhooks did, told to Dagster: one materialization an entity and half a minute, without a run (a run costs seconds to start).

The work itself was done by `onec worker`; here it is only made visible. Never one event per webhook: the event log has no retention.
"""

from __future__ import annotations

import dagster as dg

from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.lineage import as_metadata
from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import webhook_log
from onec_pipelines.ledger.webhook_log import Applied
from onec_pipelines.runtime import database_url
from onec_pipelines.settings import Settings, load_settings
from onec_pipelines.spec import Layer

INTERVAL_SECONDS = 30


@dg.sensor(
    name="webhooks_report",
    minimum_interval_seconds=INTERVAL_SECONDS,
    # It asks only our own database, and without it the UI would show webhooks' work never.
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports what webhooks changed in the shop: per entity the hints, the rows, and how long the slowest of them took.",
)
def webhooks_report(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """One materialization of the shop's asset for each entity that hints changed since the last report."""
    settings = load_settings(require_onec=False)
    if not settings.system:
        return dg.SkipReason("ONEC_SYSTEM is not set")
    found, through = _since(settings, int(context.cursor or 0))
    if not found:
        return dg.SkipReason("no webhooks since the last report")
    return dg.SensorResult(asset_events=[materialization(one) for one in found], cursor=str(through))


def materialization(applied: Applied) -> dg.AssetMaterialization:
    """The report of one entity."""
    return dg.AssetMaterialization(
        asset_key=asset_key(BY_NAME[applied.entity], Layer.SHOP),
        description="by webhooks",
        metadata=as_metadata(
            {
                "hints": applied.hints,
                "fetches": applied.fetches,
                "rows_changed": applied.rows_changed,
                "rows_deleted": applied.rows_deleted,
                "seconds_from_event_worst": round(applied.worst_seconds, 3),
                "seconds_from_event_average": round(applied.average_seconds, 3),
            }
        ),
        tags={"onec/by": "webhooks"},
    )


def _since(settings: Settings, after: int) -> tuple[list[Applied], int]:
    with (
        connect(database_url(settings), application_name="onec_webhooks_report", pool_size=1) as database,
        database.transaction() as connection,
    ):
        tx = driver_connection(connection)
        through = webhook_log.newest(tx, system_name=settings.system)
        found = webhook_log.applied(tx, system_name=settings.system, after=after, through=through)
    return [one for one in found if one.entity in BY_NAME], through
