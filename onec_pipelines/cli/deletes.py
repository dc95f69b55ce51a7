"""`onec deletes`: what 1C deleted, why and when, and what came back."""

from __future__ import annotations

from datetime import datetime

import click

from onec_pipelines.cli import output


@click.command()
@click.argument("entity", required=False)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Deleted or restored since then, by the base's wall clock.",
)
@click.option(
    "--restored/--gone", "restored", default=None, help="Only what came back, or only what did not."
)
@click.option("--limit", default=50, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def deletes(
    entity: str | None, *, since: datetime | None, restored: bool | None, limit: int, as_json: bool
) -> None:
    """List deletions of ENTITY (or of all): the shop keeps such rows with is_deleted.

    why: mark = marked for deletion in 1C, absent = gone from 1C, tombstone = 1C said so in a packet, moved = it is another thing now.
    """
    from onec_pipelines.entities import BY_NAME
    from onec_pipelines.ledger import deletions
    from onec_pipelines.runtime import open_runtime

    if entity is not None and entity not in BY_NAME:
        raise click.UsageError(f"unknown: {entity}; known: {', '.join(BY_NAME)}")
    with open_runtime() as runtime:
        begin = None if since is None else since.replace(tzinfo=runtime.settings.zone)
        found = deletions.listing(
            runtime.database,
            system_name=runtime.system_name,
            entity=entity,
            since=begin,
            restored=restored,
            limit=limit,
        )
        counts = deletions.summary(runtime.database, system_name=runtime.system_name, since=begin)
        zone = runtime.settings.zone
    chosen = [row for row in counts if entity in {None, row["entity_type"]}]
    if as_json:
        output.as_json({"deletions": found, "summary": chosen})
        return

    def clock(moment: datetime | None) -> str:
        return "" if moment is None else f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"

    output.table(
        "Deletions, newest first",
        ["entity", "1C GUID or key", "our id", "why", "deleted", "job", "came back", "job"],
        (
            [
                row["entity_type"],
                row["external_id"],
                row["internal_id"],
                row["why"],
                clock(row["deleted_at"]),
                row["job_id"],
                clock(row["restored_at"]),
                row["restored_job_id"],
            ]
            for row in found
        ),
    )
    output.table(
        "By entity",
        ["entity", "why", "deleted now", "came back", "last"],
        (
            [row["entity_type"], row["why"], row["deleted"], row["restored"], clock(row["last_deleted_at"])]
            for row in chosen
        ),
    )
