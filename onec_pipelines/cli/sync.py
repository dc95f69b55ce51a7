"""`onec sync`: bring entities up to date without Dagster, for cron jobs and for looking closely."""

from __future__ import annotations

import sys

import click

from onec_pipelines.cli import output
from onec_pipelines.errors import PipelineError, RetryLater


@click.command()
@click.argument("names", nargs=-1, metavar="[ENTITY]...")
@click.option("--all", "everything", is_flag=True, help="All entities, in the order of their references.")
@click.option(
    "--layer",
    "layers",
    multiple=True,
    type=click.Choice(["raw", "clean", "shop", "ids"]),
    help="Only these layers: without raw, stored pages are replayed and 1C is not touched.",
)
@click.option(
    "--allow-deletes", is_flag=True, help="For this run, believe 1C however many rows are gone from it."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def sync(
    names: tuple[str, ...], *, everything: bool, layers: tuple[str, ...], allow_deletes: bool, as_json: bool
) -> None:
    """Bring ENTITY... up to date: 1C → raw → clean → shop. One that fails does not stop the others."""
    from onec_pipelines.entities import BY_NAME, ENTITIES
    from onec_pipelines.inbound import ALL_LAYERS, Outcome, inbound
    from onec_pipelines.runtime import open_runtime
    from onec_pipelines.spec import Layer

    unknown = [name for name in names if name not in BY_NAME]
    if unknown or bool(names) == everything:
        known = ", ".join(BY_NAME)
        raise click.UsageError(
            f"unknown: {', '.join(unknown)}; known: {known}"
            if unknown
            else f"name entities or say --all; known: {known}"
        )
    wanted = [Layer(layer) for layer in layers] or ALL_LAYERS
    found: dict[str, Outcome] = {}
    errors: dict[str, PipelineError] = {}
    with open_runtime() as runtime, output.Bars(quiet=as_json) as bars:
        for entity in [e for e in ENTITIES if everything or e.name in names]:
            bars.begin(entity.name)
            try:
                found[entity.name] = inbound(
                    entity, runtime, layers=wanted, allow_deletes=allow_deletes, on_progress=bars.show
                )
            except PipelineError as error:
                errors[entity.name] = error
    if as_json:
        output.as_json(
            {
                "ok": not errors,
                "entities": {name: output.outcome_json(outcome) for name, outcome in found.items()},
                "errors": {
                    name: {"kind": type(failed).__name__, "code": failed.code, "message": str(failed)}
                    for name, failed in errors.items()
                },
            }
        )
    else:
        if found:
            output.outcomes(found)
        for name, failed in errors.items():
            click.echo(f"{name}: {type(failed).__name__}: {failed}", err=True)
    if errors:
        later = all(isinstance(failed, RetryLater) for failed in errors.values())
        sys.exit(75 if later else 1)
