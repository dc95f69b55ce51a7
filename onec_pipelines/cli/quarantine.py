"""`onec quarantine`: rows that may not pass, and why."""

from __future__ import annotations

import click

from onec_pipelines.cli import output


@click.group()
def quarantine() -> None:
    """Look at rows that were rejected."""


@quarantine.command("list")
@click.argument("entity", required=False)
@click.option("--limit", default=50, show_default=True, help="How many entries, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def listing(entity: str | None, *, limit: int, as_json: bool) -> None:
    """List open entries: which field of which row breaks which rule."""
    from onec_pipelines.ledger import quarantine as entries
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        found = entries.listing(runtime.database, runtime.system_name, entity, limit)
    if as_json:
        output.as_json(found)
        return
    output.table(
        "Quarantine",
        ["id", "entity", "row", "field", "rule", "reason", "value"],
        (
            [entry["id"], entry["entity_type"], entry["external_key"], *_cells(failure)]
            for entry in found
            for failure in entry["failures"]
        ),
    )


@quarantine.command("show")
@click.argument("entry_id", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(entry_id: int, *, as_json: bool) -> None:
    """Show one entry whole, with the row as 1C sent it (personal data masked)."""
    from onec_pipelines.ledger import quarantine as entries
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        found = entries.entry(runtime.database, entry_id)
    if found is None:
        raise click.UsageError(f"there is no entry {entry_id}")
    if as_json:
        output.as_json(found)
        return
    for name, value in found.items():
        if name != "failures":
            click.echo(f"{name}: {value}")
    output.table("Failures", ["field", "rule", "reason", "value"], (_cells(f) for f in found["failures"]))


def _cells(failure: dict[str, str]) -> list[str]:
    return [failure["field"], failure["rule"], failure["reason"], failure["value"]]
