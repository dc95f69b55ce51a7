"""1C → extract → validate → clean → shop → ids, for one entity. Reads like this line; each verb is a file of `steps/`.

Every page group is one transaction: raw pages, quarantine, clean rows, checkpoint, counts and audit commit together or not at all, so
that a run killed at any moment is continued by the next one at the last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator
from contextlib import closing
from dataclasses import asdict, dataclass, field

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.errors import PipelineError, Skip, Stop
from onec_pipelines.ledger import clean_rows, jobs, shop_rows
from onec_pipelines.runtime import Runtime
from onec_pipelines.spec import Entity, Layer
from onec_pipelines.steps.extract import Pressure, extract, make_plan
from onec_pipelines.steps.grouping import Group, groups
from onec_pipelines.steps.load import Scan
from onec_pipelines.steps.replay import stored_pages, stored_plan
from onec_pipelines.steps.resolve import Plan

ALL_LAYERS = tuple(Layer)


@dataclass(kw_only=True)
class Outcome:
    """What a run of one entity did; all counts are rows.

    `rows_read` counts what came over the wire: rows that pages repeat by their overlap, too; `rows_seen` the different ones. `complete`
    is None when nothing was read from 1C.
    """

    entity: str
    status: str = "succeeded"
    job_id: int = 0
    rows_expected: int | None = None
    rows_read: int = 0
    rows_seen: int = 0
    duplicates: int = 0
    quarantined: int = 0
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
    message: str = ""


Progress = Callable[[Outcome], None]


def inbound(
    entity: Entity,
    runtime: Runtime,
    *,
    layers: Collection[Layer] = ALL_LAYERS,
    run_id: str | None = None,
    allow_deletes: bool = False,
    on_progress: Progress = lambda _outcome: None,
) -> Outcome:
    """Bring the wanted layers of one entity up to date and say what was done.

    With `raw` everything is read from 1C; with `clean` but not `raw` the last finished reading is replayed
    from the stored pages; with only `shop` or `ids` everything in clean is compared again. `allow_deletes`
    lets any number of rows be gone. Raises the error that ended the run, after it is noted in `sync_jobs`; an
    optional entity that the base does not publish ends as status 'skipped'. Raises RetryLater
    ALREADY_RUNNING when another run holds the entity.
    """
    wanted = frozenset(layers)
    with jobs.entity_lock(runtime.database, runtime.system_name, entity.name):
        job_id = jobs.start(
            runtime.database,
            system_name=runtime.system_name,
            entity=entity.name,
            job_type=_job_type(wanted),
            run_id=run_id,
        )
        outcome = Outcome(entity=entity.name, job_id=job_id)
        begun = time.monotonic()
        calls_before = len(runtime.calls)
        error: str | None = None
        try:
            _run(entity, runtime, wanted, outcome, on_progress, brake=not allow_deletes)
        except Skip as skip:
            outcome.status, outcome.message = "skipped", str(skip)
        except PipelineError as failure:
            outcome.status, error = "failed", str(failure)
            raise
        except BaseException as failure:
            outcome.status, error = "failed", type(failure).__name__
            raise
        finally:
            outcome.seconds["total"] = round(time.monotonic() - begun, 3)
            calls = runtime.calls[calls_before:]
            outcome.requests = len(calls)
            outcome.wire_bytes = sum(call.wire_bytes for call in calls)
            jobs.finish(
                runtime.database, job_id, status=outcome.status, error=error, metadata=asdict(outcome)
            )
        return outcome


def _job_type(wanted: frozenset[Layer]) -> str:
    if Layer.RAW in wanted:
        return "inbound"
    return "replay" if Layer.CLEAN in wanted else "merge"


def _run(
    entity: Entity,
    runtime: Runtime,
    wanted: frozenset[Layer],
    outcome: Outcome,
    on_progress: Progress,
    *,
    brake: bool,
) -> None:
    if Layer.RAW in wanted:
        _read(entity, runtime, outcome, on_progress, brake=brake)
    elif Layer.CLEAN in wanted:
        _replay(entity, runtime, outcome, on_progress)
    if Layer.SHOP in wanted or Layer.IDS in wanted:
        everything = not wanted & {Layer.RAW, Layer.CLEAN}
        _merge(entity, runtime, wanted, outcome, everything=everything)
    on_progress(outcome)


def _read(entity: Entity, runtime: Runtime, outcome: Outcome, on_progress: Progress, *, brake: bool) -> None:
    begun = time.monotonic()
    plan = make_plan(entity, runtime.client, runtime.metadata)
    _tell_plan(plan, outcome)
    parts = _parts(entity, runtime)
    scan = Scan.open(runtime.database, plan, system_name=runtime.system_name, job_id=outcome.job_id)
    pressure = Pressure(page_rows=runtime.settings.page_rows, parallel=runtime.settings.max_sessions)
    with closing(extract(runtime.client, plan, parts=parts, pressure=pressure, resume=scan.resume)) as pages:
        _load(scan, groups(pages, plan, runtime.settings.zone), outcome, on_progress)
    finished = scan.finish(brake=brake)
    outcome.complete, outcome.completeness = finished.complete, finished.reason
    outcome.absent, outcome.deleted = finished.absent, finished.deleted
    outcome.rows_seen = finished.rows
    outcome.seconds["clean"] = round(time.monotonic() - begun, 3)


def _tell_plan(plan: Plan, outcome: Outcome) -> None:
    outcome.resource = plan.resource
    outcome.columns = dict(plan.columns)
    outcome.missing_fields = list(plan.missing)


def _replay(entity: Entity, runtime: Runtime, outcome: Outcome, on_progress: Progress) -> None:
    begun = time.monotonic()
    plan, scan_id = stored_plan(runtime.database, entity, system_name=runtime.system_name)
    _tell_plan(plan, outcome)
    scan = Scan.replaying(runtime.database, plan, system_name=runtime.system_name, job_id=outcome.job_id)
    with closing(
        stored_pages(runtime.database, plan, system_name=runtime.system_name, scan_id=scan_id)
    ) as stored:
        _load(scan, groups(stored, plan, runtime.settings.zone), outcome, on_progress)
    outcome.seconds["clean"] = round(time.monotonic() - begun, 3)


def _load(scan: Scan, source: Generator[Group], outcome: Outcome, on_progress: Progress) -> None:
    # Closed here and not by the collector, which would let it work ahead as long as somebody holds the error.
    with closing(source):
        for group in source:
            written = scan.store(group)
            outcome.rows_expected = group.expected
            outcome.rows_read += group.checked.rows_in
            outcome.duplicates += group.checked.duplicates
            outcome.quarantined += len(group.checked.rejects)
            outcome.clean_new += written.new
            outcome.clean_changed += written.changed
            on_progress(outcome)


def _merge(
    entity: Entity, runtime: Runtime, wanted: frozenset[Layer], outcome: Outcome, *, everything: bool
) -> None:
    begun = time.monotonic()
    with runtime.database.transaction() as connection:
        tx = driver_connection(connection)
        if Layer.SHOP in wanted:
            merged = shop_rows.merge(tx, entity, system_name=runtime.system_name, everything=everything)
            outcome.ids_new, outcome.held = merged.ids_new, merged.held
            outcome.shop_new, outcome.shop_changed = merged.new, merged.changed
            outcome.unresolved = merged.unresolved
        else:
            outcome.ids_new = shop_rows.assign_ids(
                tx, entity, system_name=runtime.system_name, everything=everything
            )
    outcome.seconds["shop"] = round(time.monotonic() - begun, 3)


def _parts(entity: Entity, runtime: Runtime) -> tuple[str, ...]:
    """Keys of the rows that split the source; without a split one part without a name."""
    split = entity.source.split
    if split is None:
        return ("",)
    with runtime.database.transaction() as connection:
        keys = clean_rows.live_refs(
            driver_connection(connection), split.entity, split.where, system_name=runtime.system_name
        )
    if not keys:
        raise Stop(
            f"{entity.name} is read by {split.entity}, and there are none yet",
            code="NOTHING_TO_SPLIT_BY",
            remedy=f"Sync {split.entity} first.",
        )
    return tuple(keys)
