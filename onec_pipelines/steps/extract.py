"""extract: everything of one entity, page by page in order, decoded, the next pages being fetched meanwhile. Nothing is stored here."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal

from onec_pipelines.errors import Stop
from onec_pipelines.ledger.raw_pages import Body, pack
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.client import OnecClient
from onec_pipelines.onec.connection import MEBIBYTE
from onec_pipelines.onec.decode import DecodedPage, check_json, decode_json, split_rows
from onec_pipelines.onec.metadata_model import Metadata
from onec_pipelines.onec.paging import PageCursor, PagePolicy, PageRows, read_pages
from onec_pipelines.onec.query import SetQuery, all_of, virtual_table
from onec_pipelines.spec import Entity, Reading
from onec_pipelines.steps.resolve import Plan, published, resolve
from onec_pipelines.steps.unread import PagesApart, UnreadPage, can_be_taken_apart
from onec_pipelines.steps.virtual import address
from onec_pipelines.steps.windows import Window

# What pandera and COPY like best (PERFORMANCE §3, §6).
GROUP_ROWS = 10_000
# A whole table is cut into pieces of this size, several of which are in memory at once.
CHUNK_ROWS = 5_000
# Narrow rows come in larger pages, until a page is some 2 MB (PERFORMANCE §1).
_MAX_ROWS = 10_000
# While one whole table is worked on, the next ones may be under way, unless they are large.
_WHOLE_AT_ONCE = 4
_SMALL_TABLE = 8 * MEBIBYTE


@dataclass(frozen=True, kw_only=True)
class Pressure:
    """How hard 1C may be pressed: rows of the first page, requests at once."""

    page_rows: int
    parallel: int


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """One answer and its rows. `cursor` says where the part goes on after this page; it is None for the last page of a part.

    `counts` are 1C's own counts before and after, on the last page of a paged part. `body` goes to the raw
    layer; it is None for what is there already, and so is `answer` for the end of a window without rows. `unread` stands for a page that 1C
    could not give: then there are no rows.
    """

    part: str
    index: int
    answer: Answer | None = field(repr=False)
    page: DecodedPage = field(repr=False)
    cursor: PageCursor | None
    counts: tuple[int | None, int | None] = (None, None)
    body: Body | None = None
    unread: UnreadPage | None = None
    format: Literal["json", "atom"] = "json"


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Where an interrupted scan goes on: parts that are done, and the cursor within the first one that is not.

    `known_bodies` are addresses of pages that need not be packed again.
    """

    parts_done: tuple[str, ...] = ()
    cursor: PageCursor | None = None
    known_bodies: frozenset[bytes] = frozenset()


def choose_resource(client: OnecClient, plan: Plan, alternatives: Sequence[str]) -> str:
    """The first published alternative that has rows; the preferred one when none has (PROTOCOL §11.4)."""
    function = plan.entity.source.function
    if len(alternatives) == 1:
        return plan.resource
    for resource in alternatives:
        target = (
            virtual_table(resource, function, top=1)
            if function
            else SetQuery(resource=resource, top=1).target()
        )
        answer = client.get(target)
        if b"{" in answer.body.partition(b'"value"')[2]:
            return resource
    return plan.resource


def make_plan(entity: Entity, client: OnecClient, metadata: Metadata) -> Plan:
    """What to ask of this base: alternatives resolved against `$metadata`, registers also by which one has rows."""
    plan = resolve(entity, metadata)
    resource = choose_resource(client, plan, published(entity, metadata))
    return plan if resource == plan.resource else resolve(entity, metadata, resource=resource)


def extract(
    client: OnecClient, plan: Plan, *, parts: Sequence[str], pressure: Pressure, resume: Resume
) -> Generator[Fetched]:
    """Read the source to its end. `parts` are the keys or names of windows that split it (one empty string when it is not split)."""
    todo = [part for part in parts if part not in resume.parts_done]
    if plan.entity.source.reading is Reading.WHOLE:
        yield from _read_whole(client, plan, todo, pressure, resume.known_bodies)
        return
    for part in todo:
        yield from _read_paged(client, plan, part, pressure, resume)
        # The cursor is of the first part that was not done.
        resume = replace(resume, cursor=None)


def _read_paged(
    client: OnecClient, plan: Plan, part: str, pressure: Pressure, resume: Resume
) -> Iterator[Fetched]:
    key_fields = _key_columns(plan)

    def rows_of(answer: Answer) -> PageRows:
        page = decode_json(answer.body, plan.shape)
        keys = list(zip(*(page.columns[name] for name in key_fields), strict=True))
        ends = (keys[0], keys[-1]) if keys else (None, None)
        return PageRows(
            row_count=page.row_count,
            first_key=ends[0],
            last_key=ends[1],
            keys=keys,
            payload=(page, pack(answer.body, resume.known_bodies), None),
        )

    policy = PagePolicy(rows=pressure.page_rows, max_rows=max(pressure.page_rows, _MAX_ROWS))
    with read_pages(
        client,
        part_query(client, plan, part, plan.select),
        key=plan.key,
        rows_of=rows_of,
        policy=policy,
        start=resume.cursor,
        parallel=pressure.parallel,
        instead=PagesApart(client, plan) if can_be_taken_apart(plan.entity) else None,
    ) as pages:
        held = next(pages, None)
        while held is not None:
            following = next(pages, None)
            proof = pages.completeness
            page, body, unread = held.rows.payload
            yield Fetched(
                part=part,
                index=held.index,
                answer=held.answer,
                page=page,
                body=body,
                unread=unread,
                cursor=held.next if following is not None else None,
                counts=(None, None) if following is not None else (proof.count_before, proof.count_after),
            )
            held = following
        proof = pages.completeness
        if part and proof.pages == 0:
            yield Fetched(
                part=part,
                index=0,
                answer=None,
                page=decode_json(b'{"value": []}', plan.shape),
                cursor=None,
                counts=(proof.count_before, proof.count_after),
            )


def part_query(client: OnecClient, plan: Plan, part: str, select: Sequence[str]) -> SetQuery:
    """What is asked for a part of a set: everything, or the rows of the window that the part names, in the order of time."""
    source = plan.entity.source
    query = SetQuery(resource=plan.resource, select=tuple(select), filter=source.filter)
    if not part or source.window is None:
        return query
    wire = dict(plan.columns)[source.window]
    rest = tuple(name for name in plan.key if name != wire)
    within = Window.named(part).condition(wire, client.connection.zone)
    return replace(query, filter=all_of(source.filter, within), orderby=(wire, *rest))


def _key_columns(plan: Plan) -> list[str]:
    names = {wire: name for name, wire in plan.columns}
    missing = [wire for wire in plan.key if wire not in names]
    if missing:
        raise Stop(
            f"{plan.entity.name}: the key of {plan.resource} has {', '.join(missing)}, which no field reads",
            code="ONEC_KEY_UNKNOWN",
            remedy="Add the key property as a field, else paging cannot be proved complete.",
        )
    return [names[wire] for wire in plan.key]


def _read_whole(
    client: OnecClient,
    plan: Plan,
    parts: Sequence[str],
    pressure: Pressure,
    known_bodies: frozenset[bytes],
) -> Iterator[Fetched]:
    executor = ThreadPoolExecutor(pressure.parallel, thread_name_prefix="onec-table")
    waiting: list[tuple[str, Future[tuple[Answer, Body]]]] = []
    queue = list(parts)
    # How large a table is shows with the first one.
    at_once, size = min(pressure.parallel, _WHOLE_AT_ONCE), _SMALL_TABLE
    try:
        while queue or waiting:
            while queue and len(waiting) < (at_once if size < _SMALL_TABLE else 1):
                part = queue.pop(0)
                waiting.append((part, executor.submit(_get_table, client, plan, part, known_bodies)))
            part, result = waiting.pop(0)
            answer, body = result.result()
            size = body.raw_bytes
            del result
            yield from _chunks(plan, part, answer, body)
            del answer
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _get_table(
    client: OnecClient, plan: Plan, part: str, known_bodies: frozenset[bytes]
) -> tuple[Answer, Body]:
    target = address(plan, zone=client.connection.zone, parts=(part,))
    answer = client.get(
        target, max_bytes=client.connection.max_table_bytes, check=lambda answer: check_json(answer.body)
    )
    return answer, pack(answer.body, known_bodies)


def _chunks(plan: Plan, part: str, answer: Answer, body: Body) -> Iterator[Fetched]:
    chunks = split_rows(answer.body, CHUNK_ROWS)
    chunk: bytes | None = next(chunks)
    index = 0
    while chunk is not None:
        following = next(chunks, None)
        yield Fetched(
            part=part,
            index=index,
            answer=answer,
            page=decode_json(chunk, plan.shape),
            # A table is one answer: until its last chunk is stored it has to be asked for anew.
            cursor=PageCursor() if following is not None else None,
            body=body if index == 0 else None,
        )
        chunk, index = following, index + 1
