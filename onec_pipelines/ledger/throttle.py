"""The throttle that all processes of a base share: its threads take from what the process holds, and only refills ask the database.

`SharedThrottle` implements the protocol of `onec/throttle.py`. What is shared out is decided in `throttle_rules.py`.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from onec_pipelines.db.engine import Database
from onec_pipelines.errors import PipelineError, RetryLater
from onec_pipelines.ledger import throttle_rules as rules
from onec_pipelines.ledger.refusals import breaker_refusal, pause_refusal, quiet_refusal
from onec_pipelines.ledger.throttle_rules import Base, Limits, Member, Patience
from onec_pipelines.ledger.throttle_store import Decided, Seen, Store
from onec_pipelines.onec.signs import Sign, sign_of
from onec_pipelines.onec.throttle import Lane, busy

_log = logging.getLogger(__name__)

_FRESH_SECONDS = 0.25
"""How long what the database said holds: a pause is felt after so long at the latest."""
_POLL_SECONDS = 0.05
_IDLE_SECONDS = 0.5
_HEARTBEAT_SECONDS = 2.0
_DATABASE_SECONDS = 30.0
"""How long a call waits for a database that does not answer: a restart takes less."""


@dataclass(kw_only=True)
class _LaneState:
    granted: int = 0
    in_use: int = 0
    waiting: int = 0


@dataclass(kw_only=True)
class _Told:
    """What the database said last."""

    granted: dict[Lane, int] = field(default_factory=dict)
    tokens: int = 0
    token_wait: float = 0.0
    refusal: RetryLater | None = None
    is_probe: bool = False
    asks: bool = False
    """Whether somebody waited for a call, so that the answer says what may be called."""


class SharedThrottle:
    """The budget of one base for the threads of this process. Close it: that gives back at once what the process holds."""

    def __init__(
        self,
        database: Database,
        *,
        system_name: str,
        limits: Limits,
        quiet_until: Callable[[datetime], datetime | None],
        patience: Patience | None = None,
    ) -> None:
        self._store = Store(database, system_name)
        self._limits = limits
        self._quiet_until = quiet_until
        self._patience = patience or Patience()
        self._talking = threading.Lock()
        self._changed = threading.Condition()
        self._lanes: dict[Lane, _LaneState] = {"read": _LaneState(), "write": _LaneState()}
        self._told = _Told()
        self._tokens = 0
        self._usable_from = self._fresh_until = self._ask_at = float("-inf")
        self._used_at = self._asked_at = time.monotonic()
        self._down_since: float | None = None
        self._asking = False
        self._good = 0
        self._closed = threading.Event()
        self._busy = threading.Event()
        self._keeper: threading.Thread | None = None

    @contextmanager
    def slot(self, max_wait_seconds: float, lane: Lane = "read") -> Iterator[None]:
        """Hold one of the allowed calls (see `Throttle.slot`); RetryLater DB_… when the database is gone for too long."""
        mine = self._lanes[lane]
        self._enter(mine, time.monotonic() + max_wait_seconds)
        try:
            yield
        finally:
            with self._changed:
                mine.in_use -= 1
                self._used_at = time.monotonic()
                if any(state.waiting for state in self._lanes.values()):
                    self._changed.notify_all()

    def overloaded(self) -> None:
        """Halve the calls at once of all processes, at most once a second."""
        self._report(lambda seen: rules.after_overload(seen.base, now=seen.now, limits=self._limits))

    def succeeded(self) -> None:
        """Count a good call; it is told with the next question, and at once when it was the probe of an open breaker."""
        with self._changed:
            self._good += 1
            is_probe, self._told.is_probe = self._told.is_probe, False
        if is_probe:
            self._report(lambda seen: seen.base)

    def failed(self, error: PipelineError) -> None:
        """Count a failure towards the breaker; a refused login opens it at once."""
        sign = sign_of(error)
        if sign is Sign.ALIVE:
            self.succeeded()
        elif sign is not Sign.NONE:
            cause = {
                "code": error.code,
                "message": error.message,
                "onec_message": error.onec_message,
                "http_status": error.http_status,
                "remedy": error.remedy or None,
            }
            self._report(
                lambda seen: rules.after_failure(
                    seen.base,
                    sign,
                    cause,
                    now=seen.now,
                    process=self._store.process,
                    patience=self._patience,
                )
            )

    def close(self) -> None:
        """Give everything back. Calls under way end as they would."""
        self._closed.set()
        self._busy.set()
        if self._keeper is not None:
            self._keeper.join(timeout=5)
        with self._talking:
            self._store.close()

    def _enter(self, mine: _LaneState, ends_at: float) -> None:
        with self._changed:
            mine.waiting += 1
        try:
            while not self._step(mine, ends_at):
                self._ask(max(0.0, ends_at - time.monotonic()))
        except BaseException:
            with self._changed:
                mine.waiting -= 1
            raise

    def _step(self, mine: _LaneState, ends_at: float) -> bool:
        """Take a call (True), or wait until it is this thread's part to ask the database (False)."""
        with self._changed:
            while True:
                now = time.monotonic()
                is_fresh = now < self._fresh_until
                has_room = mine.in_use < mine.granted and self._tokens > 0
                if is_fresh and has_room and now >= self._usable_from:
                    mine.waiting -= 1
                    mine.in_use += 1
                    self._tokens -= 1
                    return True
                if is_fresh and self._told.refusal is not None:
                    raise _again(self._told.refusal)
                if now >= ends_at:
                    raise busy()
                ask_at = max(self._ask_at, self._usable_from if is_fresh and has_room else self._ask_at)
                if not self._asking and now >= ask_at:
                    self._asking = True
                    return False
                until = ends_at if self._asking else min(ends_at, ask_at)
                self._changed.wait(max(0.0005, until - now))

    def _ask(self, patience_seconds: float) -> None:
        """Ask the database for what this process needs; the caller has set `_asking`."""
        told: _Told | None = None
        try:
            told = self._question(patience_seconds)
        except RetryLater as error:
            self._no_answer(error, patience_seconds)
        finally:
            with self._changed:
                self._asking = False
                if told is not None:
                    self._hear(told)
                self._changed.notify_all()
        self._keep()

    def _question(self, patience_seconds: float) -> _Told:
        told = _Told()
        with self._talking:
            with self._changed:
                demand = {
                    lane: (state.in_use + state.waiting, state.in_use) for lane, state in self._lanes.items()
                }
                asks = any(state.waiting for state in self._lanes.values())
                told.asks = asks
                returned = 0 if asks else self._tokens
                self._tokens -= returned
                wanted = math.ceil(self._limits.rate_per_second) if asks and not self._tokens else 0
                good = self._good
            self._store.decide(
                lambda seen: self._decide(
                    seen,
                    told,
                    demand,
                    wanted=wanted,
                    returned=returned,
                    good=good,
                    patience=patience_seconds,
                )
            )
            with self._changed:
                self._good -= good
        return told

    def _decide(
        self,
        seen: Seen,
        told: _Told,
        demand: dict[Lane, tuple[int, int]],
        *,
        wanted: int,
        returned: int,
        good: int,
        patience: float,
    ) -> Decided:
        process = self._store.process
        base = seen.base
        if good:
            base = rules.after_good(base, calls=good, process=process, limits=self._limits)
        if told.asks:
            base = self._gate(seen, base, told)
        limit = rules.allowed_calls(base, self._limits) if told.refusal is None else 0
        if told.is_probe:
            limit = min(limit, 1)
        mine: dict[Lane, Member] = {}
        for lane, (wants, in_use) in demand.items():
            wants_now = wants if told.refusal is None else in_use
            told.granted[lane], mine[lane] = self._share(
                seen, mine, lane, wants=wants_now, in_use=in_use, limit=limit
            )
        may_take = told.asks and told.refusal is None
        base, told.tokens, told.token_wait = rules.take_tokens(
            base,
            now=seen.now,
            rate=self._limits.rate_per_second,
            wanted=min(wanted, 1 if told.is_probe else wanted) if may_take else 0,
            returned=returned,
            patience_seconds=patience,
        )
        return Decided(base=base, mine=mine)

    def _gate(self, seen: Seen, base: Base, told: _Told) -> Base:
        """Say in `told` whether calls may be made at all, or whether this one is the probe of an open breaker."""
        if seen.pause is not None:
            told.refusal = pause_refusal(seen.pause, seen.now)
            return base
        if quiet_until := self._quiet_until(seen.now):
            told.refusal = quiet_refusal(quiet_until, seen.now)
            return base
        base = rules.probe(base, now=seen.now, process=self._store.process, patience=self._patience)
        if not rules.may_call(base, self._store.process):
            told.refusal = breaker_refusal(base, seen.now)
        told.is_probe = told.refusal is None and base.breaker == "half_open"
        return base

    def _share(
        self, seen: Seen, decided: dict[Lane, Member], lane: Lane, *, wants: int, in_use: int, limit: int
    ) -> tuple[int, Member]:
        before = seen.mine.get(lane, Member())
        me = replace(before, wants=wants, in_use=in_use)
        own = {other: member for other, member in {**seen.mine, **decided}.items() if other != lane}
        others = [(other, member) for (_, other), member in seen.others.items()]
        grant = rules.grant(
            me, lane, [*others, *own.items()], limit=limit, max_writers=self._limits.max_writers
        )
        waiting_since = None
        if wants > grant:
            gave_up = before.held > 0 and grant == 0
            waiting_since = seen.now if gave_up else before.waiting_since or seen.now
        return grant, Member(held=max(grant, in_use), wants=wants, in_use=in_use, waiting_since=waiting_since)

    def _hear(self, told: _Told) -> None:
        now = time.monotonic()
        self._told = told
        self._down_since = None
        self._asked_at = now
        for lane, granted in told.granted.items():
            self._lanes[lane].granted = granted
        if told.tokens:
            self._tokens += told.tokens
            self._usable_from = now + told.token_wait
        if not told.asks:
            self._fresh_until = self._ask_at = float("-inf")
            return
        self._fresh_until = max(now, self._usable_from) + _FRESH_SECONDS
        has_room = any(state.in_use < state.granted for state in self._lanes.values() if state.waiting)
        wait = 0.0 if has_room and self._tokens else _POLL_SECONDS
        self._ask_at = now + wait * random.uniform(0.5, 1.5)  # noqa: S311 - keeps processes out of step

    def _no_answer(self, error: RetryLater, patience_seconds: float) -> None:
        """The database did not answer: waited for as long as a restart takes, then the call fails unsent."""
        now = time.monotonic()
        with self._changed:
            self._down_since = self._down_since or now
            self._ask_at = now + 0.5
            waited = now - self._down_since
        if waited > _DATABASE_SECONDS or patience_seconds <= 0:
            raise RetryLater(error.message, code=error.code, remedy=error.remedy, sent=False) from None

    def _report(self, rule: Callable[[Seen], Base]) -> None:
        """Tell the database of something at once; what cannot be told is logged, because the call's own result counts."""
        try:
            with self._talking:
                with self._changed:
                    good, self._good = self._good, 0

                def decide(seen: Seen) -> Decided:
                    base = seen.base
                    if good:
                        base = rules.after_good(
                            base, calls=good, process=self._store.process, limits=self._limits
                        )
                    return Decided(base=rule(replace(seen, base=base)), mine={})

                self._store.decide(decide)
        except PipelineError as error:
            _log.warning("the throttle could not be told of a call's end: %s", error.code)
        with self._changed:
            self._fresh_until = float("-inf")  # the answer may be another one by now
            self._changed.notify_all()

    def _keep(self) -> None:
        """Have a thread tell that this process lives, and give back what it does not use."""
        self._busy.set()
        if self._keeper is None and not self._closed.is_set():
            self._keeper = threading.Thread(target=self._keep_alive, name="onec-throttle", daemon=True)
            self._keeper.start()

    def _keep_alive(self) -> None:
        while self._busy.wait() and not self._closed.wait(_FRESH_SECONDS):
            with self._changed:
                if self._asking or not self._is_news(time.monotonic()):
                    continue
                self._asking = True
            try:
                self._ask(0.0)
            except PipelineError as error:
                _log.warning("the throttle's database does not answer: %s", error.code)
            with self._changed:
                if not any(state.granted or state.waiting for state in self._lanes.values()):
                    self._busy.clear()

    def _is_news(self, now: float) -> bool:
        in_use = sum(state.in_use for state in self._lanes.values())
        held = sum(state.granted for state in self._lanes.values())
        if any(state.in_use > state.granted for state in self._lanes.values()):
            return True
        if held > in_use and now - self._used_at > _IDLE_SECONDS:
            return True
        return now - self._asked_at > _HEARTBEAT_SECONDS


def _again(refusal: RetryLater) -> RetryLater:
    """A copy: one error object raised in several threads would gather their tracebacks."""
    return RetryLater(
        refusal.message,
        code=refusal.code,
        remedy=refusal.remedy,
        onec_message=refusal.onec_message,
        retry_after=refusal.retry_after,
        sent=False,
    )
