"""load: page groups into raw and clean, each group one transaction with its checkpoint; at the end the proof and the sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Self

import psycopg

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import audit, clean_rows, jobs, quarantine, raw_pages, scans
from onec_pipelines.ledger.clean_rows import Written
from onec_pipelines.ledger.quarantine import QuarantinedRow
from onec_pipelines.ledger.scans import Checkpoint
from onec_pipelines.onec.paging import PageCursor
from onec_pipelines.spec import Reading
from onec_pipelines.steps.extract import Resume
from onec_pipelines.steps.grouping import Group
from onec_pipelines.steps.resolve import Plan
from onec_pipelines.steps.sweep import Finished, finish_scan
from onec_pipelines.steps.validate import Reject

Tx = psycopg.Connection[Any]


class Scan:
    """One reading of an entity, as it is stored group by group. Made by `open` (continuing an interrupted one) or `replaying`."""

    def __init__(
        self, database: Database, plan: Plan, *, system_name: str, job_id: int, checkpoint: Checkpoint | None
    ) -> None:
        self._database = database
        self._plan = plan
        self._system_name = system_name
        self._job_id = job_id
        self._checkpoint = checkpoint

    @classmethod
    def open(cls, database: Database, plan: Plan, *, system_name: str, job_id: int) -> Self:
        """Continue the entity's interrupted scan if it asked for the same, else begin a new one."""
        entity = plan.entity.name
        with database.transaction() as connection:
            tx = driver_connection(connection)
            checkpoint = scans.resume(tx, system_name, entity, plan.fingerprint)
            if checkpoint is None:
                checkpoint = scans.begin(tx, system_name, entity, plan=plan.fingerprint, scan_id=job_id)
        return cls(database, plan, system_name=system_name, job_id=job_id, checkpoint=checkpoint)

    @classmethod
    def replaying(cls, database: Database, plan: Plan, *, system_name: str, job_id: int) -> Self:
        """Store into clean only: the pages are in raw already and prove nothing new about what 1C holds now."""
        return cls(database, plan, system_name=system_name, job_id=job_id, checkpoint=None)

    @property
    def resume(self) -> Resume:
        """Where the reading goes on, and which pages need not be stored again."""
        with self._database.transaction() as connection:
            known = raw_pages.known_bodies(
                driver_connection(connection), self._system_name, self._plan.entity.name
            )
        if self._checkpoint is None:
            return Resume(known_bodies=known)
        cursor = self._checkpoint.cursor
        return Resume(
            parts_done=self._checkpoint.parts_done,
            cursor=None if cursor is None else PageCursor(**{**cursor, "tail": tuple(cursor["tail"])}),
            known_bodies=known,
        )

    def store(self, group: Group) -> Written:
        """One transaction: raw pages, quarantine, clean rows, checkpoint, counts and audit."""
        checked, entity = group.checked, self._plan.entity
        with self._database.transaction() as connection:
            tx = driver_connection(connection)
            digest = self._store_raw(tx, group)
            self._quarantine(tx, checked.rejects, digest)
            clean_rows.stage(tx, entity, checked.table, checked.sections)
            written = clean_rows.merge(
                tx,
                entity,
                system_name=self._system_name,
                job_id=self._job_id,
                everything=self._checkpoint is None,
            )
            quarantine.resolve_staged(tx, entity, self._system_name)
            checkpoint = self._advance(tx, group)
            jobs.progress(tx, self._job_id, processed=checked.rows_in, failed=len(checked.rejects))
            audit.record(
                tx,
                system_name=self._system_name,
                action="page_group_stored" if checkpoint else "page_group_replayed",
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
                    "sha256": digest.hex() if digest else None,
                },
            )
        self._checkpoint = checkpoint
        return written

    def finish(self, *, brake: bool = True) -> Finished:
        """The reading is over: prove it complete, mark what is gone, keep what a replay needs.

        Without the `brake` any number of rows may be gone.
        """
        assert self._checkpoint is not None, "a replay proves nothing"  # noqa: S101 - a mistake of ours
        try:
            with self._database.transaction() as connection:
                return finish_scan(
                    driver_connection(connection),
                    self._plan,
                    self._checkpoint,
                    system_name=self._system_name,
                    job_id=self._job_id,
                    brake=brake,
                )
        except Stop:
            # Continued, this scan would meet the brake again without asking 1C: the next run reads anew.
            with self._database.transaction() as connection:
                scans.forget(driver_connection(connection), self._system_name, self._plan.entity.name)
            raise

    def _store_raw(self, tx: Tx, group: Group) -> bytes | None:
        digest: bytes | None = None
        if self._checkpoint is None:
            return None
        for page in group.pages:
            digest = raw_pages.store(
                tx,
                page,
                system_name=self._system_name,
                entity=self._plan.entity.name,
                job_id=self._job_id,
                scan_id=self._checkpoint.scan_id,
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

    def _advance(self, tx: Tx, group: Group) -> Checkpoint | None:
        if self._checkpoint is None:
            return None
        before, entity = self._checkpoint, self._plan.entity
        keys = [quarantine.row_key(reject.external_key) for reject in group.checked.rejects]
        seen = scans.note_seen(tx, entity, before, keys)
        is_end = group.cursor is None
        whole = entity.source.reading is Reading.WHOLE
        checkpoint = replace(
            before,
            parts_done=(*before.parts_done, group.part) if is_end else before.parts_done,
            part=group.part,
            # A virtual table is asked for anew until its last chunk is stored.
            cursor=None if group.cursor is None or whole else asdict(group.cursor),
            rows=before.rows + group.checked.rows_in,
            rejected=before.rejected + len(group.checked.rejects),
            pages=before.pages + len(group.pages),
            seen=before.seen + seen,
            count_before=group.counts[0] if is_end else before.count_before,
            count_after=group.counts[1] if is_end else before.count_after,
        )
        scans.save(tx, self._system_name, entity.name, checkpoint)
        return checkpoint
