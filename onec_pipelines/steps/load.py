"""load: page groups into raw and clean, each group one transaction with its checkpoint; at the end the proof and the sweep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import md5
from typing import Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger import audit, clean_rows, jobs, quarantine, raw_pages, scans
from onec_pipelines.ledger.clean_rows import Written
from onec_pipelines.ledger.quarantine import QuarantinedRow
from onec_pipelines.ledger.raw_pages import NewPage
from onec_pipelines.ledger.scans import Checkpoint
from onec_pipelines.onec.decode import concat
from onec_pipelines.onec.paging import PageCursor
from onec_pipelines.spec import Entity, Reading
from onec_pipelines.steps.ahead import ahead
from onec_pipelines.steps.extract import GROUP_ROWS, Fetched, Resume
from onec_pipelines.steps.resolve import Plan
from onec_pipelines.steps.sweep import Finished, finish_scan
from onec_pipelines.steps.validate import Checked, Reject, validate

Tx = psycopg.Connection[Any]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pages of one part that are checked and stored together."""

    pages: tuple[Fetched, ...] = field(repr=False)
    checked: Checked = field(repr=False)

    @property
    def last(self) -> Fetched:
        """The page that says where the reading goes on."""
        return self.pages[-1]

    @property
    def expected(self) -> int | None:
        """How many rows 1C counted before the reading, where it was asked."""
        cursor = self.last.cursor
        return cursor.count_before if cursor is not None else self.last.counts[0]


def groups(pages: Iterable[Fetched], plan: Plan, zone: ZoneInfo) -> Iterator[Group]:
    """Checked page groups, one made ahead while the last one is being stored."""
    return ahead(_checked(pages, plan, zone), depth=1)


def _checked(pages: Iterable[Fetched], plan: Plan, zone: ZoneInfo) -> Iterator[Group]:
    for together in _grouped(pages):
        yield Group(
            pages=tuple(together), checked=validate(concat([page.page for page in together]), plan, zone)
        )


def _grouped(pages: Iterable[Fetched]) -> Iterator[list[Fetched]]:
    together: list[Fetched] = []
    rows = 0
    for page in pages:
        together.append(page)
        rows += page.page.row_count
        if rows >= GROUP_ROWS or page.cursor is None:
            yield together
            together, rows = [], 0
    if together:
        yield together


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
        """Where the reading goes on."""
        if self._checkpoint is None:
            return Resume()
        cursor = self._checkpoint.cursor
        return Resume(
            parts_done=self._checkpoint.parts_done,
            cursor=None if cursor is None else PageCursor(**{**cursor, "tail": tuple(cursor["tail"])}),
        )

    def store(self, group: Group) -> Written:
        """One transaction: raw pages, quarantine, clean rows, checkpoint, counts and audit."""
        checked, entity = group.checked, self._plan.entity
        with self._database.transaction() as connection:
            tx = driver_connection(connection)
            digest = self._store_raw(tx, group)
            self._quarantine(tx, checked.rejects, digest)
            clean_rows.stage(tx, entity, checked.table, checked.sections)
            written = clean_rows.merge(tx, entity, system_name=self._system_name, job_id=self._job_id)
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
                    "part": group.last.part,
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

    def finish(self) -> Finished:
        """The reading is over: prove it complete, mark what is gone, keep what a replay needs."""
        assert self._checkpoint is not None, "a replay proves nothing"  # noqa: S101 - a mistake of ours
        with self._database.transaction() as connection:
            return finish_scan(
                driver_connection(connection),
                self._plan,
                self._checkpoint,
                system_name=self._system_name,
                job_id=self._job_id,
            )

    def _store_raw(self, tx: Tx, group: Group) -> bytes | None:
        digest: bytes | None = None
        if self._checkpoint is None:
            return None
        for page in group.pages:
            if page.first_chunk:
                digest = raw_pages.store(
                    tx,
                    _new_page(page),
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
        before, entity, last = self._checkpoint, self._plan.entity, group.last
        keys = [key for reject in group.checked.rejects if (key := row_key_of(reject, entity))]
        seen = scans.note_seen(tx, entity, before, keys)
        is_end = last.cursor is None
        whole = entity.source.reading is Reading.WHOLE
        checkpoint = replace(
            before,
            parts_done=(*before.parts_done, last.part) if is_end else before.parts_done,
            part=last.part,
            # A virtual table is asked for anew until its last chunk is stored.
            cursor=None if last.cursor is None or whole else asdict(last.cursor),
            rows=before.rows + group.checked.rows_in,
            rejected=before.rejected + len(group.checked.rejects),
            duplicates=before.duplicates + group.checked.duplicates,
            pages=before.pages + len(group.pages),
            seen=before.seen + seen,
            count_before=last.counts[0] if is_end else before.count_before,
            count_after=last.counts[1] if is_end else before.count_after,
        )
        scans.save(tx, self._system_name, entity.name, checkpoint)
        return checkpoint


def row_key_of(reject: Reject, entity: Entity) -> str | None:
    """Key of a rejected row as clean would have it, None when the row has no readable key."""
    if entity.key == ("ref",):
        try:
            return str(UUID(reject.external_key))
        except ValueError:
            return None
    # The md5 that `db/clean_sql.py` makes in SQL; it names a row and guards nothing.
    return str(UUID(md5(reject.external_key.encode(), usedforsecurity=False).hexdigest()))


def _new_page(page: Fetched) -> NewPage:
    return NewPage(
        part=page.part,
        page_index=page.index,
        request=page.answer.request,
        format=page.format,
        requested_at=page.answer.requested_at,
        elapsed_seconds=page.answer.elapsed_seconds,
        row_count=page.page.row_count,
        body=page.answer.body,
    )
