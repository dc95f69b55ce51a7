"""replay: stored pages out of the raw layer, as if 1C had just sent them. 1C is not touched.

They are those of the last whole reading and of what came after it, or those of a time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import clean_rows, quarantine, raw_pages, scans, state
from onec_pipelines.ledger.raw_pages import PageMark, StoredPage
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.decode import DecodedPage, decode_json, split_rows
from onec_pipelines.spec import Entity
from onec_pipelines.steps.extract import CHUNK_ROWS, Fetched
from onec_pipelines.steps.grouping import Group
from onec_pipelines.steps.packets import atom_page
from onec_pipelines.steps.resolve import Plan, from_document
from onec_pipelines.steps.windows import Window


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Pages that came one after the other under one plan."""

    plan: Plan
    pages: Sequence[PageMark]


def stored_since_whole(database: Database, entity: Entity, *, system_name: str) -> list[Stored]:
    """The last whole reading and everything after it. Raises Stop NOTHING_TO_REPLAY when there is none."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        document = state.read(tx, system_name, entity.name, scans.COMPLETE)
        if document is not None:
            marks = raw_pages.pages_since_scan(tx, system_name, entity.name, int(document["scan_id"]))
    if document is None:
        raise Stop(
            f"no complete reading of {entity.name} is stored",
            code="NOTHING_TO_REPLAY",
            remedy="Materialize the raw layer first: it reads 1C.",
        )
    found = _by_plan(database, entity, marks, system_name=system_name)
    # A reading of an empty set has no pages, and is replayed all the same.
    return found or [Stored(plan=from_document(entity, document["plan"]), pages=())]


def stored_between(
    database: Database, entity: Entity, window: Window, *, system_name: str, may_be_none: bool = False
) -> list[Stored]:
    """What was read in that time. Raises Stop NOTHING_TO_REPLAY when no page is left of it, unless there `may_be_none`."""
    with database.transaction() as connection:
        marks = raw_pages.pages_between(
            driver_connection(connection), system_name, entity.name, window.start, window.end
        )
    if not marks and not may_be_none:
        raise Stop(
            f"no page of {entity.name} is stored from {window.name}",
            code="NOTHING_TO_REPLAY",
            remedy="ONEC_RAW_KEEP_DAYS says how long pages are kept.",
        )
    return _by_plan(database, entity, marks, system_name=system_name)


def stored_pages(database: Database, stored: Stored) -> Generator[Fetched]:
    """The pages, decoded by today's declaration, in the order in which they came."""
    for mark in stored.pages:
        with database.transaction() as connection:
            page = raw_pages.read(driver_connection(connection), mark.id)
        if page is not None:
            yield from _fetched(page, stored.plan)


@contextmanager
def newer_keys(
    database: Database, entity: Entity, groups: Iterable[Group], *, system_name: str, job_id: int
) -> Iterator[str]:
    """Name of a table with the keys of all rows and rejects of these groups; it is gone after the block."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        checkpoint = scans.begin(tx, system_name, entity.name, plan="", scan_id=job_id, kind=scans.REPLAY)
    try:
        for group in groups:
            checked = group.checked
            rejected = [quarantine.row_key(reject.external_key) for reject in checked.rejects]
            with database.transaction() as connection:
                tx = driver_connection(connection)
                clean_rows.stage(tx, entity, checked.table, checked.sections)
                seen = scans.note_seen(tx, entity, checkpoint, rejected)
            checkpoint = replace(checkpoint, seen=checkpoint.seen + seen)
        yield checkpoint.table
    finally:
        with database.transaction() as connection:
            scans.forget(driver_connection(connection), system_name, entity.name, scans.REPLAY)


def last_resource(database: Database, entity: Entity, *, system_name: str) -> str | None:
    """The set or register that the last complete reading asked, None when there was none."""
    with database.transaction() as connection:
        document = state.read(driver_connection(connection), system_name, entity.name, scans.COMPLETE)
    return None if document is None else str(document["plan"]["resource"])


def _by_plan(
    database: Database, entity: Entity, marks: Sequence[PageMark], *, system_name: str
) -> list[Stored]:
    """Neighbours under one plan together; pages from before plans were kept take that of the last whole reading."""
    found = []
    with database.transaction() as connection:
        tx = driver_connection(connection)
        for fingerprint, pages in groupby(marks, key=attrgetter("plan")):
            if fingerprint is None:
                whole = state.read(tx, system_name, entity.name, scans.COMPLETE) or {}
                document = whole.get("plan", {})
            else:
                document = raw_pages.plan_of(tx, fingerprint)
            found.append(Stored(plan=from_document(entity, document), pages=list(pages)))
    return found


def _fetched(stored: StoredPage, plan: Plan) -> Iterator[Fetched]:
    answer = Answer(
        body=stored.body,
        status=200,
        elapsed_seconds=0.0,
        wire_bytes=0,
        requested_at=stored.requested_at,
        request="replay",
    )
    for page in _decoded(stored, plan):
        yield Fetched(part=stored.part, index=stored.page_index, answer=answer, page=page, cursor=None)


def _decoded(stored: StoredPage, plan: Plan) -> Iterator[DecodedPage]:
    if stored.format == "atom":
        yield atom_page(stored.body, plan)
        return
    for body in split_rows(stored.body, CHUNK_ROWS):
        yield decode_json(body, plan.shape)


def planned(
    database: Database, entity: Entity, marks: Sequence[PageMark], *, system_name: str
) -> list[Stored]:
    """Pages that were picked by somebody else, with the plans by which they were asked for."""
    return _by_plan(database, entity, marks, system_name=system_name)
