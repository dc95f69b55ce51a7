"""How the pipeline is, as an asset: its numbers become plots over time in Dagster's UI (Plots of `onec/health`)."""

from __future__ import annotations

from typing import Any

import dagster as dg

from onec_pipelines.defs.keys import HEALTH_KEY
from onec_pipelines.defs.lineage import as_metadata
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.ledger import health as figures
from onec_pipelines.ledger.health import Health
from onec_pipelines.monitoring.health import level, reasons_of
from onec_pipelines.monitoring.serve import policy_of


@dg.asset(
    key=HEALTH_KEY,
    group_name="onec",
    kinds={"postgres"},
    owners=["team:data-engineering"],
    description="How the integration is: lag, runs, calls, queue, quarantine. The same figures as /dashboard and `onec status`.",
)
def health(onec: OnecResource) -> dg.MaterializeResult[None]:
    """One point of each plot; 1C is not called."""
    runtime = onec.runtime
    found = figures.read(runtime.database, runtime.system_name)
    reasons = reasons_of(found, policy_of(runtime.settings))
    return dg.MaterializeResult(
        metadata={
            **as_metadata(numbers(found)),
            "status": level(reasons),
            "reasons": dg.TableMetadataValue(
                records=[
                    dg.TableRecord(
                        {
                            "code": reason.code,
                            "entity": reason.entity,
                            "figures": ", ".join(f"{name} {value}" for name, value in reason.figures.items()),
                        }
                    )
                    for reason in reasons
                ],
                schema=dg.TableSchema(
                    columns=[dg.TableColumn(name) for name in ("code", "entity", "figures")]
                ),
            ),
        }
    )


def numbers(found: Health) -> dict[str, Any]:
    """What is plotted: plain numbers, each always there so that its plot has no holes."""
    calls = sum(one.calls for one in found.calls)
    lags = [one.lag_seconds for one in found.entities if one.lag_seconds is not None]
    return {
        "longest_lag_minutes": round(max(lags, default=0.0) / 60, 1),
        "runs_day": sum(one.runs_day for one in found.entities),
        "failed_runs_day": sum(one.failed_day for one in found.entities),
        "slowest_run_seconds": round(
            max((one.worst_seconds or 0.0 for one in found.entities), default=0.0), 2
        ),
        "calls_day": calls,
        "call_errors_day": sum(one.errors for one in found.calls),
        "average_call_seconds": round(sum(one.seconds for one in found.calls) / calls, 3) if calls else 0.0,
        "queue_due": sum(one.due for one in found.queue),
        "queue_dead": sum(one.dead for one in found.queue),
        "quarantined_rows": sum(one.open for one in found.quarantine),
        "waiting_references": sum(one.waiting_references for one in found.entities),
        "open_alerts": len(found.alerts),
    }


note_health = dg.define_asset_job(
    "note_health",
    selection=dg.AssetSelection.assets(HEALTH_KEY),
    description="One point of each plot of onec/health; 1C is not called.",
)
# Not gated: while 1C is paused its health is worth knowing. A run costs seconds to start, so that it is not every minute.
HEALTH_SCHEDULE = dg.ScheduleDefinition(
    name="health_every_30_minutes",
    job=note_health,
    cron_schedule="12,42 * * * *",
    description="Состояние обмена. One point of each plot of onec/health; 1C is not called.",
)
