"""`onec status`: what ran last, what is in the tables, what waits."""

from __future__ import annotations

import click

from onec_pipelines.cli import output


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(*, as_json: bool) -> None:
    """Show the last run of each entity, open quarantine entries and references that wait."""
    from onec_pipelines.ledger import jobs
    from onec_pipelines.ledger import quarantine as entries
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        latest = jobs.latest(runtime.database, runtime.system_name)
        waiting = entries.counts(runtime.database, runtime.system_name)
    for job in latest:
        job["quarantined_open"] = waiting.get(job["entity_type"], 0)
    if as_json:
        output.as_json({"system": runtime.system_name, "entities": latest})
        return
    output.table(
        f"Base {runtime.system_name}",
        ["entity", "job", "status", "started", "seconds", "rows", "rejected", "in quarantine", "error"],
        (
            [
                job["entity_type"],
                job["job_type"],
                job["status"],
                f"{job['started_at']:%Y-%m-%d %H:%M:%S}",
                f"{(job['completed_at'] - job['started_at']).total_seconds():.1f}"
                if job["completed_at"]
                else "",
                job["items_processed"],
                job["items_failed"],
                job["quarantined_open"],
                job["error_message"],
            ]
            for job in latest
        ),
    )
    if not latest:
        click.echo("nothing has run yet: `onec sync --all`, or materialize in Dagster's UI")
