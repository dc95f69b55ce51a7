"""How results look: tables for people, one JSON document for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import click
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from onec_pipelines.inbound import Outcome
from onec_pipelines.remedies import Language, advise

_FILE_WIDTH = 160
_FIGURES = (
    ("rows_read", "read"),
    ("quarantined", "quarantined"),
    ("clean_changed", "clean written"),
    ("shop_changed", "shop written"),
    ("held", "held"),
    ("unresolved", "waiting refs"),
    ("requests", "requests"),
)


def as_json(document: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, ensure_ascii=False, default=str))


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, wrap: bool = False
) -> None:
    """Print a table as wide as it needs; empty cells for None. With `wrap` long cells go on in the next line and none is cut."""
    grid = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        grid.add_column(name, overflow="fold", no_wrap=not wrap)
    for row in rows:
        grid.add_row(*("" if value is None else str(value) for value in row))
    terminal = Console()
    # Written to a file or a log the table keeps its columns whole.
    Console(width=None if terminal.is_terminal else _FILE_WIDTH).print(grid)


def advice(code: str | None, language: Language) -> None:
    """Print what the catalogue says of a code: what it is, why, what to do; nothing for a code that it does not know."""
    words = advise(code, language)
    if words is None:
        return
    why, what = ("Почему", "Что делать") if language == "ru" else ("Why", "What to do")
    click.echo(f"[{code}] {words.title}\n  {why}: {words.cause}\n  {what}: {words.remedy}")


def outcomes(found: Mapping[str, Outcome]) -> None:
    """Print what each entity's run did."""
    table(
        "What was synced",
        ["entity", "status", *(title for _, title in _FIGURES), "complete", "seconds"],
        (
            [
                name,
                outcome.status,
                *(getattr(outcome, field) for field, _ in _FIGURES),
                {True: "yes", False: "NO", None: ""}[outcome.complete],
                f"{outcome.seconds.get('total', 0):.2f}",
            ]
            for name, outcome in found.items()
        ),
    )


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome as a script wants it."""
    document = asdict(outcome)
    document.pop("columns")
    return {
        **document,
        "rows_loaded": outcome.shop_new,
        "rows_changed": outcome.clean_changed + outcome.shop_changed,
    }


class Bars:
    """A progress bar per entity on stderr, fed by outcomes as they grow."""

    def __init__(self, *, quiet: bool) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<18}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=quiet,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, entity: str) -> None:
        """Show an entity that has started."""
        if entity not in self._tasks:
            self._tasks[entity] = self._progress.add_task(entity, total=None, detail="")

    def show(self, outcome: Outcome) -> None:
        """Show how far an entity has come."""
        self.begin(outcome.entity)
        done = "shop" in outcome.seconds or outcome.status != "succeeded"
        self._progress.update(
            self._tasks[outcome.entity],
            completed=outcome.rows_read,
            total=outcome.rows_read if done else outcome.rows_expected,
            detail=f"{outcome.clean_changed} written, {outcome.quarantined} quarantined",
        )
