"""What was measured lately, as advice needs it: pages, calls, runs. Figures only; conclusions are `monitoring/advice.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row

from onec_pipelines.db.engine import Database, driver_connection

Tx = psycopg.Connection[Any]
T = TypeVar("T")

DAYS = 7
"""How many days back measurements count."""

_LAST_RUNS = 60
# Among so many of each entity they are looked for: a week and more of one every five minutes, so that the nightly ones are there too.
_NEWEST_RUNS = 3_000
_MOST_SLOW = 50


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Pages of one entity that were asked for by `$top`: elapsed milliseconds = base_ms + ms_per_row * rows, fitted.

    The fit is None when all pages had the same number of rows. `near_ms` and `far_ms` are milliseconds a row of the quarter with the
    smallest and the largest `$skip`, the latter from `far_skip` on; None without enough depth.
    """

    entity_type: str
    pages: int
    least_rows: int
    most_rows: int
    base_ms: float | None
    ms_per_row: float | None
    fit: float | None
    bytes_per_row: float
    near_ms: float | None
    far_ms: float | None
    far_skip: float | None


@dataclass(frozen=True, kw_only=True)
class Load:
    """Good calls to one resource while so many were on their way."""

    resource: str
    in_flight: int
    calls: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Cadence:
    """Runs that confirmed one entity's state, times in seconds."""

    entity_type: str
    runs: int
    with_changes: int
    median_seconds: float
    median_interval: float | None
    requests: float


@dataclass(frozen=True, kw_only=True)
class Durations:
    """The last good runs of one entity that read in one way, oldest first."""

    entity_type: str
    way: str
    whole: bool
    seconds: list[float]
    rows: list[int]


@dataclass(frozen=True, kw_only=True)
class SlowCall:
    """A call that took 1C long; `request` is masked. `times` counts slow calls to the same resource."""

    resource: str
    request: str
    seconds: float
    wire_bytes: int
    error_code: str
    requested_at: datetime
    times: int


@dataclass(frozen=True, kw_only=True)
class Refused:
    """How often 1C refused calls with a code."""

    code: str
    calls: int


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """Everything of one base."""

    pages: list[Pages]
    loads: list[Load]
    cadences: list[Cadence]
    durations: list[Durations]
    slow: list[SlowCall]
    refused: list[Refused]
    calls: int


def read(database: Database, system_name: str) -> Measurements:
    """What was measured in the last DAYS days."""
    given = {"system": system_name, "days": DAYS, "runs": _LAST_RUNS, "slow": _MOST_SLOW}
    with database.transaction() as connection:
        tx = driver_connection(connection)
        loads = _all(tx, Load, _LOADS, given)
        return Measurements(
            pages=_all(tx, Pages, _PAGES, given),
            loads=loads,
            cadences=_all(tx, Cadence, _CADENCES, given),
            durations=_all(tx, Durations, _DURATIONS, given),
            slow=_all(tx, SlowCall, _SLOW, given),
            refused=_all(tx, Refused, _REFUSED, given),
            calls=sum(load.calls for load in loads),
        )


def _all(tx: Tx, kind: type[T], statement: str, given: dict[str, Any]) -> list[T]:
    names: Sequence[str] = [field.name for field in fields(kind)]  # type: ignore[arg-type] # our dataclasses
    whole = f"SELECT {', '.join(names)} FROM ({statement}) AS found"
    return tx.cursor(row_factory=class_row(kind)).execute(whole.encode(), given).fetchall()


_SKIP = "coalesce(substring(p.request FROM '\\$skip=([0-9]{1,12})')::bigint, 0)"
_PAGES = (
    "SELECT entity_type, count(*) AS pages, min(row_count) AS least_rows, max(row_count) AS most_rows,"
    " regr_intercept(elapsed_ms, row_count) AS base_ms, regr_slope(elapsed_ms, row_count) AS ms_per_row,"
    " regr_r2(elapsed_ms, row_count) AS fit, sum(raw_bytes)::float8 / sum(row_count) AS bytes_per_row,"
    " sum(elapsed_ms) FILTER (WHERE depth = 1)::float8 / nullif(sum(row_count) FILTER (WHERE depth = 1), 0) AS near_ms,"
    " sum(elapsed_ms) FILTER (WHERE depth = 4)::float8 / nullif(sum(row_count) FILTER (WHERE depth = 4), 0) AS far_ms,"
    " min(skip) FILTER (WHERE depth = 4)::float8 AS far_skip FROM ("
    f"SELECT p.entity_type, p.row_count, p.elapsed_ms, b.raw_bytes, {_SKIP} AS skip,"
    f" ntile(4) OVER (PARTITION BY p.entity_type ORDER BY {_SKIP}, p.id) AS depth"
    " FROM raw.pages p JOIN raw.bodies b ON b.sha256 = p.body_sha256"
    " WHERE p.system_name = %(system)s AND p.row_count > 0 AND p.request LIKE '%%$top=%%'"
    " AND p.requested_at > now() - make_interval(days => %(days)s)) AS page GROUP BY entity_type ORDER BY entity_type"
)
_LOADS = (
    "SELECT resource, in_flight, sum(calls)::bigint AS calls, sum(seconds) AS seconds FROM integ.calls"
    " WHERE system_name = %(system)s AND error_code = '' AND kind IN ('json', 'atom')"
    " AND minute > now() - make_interval(days => %(days)s) GROUP BY resource, in_flight ORDER BY resource, in_flight"
)
_CADENCES = (
    "SELECT entity_type, count(*) AS runs, count(*) FILTER (WHERE rows_changed > 0) AS with_changes,"
    " percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median_seconds,"
    " percentile_cont(0.5) WITHIN GROUP (ORDER BY since_last) AS median_interval, avg(requests)::float8 AS requests FROM ("
    "SELECT entity_type, rows_changed, seconds, requests, extract(epoch FROM started_at - lag(started_at) OVER"
    " (PARTITION BY entity_type ORDER BY id))::float8 AS since_last FROM integ.health_runs WHERE system_name = %(system)s"
    " AND confirms AND started_at > now() - make_interval(days => %(days)s)) AS run GROUP BY entity_type ORDER BY entity_type"
)
_DURATIONS = (
    "SELECT entity_type, coalesce(way, '') AS way, whole, array_agg(seconds ORDER BY id) AS seconds,"
    " array_agg(items_processed::bigint ORDER BY id) AS rows FROM ("
    "SELECT r.*, row_number() OVER (PARTITION BY r.entity_type, way, whole ORDER BY r.id DESC) AS back"
    " FROM integ.known_entities k CROSS JOIN LATERAL (SELECT * FROM integ.health_runs n WHERE n.system_name = k.system_name"
    f" AND n.entity_type = k.entity_type AND n.confirms ORDER BY n.started_at DESC LIMIT {_NEWEST_RUNS}) r"
    " WHERE k.system_name = %(system)s) AS run WHERE back <= %(runs)s GROUP BY entity_type, way, whole"
    " ORDER BY entity_type"
)
_SLOW = (
    "SELECT resource, request, seconds, wire_bytes, error_code, requested_at, times FROM ("
    "SELECT *, count(*) OVER (PARTITION BY resource) AS times,"
    " row_number() OVER (PARTITION BY resource ORDER BY seconds DESC) AS place FROM integ.slow_calls"
    " WHERE system_name = %(system)s AND requested_at > now() - make_interval(days => %(days)s)) AS call"
    " WHERE place = 1 ORDER BY seconds DESC LIMIT %(slow)s"
)
_REFUSED = (
    "SELECT error_code AS code, sum(calls)::bigint AS calls FROM integ.calls WHERE system_name = %(system)s"
    " AND error_code <> '' AND minute > now() - make_interval(days => %(days)s) GROUP BY error_code ORDER BY calls DESC"
)
