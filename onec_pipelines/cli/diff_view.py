"""How the difference between the shop and what it would become looks on a terminal."""

from __future__ import annotations

from typing import Any

import click

from onec_pipelines.cli import output


def show(entity: str, diff: dict[str, Any]) -> None:
    """Counts, columns, a sample of rows, and the limits that are breached."""
    first = ", the shop has none yet" if diff["first"] else ""
    click.echo(
        f"{entity}: {diff['new']} new, {diff['changed']} changed, {diff['deleted']} deleted rows,"
        f" {diff['waiting']} wait for an object that has not come{first}"
    )
    if diff["columns"]:
        output.table("Values that change", ["column", "rows"], diff["columns"].items())
    children = {name: counts for name, counts in diff["children"].items() if any(counts.values())}
    if children:
        output.table(
            "Tabular rows",
            ["table", "new", "changed", "removed"],
            ([n, *c.values()] for n, c in children.items()),
        )
    if diff["sample"]:
        output.table(
            "A few rows",
            ["row", "change", "about", "column", "before", "after"],
            (cells for one in diff["sample"] for cells in _cells(one)),
            wrap=True,
        )
    breaches(diff["breaches"])


def breaches(found: list[dict[str, Any]]) -> None:
    """Each limit that is breached, with the worst rows."""
    for one in found:
        share = f" ({one['share']:.1%})" if one["share"] is not None else ""
        output.table(
            f"{one['limit']}: {one['counted']}{share}, allowed {one['allowed']}",
            ["row", "was", "becomes"],
            ([row["row"], row["was"], row["becomes"]] for row in one["examples"]),
        )


def _cells(one: dict[str, Any]) -> list[list[object]]:
    about = ", ".join(f"{name} {value}" for name, value in one["about"].items() if value is not None)
    head: list[object] = [one["row"], one["change"], about]
    changes = [(name, one["before"].get(name), value) for name, value in one["after"].items()]
    if one["change"] == "new":
        return [[*head, "", "", ""]]
    return [
        [*(head if first else ["", "", ""]), *change]
        for first, change in zip([True, *[False] * len(changes)], changes, strict=False)
    ]
