"""demand: a few objects or register rows, named by GUID, read from 1C now: key batches within what an address carries (PROTOCOL §1.2, §6).

Nothing is stored here. A group says for which keys it is the whole truth, so that what 1C no longer has can be told apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from onec_pipelines.errors import PipelineError, Stop
from onec_pipelines.ledger.raw_pages import Body, NewPage, pack
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.client import OnecClient
from onec_pipelines.onec.decode import DecodedPage, WireShape, concat, decode_json
from onec_pipelines.onec.query import SetQuery, all_of, any_of, guid, key_batches, string
from onec_pipelines.spec import Entity
from onec_pipelines.steps.grouping import Group
from onec_pipelines.steps.resolve import Plan
from onec_pipelines.steps.unread import Broken, is_its_own
from onec_pipelines.steps.validate import validate
from onec_pipelines.steps.virtual import address

PART = "only"
"""Name of the part under which such pages are kept in the raw layer."""
MAX_KEYS = 60
"""Keys of one request to a set: 65 characters each of the 7 600 that Apache and nginx take."""
# Beside them a condition carries as many keys that split the table, with Cyrillic names of 6 characters a letter.
_TABLE_KEYS = 20
# Large enough for the checks to work by column, small enough to keep a hint quick.
_GROUP_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Keys and the addresses that together answer for them."""

    keys: tuple[str, ...]
    targets: tuple[str, ...]


_Halves = Callable[[Sequence[str]], list[_Batch]]


@dataclass(frozen=True, kw_only=True)
class _Answered:
    keys: tuple[str, ...]
    pages: list[tuple[Answer, DecodedPage, Body]] = field(repr=False)


def asked_field(entity: Entity) -> str:
    """The clean field by whose values rows are asked for: `ref` of objects, `Source.narrow` of registers.

    Raises Stop NOT_ON_DEMAND for a register that names none.
    """
    found = entity.source.narrow or ("ref" if entity.key == ("ref",) else None)
    if found is None:
        raise Stop(
            f"{entity.name} cannot be read for single keys",
            code="NOT_ON_DEMAND",
            remedy=f"Sync it whole: `onec sync {entity.name}`.",
        )
    return found


def wanted_keys(keys: Sequence[str]) -> tuple[str, ...]:
    """The keys in one spelling, each once, in order. Raises Stop ONEC_BAD_QUERY for what is no GUID."""
    return tuple(dict.fromkeys(guid(key.strip()).removeprefix("guid'").removesuffix("'") for key in keys))


def read_keys(
    client: OnecClient,
    plan: Plan,
    keys: Sequence[str],
    *,
    parts: Sequence[str],
    parallel: int,
    zone: ZoneInfo,
    broken: Broken | None = None,
) -> Generator[Group]:
    """Checked groups with the rows of these keys, each key asked for once; `asked` of a group names those it answers for.

    `parts` are the keys that split the source (one empty string when it is not split): a row of another part does not come.
    With `broken` objects that 1C cannot give are found by halving and collected there, and no group answers for them; else they end it all.
    """
    index = 0
    together: list[_Answered] = []

    def halves(keys: Sequence[str]) -> list[_Batch]:
        middle = len(keys) // 2
        return [*_batches(plan, keys[:middle], parts, zone), *_batches(plan, keys[middle:], parts, zone)]

    asking = _Asking(client=client, plan=plan, halves=halves, broken=broken)
    for answered in _answers(asking, list(_batches(plan, keys, parts, zone)), parallel):
        together += [answered] if answered.keys else []
        if sum(page.row_count for one in together for _, page, _ in one.pages) >= _GROUP_ROWS:
            yield _group(plan, together, index, zone)
            index += sum(len(one.pages) for one in together)
            together = []
    if together:
        yield _group(plan, together, index, zone)


def find(client: OnecClient, plan: Plan, *, field_name: str, value: str) -> tuple[str, ...]:
    """GUIDs of the objects whose text field has this value in 1C now; several may have it, or none."""
    wire = _wire(plan, field_name)
    query = SetQuery(
        resource=plan.resource,
        select=(_wire(plan, "ref"),),
        filter=all_of(plan.entity.source.filter, f"{wire} eq {string(value)}"),
    )
    page = decode_json(client.get(query.target()).body, narrowed(plan, "ref"))
    return tuple(str(key) for key in page.columns["ref"])


def where_to_look(entity: Entity, entities: Mapping[str, Entity], field_name: str) -> Entity:
    """The entity whose objects have the field: this one, or the one that a register's rows belong to.

    Raises Stop NOT_ON_DEMAND when neither has it.
    """
    owner = entity
    if all(one.name != field_name for one in entity.fields):
        named = entity.source.narrow
        target = entity.field(named).references if named else None
        owner = entities.get(target or "", entity)
    if all(one.name != field_name for one in owner.fields):
        raise Stop(
            f"{entity.name} has no {field_name} to look for",
            code="NOT_ON_DEMAND",
            remedy="Name the objects by GUID.",
        )
    return owner


def narrowed(plan: Plan, *names: str) -> WireShape:
    """What a page of only these fields looks like."""
    return WireShape(columns=tuple(column for column in plan.shape.columns if column.name in names))


def _batches(plan: Plan, keys: Sequence[str], parts: Sequence[str], zone: ZoneInfo) -> Iterator[_Batch]:
    wire = _wire(plan, asked_field(plan.entity))
    if plan.entity.source.function is not None:
        yield from _table_batches(plan, wire, keys, [part for part in parts if part], zone)
        return
    source = plan.entity.source
    query = SetQuery(resource=plan.resource, select=plan.select, filter=source.filter)
    for batch, asked in key_batches(keys, query, field=wire, of_type=source.narrow_type, max_keys=MAX_KEYS):
        yield _Batch(keys=batch, targets=(asked.target(),))


def _table_batches(
    plan: Plan, wire: str, keys: Sequence[str], parts: Sequence[str], zone: ZoneInfo
) -> Iterator[_Batch]:
    start, size = 0, _TABLE_KEYS
    while start < len(keys):
        batch = tuple(keys[start : start + size])
        try:
            condition = any_of(*(f"{wire} eq {guid(key)}" for key in batch))
            targets = tuple(
                address(plan, zone=zone, parts=parts[at : at + size], condition=condition)
                for at in range(0, max(len(parts), 1), size)
            )
        except Stop as error:
            if size == 1 or error.code != "ONEC_URL_TOO_LONG":
                raise
            size = (size + 1) // 2
            continue
        yield _Batch(keys=batch, targets=targets)
        start += len(batch)


@dataclass(frozen=True, kw_only=True)
class _Asking:
    client: OnecClient
    plan: Plan
    halves: _Halves
    broken: Broken | None


def _answers(asking: _Asking, batches: Sequence[_Batch], parallel: int) -> Generator[_Answered]:
    """The answers in order, at most `parallel` batches under way."""
    executor = ThreadPoolExecutor(parallel, thread_name_prefix="onec-keys")
    waiting: deque[Future[_Answered]] = deque()
    todo = deque(batches)
    try:
        while todo or waiting:
            while todo and len(waiting) < parallel:
                waiting.append(executor.submit(_ask, asking, todo.popleft()))
            yield waiting.popleft().result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _ask(asking: _Asking, batch: _Batch) -> _Answered:
    try:
        pages = [_page(asking.client, asking.plan, target) for target in batch.targets]
        return _Answered(keys=batch.keys, pages=pages)
    except PipelineError as error:
        # The web server before this base takes shorter addresses than most (an untouched IIS 2048 characters).
        too_long = error.code == "ONEC_URL_TOO_LONG"
        if not too_long and (asking.broken is None or not is_its_own(error)):
            raise
        if len(batch.keys) == 1:
            if asking.broken is None or too_long:
                raise
            asking.broken.add(batch.keys[0], error)
            return _Answered(keys=(), pages=[])
    found = [_ask(asking, half) for half in asking.halves(batch.keys)]
    return _Answered(
        keys=tuple(key for one in found for key in one.keys),
        pages=[page for one in found for page in one.pages],
    )


def _page(client: OnecClient, plan: Plan, target: str) -> tuple[Answer, DecodedPage, Body]:
    decoded: list[DecodedPage] = []
    answer = client.get(
        target,
        max_bytes=client.connection.max_table_bytes,
        check=lambda given: decoded.append(decode_json(given.body, plan.shape)),
    )
    return answer, decoded[-1], pack(answer.body)


def _group(plan: Plan, together: Sequence[_Answered], index: int, zone: ZoneInfo) -> Group:
    pages = [page for one in together for page in one.pages]
    return Group(
        part=PART,
        pages=tuple(
            NewPage(
                part=PART,
                page_index=index + at,
                request=answer.request,
                format="json",
                requested_at=answer.requested_at,
                elapsed_seconds=answer.elapsed_seconds,
                row_count=page.row_count,
                body=body,
            )
            for at, (answer, page, body) in enumerate(pages)
        ),
        checked=validate(concat([page for _, page, _ in pages]), plan, zone),
        cursor=None,
        counts=(None, None),
        asked=tuple(key for one in together for key in one.keys),
    )


def _wire(plan: Plan, field_name: str) -> str:
    wire = dict(plan.columns).get(field_name)
    if wire is None:
        raise Stop(
            f"{plan.entity.name}: {plan.resource} of this base has no property for {field_name}",
            code="ONEC_COLUMN_MISSING",
            remedy=f"Sync it whole: `onec sync {plan.entity.name}`.",
        )
    return wire
