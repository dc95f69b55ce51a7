"""`onec reconcile`: compare with 1C what the shop has, and bring what differs in order."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from onec_pipelines.cli import output
from onec_pipelines.errors import PipelineError

if TYPE_CHECKING:
    from onec_pipelines.ledger.reconciliation import Finding


@click.command()
@click.argument("names", nargs=-1, metavar="[ENTITY]...")
@click.option(
    "--repair", is_flag=True, help="Fetch anew what differs from 1C, merge anew what differs in the shop."
)
@click.option(
    "--rows", type=click.IntRange(0), help="Rows looked at one by one; default ONEC_RECONCILE_ROWS."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def reconcile(names: tuple[str, ...], *, repair: bool, rows: int | None, as_json: bool) -> None:
    """Compare ENTITY... (all without a name) with 1C: totals, a sample of rows, and every row of clean with the shop.

    What differs is synced first and looked at again: only what stays different is drift. Exit code 1 when drift is left.
    """
    from onec_pipelines.entities import BY_NAME, ENTITIES
    from onec_pipelines.reconcile import reconcile as compare
    from onec_pipelines.runtime import open_runtime

    if unknown := [name for name in names if name not in BY_NAME]:
        raise click.UsageError(f"unknown: {', '.join(unknown)}; known: {', '.join(BY_NAME)}")
    found: dict[str, Finding] = {}
    errors: dict[str, PipelineError] = {}
    with open_runtime() as runtime:
        for entity in (one for one in ENTITIES if not names or one.name in names):
            try:
                found[entity.name] = compare(entity, runtime, repair=repair, rows=rows)
            except PipelineError as error:
                errors[entity.name] = error
    _tell(found, errors, as_json=as_json)
    if errors or any(one.rows_left for one in found.values()):
        sys.exit(1)


def _tell(found: dict[str, Finding], errors: dict[str, PipelineError], *, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        output.as_json(
            {
                "ok": not errors and not any(one.rows_left for one in found.values()),
                "entities": {name: asdict(one) for name, one in found.items()},
                "errors": {name: {"code": one.code, "message": str(one)} for name, one in errors.items()},
            }
        )
        return
    output.table(
        "Compared with 1C",
        ["entity", "status", "asked", "compared", "late", "drift", "repaired", "left", "message"],
        (
            [
                name,
                one.status,
                one.rows_asked,
                one.rows_compared,
                one.rows_late,
                one.rows_drift,
                one.rows_repaired,
                one.rows_left,
                one.message,
            ]
            for name, one in found.items()
        ),
    )
    rows = [
        [name, row.row_key, row.where, row.what, ", ".join(row.columns)]
        for name, one in found.items()
        for row in one.differences[:20]
    ]
    if rows:
        output.table("Drift", ["entity", "key", "wrong in", "what", "columns"], rows, wrap=True)
    for name, failed in errors.items():
        click.echo(f"{name}: {type(failed).__name__}: {failed}", err=True)
