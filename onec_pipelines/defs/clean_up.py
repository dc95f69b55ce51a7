"""The daily clean-up as a job: what the retention settings no longer keep."""

from typing import Any

import dagster as dg

from onec_pipelines.defs.images import remove_unneeded_pictures
from onec_pipelines.defs.lineage import as_metadata
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.ledger import audit, calls, history, packets, retention


class RetentionConfig(dg.Config):
    """Days that are kept; 0 takes ONEC_RAW_KEEP_DAYS and ONEC_RUNS_KEEP_DAYS."""

    raw_days: int = 0
    runs_days: int = 0


@dg.op(description="Remove old pages of the raw layer, forgotten scans, and old events of Dagster's history.")
def remove_what_is_old(
    context: dg.OpExecutionContext, config: RetentionConfig, onec: OnecResource
) -> dict[str, Any]:
    """Give the figures of what was removed."""
    runtime = onec.runtime
    raw_days = config.raw_days or runtime.settings.raw_keep_days
    removed = retention.prune_pages(runtime.database, keep_days=raw_days)
    figures = {
        "pages": removed.pages,
        "bodies": removed.bodies,
        "plans": removed.plans,
        "scans": removed.scans,
        "packets": packets.prune_in(runtime.database, runtime.system_name, days=raw_days),
        "call_figures": calls.forget(runtime.database),
        **history.prune(runtime.database, keep_days=runtime.settings.jobs_keep_days),
        **audit.keep(runtime.database, keep_months=runtime.settings.audit_keep_months),
        "dagster_events": retention.prune_dagster(
            runtime.database, keep_days=config.runs_days or runtime.settings.runs_keep_days
        ),
    }
    context.add_output_metadata(as_metadata(figures))
    return figures


@dg.job(
    name="clean_up",
    description="Keep what the retention settings say: raw pages, packets, jobs, Dagster's events. Never what a replay begins with.",
)
def clean_up() -> None:
    """One step for rows, one for the bytes of pictures."""
    remove_what_is_old()
    remove_unneeded_pictures()
