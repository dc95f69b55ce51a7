"""load: page groups into raw and clean, each group one transaction with its checkpoint; at the end the proof and the sweep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, Self

import psycopg

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import audit, clean_rows, jobs, quarantine, raw_pages, scans, unread
from onec_pipelines.ledger.clean_rows import Scope, Written
from onec_pipelines.ledger.quarantine import QuarantinedRow
from onec_pipelines.ledger.scans import Checkpoint
from onec_pipelines.onec.paging import PageCursor
from onec_pipelines.spec import Reading
from onec_pipelines.steps.demand import asked_field
from onec_pipelines.steps.extract import Resume
from onec_pipelines.steps.grouping import Group
from onec_pipelines.steps.keep_forgotten import keep_forgotten
from onec_pipelines.steps.resolve import Plan
from onec_pipelines.steps.sweep import Finished, check_brake, finish_scan, suspects
from onec_pipelines.steps.validate import Reject

Tx = psycopg.Connection[Any]


class Loader:
    """Stores the page groups of a reading one by one, each in one transaction. Its children say what else belongs into that transaction."""

    action = "page_group_stored"
    rewrites = False

    def __init__(self, database: Database, plan: Plan, *, system_name: str, job_id: int) -> None:
        self._database = database
        self._plan = plan
        self._system_name = system_name
        self._job_id = job_id

    def store(self, group: Group) -> Written:
        """One transaction: raw pages, quarantine, clean rows, checkpoint, counts and audit."""
        checked, entity = group.checked, self._plan.entity
        with self._database.transaction() as connection:
            tx = driver_connection(connection)
            digest = self._store_raw(tx, group)
            rejects = self._stage(tx, group)
            if digest is not None:
                stored = [page.body.sha256 for page in group.pages]
                rejected = [quarantine.row_key(reject.external_key) for reject in rejects]
                digest = keep_forgotten(
                    tx, entity, digest, stored, system_name=self._system_name, rejected=rejected
                )
            else:
                keep_forgotten(tx, entity, None, (), system_name=self._system_name)
            self._quarantine(tx, rejects, digest)
            written = clean_rows.merge(
                tx, entity, system_name=self._system_name, job_id=self._job_id, everything=self.rewrites
            )
            quarantine.resolve_staged(tx, entity, self._system_name)
            written = replace(written, gone=self._advance(tx, group))
            jobs.progress(tx, self._job_id, processed=checked.rows_in, failed=len(checked.rejects))
            audit.record(
                tx,
                system_name=self._system_name,
                action=self.action,
                entity=entity.name,
                job_id=self._job_id,
                details={
                    "part": group.part,
                    "pages": len(group.pages),
                    "rows": checked.rows_in,
                    "rejected": len(checked.rejects),
                    "duplicates": checked.duplicates,
                    "new": written.new,
                    "changed": written.changed,
                    "gone": written.gone,
                    "sha256": digest.hex() if digest else None,
                },
            )
        self._committed()
        return written

    def _scan_id(self) -> int | None:
        """The scan to which the stored pages belong; None when they are stored already."""
        return self._job_id

    def _stage(self, tx: Tx, group: Group) -> Sequence[Reject]:
        """Put the group's rows into the temporary tables of the transaction; gives the rejects that go to quarantine."""
        clean_rows.stage(tx, self._plan.entity, group.checked.table, group.checked.sections)
        return group.checked.rejects

    def _advance(self, tx: Tx, group: Group) -> int:
        """What else the transaction does once the rows are in clean; gives the number of rows that are gone."""
        del tx, group
        return 0

    def _committed(self) -> None:
        """The transaction is through."""

    def _store_raw(self, tx: Tx, group: Group) -> bytes | None:
        digest: bytes | None = None
        scan_id = self._scan_id()
        if scan_id is None or not group.pages:
            return None
        raw_pages.keep_plan(tx, self._plan.fingerprint, self._plan.document)
        for page in group.pages:
            digest = raw_pages.store(
                tx,
                page,
                system_name=self._system_name,
                entity=self._plan.entity.name,
                job_id=self._job_id,
                scan_id=scan_id,
                plan=self._plan.fingerprint,
            )
        return digest

    def _quarantine(self, tx: Tx, rejects: Sequence[Reject], digest: bytes | None) -> None:
        rows = [
            QuarantinedRow(
                external_key=reject.external_key,
                failures=[
                    {"field": f.field, "rule": f.rule, "reason": f.reason, "value": f.value}
                    for f in reject.failures
                ],
                source_row=reject.source_row,
                data_version=reject.data_version,
            )
            for reject in rejects
        ]
        quarantine.put(
            tx,
            rows,
            system_name=self._system_name,
            entity=self._plan.entity.name,
            job_id=self._job_id,
            body_sha256=digest,
        )


class Replay(Loader):
    """Stores into clean only: the pages are in raw already and prove nothing new about what 1C holds now.

    Rows and rejects whose keys are in the table `newer` are left out: 1C said something else of them later.
    """

    action = "page_group_replayed"
    rewrites = True

    def __init__(
        self, database: Database, plan: Plan, *, system_name: str, job_id: int, newer: str | None = None
    ) -> None:
        super().__init__(database, plan, system_name=system_name, job_id=job_id)
        self._newer = newer

    def _scan_id(self) -> int | None:
        return None

    def _stage(self, tx: Tx, group: Group) -> Sequence[Reject]:
        rejects = super()._stage(tx, group)
        if self._newer is None:
            return rejects
        clean_rows.unstage(tx, self._plan.entity, self._newer)
        keys = {quarantine.row_key(reject.external_key): reject for reject in rejects}
        known = scans.among(tx, self._newer, list(keys))
        return [reject for key, reject in keys.items() if key not in known]


class Demand(Loader):
    """Stores what was asked for by key: what 1C did not answer with is gone. No checkpoint: each group is whole in itself."""

    def __init__(
        self, database: Database, plan: Plan, *, system_name: str, job_id: int, brake: bool = True
    ) -> None:
        super().__init__(database, plan, system_name=system_name, job_id=job_id)
        self._brake = brake

    def _advance(self, tx: Tx, group: Group) -> int:
        if not group.asked:
            return 0
        entity, rejects = self._plan.entity, group.checked.rejects
        rejected = [quarantine.row_key(reject.external_key) for reject in rejects]
        if entity.key == ("ref",):
            quarantine.resolve_gone(tx, entity, self._system_name, sorted(set(group.asked) - set(rejected)))

        def may_go(gone: int) -> None:
            if self._brake:
                check_brake(tx, entity, gone, system_name=self._system_name)

        return clean_rows.mark_gone(
            tx,
            entity,
            asked_field(entity),
            system_name=self._system_name,
            job_id=self._job_id,
            asked=group.asked,
            rejected=rejected,
            may_go=may_go,
        )


class Scan(Loader):
    """One reading of an entity to its end, with a checkpoint in each transaction. Made by `open`, which continues an interrupted one."""

    def __init__(
        self, database: Database, plan: Plan, *, system_name: str, job_id: int, checkpoint: Checkpoint
    ) -> None:
        super().__init__(database, plan, system_name=system_name, job_id=job_id)
        self._checkpoint = checkpoint
        self._pending = checkpoint

    @classmethod
    def open(
        cls,
        database: Database,
        plan: Plan,
        *,
        system_name: str,
        job_id: int,
        parts: Sequence[str] = (),
        kind: str = scans.WHOLE,
    ) -> Self:
        """Continue the entity's interrupted scan of this kind if it asked for the same in the same `parts`, else begin a new one."""
        entity = plan.entity.name
        asked = " ".join((plan.fingerprint, *parts[:2], *parts[-1:]))
        with database.transaction() as connection:
            tx = driver_connection(connection)
            checkpoint = scans.resume(tx, system_name, entity, asked, kind)
            if checkpoint is None:
                checkpoint = scans.begin(tx, system_name, entity, plan=asked, scan_id=job_id, kind=kind)
        return cls(database, plan, system_name=system_name, job_id=job_id, checkpoint=checkpoint)

    @property
    def resume(self) -> Resume:
        """Where the reading goes on, and which pages need not be stored again."""
        with self._database.transaction() as connection:
            known = raw_pages.known_bodies(
                driver_connection(connection), self._system_name, self._plan.entity.name
            )
        cursor = self._checkpoint.cursor
        return Resume(
            parts_done=self._checkpoint.parts_done,
            cursor=None if cursor is None else PageCursor(**{**cursor, "tail": tuple(cursor["tail"])}),
            known_bodies=known,
        )

    def suspects(self, scope: Scope, *, brake: bool) -> list[str]:
        """Objects of the window that a complete reading of it did not show (see `sweep.suspects`)."""
        with self._forgotten_at_the_brake(), self._database.transaction() as connection:
            return suspects(
                driver_connection(connection),
                self._plan,
                self._checkpoint,
                system_name=self._system_name,
                scope=scope,
                brake=brake,
            )

    def finish(
        self,
        *,
        brake: bool = True,
        scope: Scope | None = None,
        settled: int | None = None,
        whole: bool = True,
    ) -> Finished:
        """The reading is over: prove it complete, mark what is gone, keep what a replay needs (see `finish_scan`).

        Without the `brake` any number of rows may be gone.
        """
        with self._forgotten_at_the_brake(), self._database.transaction() as connection:
            return finish_scan(
                driver_connection(connection),
                self._plan,
                self._checkpoint,
                system_name=self._system_name,
                job_id=self._job_id,
                brake=brake,
                scope=scope,
                settled=settled,
                whole=whole,
            )

    @contextmanager
    def _forgotten_at_the_brake(self) -> Iterator[None]:
        try:
            yield
        except Stop:
            # Continued, this scan would meet the brake again without asking 1C: the next run reads anew.
            entity, kind = self._plan.entity.name, self._checkpoint.kind
            with self._database.transaction() as connection:
                scans.forget(driver_connection(connection), self._system_name, entity, kind)
            raise

    def _scan_id(self) -> int | None:
        return self._checkpoint.scan_id

    def _committed(self) -> None:
        self._checkpoint = self._pending

    def _advance(self, tx: Tx, group: Group) -> int:
        before, entity = self._checkpoint, self._plan.entity
        keys = [quarantine.row_key(reject.external_key) for reject in group.checked.rejects]
        seen = scans.note_seen(tx, entity, before, [*keys, *self._note_unread(tx, group)])
        is_end = group.cursor is None
        whole = entity.source.reading is Reading.WHOLE
        self._pending = replace(
            before,
            parts_done=(*before.parts_done, group.part) if is_end else before.parts_done,
            part=group.part,
            # A virtual table is asked for anew until its last chunk is stored.
            cursor=None if group.cursor is None or whole else asdict(group.cursor),
            rows=before.rows + group.checked.rows_in,
            rejected=before.rejected + len(group.checked.rejects),
            pages=before.pages + len(group.pages),
            seen=before.seen + seen,
            count_before=_sum(before.count_before, group.counts[0]) if is_end else before.count_before,
            count_after=_sum(before.count_after, group.counts[1]) if is_end else before.count_after,
        )
        scans.save(tx, self._system_name, entity.name, self._pending)
        return 0

    def _note_unread(self, tx: Tx, group: Group) -> list[str]:
        """Leave pages that 1C could not give to the queue; gives the keys of their objects, which exist."""
        for page in group.unread:
            unread.note(
                tx,
                system_name=self._system_name,
                entity=self._plan.entity.name,
                resource=self._plan.resource,
                keys=page.keys,
                error=page.error,
            )
        return [quarantine.row_key(key) for page in group.unread for key in page.keys]


def _sum(before: int | None, count: int | None) -> int | None:
    """1C's counts of several windows; unknown as long as none has been counted."""
    return before if count is None else count + (before or 0)
