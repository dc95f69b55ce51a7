"""How one entity is read from 1C, by each way of DESIGN §3: which steps follow which. How a run is recorded is `inbound.py`'s.

Each way may be killed at any moment and run again: page groups and their checkpoints commit together, fetches by key have no state at all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import clean_rows, scans, state, unread
from onec_pipelines.ledger.clean_rows import Scope
from onec_pipelines.runtime import Runtime
from onec_pipelines.spec import Entity, Follow, Way
from onec_pipelines.steps import changes
from onec_pipelines.steps.demand import read_keys
from onec_pipelines.steps.extract import Pressure, extract, make_plan, part_query
from onec_pipelines.steps.grouping import groups
from onec_pipelines.steps.load import Demand, Scan
from onec_pipelines.steps.outcome import Outcome, Progress, add, load
from onec_pipelines.steps.record_sets import Touched, comes_in_packets, touched
from onec_pipelines.steps.replay import last_resource
from onec_pipelines.steps.resolve import Plan, published, resolve
from onec_pipelines.steps.unread import Broken, can_be_taken_apart
from onec_pipelines.steps.versions import VersionScan, version_pages
from onec_pipelines.steps.ways import Ask, has_versions
from onec_pipelines.steps.windows import Window, days_for, since, today

_ROWS_OF_PART = 20_000
# 60 keys a request: from here on whole pages are cheaper.
_MOST_FOLLOWED = 6_000


class Reader:
    """One reading of one entity; fills the outcome and tells its progress."""

    def __init__(
        self, entity: Entity, runtime: Runtime, outcome: Outcome, on_progress: Progress, *, brake: bool
    ) -> None:
        self._entity = entity
        self._runtime = runtime
        self._outcome = outcome
        self._on_progress = on_progress
        self._brake = brake
        self._begun = time.monotonic()

    def read(self, ask: Ask, way: Way) -> None:
        """Read what was asked for, in this way."""
        plan = make_plan(self._entity, self._runtime.client, self._runtime.metadata)
        self._tell_plan(plan)
        if ask.window is not None:
            self._window(plan, ask.window)
        elif way is Way.CHANGES:
            self._changes(plan)
        elif way is Way.SNAPSHOT or not self._was_read(plan):
            self._everything(plan)
        elif way is Way.VERSIONS:
            self._versions(plan, self._history if self._entity.source.window else None)
        elif self._entity.source.follow is not None:
            self._followed(plan, self._entity.source.follow)
        else:
            self._horizon(plan)
        self._outcome.seconds["clean"] = round(time.monotonic() - self._begun, 3)

    def fetch(self, keys: Sequence[str]) -> None:
        """Read the asked keys and nothing else."""
        plan = known_plan(self._entity, self._runtime)
        self._tell_plan(plan)
        outcome = self._outcome
        outcome.way = "keys"
        self._fetch(plan, keys)
        outcome.rows_seen = outcome.rows_read - outcome.duplicates
        outcome.complete = True
        outcome.completeness = f"all rows of {len(keys)} keys, {outcome.deleted} are gone from 1C"
        outcome.seconds["clean"] = round(time.monotonic() - self._begun, 3)

    @property
    def _history(self) -> Window:
        settings = self._runtime.settings
        return Window(start=since(settings.first_day, settings.zone))

    def _everything(self, plan: Plan) -> None:
        """All rows; of documents and periodic registers those of the history, window by window."""
        if self._entity.source.window is None:
            self._outcome.way = Way.SNAPSHOT.value
            self._scan(plan, scans.WHOLE, split_parts(self._entity, self._runtime), scope=None)
            return
        self._outcome.way = Way.WINDOWS.value
        history, client = self._history, self._runtime.client
        rows = client.count(plan.resource, part_query(client, plan, history.name, ()).filter)
        # $skip costs 1C the more the deeper it goes (PROTOCOL §3.3): a large history is cut into smaller parts.
        days = days_for(history, rows, rows_at_once=_ROWS_OF_PART)
        parts = [one.name for one in history.parts(self._runtime.settings.zone, days=days)]
        self._scan(plan, scans.WHOLE, parts, scope=self._scope(history))

    def _window(self, plan: Plan, window: Window) -> None:
        """One window, by days: the partitions of Dagster. The whole history is more than a window."""
        if window.start <= self._history.start and (window.end is None or window.end > datetime.now(UTC)):
            self._everything(plan)
            return
        self._outcome.way = Way.WINDOWS.value
        parts = [one.name for one in window.parts(self._runtime.settings.zone)]
        self._scan(plan, scans.of_window(window.name), parts, scope=self._scope(window), whole=False)

    def _horizon(self, plan: Plan) -> None:
        """What changed of the last `open_days` and of the future: new rows and late edits of old ones."""
        settings = self._runtime.settings
        window = Window(start=since(today(settings.zone) - timedelta(days=settings.open_days), settings.zone))
        if window.start <= self._history.start:
            window = self._history
        if has_versions(self._entity):
            self._versions(plan, window)
            return
        self._reread(plan, window)

    def _followed(self, plan: Plan, follow: Follow) -> None:
        """The rows of what is still open; a whole reading now and then finds what was opened again."""
        runtime, outcome = self._runtime, self._outcome
        with runtime.database.transaction() as connection:
            keys = clean_rows.live_refs(
                driver_connection(connection), follow.entity, follow.where, system_name=runtime.system_name
            )
        if len(keys) > _MOST_FOLLOWED:
            self._everything(plan)
            return
        outcome.way, outcome.whole = Way.WINDOWS.value, False
        self._fetch(plan, keys)
        outcome.rows_seen = outcome.rows_read - outcome.duplicates
        outcome.complete = True
        outcome.completeness = f"all rows of {len(keys)} open {follow.entity}"

    def _reread(self, plan: Plan, window: Window) -> None:
        self._outcome.way = Way.WINDOWS.value
        self._scan(plan, scans.of_window(window.name), [window.name], scope=self._scope(window), whole=False)

    def _versions(self, plan: Plan, window: Window | None) -> None:
        runtime, outcome = self._runtime, self._outcome
        outcome.way = Way.VERSIONS.value if window is None else Way.WINDOWS.value
        outcome.whole = window is None
        part = "" if window is None else window.name
        scan = VersionScan.open(
            runtime.database, plan, part=part, system_name=runtime.system_name, job_id=outcome.job_id
        )
        if not scan.is_read:
            pages = version_pages(
                runtime.client, plan, part=part, start=scan.start, parallel=runtime.settings.max_sessions
            )
            with closing(pages):
                for page in pages:
                    scan.store(page)
                    outcome.rows_scanned += page.rows
                    self._on_progress(outcome)
        outcome.seconds["scan"] = round(time.monotonic() - self._begun, 3)
        found = scan.compare(None if window is None else self._scope(window), brake=self._brake)
        outcome.seconds["compare"] = round(time.monotonic() - self._begun - outcome.seconds["scan"], 3)
        if found.fetch is None:
            scan.forget()
            self._instead_of_versions(plan, window)
            return
        broken = self._fetch(plan, [*found.fetch, *found.suspects], apart=True)
        scan.finish(found, fetched=outcome.rows_read, whole=window in {None, self._history})
        outcome.complete, outcome.completeness = found.complete, f"versions: {found.reason}"
        outcome.rows_seen = found.distinct
        outcome.absent += found.absent
        outcome.deleted += found.deleted
        self._tell_unread(broken)

    def _changes(self, plan: Plan) -> None:
        """Staged packets of the exchange plan, on top of a whole reading; by versions as long as no packets come."""
        runtime, outcome, settings = self._runtime, self._outcome, self._runtime.settings
        stand = changes.standing(
            runtime.database,
            self._entity,
            system_name=runtime.system_name,
            plan=settings.exchange_plan,
            node=settings.exchange_node,
        )
        was_read, is_register = self._was_read(plan), not has_versions(self._entity)
        if is_register and not comes_in_packets(runtime.metadata, plan.resource):
            outcome.message = f"{plan.resource} is written without documents, which no packet tells of"
            self._everything(plan)
            return
        if stand.mark is None or not was_read:
            if stand.way is Way.VERSIONS and was_read and not is_register:
                self._versions(plan, self._history if self._entity.source.window else None)
            else:
                self._everything(plan)
            stand = self._based(stand)
        if stand.mark is None:
            return
        outcome.way, outcome.message = Way.CHANGES.value, outcome.message or stand.notice
        changes.note_missed(
            runtime.database,
            self._entity,
            stand,
            plan.resource,
            system_name=runtime.system_name,
            job_id=outcome.job_id,
        )
        work = changes.Work(
            database=runtime.database,
            client=runtime.client,
            plan=plan,
            system_name=runtime.system_name,
            job_id=outcome.job_id,
            zone=settings.zone,
            parallel=settings.max_sessions,
            brake=self._brake,
        )
        if is_register:
            self._touched(plan, work, touched(work, stand.mark))
            return
        with closing(changes.apply_staged(work, stand.mark)) as applied:
            for group, written in applied:
                add(outcome, group, written)
                self._on_progress(outcome)
        outcome.rows_seen = outcome.rows_read - outcome.duplicates
        outcome.complete = True
        outcome.completeness = f"{outcome.rows_read} rows of staged packets"

    def _touched(self, plan: Plan, work: changes.Work, found: Touched) -> None:
        """Of a register the rows that staged record sets speak of, as they are now; all of them when that cannot be told."""
        outcome, keys = self._outcome, found.keys
        if keys is None or len(keys) > _MOST_FOLLOWED:
            self._everything(plan)
            outcome.way, outcome.message = (
                Way.CHANGES.value,
                found.why or f"{len(keys or ())} keys: read whole",
            )
        else:
            self._fetch(plan, keys)
            outcome.whole, outcome.complete = False, True
            outcome.rows_seen = outcome.rows_read - outcome.duplicates
            outcome.completeness = f"all rows of {len(keys)} keys that {found.sets} record sets name"
        changes.move_mark(work, found.mark)

    def _based(self, stand: changes.Standing) -> changes.Standing:
        """The standing after a whole reading, which is the base for packets; a fall-back is told and is none."""
        runtime, outcome = self._runtime, self._outcome
        if stand.falls_back:
            outcome.message = stand.falls_back
            changes.note_fall_back(
                runtime.database,
                self._entity,
                stand,
                system_name=runtime.system_name,
                job_id=outcome.job_id,
            )
            return replace(stand, mark=None)
        return changes.mark_base(runtime.database, self._entity, stand, system_name=runtime.system_name)

    def _instead_of_versions(self, plan: Plan, window: Window | None) -> None:
        """So much has changed that whole pages are cheaper than keys."""
        self._outcome.message = "most of it has changed: read as a whole"
        if window is None or window == self._history:
            self._everything(plan)
        else:
            self._reread(plan, window)

    def _fetch(self, plan: Plan, keys: Sequence[str], *, apart: bool = False) -> int:
        """Read these keys; with `apart` objects that 1C cannot give are left to the queue, and their number is given."""
        if not keys:
            return 0
        runtime = self._runtime
        broken = Broken() if apart else None
        loader = Demand(
            runtime.database,
            plan,
            system_name=runtime.system_name,
            job_id=self._outcome.job_id,
            brake=self._brake,
        )
        source = read_keys(
            runtime.client,
            plan,
            keys,
            parts=split_parts(self._entity, runtime),
            parallel=runtime.settings.max_sessions,
            zone=runtime.settings.zone,
            broken=broken,
        )
        load(loader, source, self._outcome, self._on_progress)
        errors = broken.errors if broken is not None else {}
        with runtime.database.transaction() as connection:
            unread.settle(
                driver_connection(connection),
                system_name=runtime.system_name,
                entity=self._entity.name,
                resource=plan.resource,
                read={key for key in keys if key not in errors},
                broken=errors,
            )
        return len(errors)

    def _fetch_apart(self, plan: Plan) -> None:
        """What pages could not give whole is asked for by key; the objects that break even so wait in the queue."""
        with self._runtime.database.transaction() as connection:
            keys = unread.whole_pages(
                driver_connection(connection), self._runtime.system_name, self._entity.name
            )
        self._tell_unread(self._fetch(plan, keys, apart=True))

    def _tell_unread(self, broken: int) -> None:
        outcome = self._outcome
        if broken:
            outcome.unread += broken
            outcome.complete = False
            outcome.completeness += (
                f"; 1C could not give {broken} objects, which wait: `onec queue list --kind page`"
            )

    def _scan(
        self, plan: Plan, kind: str, parts: Sequence[str], *, scope: Scope | None, whole: bool = True
    ) -> None:
        """Read these parts to their end and judge what they did not show."""
        runtime, outcome = self._runtime, self._outcome
        scan = Scan.open(
            runtime.database,
            plan,
            parts=parts if scope is not None else (),
            system_name=runtime.system_name,
            job_id=outcome.job_id,
            kind=kind,
        )
        pressure = Pressure(page_rows=runtime.settings.page_rows, parallel=runtime.settings.max_sessions)
        with closing(
            extract(runtime.client, plan, parts=parts, pressure=pressure, resume=scan.resume)
        ) as pages:
            load(scan, groups(pages, plan, runtime.settings.zone), outcome, self._on_progress)
        settled: int | None = None
        if scope is not None and has_versions(self._entity):
            before = outcome.deleted
            self._fetch(plan, scan.suspects(scope, brake=self._brake))
            settled, outcome.deleted = outcome.deleted - before, before
        finished = scan.finish(brake=self._brake, scope=scope, settled=settled, whole=whole)
        outcome.complete, outcome.completeness = finished.complete, finished.reason
        outcome.absent, outcome.deleted = finished.absent, finished.deleted
        outcome.rows_seen, outcome.whole = finished.rows, whole
        if can_be_taken_apart(self._entity):
            self._fetch_apart(plan)

    def _scope(self, window: Window) -> Scope:
        return Scope(field=self._entity.source.window or "", start=window.start, end=window.end)

    def _was_read(self, plan: Plan) -> bool:
        """Whether all was read once as this plan says: a field that is read since then is empty in objects that have not changed."""
        with self._runtime.database.transaction() as connection:
            document = state.read(
                driver_connection(connection), self._runtime.system_name, self._entity.name, scans.COMPLETE
            )
        return document is not None and document["plan"] == plan.document

    def _tell_plan(self, plan: Plan) -> None:
        tell_plan(plan, self._outcome)


def tell_plan(plan: Plan, outcome: Outcome) -> None:
    """Put into the outcome what is asked for."""
    outcome.resource = plan.resource
    outcome.columns = dict(plan.columns)
    outcome.missing_fields = list(plan.missing)


def known_plan(entity: Entity, runtime: Runtime) -> Plan:
    """The plan with the register that the last whole reading chose, so that a hint does not probe for it again."""
    resource = last_resource(runtime.database, entity, system_name=runtime.system_name)
    if resource is not None and resource in published(entity, runtime.metadata):
        return resolve(entity, runtime.metadata, resource=resource)
    return make_plan(entity, runtime.client, runtime.metadata)


def split_parts(entity: Entity, runtime: Runtime) -> tuple[str, ...]:
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
