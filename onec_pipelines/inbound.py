"""1C → extract → validate → clean → shop → ids, for one entity. Reads like this line; each verb is a file of `steps/`.

Every page group is one transaction: raw pages, quarantine, clean rows, checkpoint, counts and audit commit together or not at all, so
that a run killed at any moment is continued by the next one at the last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.errors import PipelineError, Skip, Stop
from onec_pipelines.ledger import adoption, jobs, shop_rows
from onec_pipelines.reading import Reader, known_plan, tell_plan
from onec_pipelines.runtime import Runtime
from onec_pipelines.spec import Entity, Layer, Way
from onec_pipelines.steps.demand import find, wanted_keys, where_to_look
from onec_pipelines.steps.grouping import groups
from onec_pipelines.steps.limits import limits_of
from onec_pipelines.steps.load import Replay
from onec_pipelines.steps.merge import guarded_merge
from onec_pipelines.steps.outcome import Outcome, Progress, load
from onec_pipelines.steps.rejects import are_too_many, hold_back, note_rejects
from onec_pipelines.steps.replay import (
    newer_keys,
    stored_between,
    stored_pages,
    stored_since_whole,
)
from onec_pipelines.steps.ways import Ask, check_ask, choose
from onec_pipelines.steps.windows import Window

__all__ = ["ALL_LAYERS", "Outcome", "Progress", "inbound", "keys_of"]

ALL_LAYERS = tuple(Layer)


def inbound(
    entity: Entity,
    runtime: Runtime,
    *,
    layers: Collection[Layer] = ALL_LAYERS,
    run_id: str | None = None,
    allow_deletes: bool = False,
    only: Sequence[str] | None = None,
    window: Window | None = None,
    way: Way | None = None,
    dry_run: bool = False,
    on_progress: Progress = lambda _outcome: None,
) -> Outcome:
    """Bring the wanted layers of one entity up to date and say what was done.

    With `raw` 1C is read; with `clean` but not `raw` the last finished reading and what came after it is replayed
    from the stored pages; with only `shop` or `ids` everything in clean is compared again. `allow_deletes`
    lets any number of rows be gone. `only` names GUIDs (of the objects, or of `Source.narrow` for registers): just these are read now, and
    what 1C does not answer with is deleted; checkpoints and sweeps of whole readings stay as they are. `window` reads just the rows of that
    time; in a replay it names the pages that were asked for then. `way` says how instead of the setting and the entity's default.
    A `dry_run` brings raw and clean up to date as ever, says in `Outcome.diff` what would become of the shop, and leaves the rest to the
    next run.

    A load that breaches a limit leaves the shop as it is and ends as status 'held' (`steps/diff.py`), and so does one after which more
    than `max_quarantined_share` of the entity's rows stand in quarantine, unless only the shop was asked for.
    Raises the error that ended the run, after it is noted in `sync_jobs`; an
    optional entity that the base does not publish ends as status 'skipped'. Raises RetryLater
    ALREADY_RUNNING when another run holds the entity.
    """
    ask = Ask(
        layers=frozenset(layers),
        only=None if only is None else wanted_keys(only),
        window=window,
        way=way,
        brake=not allow_deletes,
        dry_run=dry_run,
    )
    check_ask(entity, ask)
    with (
        jobs.entity_lock(runtime.database, runtime.system_name, entity.name),
        _noted(entity, runtime, ask, run_id) as outcome,
    ):
        try:
            _run(entity, runtime, ask, outcome, on_progress)
        except Skip as skip:
            outcome.status, outcome.message = "skipped", str(skip)
    return outcome


def keys_of(
    entity: Entity,
    runtime: Runtime,
    entities: Mapping[str, Entity],
    *,
    guids: Sequence[str] = (),
    skus: Sequence[str] = (),
    numbers: Sequence[str] = (),
) -> list[str]:
    """GUIDs for `only`: those given, and those that 1C has now for SKUs and numbers of documents.

    For a register these are the keys of what its rows belong to. Raises Stop NOT_FOUND for what 1C does not know, NOT_ON_DEMAND when
    there is nothing to look for it in.
    """
    found = list(guids)
    for name, values in (("sku", skus), ("number", numbers)):
        owner = where_to_look(entity, entities, name) if values else entity
        for value in values:
            keys = find(runtime.client, known_plan(owner, runtime), field_name=name, value=value)
            if not keys:
                raise Stop(
                    f"1C has no {owner.title_ru} whose {name} is {value!r}",
                    code="NOT_FOUND",
                    remedy="Numbers and SKUs are compared as 1C keeps them, with leading zeros and capitals.",
                )
            found += keys
    return found


def _in_words(failure: BaseException) -> str:
    """What a job's row says of its failure. Texts of errors that are not ours may hold a row, so only their class is named."""
    if isinstance(failure, PipelineError):
        return str(failure)
    if not isinstance(failure, Exception):
        return "cancelled, or the process was asked to end; the next run goes on from the last checkpoint"
    return type(failure).__name__


@contextmanager
def _noted(entity: Entity, runtime: Runtime, ask: Ask, run_id: str | None) -> Iterator[Outcome]:
    """A run's line in `sync_jobs`: begun here, ended with what the outcome says then or with the error."""
    job_id = jobs.start(
        runtime.database,
        system_name=runtime.system_name,
        entity=entity.name,
        job_type=ask.job_type,
        run_id=run_id,
    )
    outcome = Outcome(entity=entity.name, job_id=job_id)
    begun = time.monotonic()
    spent_before = runtime.spent
    error: str | None = None
    try:
        yield outcome
    except BaseException as failure:
        outcome.status = "failed"
        error = _in_words(failure)
        raise
    finally:
        outcome.seconds["total"] = round(time.monotonic() - begun, 3)
        spent = runtime.spent - spent_before
        outcome.requests, outcome.wire_bytes = spent.calls, spent.wire_bytes
        error = error or (outcome.message if outcome.status == "held" else None)
        jobs.finish(runtime.database, job_id, status=outcome.status, error=error, metadata=asdict(outcome))


def _run(entity: Entity, runtime: Runtime, ask: Ask, outcome: Outcome, on_progress: Progress) -> None:
    if Layer.RAW in ask.layers:
        reader = Reader(entity, runtime, outcome, on_progress, brake=ask.brake)
        if ask.only is not None:
            reader.fetch(ask.only)
        else:
            reader.read(ask, choose(entity, runtime.settings.ways, ask.way))
    elif Layer.CLEAN in ask.layers:
        _replay(entity, runtime, ask.window, outcome, on_progress)
    note_rejects(runtime.database, entity, outcome, system_name=runtime.system_name)
    if ask.layers & {Layer.SHOP, Layer.IDS}:
        everything = not ask.layers & {Layer.RAW, Layer.CLEAN}
        # Who asks for the shop alone has seen what is in quarantine.
        if not everything and not ask.dry_run and are_too_many(entity, outcome):
            hold_back(entity, outcome)
        else:
            _merge(entity, runtime, ask, outcome, on_progress, everything=everything)
    on_progress(outcome)


def _replay(
    entity: Entity, runtime: Runtime, window: Window | None, outcome: Outcome, on_progress: Progress
) -> None:
    begun = time.monotonic()
    database, system_name = runtime.database, runtime.system_name
    found = (
        stored_since_whole(database, entity, system_name=system_name)
        if window is None
        else stored_between(database, entity, window, system_name=system_name)
    )
    with _later(entity, runtime, window, outcome.job_id) as newer:
        for stored in found:
            tell_plan(stored.plan, outcome)
            loader = Replay(
                database, stored.plan, system_name=system_name, job_id=outcome.job_id, newer=newer
            )
            with closing(stored_pages(database, stored)) as pages:
                load(loader, groups(pages, stored.plan, runtime.settings.zone), outcome, on_progress)
    outcome.seconds["clean"] = round(time.monotonic() - begun, 3)


@contextmanager
def _later(entity: Entity, runtime: Runtime, window: Window | None, job_id: int) -> Iterator[str | None]:
    """Table with the keys of rows of which 1C said something after the replayed time; None when that goes on to the newest page."""
    if window is None or window.end is None:
        yield None
        return
    database, system_name = runtime.database, runtime.system_name
    after = stored_between(
        database, entity, Window(start=window.end), system_name=system_name, may_be_none=True
    )
    later = (
        group
        for stored in after
        for group in groups(stored_pages(database, stored), stored.plan, runtime.settings.zone)
    )
    with newer_keys(database, entity, later, system_name=system_name, job_id=job_id) as table:
        yield table


def _merge(
    entity: Entity, runtime: Runtime, ask: Ask, outcome: Outcome, on_progress: Progress, *, everything: bool
) -> None:
    begun = time.monotonic()
    if runtime.settings.adopt == "on" and adoption.can_adopt(entity) and not ask.dry_run:
        _adopt_at_first(entity, runtime, outcome.job_id)
    if Layer.SHOP in ask.layers:
        guarded_merge(
            runtime.database,
            entity,
            outcome,
            system_name=runtime.system_name,
            limits=limits_of(entity, runtime.settings.limits, deletes_allowed=not ask.brake),
            everything=everything,
            dry_run=ask.dry_run,
            before_write=lambda: on_progress(outcome),
        )
    else:
        with runtime.database.transaction() as connection:
            outcome.ids_new = shop_rows.assign_ids(
                driver_connection(connection), entity, system_name=runtime.system_name, everything=everything
            )
    outcome.seconds["shop"] = round(time.monotonic() - begun, 3)


def _adopt_at_first(entity: Entity, runtime: Runtime, job_id: int) -> None:
    """Before the first merge gives new ids, rows that the application had already get the objects that they are."""
    with runtime.database.transaction() as connection:
        tx = driver_connection(connection)
        if adoption.is_first_load(tx, entity, system_name=runtime.system_name):
            adoption.adopt(tx, entity, system_name=runtime.system_name, job_id=job_id)
