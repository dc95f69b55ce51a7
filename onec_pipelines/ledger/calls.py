"""`integ.calls` and `integ.slow_calls`: what calls to 1C cost, summed up by minute, so that keeping it costs next to nothing.

A process keeps its calls in memory and writes them every few seconds in one statement. What was not written when it is killed is
lost: these are figures to steer by, not an audit.
"""

from __future__ import annotations

import bisect
import logging
import re
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Any

from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import PipelineError
from onec_pipelines.onec.answers import Call

EDGES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper edges of the buckets in seconds; one more bucket holds what took longer."""

SLOW_SECONDS = 5.0
"""Calls that took 1C so long are kept one by one."""

KEEP_DAYS = 30
"""Days that figures of calls are kept."""

_EVERY_SECONDS = 15.0
_MOST_KEPT = 20_000
_MOST_SLOW = 20
_MOST_TEXT = 500
_SELECT = re.compile(r"\$select=[^&]*")
_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class _Sum:
    """A row of integ.calls that is being summed up."""

    calls: int = 0
    repeats: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    wire_bytes: int = 0
    slowest: float = 0.0
    slowest_request: str = ""
    buckets: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))

    def add(self, call: Call) -> None:
        """Count a call."""
        took = served(call)
        self.calls += 1
        self.repeats += call.attempt > 1
        self.seconds += took
        self.waited += call.waited
        self.wire_bytes += call.wire_bytes
        self.buckets[bisect.bisect_left(EDGES, took)] += 1
        if took >= self.slowest:
            self.slowest, self.slowest_request = took, _shown(call.request)


_Key = tuple[datetime, str, str, str, int]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """How many calls were made, repeats included, and what came over the wire for them."""

    calls: int = 0
    wire_bytes: int = 0

    def __sub__(self, before: Spent) -> Spent:
        """What came on top of an earlier sum."""
        return Spent(calls=self.calls - before.calls, wire_bytes=self.wire_bytes - before.wire_bytes)


class Meter:
    """The sum of all calls of a process; thread-safe, and as large after a year as after a minute."""

    def __init__(self) -> None:
        self._spent = Spent()
        self._lock = threading.Lock()

    @property
    def spent(self) -> Spent:
        """The sum up to now."""
        return self._spent

    def add(self, call: Call) -> None:
        """Count a call."""
        with self._lock:
            before = self._spent
            self._spent = Spent(calls=before.calls + 1, wire_bytes=before.wire_bytes + call.wire_bytes)


class CallRecorder:
    """The calls of one process on their way to the database; thread-safe. `close` writes the rest."""

    def __init__(
        self, database: Database, *, system_name: str, every_seconds: float = _EVERY_SECONDS
    ) -> None:
        self._database = database
        self._system_name = system_name
        self._every_seconds = every_seconds
        # A database that is down for long must not cost memory: the oldest figures go first.
        self._kept: deque[Call] = deque(maxlen=_MOST_KEPT)
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def note(self, call: Call) -> None:
        """Keep a call; a thread of its own writes it within seconds, so that no call waits for the database."""
        with self._lock:
            self._kept.append(call)
            self._wind_up()

    def flush(self) -> None:
        """Write what is kept; never raises, because figures must not end a run: without a database they wait for the next time."""
        with self._lock:
            self._timer = None
            calls = list(self._kept)
            self._kept.clear()
        if not calls:
            return
        try:
            record(self._database, calls, system_name=self._system_name)
        except PipelineError as error:
            _log.warning("figures of %s calls wait: %s", len(calls), error.code)
            with self._lock:
                room = _MOST_KEPT - len(self._kept)
                self._kept.extendleft(reversed(calls[len(calls) - min(room, len(calls)) :]))
                self._wind_up()

    def close(self) -> None:
        """Write the rest and end the thread."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join()
        self.flush()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _wind_up(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(self._every_seconds, self.flush)
            self._timer.daemon = True
            self._timer.name = "onec-calls"
            self._timer.start()


def served(call: Call) -> float:
    """Seconds that 1C took, without our own waiting."""
    return max(call.seconds - call.waited, 0.0)


def in_flight(calls: Sequence[Call]) -> list[int]:
    """How many of these calls were on their way on average while each one was, itself included; in the order of the calls."""
    spans = [
        (begin := call.requested_at.timestamp() + call.waited, begin + max(served(call), 1e-6))
        for call in calls
    ]
    events = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    moments = [moment for moment, _ in events]
    open_now = list(accumulate(change for _, change in events))
    # area[i]: calls x seconds up to the i-th event
    area = [0.0]
    for index in range(1, len(events)):
        area.append(area[-1] + open_now[index - 1] * (moments[index] - moments[index - 1]))

    def upto(moment: float) -> float:
        return area[bisect.bisect_left(moments, moment)]

    return [max(1, round((upto(end) - upto(begin)) / (end - begin))) for begin, end in spans]


def _shown(request: str) -> str:
    # The names of columns are long and say nothing of why a call is slow; $skip and the condition stand behind them.
    return _SELECT.sub("$select=…", request)[:_MOST_TEXT]


def record(database: Database, calls: Sequence[Call], *, system_name: str) -> None:
    """Add calls to the figures, in one transaction."""
    sums: dict[_Key, _Sum] = {}
    slow: list[dict[str, Any]] = []
    for call, together in zip(calls, in_flight(calls), strict=True):
        minute = call.requested_at.replace(second=0, microsecond=0)
        key = (minute, call.resource, call.kind, call.error_code or "", min(together, 1000))
        sums.setdefault(key, _Sum()).add(call)
        if served(call) >= SLOW_SECONDS:
            slow.append(_slow_row(call, together))
    slow = sorted(slow, key=lambda row: -row["seconds"])[:_MOST_SLOW]
    with database.transaction() as connection:
        tx = driver_connection(connection)
        given = {"system": system_name, "rows": Jsonb(list(_rows(sums)))}
        tx.execute(_ADD, given)
        tx.execute(_ADD_TOTALS, given)
        if slow:
            tx.execute(_KEEP, {"system": system_name, "rows": Jsonb(slow)})


def forget(database: Database, *, keep_days: int = KEEP_DAYS) -> int:
    """Remove figures older than that, of all bases, and say how many rows."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        removed = tx.execute(
            "DELETE FROM integ.calls WHERE minute < now() - make_interval(days => %s)", (keep_days,)
        ).rowcount
        removed += tx.execute(
            "DELETE FROM integ.slow_calls WHERE requested_at < now() - make_interval(days => %s)",
            (keep_days,),
        ).rowcount
    return removed


def _rows(sums: Mapping[_Key, _Sum]) -> Iterable[dict[str, Any]]:
    # Sorted, so that two processes lock the rows they share in one order.
    for (minute, resource, kind, error_code, together), one in sorted(sums.items()):
        yield {
            "minute": minute.isoformat(),
            "resource": resource[:_MOST_TEXT],
            "kind": kind,
            "error_code": error_code,
            "in_flight": together,
            "calls": one.calls,
            "repeats": one.repeats,
            "seconds": one.seconds,
            "waited": one.waited,
            "wire_bytes": one.wire_bytes,
            "slowest": one.slowest,
            "slowest_request": one.slowest_request,
            "buckets": one.buckets,
        }


def _slow_row(call: Call, together: int) -> dict[str, Any]:
    return {
        "requested_at": call.requested_at.isoformat(),
        "resource": call.resource[:_MOST_TEXT],
        "kind": call.kind,
        "request": _shown(call.request),
        "seconds": served(call),
        "waited": call.waited,
        "wire_bytes": call.wire_bytes,
        "status": call.status,
        "attempt": call.attempt,
        "error_code": call.error_code or "",
        "in_flight": together,
    }


_ADD = (
    "INSERT INTO integ.calls AS c (system_name, minute, resource, kind, error_code, in_flight, calls, repeats, seconds,"
    " waited, wire_bytes, slowest, slowest_request, buckets) SELECT %(system)s, r.* FROM jsonb_to_recordset(%(rows)s) AS r"
    " (minute timestamptz, resource text, kind text, error_code text, in_flight smallint, calls integer, repeats integer,"
    " seconds float8, waited float8, wire_bytes bigint, slowest float8, slowest_request text, buckets integer[])"
    " ON CONFLICT (system_name, minute, resource, kind, error_code, in_flight) DO UPDATE SET calls = c.calls + excluded.calls,"
    " repeats = c.repeats + excluded.repeats, seconds = c.seconds + excluded.seconds, waited = c.waited + excluded.waited,"
    " wire_bytes = c.wire_bytes + excluded.wire_bytes, slowest = greatest(c.slowest, excluded.slowest),"
    " slowest_request = CASE WHEN excluded.slowest > c.slowest THEN excluded.slowest_request ELSE c.slowest_request END,"
    " buckets = integ.add_buckets(c.buckets, excluded.buckets)"
)
_ADD_TOTALS = (
    "INSERT INTO integ.call_totals AS t (system_name, resource, error_code, calls, seconds, waited, wire_bytes, buckets)"
    " SELECT %(system)s, resource, error_code, sum(calls), sum(seconds), sum(waited), sum(wire_bytes), integ.sum_buckets(buckets)"
    " FROM jsonb_to_recordset(%(rows)s) AS r (resource text, error_code text, calls integer, seconds float8, waited float8,"
    " wire_bytes bigint, buckets integer[]) GROUP BY resource, error_code ORDER BY resource, error_code"
    " ON CONFLICT (system_name, resource, error_code) DO UPDATE SET calls = t.calls + excluded.calls,"
    " seconds = t.seconds + excluded.seconds, waited = t.waited + excluded.waited, wire_bytes = t.wire_bytes + excluded.wire_bytes,"
    " buckets = integ.add_buckets(t.buckets, excluded.buckets)"
)
_KEEP = (
    "INSERT INTO integ.slow_calls (system_name, requested_at, resource, kind, request, seconds, waited, wire_bytes, status,"
    " attempt, error_code, in_flight) SELECT %(system)s, r.* FROM jsonb_to_recordset(%(rows)s) AS r (requested_at timestamptz,"
    " resource text, kind text, request text, seconds float8, waited float8, wire_bytes bigint, status integer, attempt integer,"
    " error_code text, in_flight smallint)"
)
