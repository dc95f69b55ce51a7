"""`onec mapping`: which shop column comes from which name of 1C, for people, scripts and the committed docs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from onec_pipelines.cli import output


@click.group()
def mapping() -> None:
    """Show and export the mapping of 1C to the shop, as declared."""


@mapping.command()
@click.argument("name", metavar="[ENTITY]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(name: str | None, *, as_json: bool) -> None:
    """Show the fields of ENTITY, or all entities in short."""
    from onec_pipelines.entities import BY_NAME, ENTITIES
    from onec_pipelines.monitoring.mapping import mapping_of

    if name is not None and name not in BY_NAME:
        raise click.UsageError(f"unknown: {name}; known: {', '.join(BY_NAME)}")
    found = [mapping_of(entity, ENTITIES) for entity in ENTITIES if name in {None, entity.name}]
    if as_json:
        output.as_json([asdict(one) for one in found])
        return
    if name is None:
        output.table(
            "Mapping",
            ["entity", "in Russian", "1C", "shop", "fields"],
            ([m.entity, m.title_ru, "\n".join(m.resources), m.shop_table, len(m.fields)] for m in found),
            wrap=True,
        )
        return
    (one,) = found
    output.table(
        f"{one.entity}: {one.title_ru} · {' or '.join(one.resources)} · {one.reading}",
        ["shop", "clean", "1C", "type", "transform", "rules", "points to", "PII"],
        (
            [
                "\n".join(column.removeprefix("shop.") for column in field.shop),
                field.field,
                "\n".join(field.onec),
                field.type,
                field.transform,
                "\n".join([*field.limits, *([] if field.required else ["optional"])]),
                ", ".join(field.references),
                "PII" if field.is_pii else "",
            ]
            for field in one.fields
        ),
        wrap=True,
    )


@mapping.command()
@click.option(
    "--check", is_flag=True, help="Only compare: exit 1 when the file is not what would be written."
)
@click.option(
    "--output", "path", type=click.Path(path_type=Path, dir_okay=False), help="Default: docs/mapping.md."
)
def export(path: Path | None, *, check: bool) -> None:
    """Write the mapping of all entities as Markdown."""
    from onec_pipelines.entities import ENTITIES
    from onec_pipelines.monitoring.mapping_docs import render
    from onec_pipelines.settings import project_root

    path = path or project_root() / "docs" / "mapping.md"
    text = render(ENTITIES)
    is_same = path.is_file() and path.read_text(encoding="utf-8") == text
    if check:
        click.echo(f"{path} {'is' if is_same else 'is not'} what the declarations say")
        sys.exit(0 if is_same else 1)
    if not is_same:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    click.echo(f"{path} {'was up to date' if is_same else 'written'}")
