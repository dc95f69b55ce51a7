"""drain: claim what is due, hand it to the function of its kind in N threads, and note what came of it.

Here belongs the engine: threads, leases, when to stop. Which function works off which kind is `dispatch.py`'s to say; what an
error means for an item is `ledger/retry_policy.py`'s.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import PipelineError, RetryLater, Stop
from onec_pipelines.ledger import queue
from onec_pipelines.ledger.controls import Standing
from onec_pipelines.ledger.queue import Item, LeaseLost, Verdict

_log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
_STANDING_SECONDS = 1.0

Results = Mapping[int, PipelineError | None]
"""By item id: None when it is done."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """How one kind is worked off: up to `batch` items in one call of `handle`, at most `at_once` such calls (None: all threads).

    `handle` gives a result for each item; an item it leaves out counts as done, and what it raises is the result of all of them.
    """

    handle: Callable[[Sequence[Item]], Results]
    batch: int = 1
    at_once: int | None = None


@dataclass(kw_only=True)
class Drained:
    """What a drain did, in items. `put_off` burnt no attempt; `lost` were taken over by another worker; `refusal` is why it ended early."""

    claimed: int = 0
    done: int = 0
    later: int = 0
    put_off: int = 0
    dead: int = 0
    lost: int = 0
    seconds: float = 0.0
    refusal: str | None = None

    @property
    def failed(self) -> int:
        """Attempts that did not end well."""
        return self.later + self.put_off + self.dead + self.lost


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Where a drain ends: so many items, or this moment of `time.monotonic()`."""

    limit: int | None = None
    until: float | None = None


@dataclass(kw_only=True)
class _Running:
    futures: dict[Future[None], list[Item]] = field(default_factory=dict)

    @property
    def items(self) -> list[Item]:
        return [item for items in self.futures.values() for item in items]

    def calls(self, kind: str) -> int:
        return sum(items[0].kind == kind for items in self.futures.values())


class Drainer:
    """Works the queue off in threads of this process. Used by one thread; closed as a context manager, which waits for what runs."""

    def __init__(
        self,
        database: Database,
        *,
        system_name: str,
        works: Mapping[str, Work],
        standing: Callable[[], Standing],
        threads: int = 4,
        lease_seconds: float = LEASE_SECONDS,
        worker: str = "",
    ) -> None:
        self.drained = Drained()
        self.stop = threading.Event()
        """Set it, from any thread, and no more items are claimed."""
        self.wake = threading.Event()
        """Set it when something may have become due."""
        self._database = database
        self._system = system_name
        self._works = works
        self._standing = standing
        self._threads = threads
        self._lease = lease_seconds
        self._worker = worker
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="onec-queue")
        self._running = _Running()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._looked_at = float("-inf")
        self._refusal: RetryLater | None = None
        self._is_probing = False
        self._suspects_wait = False
        self._is_alone = False
        self._extender = threading.Thread(target=self._extend_leases, name="onec-leases", daemon=True)
        self._extender.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, patience_seconds: float | None = None) -> int:
        """Claim no more and wait for what runs; gives how many items had to be left to their leases after the patience."""
        self.stop.set()
        wait(self._running.futures, timeout=patience_seconds)
        self._reap()
        self._pool.shutdown(wait=not self._running.futures, cancel_futures=True)
        self._closed.set()
        self._extender.join(timeout=5)
        return len(self._running.items)

    def learn(self, works: Mapping[str, Work]) -> None:
        """Work these kinds off from now on."""
        self._works = works

    @property
    def busy(self) -> int:
        """Items being worked on."""
        return len(self._running.items)

    @property
    def refusal(self) -> RetryLater | None:
        """Why nothing is claimed now, as last looked at."""
        return self._refusal

    def run(self, bounds: Bounds) -> Drained:
        """Work until nothing is due, the bounds are met, `stop` is set, or 1C may not be called (`refusal` says why)."""
        begun = time.monotonic()
        while not self.stop.is_set():
            started = self.step(bounds)
            if self._refusal is not None and not self._running.futures:
                self.drained.refusal = str(self._refusal)
                break
            if not started and not self._running.futures:
                break
            self._wait_for_one(5.0)
        while self._running.futures:
            self._wait_for_one(None)
        self.drained.seconds = time.monotonic() - begun
        return self.drained

    def step(self, bounds: Bounds) -> int:
        """Note what has ended and start what is due and fits; gives how many items were started."""
        self._reap()
        if self.stop.is_set() or (bounds.until is not None and time.monotonic() >= bounds.until):
            return 0
        self._look()
        if self._refusal is not None or (self._is_alone and self._running.futures):
            return 0
        self._is_alone = False
        if self._suspects_wait:
            # Whatever runs beside it would lose its turn with it: what runs ends first, then it runs alone.
            if self._running.futures:
                return 0
            if started := self._start_alone(bounds):
                return started
        started = self._start_all(bounds)
        return started if started or self._running.futures else self._start_alone(bounds)

    def _start_all(self, bounds: Bounds) -> int:
        started = 0
        for kind, work in self._works.items():
            room = self._room(kind, work)
            left = None if bounds.limit is None else bounds.limit - self.drained.claimed
            count = room * work.batch if left is None else min(room * work.batch, left)
            if count > 0:
                started += self._start([kind], 1 if self._is_probing else count)
        return started

    def rest(self, seconds: float) -> None:
        """Wait until an item ended, `wake` was set, or the time is over."""
        if self.wake.wait(seconds) and self._refusal is not None:
            self._looked_at = float("-inf")  # perhaps 1C may be called again
        self.wake.clear()

    def next_due_seconds(self) -> float | None:
        """Seconds until the next item is due, None when none waits."""
        return queue.next_due_seconds(self._database, system_name=self._system, kinds=list(self._works))

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < _STANDING_SECONDS and not self._is_probing:
            return
        self._looked_at = now
        standing = self._standing()
        self._refusal = standing.refusal
        self._suspects_wait = queue.suspects_wait(
            self._database, system_name=self._system, kinds=list(self._works)
        )
        # The first call after an outage is alone: a thousand due items must not all be the probe.
        self._is_probing = standing.breaker != "closed"

    def _start_alone(self, bounds: Bounds) -> int:
        """Start one item whose last worker never came back, with nothing beside it: so it takes nobody along again."""
        if bounds.limit is not None and self.drained.claimed >= bounds.limit:
            return 0
        started = self._start(list(self._works), 1, suspects=True)
        self._is_alone = self._suspects_wait = started > 0
        return started

    def _room(self, kind: str, work: Work) -> int:
        """Calls of this kind that may begin now. One thread is left for other kinds, so that none waits behind a slow one."""
        free = self._threads - len(self._running.futures)
        if self._is_probing:
            return min(free, 1) if not self._running.futures else 0
        most = self._threads if len(self._works) == 1 else max(1, self._threads - 1)
        return min(free, min(most, work.at_once or most) - self._running.calls(kind))

    def _start(self, kinds: list[str], count: int, *, suspects: bool = False) -> int:
        items = queue.claim(
            self._database,
            system_name=self._system,
            kinds=kinds,
            limit=count,
            lease_seconds=self._lease,
            worker=self._worker,
            suspects=suspects,
        )
        self.drained.claimed += len(items)
        if not items:
            return 0
        work = self._works[items[0].kind]
        for first in range(0, len(items), work.batch):
            batch = items[first : first + work.batch]
            future = self._pool.submit(self._work_off, work, batch)
            with self._lock:
                self._running.futures[future] = batch
            future.add_done_callback(lambda _: self.wake.set())
        return len(items)

    def _work_off(self, work: Work, items: list[Item]) -> None:
        try:
            results = work.handle(items)
        except PipelineError as error:
            results = dict.fromkeys((item.id for item in items), error)
        except Exception as error:  # noqa: BLE001 - a mistake of ours kills its item, not the worker
            results = dict.fromkeys((item.id for item in items), _bug(error))
        for item in items:
            self._settle(item, results.get(item.id))

    def _settle(self, item: Item, error: PipelineError | None) -> None:
        if isinstance(error, LeaseLost):
            self._count("lost")
            return
        gives_up_at = time.monotonic() + self._lease
        while True:
            try:
                with self._database.transaction() as connection:
                    verdict = queue.settle(driver_connection(connection), item, error)
            except LeaseLost:
                self._count("lost")
                return
            except RetryLater as trouble:
                # The database is away: the item is ours until the lease ends, and so long it may come back.
                if time.monotonic() >= gives_up_at:
                    _log.warning("the end of item %s could not be noted: %s", item.id, trouble.code)
                    self._count("lost")
                    return
                time.sleep(0.5)
            else:
                self._count(verdict.value)
                if verdict is Verdict.PUT_OFF:
                    self._looked_at = float("-inf")  # perhaps 1C may not be called any more
                return

    def _count(self, what: str) -> None:
        with self._lock:
            setattr(self.drained, what, getattr(self.drained, what) + 1)

    def _reap(self) -> None:
        for future in [future for future in self._running.futures if future.done()]:
            with self._lock:
                del self._running.futures[future]
            if trouble := future.exception():
                # Only `_settle` can raise here: the item is left to its lease.
                _log.error("an item's end could not be noted: %s", trouble)

    def _wait_for_one(self, seconds: float | None) -> None:
        wait(self._running.futures, timeout=seconds, return_when=FIRST_COMPLETED)
        self._reap()

    def _extend_leases(self) -> None:
        while not self._closed.wait(self._lease / 4):
            with self._lock:
                items = self._running.items
            if not items:
                continue
            try:
                with self._database.transaction() as connection:
                    lost = queue.extend(driver_connection(connection), items, self._lease)
            except PipelineError as error:
                _log.warning("leases could not be extended: %s", error.code)
                continue
            if lost:
                _log.warning("leases were lost of items %s", sorted(lost))


def single(handle: Callable[[Item], None]) -> Callable[[Sequence[Item]], Results]:
    """A function of one item as one of a batch."""

    def handle_all(items: Sequence[Item]) -> Results:
        results: dict[int, PipelineError | None] = {}
        for item in items:
            try:
                handle(item)
            except PipelineError as error:
                results[item.id] = error
        return results

    return handle_all


def _bug(error: Exception) -> Stop:
    """A mistake of ours, named by its place; its text may hold a row, so it is kept out of the queue."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "an unknown place"
    steps = " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames)
    _log.error("%s while working on an item (%s)", type(error).__name__, steps)
    return Stop(
        f"the pipeline itself failed: {type(error).__name__} at {place}",
        code="QUEUE_BUG",
        remedy="Report it with the item's number. After the correction: `onec queue retry`.",
    )
