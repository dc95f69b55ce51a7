"""`onec status`: what ran last, how old the data is, what waits and what is wrong. The same views as the dashboard."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from onec_pipelines.cli import output

if TYPE_CHECKING:
    from onec_pipelines.ledger.health import EntityHealth, Health


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(*, as_json: bool) -> None:
    """Show the last run of each entity, how old its data is, what waits, and what is wrong with what to do."""
    from onec_pipelines.ledger import health, jobs
    from onec_pipelines.monitoring.health import as_document, level, reasons_of
    from onec_pipelines.monitoring.serve import policy_of
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        found = health.read(runtime.database, runtime.system_name)
        latest = {job["entity_type"]: job for job in jobs.latest(runtime.database, runtime.system_name)}
        reasons = reasons_of(found, policy_of(runtime.settings))
        refusal = runtime.standing().refusal
    told = [as_document(reason) for reason in reasons]
    if as_json:
        entities = [_entity_json(one, latest.get(one.entity_type, {})) for one in found.entities]
        output.as_json(
            {
                "system": runtime.system_name,
                "status": level(reasons),
                "reasons": told,
                "entities": entities,
                "queue": [asdict(one) for one in found.queue],
                "base": asdict(found.base),
                "refusal": str(refusal) if refusal else None,
                "approvals": [asdict(one) for one in found.approvals],
                "alerts": [asdict(one) for one in found.alerts],
            }
        )
        return
    _print(found, latest)
    for reason in told:
        where = f" {reason['entity']}" if reason.get("entity") else ""
        click.echo(
            f"{reason['level']}: [{reason['code']}]{where} {reason.get('title', '')}. {reason.get('remedy', '')}"
        )
    if refusal is not None:
        click.echo(f"1C is not called now: {refusal}")
    if not found.entities:
        click.echo("nothing has run yet: `onec sync --all`, or materialize in Dagster's UI")


def _print(found: Health, latest: dict[str, dict[str, Any]]) -> None:
    from onec_pipelines.monitoring.words import span

    output.table(
        f"Base {found.system_name}",
        [
            "entity",
            "job",
            "status",
            "started",
            "seconds",
            "lag",
            "rows",
            "rejected",
            "in quarantine",
            "waiting refs",
            "error",
        ],
        (
            [
                one.entity_type,
                one.job_type,
                one.status,
                f"{one.started_at:%Y-%m-%d %H:%M:%S}",
                f"{one.seconds:.1f}" if one.completed_at else "",
                span(one.lag_seconds, "en"),
                one.items_processed,
                one.items_failed,
                one.quarantined,
                one.waiting_references,
                latest.get(one.entity_type, {}).get("error_message"),
            ]
            for one in found.entities
        ),
    )
    if found.queue:
        output.table(
            "Queue",
            ["kind", "waiting", "due", "in work", "dead", "oldest due"],
            (
                [one.kind, one.ready, one.due, one.leased, one.dead, span(one.oldest_due_seconds, "en")]
                for one in found.queue
            ),
        )


def _entity_json(one: EntityHealth, job: dict[str, Any]) -> dict[str, Any]:
    return {
        **asdict(one),
        "error_message": job.get("error_message"),
        "metadata": job.get("metadata"),
        "quarantined_open": one.quarantined,
    }
