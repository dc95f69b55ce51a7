"""`onec sync`: bring entities up to date without Dagster, for cron jobs and for looking closely."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from onec_pipelines.cli import diff_view, output
from onec_pipelines.cli.changes import take_before
from onec_pipelines.errors import PipelineError, RetryLater

if TYPE_CHECKING:
    from onec_pipelines.inbound import Outcome
    from onec_pipelines.runtime import Runtime
    from onec_pipelines.spec import Entity

_MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


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
    "--guid", "guids", multiple=True, metavar="GUID", help="Just this object; of registers: its rows."
)
@click.option("--sku", "skus", multiple=True, metavar="SKU", help="Just the product with this SKU in 1C.")
@click.option("--number", "numbers", multiple=True, metavar="N", help="Just the document with this number.")
@click.option(
    "--way",
    type=click.Choice(["changes", "versions", "windows", "snapshot"]),
    help="How to read, instead of ONEC_READING and the entity's own way.",
)
@click.option(
    "--full", is_flag=True, help="Read everything, whatever the way is: the same as --way snapshot."
)
@click.option(
    "--from",
    "begin",
    type=_MOMENT,
    help="Documents dated since then; with --layer clean, pages that were read since then. Wall clock of the base.",
)
@click.option("--to", "end", type=_MOMENT, help="… and before then.")
@click.option(
    "--allow-deletes", is_flag=True, help="For this run, believe 1C however many rows are gone from it."
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Read 1C and fill raw and clean, but only say what would become of the shop.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def sync(names: tuple[str, ...], *, everything: bool, full: bool, as_json: bool, **options: Any) -> None:
    """Bring ENTITY... up to date: 1C → raw → clean → shop. One that fails or is held does not stop the others."""
    from onec_pipelines.entities import BY_NAME, ENTITIES
    from onec_pipelines.runtime import open_runtime
    from onec_pipelines.steps.limits import check_limits
    from onec_pipelines.steps.ways import check_reading

    unknown = [name for name in names if name not in BY_NAME]
    if unknown or bool(names) == everything:
        known = ", ".join(BY_NAME)
        raise click.UsageError(
            f"unknown: {', '.join(unknown)}; known: {known}"
            if unknown
            else f"name entities or say --all; known: {known}"
        )
    if full:
        if options["way"]:
            raise click.UsageError("--full and --way exclude each other")
        options["way"] = "snapshot"
    found: dict[str, Outcome] = {}
    errors: dict[str, PipelineError] = {}
    with open_runtime() as runtime, output.Bars(quiet=as_json) as bars:
        check_reading(ENTITIES, runtime.settings.ways)
        check_limits(ENTITIES, runtime.settings.limits)
        chosen = [e for e in ENTITIES if everything or e.name in names]
        take_before(runtime, chosen, options)
        for entity in chosen:
            bars.begin(entity.name)
            try:
                found[entity.name] = _sync_one(entity, runtime, bars.show, **options)
            except PipelineError as error:
                errors[entity.name] = error
    _tell(found, errors, as_json=as_json, dry_run=options["dry_run"])
    if errors or any(outcome.status == "held" for outcome in found.values()):
        later = bool(errors) and all(isinstance(failed, RetryLater) for failed in errors.values())
        sys.exit(75 if later else 1)


def _sync_one(
    entity: Entity,
    runtime: Runtime,
    on_progress: Callable[[Outcome], None],
    *,
    layers: tuple[str, ...],
    guids: tuple[str, ...],
    skus: tuple[str, ...],
    numbers: tuple[str, ...],
    way: str | None,
    begin: datetime | None,
    end: datetime | None,
    allow_deletes: bool,
    dry_run: bool,
) -> Outcome:
    from onec_pipelines.entities import BY_NAME
    from onec_pipelines.inbound import ALL_LAYERS, inbound, keys_of
    from onec_pipelines.spec import Layer, Way
    from onec_pipelines.steps.windows import local_window

    by_key = bool(guids or skus or numbers)
    only = keys_of(entity, runtime, BY_NAME, guids=guids, skus=skus, numbers=numbers) if by_key else None
    return inbound(
        entity,
        runtime,
        layers=[Layer(layer) for layer in layers] or ALL_LAYERS,
        allow_deletes=allow_deletes,
        only=only,
        window=local_window(begin, end, runtime.settings.zone),
        way=Way(way) if way else None,
        dry_run=dry_run,
        on_progress=on_progress,
    )


def _tell(
    found: dict[str, Outcome], errors: dict[str, PipelineError], *, as_json: bool, dry_run: bool
) -> None:
    held = {name: outcome for name, outcome in found.items() if outcome.status == "held"}
    if as_json:
        output.as_json(
            {
                "ok": not errors and not held,
                "entities": {name: output.outcome_json(outcome) for name, outcome in found.items()},
                "errors": {
                    name: {"kind": type(failed).__name__, "code": failed.code, "message": str(failed)}
                    for name, failed in errors.items()
                },
            }
        )
        return
    if found:
        output.outcomes(found)
    for name, outcome in found.items():
        if dry_run and outcome.diff:
            diff_view.show(name, outcome.diff)
    for name, outcome in held.items():
        click.echo(f"{name}: {outcome.message}", err=True)
    for name, failed in errors.items():
        click.echo(f"{name}: {type(failed).__name__}: {failed}", err=True)
