"""1C against the shop, for one entity: totals and a sample of 1C against clean, all of clean against the shop. `_run` names the steps.

Drift is what the load path had its chance to bring and did not: what differs at the first look is looked at again after the entity's own
sync, so that a base that changes meanwhile shows none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.errors import PipelineError, RetryLater, Skip, Stop
from onec_pipelines.inbound import inbound
from onec_pipelines.ledger import audit, clean_rows, jobs, quarantine, reconciliation, scans, state
from onec_pipelines.ledger.reconciliation import CLEAN, SHOP, Difference, Finding
from onec_pipelines.reading import known_plan, split_parts
from onec_pipelines.runtime import Runtime
from onec_pipelines.spec import Entity, Layer, Way
from onec_pipelines.steps.demand import asked_field, read_keys
from onec_pipelines.steps.keep_forgotten import keep_forgotten
from onec_pipelines.steps.resolve import Plan
from onec_pipelines.steps.totals import Compared, Side, compare_totals
from onec_pipelines.steps.windows import Window, since, today

__all__ = ["reconcile"]

# What changes in 1C between two looks is brought by the sync in between; the same row every time is unlikely.
_LOOKS = 2
# More keys than this are not asked for one by one: the entity is read as a whole.
_MANY_KEYS = 5_000


@dataclass(kw_only=True)
class _Look:
    """What one look at both sides showed."""

    asked: int = 0
    compared: int = 0
    differences: dict[tuple[str, str], Difference] = field(default_factory=dict)
    totals: list[dict[str, Any]] = field(default_factory=list)

    def add(self, found: Iterable[Difference]) -> None:
        """Keep each row once a side."""
        for one in found:
            self.differences.setdefault((one.where, one.row_key), one)

    @property
    def wrong(self) -> dict[tuple[str, str], Difference]:
        """Without rows whose absence the sync has noticed: it waits for the second time by design."""
        return {key: one for key, one in self.differences.items() if not one.noticed}


def reconcile(
    entity: Entity,
    runtime: Runtime,
    *,
    repair: bool = False,
    rows: int | None = None,
    run_id: str | None = None,
) -> Finding:
    """Compare an entity with 1C and keep the finding; with `repair` bring what differs in order and look again.

    `rows` (default ONEC_RECONCILE_ROWS) are looked at one by one. When something differs, the entity is synced in its own way before it is
    called drift. An entity that was never read, is not published or is being synced is 'skipped' with words. Other errors come out after
    they are kept as 'failed'.
    """
    started = datetime.now(UTC)
    size = runtime.settings.reconcile_rows if rows is None else rows
    try:
        finding = _run(entity, runtime, started, size=size, repair=repair)
    except Skip as skip:
        finding = Finding(entity=entity.name, status="skipped", started_at=started, message=str(skip))
    except PipelineError as error:
        busy = isinstance(error, RetryLater) and error.code == "ALREADY_RUNNING"
        status = "skipped" if busy else "failed"
        finding = Finding(entity=entity.name, status=status, started_at=started, message=str(error))
        _keep(runtime, finding, run_id)
        if not busy:
            raise
        return finding
    _keep(runtime, finding, run_id)
    return finding


def _run(entity: Entity, runtime: Runtime, started: datetime, *, size: int, repair: bool) -> Finding:
    if not _was_read(entity, runtime):
        raise Skip(
            f"{entity.name} has never been read to its end", code="NOT_READ_YET", remedy="Sync it first."
        )
    first = _look(entity, runtime, size=size)
    look, message = first, None
    for _ in range(_LOOKS):
        if not look.wrong:
            break
        # The load path gets its chance: what 1C changed just now is late and no drift.
        if inbound(entity, runtime).status == "held":
            message = "a limit holds the load into the shop: `onec approve list`"
        look = _look_again(entity, runtime, look)
    drift = look.wrong
    finding = Finding(
        entity=entity.name,
        status="drift" if drift else "same",
        started_at=started,
        rows_asked=first.asked,
        rows_compared=first.compared,
        rows_late=len(first.differences) - len(drift.keys() & first.differences.keys()),
        rows_drift=len(drift),
        rows_left=len(drift),
        totals=tuple(first.totals),
        differences=tuple(drift.values()),
        message=message,
    )
    if not drift or not repair:
        return finding
    _repair(entity, runtime, drift.values())
    left = _look_again(entity, runtime, look).wrong
    return replace(
        finding,
        status="drift" if left else "repaired",
        rows_left=len(left),
        rows_repaired=len(drift.keys() - left.keys()),
    )


def _was_read(entity: Entity, runtime: Runtime) -> bool:
    with runtime.database.transaction() as connection:
        tx = driver_connection(connection)
        return state.read(tx, runtime.system_name, entity.name, scans.COMPLETE) is not None


def _look(entity: Entity, runtime: Runtime, *, size: int) -> _Look:
    """Totals, the keys of totals that differ, a sample; then clean against the shop."""
    plan, ask = known_plan(entity, runtime), _ask_field(entity)
    look = _Look()
    totals = _totals(entity, runtime, plan, ask)
    look.totals = totals.differing
    look.compared += totals.checked
    if totals.unkeyed:
        look.add([_count_only(entity, totals.unkeyed)])
    if ask is not None:
        with runtime.database.transaction() as connection:
            tx = driver_connection(connection)
            keys = reconciliation.sample(tx, entity, ask, system_name=runtime.system_name, size=size)
        _look_closely(entity, runtime, plan, [*keys, *totals.asks], look)
    _look_at_shop(entity, runtime, look)
    return look


def _look_again(entity: Entity, runtime: Runtime, before: _Look) -> _Look:
    """Only what differed, asked for anew."""
    plan, look = known_plan(entity, runtime), _Look()
    wrong = before.wrong.values()
    if any(one.what == "count" for one in wrong):
        totals = _totals(entity, runtime, plan, None)
        look.add([_count_only(entity, totals.unkeyed)] if totals.unkeyed else [])
    _look_closely(entity, runtime, plan, [one.ask for one in wrong if one.ask is not None], look)
    _look_at_shop(entity, runtime, look)
    return look


def _ask_field(entity: Entity) -> str | None:
    try:
        return asked_field(entity)
    except Stop:
        return None


def _count_only(entity: Entity, rows: int) -> Difference:
    return Difference(row_key=f"{entity.name}: {rows}", ask=None, where=CLEAN, what="count")


def _totals(entity: Entity, runtime: Runtime, plan: Plan, ask: str | None) -> Compared:
    settings = runtime.settings
    first = max(settings.first_day, today(settings.zone) - timedelta(days=settings.reconcile_days))
    side = Side(
        database=runtime.database,
        client=runtime.client,
        plan=plan,
        system_name=runtime.system_name,
        zone=settings.zone,
        parallel=settings.max_sessions,
        parts=split_parts(entity, runtime),
        window=Window(start=since(first, settings.zone)),
    )
    return compare_totals(side, ask)


def _look_closely(entity: Entity, runtime: Runtime, plan: Plan, keys: Sequence[str], look: _Look) -> None:
    """Fetch these keys and compare the rows with clean. Nothing is stored: the transactions only hold the staged rows."""
    asked = list(dict.fromkeys(keys))[:_MANY_KEYS]
    if not asked:
        return
    look.asked += len(asked)
    source = read_keys(
        runtime.client,
        plan,
        asked,
        parts=split_parts(entity, runtime),
        parallel=runtime.settings.max_sessions,
        zone=runtime.settings.zone,
    )
    with closing(source):
        for group in source:
            look.compared += group.checked.table.num_rows
            rejected = [quarantine.row_key(one.external_key) for one in group.checked.rejects]
            with runtime.database.transaction() as connection:
                tx = driver_connection(connection)
                clean_rows.stage(tx, entity, group.checked.table, group.checked.sections)
                keep_forgotten(tx, entity, None, (), system_name=runtime.system_name)
                look.add(
                    reconciliation.compare_clean(
                        tx,
                        entity,
                        asked_field(entity),
                        system_name=runtime.system_name,
                        asked=group.asked,
                        rejected=rejected,
                    )
                )


def _look_at_shop(entity: Entity, runtime: Runtime, look: _Look) -> None:
    """Under the lock, because between clean and the merge of a sync under way the two differ by right."""
    with (
        jobs.entity_lock(runtime.database, runtime.system_name, entity.name),
        runtime.database.transaction() as connection,
    ):
        compared, found = reconciliation.compare_shop(
            driver_connection(connection), entity, system_name=runtime.system_name
        )
    look.compared += compared
    look.add(found)


def _repair(entity: Entity, runtime: Runtime, drift: Iterable[Difference]) -> None:
    """Fetch anew what differs from 1C, merge anew what differs in the shop; as a whole what cannot be asked for."""
    found = list(drift)
    asks = sorted({one.ask for one in found if one.ask is not None})
    if len(asks) >= _MANY_KEYS or any(one.what == "count" for one in found):
        inbound(entity, runtime, way=Way.SNAPSHOT)
    elif asks:
        inbound(entity, runtime, only=asks)
    if any(one.where == SHOP for one in found):
        layers = [Layer.SHOP, Layer.IDS] if entity.has_ids else [Layer.SHOP]
        inbound(entity, runtime, layers=layers)


def _keep(runtime: Runtime, finding: Finding, run_id: str | None) -> None:
    reconciliation.record(runtime.database, finding, system_name=runtime.system_name, run_id=run_id)
    with runtime.database.transaction() as connection:
        audit.record(
            driver_connection(connection),
            system_name=runtime.system_name,
            action="reconciled",
            entity=finding.entity,
            job_id=None,
            details={
                "status": finding.status,
                "compared": finding.rows_compared,
                "late": finding.rows_late,
                "drift": finding.rows_drift,
                "repaired": finding.rows_repaired,
                "left": finding.rows_left,
            },
        )
