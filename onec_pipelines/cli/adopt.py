"""`onec adopt`: recognise rows that were in the shop before 1C came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from onec_pipelines.cli import output

if TYPE_CHECKING:
    from onec_pipelines.ledger.adoption import Adopted
    from onec_pipelines.runtime import Runtime
    from onec_pipelines.spec import Entity


@click.command()
@click.argument("names", nargs=-1, metavar="ENTITY...", required=True)
@click.option("--dry-run", is_flag=True, help="Say what would be adopted, change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def adopt(names: tuple[str, ...], *, dry_run: bool, as_json: bool) -> None:
    """Map shop rows of ENTITY... without a 1C object to the one object that has their natural key (SKU, e-mail, …).

    Needs clean: first `onec sync ENTITY --layer raw --layer clean`. Unique matches are adopted; ambiguous ones are listed, never guessed.
    The next `onec sync` then updates these rows instead of making new ones.
    """
    from onec_pipelines.entities import BY_NAME, ENTITIES
    from onec_pipelines.ledger.adoption import can_adopt
    from onec_pipelines.runtime import open_runtime

    able = [entity for entity in ENTITIES if can_adopt(entity)]
    if unknown := [name for name in names if name not in BY_NAME or BY_NAME[name] not in able]:
        raise click.UsageError(
            f"no natural key: {', '.join(unknown)}; known: {', '.join(entity.name for entity in able)}"
        )
    with open_runtime() as runtime:
        found = {
            entity.name: _adopt(entity, runtime, dry_run=dry_run) for entity in able if entity.name in names
        }
    if as_json:
        output.as_json({"dry_run": dry_run, "entities": {name: _plain(one) for name, one in found.items()}})
        return
    output.table(
        "Would be adopted" if dry_run else "Adopted",
        ["entity", "rows without 1C", "adopted", "ambiguous", "taken", "unmatched"],
        (
            [name, one.waiting, one.adopted, one.ambiguous_count, one.taken_count, one.unmatched]
            for name, one in found.items()
        ),
    )
    output.table(
        "For a person to decide (integ.external_id_mappings)",
        ["entity", "what", "our id", "1C GUID", "fits by"],
        (
            [name, what, *pair]
            for name, one in found.items()
            for what, pairs in (("ambiguous", one.ambiguous), ("taken", one.taken))
            for pair in pairs
        ),
    )


def _adopt(entity: Entity, runtime: Runtime, *, dry_run: bool) -> Adopted:
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.entities import ENTITIES
    from onec_pipelines.ledger import adoption, jobs

    with (
        jobs.entity_lock(runtime.database, runtime.system_name, entity.name),
        runtime.database.transaction() as connection,
        driver_connection(connection).transaction(force_rollback=dry_run),
    ):
        return adoption.adopt(
            driver_connection(connection),
            entity,
            system_name=runtime.system_name,
            used_in=adoption.users_of(entity, ENTITIES),
        )


def _plain(found: Adopted) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(found)
