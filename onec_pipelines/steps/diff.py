"""diff: what a merge would do to the shop, told before it does it. A dry run ends there, and so does a load that breaches a limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import psycopg

from onec_pipelines.db import diff_sql, shop_sql
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import approvals
from onec_pipelines.ledger.approvals import Approval, Breach
from onec_pipelines.spec import Column, Entity, Limit, Measure
from onec_pipelines.steps.masking import masked_columns, shown

Tx = psycopg.Connection[Any]
_SAMPLE = 10
_MOST_MARKS = 20_000
# Comparing tabular rows costs as much again as writing them: of more owners only a dry run counts them.
_MOST_OWNERS = 50_000
_EVERY_ROW = "*"
Figures = dict[str, Any]


class Withheld(Stop):
    """Nothing was written into the shop, and all that the transaction did must be rolled back."""


class DryRun(Withheld):
    """It was only asked what a merge would do."""


class Guard:
    """Looks at a merge between its reading and its writing, in the merge's transaction; afterwards `figures` says what it saw.

    Figures: `first` (the shop had no row of this base: then nothing is held and only new rows are counted), `new`, `changed`, `deleted`
    and `waiting` rows, `columns` (column → old rows whose value changes), `children` (table → new, changed, removed rows; not of very many
    owners), `sample` (a few rows before and after, personal data masked) and `breaches` of limits.
    """

    def __init__(
        self,
        entity: Entity,
        *,
        system_name: str,
        job_id: int,
        limits: Sequence[Limit],
        dry_run: bool = False,
        told: Callable[[Figures], None] = lambda _figures: None,
    ) -> None:
        self.figures: Figures = {}
        self.breaches: list[Breach] = []
        self.used: Approval | None = None
        self._entity = entity
        self._values = {"system_name": system_name}
        self._job_id = job_id
        self._limits = limits
        self._dry_run = dry_run
        self._told = told

    def __call__(self, tx: Tx) -> None:
        """Fill `figures`. Raises DryRun, or Withheld LOAD_HELD when a limit is breached and nobody approved exactly that."""
        entity, system_name = self._entity, self._values["system_name"]
        row = tx.execute(diff_sql.is_filled(entity).encode(), self._values).fetchone()
        if row and row[0]:
            self.figures = _figures(tx, entity, self._values, are_children_wanted=self._dry_run)
            self.breaches = [
                breach for limit in self._limits if (breach := _judge(tx, entity, limit, self._values))
            ]
            self.figures["breaches"] = [breach.document for breach in self.breaches]
            tx.execute(f"DROP TABLE {diff_sql.DIFF}".encode())
        else:
            self.figures = _first(tx)
        self._told(self.figures)
        if self._dry_run:
            raise DryRun("a dry run writes nothing", code="DRY_RUN", remedy="Run it without --dry-run.")
        if not self.breaches:
            approvals.lapse(tx, entity.name, system_name=system_name, job_id=self._job_id)
            return
        self._pass_or_hold(tx, system_name)

    def _pass_or_hold(self, tx: Tx, system_name: str) -> None:
        entity = self._entity.name
        approval = approvals.open_of(tx, entity, system_name=system_name)
        if approval is not None and approval.state == "granted":
            more = approvals.uncovered(tx, approval, self.breaches)
            if not more:
                self.used = approval
                approvals.use(tx, approval, system_name=system_name, entity=entity, job_id=self._job_id)
                return
            self.figures["beyond_approval"] = {"approval": approval.id, "rows": more}
        raise Withheld(
            f"the load of {entity} into the shop is held: {'; '.join(one.words for one in self.breaches)}",
            code="LOAD_HELD",
            remedy="`onec approve list` shows it; grant or reject it.",
        )


def tell_held(figures: Figures, approval: Approval) -> str:
    """What to say of a held load."""
    beyond = figures.get("beyond_approval")
    words = "; ".join(
        f"{one['limit']}: {one['counted']}, allowed {one['allowed']}" for one in figures["breaches"]
    )
    before = (
        f" The data changed in {beyond['rows']} rows beyond what approval {beyond['approval']} allows."
        if beyond
        else ""
    )
    if approval.state == "rejected":
        who = f"held, and rejected by {approval.decided_by} ({approval.reason})"
        return f"{who}: {words}. Mend it in 1C, or `onec approve grant {approval.id}`."
    return f"held for approval: {words}.{before} `onec approve show {approval.id}`, then grant or reject it."


def _first(tx: Tx) -> Figures:
    row = tx.execute(diff_sql.count_new().encode()).fetchone() or (0, 0)
    return {
        "first": True,
        "new": row[0],
        "changed": 0,
        "deleted": 0,
        "waiting": row[1],
        "columns": {},
        "children": {},
        "sample": [],
        "breaches": [],
    }


def _is_small(tx: Tx) -> bool:
    row = tx.execute(f"SELECT count(*) <= {_MOST_OWNERS} FROM {shop_sql.SOURCE}".encode()).fetchone()  # noqa: S608 - our own name
    return bool(row and row[0])


def _figures(tx: Tx, entity: Entity, values: dict[str, Any], *, are_children_wanted: bool) -> Figures:
    tx.execute(diff_sql.create_diff(entity).encode(), values)
    tx.execute(f"ANALYZE {diff_sql.DIFF}".encode())
    names = [column.name for column in entity.target.columns]
    row = tx.execute(diff_sql.count_diff(entity).encode()).fetchone()
    assert row is not None  # noqa: S101 - an aggregate gives a row
    new, changed, deleted, waiting, *counts = row
    children = entity.target.children if are_children_wanted or _is_small(tx) else ()
    return {
        "first": False,
        "new": new,
        "changed": changed,
        "deleted": deleted,
        "waiting": waiting,
        "columns": {name: count for name, count in zip(names, counts, strict=True) if count},
        "children": {child.table: _children(tx, entity, child, values) for child in children},
        "sample": _sample(tx, entity),
        "breaches": [],
    }


def _children(tx: Tx, entity: Entity, child: Any, values: dict[str, Any]) -> dict[str, int]:
    tx.execute(shop_sql.create_child_source(entity, child).encode(), values)
    row = tx.execute(diff_sql.count_children(child).encode()).fetchone() or (0, 0, 0)
    tx.execute(b"DROP TABLE pg_temp.child_source")
    return dict(zip(("new", "changed", "removed"), row, strict=True))


def _sample(tx: Tx, entity: Entity) -> list[dict[str, Any]]:
    cursor = tx.execute(diff_sql.sample(entity, _SAMPLE).encode())
    names = [column.name for column in cursor.description or ()]
    masked = masked_columns(entity)
    return [_compared(entity, dict(zip(names, row, strict=True)), masked) for row in cursor]


def _compared(entity: Entity, row: dict[str, Any], masked: frozenset[str]) -> dict[str, Any]:
    kind = "new" if row["is_new"] else "deleted" if row["is_gone"] else "changed"
    before, after, about = {}, {}, {}
    for column in entity.target.columns:
        name = column.name
        was, becomes = row[f"before_{name}"], row[f"after_{name}"]
        if _names_row(entity, column):
            about[name] = shown(becomes, is_masked=name in masked)
        if row["is_new"] or was != becomes:
            before[name] = None if row["is_new"] else shown(was, is_masked=name in masked)
            after[name] = shown(becomes, is_masked=name in masked)
    return {
        "row": row["row_key"],
        "id": row["id"],
        "change": kind,
        "about": about,
        "before": {} if row["is_new"] else before,
        "after": after,
    }


def _names_row(entity: Entity, column: Column) -> bool:
    """What tells a person which row it is: the objects of a register, else SKU, number, code and name."""
    if not entity.has_ids:
        return column.reference is not None and column.required
    return column.name in {"sku", "number", "code", "name"}


def _judge(tx: Tx, entity: Entity, limit: Limit, values: dict[str, Any]) -> Breach | None:
    bound = {**values, "share": limit.share or Decimal(0), "rows": limit.rows}
    tx.execute(diff_sql.create_offenders(entity, limit).encode(), bound)
    row = tx.execute(f"SELECT count(*) FROM {diff_sql.OFFENDERS}".encode()).fetchone()  # noqa: S608 - our own name
    counted = int(row[0]) if row else 0
    share = _share(tx, entity, limit, counted, values)
    breach = None
    if _exceeds(limit, counted, share):
        breach = Breach(
            limit=limit.name,
            allowed=allowed(limit),
            counted=counted,
            share=share,
            examples=_examples(tx),
            rows=_marks(tx, counted),
        )
    tx.execute(f"DROP TABLE {diff_sql.OFFENDERS}".encode())
    return breach


def _exceeds(limit: Limit, counted: int, share: float | None) -> bool:
    if limit.measure is Measure.EMPTIED:
        return counted > 0
    if counted <= limit.rows:
        return False
    return share is None or limit.share is None or share > float(limit.share)


def _share(tx: Tx, entity: Entity, limit: Limit, counted: int, values: dict[str, Any]) -> float | None:
    if limit.share is None or limit.measure is Measure.FALL or counted <= limit.rows:
        return None
    row = tx.execute(diff_sql.base_of(entity, limit).encode(), values).fetchone()
    return counted / max(int(row[0]) if row else 0, 1)


def allowed(limit: Limit) -> str:
    """A limit in words."""
    if limit.measure is Measure.EMPTIED:
        return f"no {limit.column} that had {limit.rows} rows or more"
    if limit.measure is Measure.FALL:
        return (
            f"{limit.rows} rows by more than {limit.share:.0%}"
            if limit.share is not None
            else str(limit.rows)
        )
    share = f" or {limit.share:.0%}" if limit.share is not None else ""
    return f"{limit.rows}{share}"


def _examples(tx: Tx) -> tuple[dict[str, str], ...]:
    rows = tx.execute(
        f"SELECT row_key, was, becomes FROM {diff_sql.OFFENDERS} ORDER BY number LIMIT {_SAMPLE}".encode()  # noqa: S608
    )
    return tuple({"row": key, "was": was, "becomes": becomes} for key, was, becomes in rows)


def _marks(tx: Tx, counted: int) -> tuple[tuple[str, str], ...]:
    if counted > _MOST_MARKS:
        row = tx.execute(diff_sql.digest_of_offenders().encode()).fetchone()
        return ((_EVERY_ROW, str(row[0]) if row else ""),)
    rows = tx.execute(f"SELECT row_key, digest FROM {diff_sql.OFFENDERS}".encode())  # noqa: S608 - our own name
    return tuple((str(key), str(digest)) for key, digest in rows)
