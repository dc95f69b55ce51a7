"""`onec schema`: what 1C publishes, what changed of it, and what the change breaks."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from onec_pipelines.cli import output

if TYPE_CHECKING:
    from onec_pipelines.steps.watch_schema import Report


@click.group()
def schema() -> None:
    """Look at the schema of the base ($metadata) and its changes."""


@schema.command("diff")
@click.option(
    "--refresh", is_flag=True, help="Ask 1C now, even if $metadata was fetched within the last day."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def diff(*, refresh: bool, as_json: bool) -> None:
    """Compare $metadata with what was stored of it: every change with the fields, shop columns and checks it hits.

    Without news the latest stored change is shown. Stores nothing; Dagster's asset onec/metadata does. Exits 1 when an entity cannot be
    read.
    """
    from onec_pipelines.entities import ENTITIES
    from onec_pipelines.onec.metadata import parse_metadata
    from onec_pipelines.runtime import open_runtime
    from onec_pipelines.steps.watch_schema import last_change

    with open_runtime() as runtime:
        file = runtime.metadata_file(**({"max_age_seconds": 0} if refresh else {}))
        found = last_change(
            runtime.database,
            ENTITIES,
            system_name=runtime.system_name,
            metadata=parse_metadata(file.path),
        )
    if as_json:
        output.as_json(_document(found))
    else:
        _print(found)
    sys.exit(1 if found.condition.broken else 0)


def _document(found: Report) -> dict[str, Any]:
    return {
        "compared_with": None if found.since is None else found.since.fetched_at,
        "changes": [
            {"severity": drift.severity, "text": drift.change.sentence, **asdict(drift)}
            for drift in found.drifts
        ],
        **asdict(found.condition),
    }


def _print(found: Report) -> None:
    if found.since is None:
        click.echo("nothing to compare with yet: materialize onec/metadata, or run its job read_metadata")
    elif not found.drifts:
        click.echo(f"no change since {found.since.fetched_at:%Y-%m-%d %H:%M} UTC")
    for drift in found.drifts:
        click.echo(f"{drift.severity.upper():<8} {drift.change.sentence}")
        for impact in drift.impacts:
            click.echo(f"{'':<8} → {impact.text}")
    for text in found.condition.skipped.values():
        click.echo(f"not published  {text}")
    for entity, fields in found.condition.missing.items():
        click.echo(f"stays empty    {entity}: {', '.join(fields)}")
    for text in found.condition.broken.values():
        click.echo(f"CANNOT BE READ {text}", err=True)
