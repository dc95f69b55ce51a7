"""versions: a scan of `Ref_Key, DataVersion` of all objects (PROTOCOL §7.2), compared with clean in the database: what has to be fetched.

The pages are not kept in the raw layer: they say nothing but which objects to ask for, and those answers are kept.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import audit, clean_rows, quarantine, scans
from onec_pipelines.ledger.clean_rows import Scope
from onec_pipelines.ledger.scans import Checkpoint
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.client import OnecClient
from onec_pipelines.onec.connection import MEBIBYTE
from onec_pipelines.onec.decode import decode_json
from onec_pipelines.onec.paging import PageCursor, PagePolicy, PageRows, read_pages
from onec_pipelines.steps.demand import narrowed
from onec_pipelines.steps.extract import part_query
from onec_pipelines.steps.resolve import Plan
from onec_pipelines.steps.sweep import SWEEPS, check_brake, verdict

Tx = psycopg.Connection[Any]
# Two fields of a row are some 90 bytes; 1C pays for the depth of $skip, so that few large pages are cheaper than many small ones.
_POLICY = PagePolicy(rows=10_000, max_rows=50_000, target_bytes=4 * MEBIBYTE)
# Above this share of all objects, key batches of 60 cost 1C more requests than pages of 1 000 would.
_MAX_SHARE = 0.1
# Fewer than this are fetched by key whatever their share is.
_FEW = 2_000
# Every digit of a GUID as 0, so that a page of them can be compared with the pattern at once: a regular expression costs twice that.
_HEX = b"0123456789abcdefABCDEF"
_DIGITS = bytes(ord("0") if code in _HEX else code for code in range(256))
_GUID = b"00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, kw_only=True)
class VersionPage:
    """Keys and versions of a page. `cursor` says where the scan goes on, None at its end, where `distinct` is exact unless resumed."""

    versions: pa.Table = field(repr=False)
    rows: int
    cursor: PageCursor | None
    counts: tuple[int | None, int | None]
    distinct: int | None = None


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What a scan found.

    `fetch` are new and changed objects, None when they are too many for key batches; `suspects` were not seen in
    their window; `absent` were not seen at all, `deleted` ones are believed gone.
    """

    complete: bool
    reason: str
    distinct: int
    fetch: list[str] | None
    suspects: list[str]
    absent: int
    deleted: int


def version_pages(
    client: OnecClient, plan: Plan, *, part: str, start: PageCursor | None, parallel: int
) -> Generator[VersionPage]:
    """Read key and version of every object of the source, or of those in the window that `part` names."""
    shape = narrowed(plan, "ref", "data_version")

    def rows_of(answer: Answer) -> PageRows:
        page = decode_json(answer.body, shape)
        keys = page.columns["ref"]
        versions = versions_table(keys, page.columns["data_version"])
        ends = (keys[0], keys[-1]) if keys else (None, None)
        return PageRows(
            row_count=page.row_count, first_key=ends[0], last_key=ends[1], keys=keys, payload=versions
        )

    query = part_query(client, plan, part, tuple(column.wire for column in shape.columns))
    with read_pages(
        client, query, key=plan.key, rows_of=rows_of, policy=_POLICY, start=start, parallel=parallel
    ) as pages:
        held = next(pages, None)
        while held is not None:
            following = next(pages, None)
            proof = pages.completeness
            is_end = following is None
            yield VersionPage(
                versions=held.rows.payload,
                rows=held.rows.row_count,
                cursor=None if is_end else held.next,
                counts=(proof.count_before, proof.count_after) if is_end else (None, None),
                distinct=proof.distinct if is_end and not proof.resumed else None,
            )
            held = following


def versions_table(keys: list[Any], versions: list[Any]) -> pa.Table:
    """Keys and versions as the scan keeps them; a key that is no GUID is that of the quarantine, made of it."""
    guids = pa.array(keys, pa.string())
    if not _are_guids(guids):
        # A key that is no GUID is in quarantine under the key that is made of it.
        guids = pa.array([quarantine.row_key(str(key)) for key in keys], pa.string())
    return pa.table({"row_key": guids, "data_version": pa.array(versions, pa.string())})


def _are_guids(texts: pa.StringArray) -> bool:
    if texts.null_count or not pc.all(pc.equal(pc.binary_length(texts), len(_GUID)), min_count=0).as_py():
        return False
    letters = texts.buffers()[2]
    return letters is None or letters.to_pybytes().translate(_DIGITS) == _GUID * len(texts)


class VersionScan:
    """One version scan with its checkpoint. Made by `open`, which continues an interrupted one."""

    def __init__(
        self,
        database: Database,
        plan: Plan,
        *,
        system_name: str,
        job_id: int,
        checkpoint: Checkpoint,
    ) -> None:
        self._database = database
        self._plan = plan
        self._system_name = system_name
        self._job_id = job_id
        self._checkpoint = checkpoint
        self._distinct: int | None = None

    @classmethod
    def open(cls, database: Database, plan: Plan, *, part: str, system_name: str, job_id: int) -> Self:
        """Continue the interrupted scan of the same window of the entity, or begin a new one."""
        entity, asked = plan.entity.name, f"{plan.fingerprint} {part}"
        with database.transaction() as connection:
            tx = driver_connection(connection)
            checkpoint = scans.resume(tx, system_name, entity, asked, scans.VERSIONS)
            if checkpoint is None:
                checkpoint = scans.begin(
                    tx, system_name, entity, plan=asked, scan_id=job_id, kind=scans.VERSIONS
                )
        return cls(database, plan, system_name=system_name, job_id=job_id, checkpoint=checkpoint)

    @property
    def is_read(self) -> bool:
        """Whether the scan was read to its end already, by a run that did not come further."""
        return bool(self._checkpoint.parts_done)

    @property
    def start(self) -> PageCursor | None:
        """Where the reading goes on."""
        cursor = self._checkpoint.cursor
        return None if cursor is None else PageCursor(**{**cursor, "tail": tuple(cursor["tail"])})

    def store(self, page: VersionPage) -> None:
        """One transaction: keys, versions, checkpoint."""
        before, is_end = self._checkpoint, page.cursor is None
        checkpoint = replace(
            before,
            parts_done=("",) if is_end else (),
            cursor=None if page.cursor is None else asdict(page.cursor),
            rows=before.rows + page.rows,
            pages=before.pages + 1,
            seen=before.seen + page.versions.num_rows,
            count_before=page.counts[0] if is_end else None,
            count_after=page.counts[1] if is_end else None,
        )
        with self._database.transaction() as connection:
            tx = driver_connection(connection)
            scans.note_versions(tx, checkpoint, page.versions)
            scans.save(tx, self._system_name, self._plan.entity.name, checkpoint)
        self._checkpoint, self._distinct = checkpoint, page.distinct

    def compare(self, scope: Scope | None, *, brake: bool) -> Differences:
        """Compare with clean; what was not seen is counted, and deleted when two scans or readings in a row missed it.

        With a `scope` nothing is counted: an object that is not in its window may be dated otherwise now, which only its key can tell.
        Raises Stop DELETION_BRAKE when too many are missing; the scan is forgotten then.
        """
        with self._forgotten_at_the_brake(), self._database.transaction() as connection:
            return self._compare(driver_connection(connection), scope, brake=brake)

    def _compare(self, tx: Tx, scope: Scope | None, *, brake: bool) -> Differences:
        entity, checkpoint = self._plan.entity, self._checkpoint
        distinct = self._distinct
        if distinct is None:
            distinct = scans.distinct_seen(tx, checkpoint)
        complete, reason = verdict(entity, checkpoint, distinct)
        counts = clean_rows.compare_versions(
            tx,
            entity,
            checkpoint.table,
            system_name=self._system_name,
            scan_id=checkpoint.scan_id,
            scope=scope,
        )
        if complete and brake:
            check_brake(tx, entity, counts["missed"], system_name=self._system_name)
        absent = deleted = 0
        if complete and scope is None and not checkpoint.judged:
            gone = clean_rows.mark_missed(
                tx,
                entity,
                system_name=self._system_name,
                job_id=self._job_id,
                sweeps=SWEEPS[entity.source.reading],
            )
            absent, deleted = gone.missed, gone.deleted
            quarantine.resolve_unseen(tx, entity, checkpoint.table, self._system_name)
            self._checkpoint = replace(checkpoint, judged=True)
            scans.save(tx, self._system_name, entity.name, self._checkpoint)
        too_many = counts["fetch"] > max(_FEW, distinct * _MAX_SHARE)
        return Differences(
            complete=complete,
            reason=reason,
            distinct=distinct,
            fetch=None if too_many else clean_rows.differing(tx, "fetch"),
            suspects=clean_rows.differing(tx, "missed") if complete and scope is not None else [],
            absent=absent,
            deleted=deleted,
        )

    def finish(self, found: Differences, *, fetched: int, whole: bool) -> None:
        """Everything that differs is in clean: the scan is over."""
        entity = self._plan.entity
        summary = {
            "complete": found.complete,
            "reason": found.reason,
            "rows": self._checkpoint.rows,
            "distinct": found.distinct,
            "fetched": fetched,
            "absent": found.absent,
            "deleted": found.deleted,
        }
        with self._database.transaction() as connection:
            tx = driver_connection(connection)
            kind = scans.COMPARED if whole else scans.PARTIAL
            scans.end(tx, self._system_name, entity.name, self._checkpoint, summary, kind=kind)
            audit.record(
                tx,
                system_name=self._system_name,
                action="versions_compared",
                entity=entity.name,
                job_id=self._job_id,
                details=summary,
            )

    def forget(self) -> None:
        """Give the scan up: everything will be read instead."""
        with self._database.transaction() as connection:
            scans.forget(
                driver_connection(connection), self._system_name, self._plan.entity.name, scans.VERSIONS
            )

    @contextmanager
    def _forgotten_at_the_brake(self) -> Iterator[None]:
        try:
            yield
        except Stop:
            self.forget()
            raise
