"""How hard this process presses one base.

A rate, a concurrency, and slowing down when 1C says it is overloaded. `Throttle` is the seam:
`LocalThrottle` counts within this process only; `ledger/throttle.py` counts in PostgreSQL for all processes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, Protocol

from onec_pipelines.errors import PipelineError, RetryLater

Lane = Literal["read", "write"]

_CALM_SECONDS = 1.0  # several calls in flight report one overload: it counts once
_GOOD_CALLS_TO_GROW = 10


class Throttle(Protocol):
    """What a client asks before each request, and tells after it. Safe to use from several threads."""

    def slot(self, max_wait_seconds: float, lane: Lane = "read") -> AbstractContextManager[None]:
        """Hold one of the allowed calls, waiting for it.

        RetryLater ONEC_BUSY (never sent) when none came free in time; a shared throttle also refuses at once with
        ONEC_PAUSED, ONEC_BREAKER_OPEN or ONEC_QUIET_HOURS. Calls of the lane `write` are fewer.
        """
        ...

    def overloaded(self) -> None:
        """1C said 406, 429 or 503: press less."""
        ...

    def succeeded(self) -> None:
        """A call went well: pressing may slowly grow back."""
        ...

    def failed(self, error: PipelineError) -> None:
        """A call ended in this error: enough of them, or the wrong one, and 1C is left in peace for a while."""
        ...


class LocalThrottle:
    """A token bucket of one second's worth and a limit of calls at once, for this process.

    Overload halves the limit (never below one); each ten good calls at a limit give one back.
    """

    def __init__(
        self,
        *,
        rate_per_second: float,
        max_calls: int,
        max_writers: int = 1,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate_per_second
        self._burst = max(1.0, rate_per_second)
        self._max_calls = max_calls
        self._max_writers = max_writers
        self._writing = 0
        self._clock = clock
        self._sleep = sleep
        self._changed = threading.Condition()
        self._limit = max_calls
        self._running = 0
        self._tokens = self._burst
        self._counted_at = clock()
        self._halved_at = float("-inf")
        self._good = 0

    @property
    def limit(self) -> int:
        """Calls allowed at once just now."""
        return self._limit

    @contextmanager
    def slot(self, max_wait_seconds: float, lane: Lane = "read") -> Iterator[None]:
        """Hold one of the allowed calls (see `Throttle.slot`)."""
        ends_at = self._clock() + max_wait_seconds
        writes = lane == "write"
        self._enter(ends_at, writes=writes)
        try:
            wait = self._take_token(ends_at)
            if wait > 0:
                self._sleep(wait)
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._writing -= writes
                # All: who waits for the other lane would sleep on.
                self._changed.notify_all()

    def overloaded(self) -> None:
        """Halve the limit, at most once a second."""
        with self._changed:
            now = self._clock()
            self._good = 0
            if now - self._halved_at >= _CALM_SECONDS:
                self._limit = max(1, self._limit // 2)
                self._halved_at = now

    def succeeded(self) -> None:
        """Count a good call; enough of them raise the limit by one."""
        with self._changed:
            if self._limit >= self._max_calls:
                return
            self._good += 1
            if self._good >= _GOOD_CALLS_TO_GROW * self._limit:
                self._good = 0
                self._limit += 1
                self._changed.notify()

    def failed(self, error: PipelineError) -> None:
        """Nothing: within one process the repeats of the client are enough."""

    def _enter(self, ends_at: float, *, writes: bool) -> None:
        with self._changed:
            while self._running >= self._limit or (writes and self._writing >= self._max_writers):
                left = ends_at - self._clock()
                if left <= 0 or not self._changed.wait(left):
                    raise busy()
            self._running += 1
            self._writing += writes

    def _take_token(self, ends_at: float) -> float:
        """Reserve the next token and give the seconds until it is there.

        An unaffordable wait reserves nothing.
        """
        with self._changed:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._counted_at) * self._rate)
            self._counted_at = now
            wait = max(0.0, (1.0 - self._tokens) / self._rate)
            if now + wait > ends_at:
                raise busy()
            self._tokens -= 1.0
            return wait


def busy() -> RetryLater:
    """Give the error for a call that found no room in time; it was not sent."""
    return RetryLater(
        "our own budget for this 1C base is used up by other calls",
        code="ONEC_BUSY",
        remedy=(
            "It is repeated by itself; raise ONEC_RATE_PER_SECOND or ONEC_MAX_SESSIONS if 1C can bear more."
        ),
        sent=False,
    )


_shared: dict[tuple[str, str], LocalThrottle] = {}
_shared_lock = threading.Lock()


def shared_throttle(
    url: str, user: str, *, rate_per_second: float, max_calls: int, max_writers: int = 1
) -> LocalThrottle:
    """Give the one throttle of this process for this base and user; the limits of the first caller count."""
    with _shared_lock:
        return _shared.setdefault(
            (url, user),
            LocalThrottle(rate_per_second=rate_per_second, max_calls=max_calls, max_writers=max_writers),
        )
