"""outcome: what a run of one entity did, in figures, and how stored groups are added to them. Everybody else only shows it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from onec_pipelines.ledger.clean_rows import Written
from onec_pipelines.steps.grouping import Group
from onec_pipelines.steps.load import Loader


@dataclass(kw_only=True)
class Outcome:
    """What a run of one entity did; all counts are rows.

    `rows_read` counts what came over the wire: rows that pages repeat by their overlap, too; `rows_seen` the different ones.
    `rejects_open` are all rows that stand in quarantine after this run, `rejects_share` their share of all rows of the entity.
    `rows_scanned` counts the narrow rows of a version scan, which are not among those. `complete`
    is None when nothing was read from 1C; `unread` are objects that 1C could not give: they wait in the queue. `whole` says that the
    reading was of everything that 1C holds of the entity. `way` is how it was read: a way of `spec.Way`, or `keys`. `diff` is what the
    merge was about to do to the shop (figures of `steps/diff.py`), `approval` the id of the approval that holds it (status 'held') or let
    it through.
    """

    entity: str
    status: str = "succeeded"
    job_id: int = 0
    way: str = ""
    whole: bool = False
    rows_expected: int | None = None
    rows_scanned: int = 0
    rows_read: int = 0
    rows_seen: int = 0
    duplicates: int = 0
    quarantined: int = 0
    unread: int = 0
    rejects_open: int = 0
    rejects_share: float = 0.0
    clean_new: int = 0
    clean_changed: int = 0
    absent: int = 0
    deleted: int = 0
    ids_new: int = 0
    shop_new: int = 0
    shop_changed: int = 0
    held: int = 0
    unresolved: int = 0
    complete: bool | None = None
    completeness: str = ""
    resource: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    missing_fields: list[str] = field(default_factory=list)
    requests: int = 0
    wire_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    diff: dict[str, Any] = field(default_factory=dict)
    approval: int | None = None
    message: str = ""


Progress = Callable[[Outcome], None]


def load(loader: Loader, source: Generator[Group], outcome: Outcome, on_progress: Progress) -> None:
    """Store the groups one by one and add their figures to the outcome."""
    # Closed here and not by the collector, which would let it work ahead as long as somebody holds the error.
    with closing(source):
        for group in source:
            add(outcome, group, loader.store(group))
            on_progress(outcome)


def add(outcome: Outcome, group: Group, written: Written) -> None:
    """Add the figures of a stored group."""
    outcome.rows_expected = group.expected
    outcome.rows_read += group.checked.rows_in
    outcome.duplicates += group.checked.duplicates
    outcome.quarantined += len(group.checked.rejects)
    outcome.clean_new += written.new
    outcome.clean_changed += written.changed
    outcome.deleted += written.gone
