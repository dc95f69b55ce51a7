"""totals: counts and sums of 1C against clean, in ways of their own: `$count`, balances, slices, narrow reads by day (PROTOCOL §6).

Where a total differs, it is told which keys to look at closely; nothing is stored here and no row is judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger import reconciliation
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.client import OnecClient
from onec_pipelines.onec.decode import decode_json
from onec_pipelines.onec.paging import PagePolicy, PageRows, read_pages
from onec_pipelines.onec.query import moment, virtual_table
from onec_pipelines.spec import ColumnType, Entity
from onec_pipelines.steps.demand import narrowed
from onec_pipelines.steps.extract import part_query
from onec_pipelines.steps.resolve import Plan
from onec_pipelines.steps.virtual import part_condition
from onec_pipelines.steps.windows import Window

_POLICY = PagePolicy(rows=5_000, max_rows=50_000)
_Sum = tuple[int, tuple[Decimal, ...]]
_Row = tuple[str, str, tuple[Decimal, ...]]
_Sums = dict[tuple[str, str], _Sum]


@dataclass(frozen=True, kw_only=True)
class Side:
    """What is compared: one base, one plan, the parts that split it, the window of its documents."""

    database: Database
    client: OnecClient
    plan: Plan
    system_name: str
    zone: ZoneInfo
    parallel: int
    parts: Sequence[str]
    window: Window

    @property
    def entity(self) -> Entity:
        """The entity of the plan."""
        return self.plan.entity


@dataclass(kw_only=True)
class Compared:
    """Totals that were compared, and what to look at.

    `differing` totals are dicts of: of (what the total is of), onec and ours (count and sums). `asks` are keys whose own totals differ;
    `unkeyed` counts rows too many or too few where 1C cannot be asked by key. `checked` counts the totals.
    """

    checked: int = 0
    differing: list[dict[str, Any]] = field(default_factory=list)
    asks: set[str] = field(default_factory=set)
    unkeyed: int = 0


def compare_totals(side: Side, ask: str | None) -> Compared:
    """Compare the totals that fit the source; `ask` names the clean field by which 1C can be asked for rows, None if by none."""
    source = side.entity.source
    if source.function == "Balance":
        return _balances(side, ask)
    if source.function is not None:
        return _slices(side, ask)
    if source.window is not None:
        return _days(side, ask)
    return _count(side, ask)


def measures_of(entity: Entity, plan: Plan) -> tuple[str, ...]:
    """Clean fields that are summed: numbers of a register, the amount of a document, as far as this base has them."""
    wires = dict(plan.columns)
    if entity.key == ("ref",):
        return tuple(name for name in ("amount",) if name in wires)
    found = [one.name for one in entity.fields if one.type is ColumnType.DECIMAL]
    return tuple(name for name in found if name in wires and name not in entity.key)


def _balances(side: Side, ask: str | None) -> Compared:
    """1C adds up itself: one row for each part."""
    plan, measures = side.plan, measures_of(side.entity, side.plan)
    bucket = _bucket_field(side.entity)
    onec = _add(_table_rows(side, (bucket or _first_dimension(plan),), bucket, None, measures))
    ours = _ours(side, bucket=f"c.{bucket}" if bucket else "''", measures=measures)
    # Folders and warehouses marked for deletion are not read.
    wanted = {(part, "") for part in side.parts}
    found = _differing(onec, ours, wanted, with_count=False)
    for part, _ in list(found.asks_of):
        if ask is None:
            found.result.unkeyed += 1
            continue
        fields = tuple(dict.fromkeys((bucket, ask) if bucket else (ask,)))
        close = _add(_table_rows(side, fields, bucket, ask, measures, part=part))
        mine = _ours(side, bucket=f"c.{bucket}" if bucket else "''", measures=measures, part=part, by=ask)
        found.result.asks |= {key for _, key in _unequal(close, mine, with_count=False)}
    return found.result


def _slices(side: Side, ask: str | None) -> Compared:
    """Count and sum of each part of a slice."""
    measures, bucket = measures_of(side.entity, side.plan), _bucket_field(side.entity)
    result = Compared()
    for part in side.parts:
        names = (ask or _first_dimension(side.plan),)
        rows = list(_table_rows(side, names, None, ask, measures, part=part, dimensions=False))
        onec = _add((part, "", numbers) for _, _, numbers in rows)
        ours = _ours(side, bucket=f"c.{bucket}" if bucket else "''", measures=measures, part=part)
        found = _differing(onec, ours, {(part, "")}, with_count=True)
        result.checked += found.result.checked
        result.differing += found.result.differing
        if found.asks_of and ask is not None:
            mine = _ours(side, bucket=f"c.{bucket}" if bucket else "''", measures=measures, part=part, by=ask)
            close = _add((part, key, numbers) for _, key, numbers in rows)
            result.asks |= {key for _, key in _unequal(close, mine, with_count=True)}
        elif found.asks_of:
            result.unkeyed += 1
    return result


def _days(side: Side, ask: str | None) -> Compared:
    """Count and sum of each day of the window, by the base's calendar."""
    entity, window = side.entity, side.window
    measures, timestamp = measures_of(entity, side.plan), entity.source.window or ""
    names = tuple(
        dict.fromkeys((*_key_fields(side.plan), timestamp, *(() if ask is None else (ask,)), *measures))
    )
    with _tx(side) as tx:
        rejected = reconciliation.rejected_keys(tx, entity, system_name=side.system_name)
    rows = [
        (str(row[timestamp])[:10], str(row[ask]) if ask else "", _numbers(row, measures))
        for row in _set_rows(side, names, window.name)
        if str(row.get("ref")) not in rejected
    ]
    scope: dict[str, Any] = {
        "bucket": f"(c.{timestamp} AT TIME ZONE '{side.zone.key}')::date",
        "measures": measures,
        "where": f"c.{timestamp} >= %(start)s",
        "values": {"start": window.start},
    }
    onec, ours = _add((day, "", numbers) for day, _, numbers in rows), _ours(side, **scope)
    found = _differing(onec, ours, onec.keys() | ours.keys(), with_count=True)
    days = {day for day, _ in found.asks_of}
    if days and ask is not None:
        close = _add(row for row in rows if row[0] in days)
        mine = {key: held for key, held in _ours(side, by=ask, **scope).items() if key[0] in days}
        found.result.asks |= {key for _, key in _unequal(close, mine, with_count=True)}
    elif days:
        found.result.unkeyed += len(days)
    return found.result


def _count(side: Side, ask: str | None) -> Compared:
    """How many rows there are, as 1C counts them; rows in quarantine are there too."""
    entity = side.entity
    counted = side.client.count(side.plan.resource, entity.source.filter)
    with _tx(side) as tx:
        rejected = reconciliation.rejected_keys(tx, entity, system_name=side.system_name)
    live = _ours(side, bucket="''", measures=()).get(("", ""), (0, ()))[0]
    result = Compared(checked=1)
    if counted == live + len(rejected):
        return result
    result.differing = [_total("all", (counted, ()), (live + len(rejected), ()))]
    if ask is None:
        result.unkeyed = abs(counted - live - len(rejected))
        return result
    names = tuple(dict.fromkeys((*_key_fields(side.plan), ask)))
    keys = (("", str(row[ask]), ()) for row in _set_rows(side, names, "") if str(row[ask]) not in rejected)
    mine = _ours(side, bucket="''", measures=(), by=ask)
    result.asks = {key for _, key in _unequal(_add(keys), mine, with_count=True)}
    return result


@dataclass(kw_only=True)
class _Found:
    result: Compared
    asks_of: set[tuple[str, str]]


def _differing(onec: _Sums, ours: _Sums, wanted: Iterable[tuple[str, str]], *, with_count: bool) -> _Found:
    wanted = set(wanted)
    apart = _unequal(onec, ours, with_count=with_count) & wanted
    nothing: _Sum = (0, ())
    return _Found(
        result=Compared(
            checked=len(wanted),
            differing=[
                _total(key[0] or "all", onec.get(key, nothing), ours.get(key, nothing))
                for key in sorted(apart)
            ],
        ),
        asks_of=apart,
    )


def _unequal(onec: _Sums, ours: _Sums, *, with_count: bool) -> set[tuple[str, str]]:
    """Keys whose sums (and counts) differ; a key that one side lacks is as good as zeros there."""

    def shown(sums: _Sums, key: tuple[str, str]) -> tuple[int, tuple[Decimal, ...]]:
        count, numbers = sums.get(key, (0, ()))
        # Trailing zeros are dropped so that nothing and (0, 0) are the same.
        return (count if with_count else 0), numbers if any(numbers) else ()

    return {key for key in onec.keys() | ours.keys() if shown(onec, key) != shown(ours, key)}


def _total(of: str, onec: _Sum, ours: _Sum) -> dict[str, Any]:
    return {
        "of": of,
        "onec": {"count": onec[0], "sums": [str(number) for number in onec[1]]},
        "ours": {"count": ours[0], "sums": [str(number) for number in ours[1]]},
    }


def _add(rows: Iterable[_Row]) -> _Sums:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    sums: dict[tuple[str, str], tuple[Decimal, ...]] = {}
    for bucket, key, numbers in rows:
        counts[bucket, key] += 1
        before = sums.get((bucket, key))
        sums[bucket, key] = (
            numbers if before is None else tuple(a + b for a, b in zip(before, numbers, strict=True))
        )
    return {key: (count, sums[key]) for key, count in counts.items()}


def _numbers(row: dict[str, Any], measures: Sequence[str]) -> tuple[Decimal, ...]:
    return tuple(Decimal(row[name] or 0) for name in measures)


def _table_rows(
    side: Side,
    fields: Sequence[str],
    bucket: str | None,
    ask: str | None,
    measures: Sequence[str],
    *,
    part: str | None = None,
    dimensions: bool = True,
) -> Iterator[_Row]:
    """Rows of the virtual table grouped by these fields, of one part or of all."""
    plan, source, wires = side.plan, side.entity.source, dict(side.plan.columns)
    split = source.split
    target = virtual_table(
        plan.resource,
        source.function or "",
        condition=part_condition(plan, split, part) if split is not None and part else None,
        dimensions=[wires[name].removesuffix("_Key") for name in fields] if dimensions else (),
        period=moment(datetime.now(UTC), side.zone) if source.as_of_now else None,
        select=[wires[name] for name in (*fields, *measures)],
    )
    answer = side.client.get(target, max_bytes=side.client.connection.max_table_bytes)
    for row in _decoded(plan, answer, (*fields, *measures)):
        yield (
            str(row[bucket]) if bucket else part or "",
            str(row[ask]) if ask else "",
            _numbers(row, measures),
        )


def _set_rows(side: Side, names: Sequence[str], part: str) -> Iterator[dict[str, Any]]:
    """Narrow rows of the set (of the window that `part` names), each once."""
    plan, key = side.plan, _key_fields(side.plan)
    wires = dict(plan.columns)

    def rows_of(answer: Answer) -> PageRows:
        rows = list(_decoded(plan, answer, names))
        keys = [tuple(row[name] for name in key) for row in rows]
        ends = (keys[0], keys[-1]) if keys else (None, None)
        return PageRows(row_count=len(rows), first_key=ends[0], last_key=ends[1], keys=keys, payload=rows)

    query = part_query(side.client, plan, part, tuple(dict.fromkeys(wires[name] for name in names)))
    seen: set[Hashable] = set()
    with read_pages(
        side.client, query, key=plan.key, rows_of=rows_of, policy=_POLICY, parallel=side.parallel
    ) as pages:
        for page in pages:
            for row, one in zip(page.rows.payload, page.rows.keys, strict=True):
                # Pages overlap, so that nothing is missed.
                if one not in seen:
                    seen.add(one)
                    yield row


def _decoded(plan: Plan, answer: Answer, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    page = decode_json(answer.body, narrowed(plan, *names))
    for at in range(page.row_count):
        yield {name: values[at] for name, values in page.columns.items()}


def _key_fields(plan: Plan) -> tuple[str, ...]:
    names = {wire: name for name, wire in plan.columns}
    return tuple(names[wire] for wire in plan.key)


def _bucket_field(entity: Entity) -> str | None:
    """The clean field by which the source is split."""
    split = entity.source.split
    if split is None:
        return None
    return next(name for name in entity.key if entity.field(name).references == split.entity)


def _first_dimension(plan: Plan) -> str:
    return plan.entity.key[0]


def _ours(side: Side, *, part: str | None = None, **asked: Any) -> _Sums:
    if part:
        asked["where"] = f"c.{_bucket_field(side.entity)} = %(part)s"
        asked["values"] = {"part": part}
    with _tx(side) as tx:
        return reconciliation.clean_sums(tx, side.entity, system_name=side.system_name, **asked)


@contextmanager
def _tx(side: Side) -> Iterator[psycopg.Connection[Any]]:
    with side.database.transaction() as connection:
        yield driver_connection(connection)
