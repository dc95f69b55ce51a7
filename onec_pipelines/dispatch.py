"""Which kind of queue item is worked off by which function, and the two ways to work: `drain` once, or `work` until told to stop.

The only place that knows the kinds. How items are claimed and settled is `steps/drain.py`.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.entities import BY_NAME
from onec_pipelines.entities.hints import FOLLOWED_BY
from onec_pipelines.entities.outgoing import OUTGOING
from onec_pipelines.errors import PipelineError, Stop
from onec_pipelines.inbound import inbound
from onec_pipelines.ledger import queue, unread, workers
from onec_pipelines.ledger.queue import Item
from onec_pipelines.ledger.workers import Beat
from onec_pipelines.outbound import push
from onec_pipelines.pictures import fetch_image
from onec_pipelines.runtime import Runtime
from onec_pipelines.steps.drain import LEASE_SECONDS, Bounds, Drained, Drainer, Results, Work, single
from onec_pipelines.steps.hints import MOST_TOGETHER, Fetching, apply_hints
from onec_pipelines.steps.unread import read_apart, unread_error

_log = logging.getLogger(__name__)

Handler = Callable[[Runtime, Item], None]
BatchHandler = Callable[[Runtime, Sequence[Item]], Results]

_POLL_SECONDS = 5.0
_SOONEST_SECONDS = 0.5
_BEAT_SECONDS = 5.0
_TIDY_SECONDS = 60.0
_GRACE_SECONDS = 25.0


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A function that works off many items of a kind at once: up to `limit` a call, one call at a time."""

    handle: BatchHandler
    limit: int


def _read_unread(runtime: Runtime, item: Item) -> None:
    """Objects that a reading could not read: tried again one by one, until they are read or given up."""
    entity, resource, keys = (item.payload.get(name) for name in ("entity", "resource", "keys"))
    if entity not in BY_NAME or not isinstance(keys, list):
        raise Stop(
            f"item {item.id} names no entity that is synced, or no keys",
            code="PAGE_PAYLOAD",
            remedy="`onec queue edit` it, or `onec queue drop` it and sync the entity.",
        )
    broken = read_apart(keys, lambda piece: inbound(BY_NAME[entity], runtime, only=piece))
    if broken:
        with runtime.database.transaction() as connection:
            unread.keep_only(driver_connection(connection), item, list(broken))
        raise unread_error(entity, str(resource), broken)


HANDLERS: dict[str, Handler] = {
    "push": partial(push, outgoing=OUTGOING),
    "image": fetch_image,
    unread.KIND: _read_unread,
}
"""By kind, the function that works off one item: it returns when the item is done and raises one of our errors when not."""


def _fetch_hinted(runtime: Runtime, items: Sequence[Item]) -> Results:
    return apply_hints(
        items,
        Fetching(
            database=runtime.database,
            system_name=runtime.system_name,
            read=lambda entity, refs: inbound(BY_NAME[entity], runtime, only=refs),
            known=BY_NAME,
            followed_by=FOLLOWED_BY,
        ),
    )


BATCHES: dict[str, Batch] = {"webhook": Batch(handle=_fetch_hinted, limit=MOST_TOGETHER)}
"""Kinds that are worked off together."""


def kinds_known() -> tuple[str, ...]:
    """The kinds that some function works off."""
    return (*HANDLERS, *BATCHES)


def drain(
    runtime: Runtime,
    *,
    kinds: Sequence[str] | None = None,
    limit: int | None = None,
    until: float | None = None,
    threads: int | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> Drained:
    """Work off what is due now, of these kinds or all, and say what was done; at most `limit` items, none after `until`.

    `until` is a moment of `time.monotonic()`. Ends early, with `refusal`, when 1C may not be called. An item of a kind that
    nobody knows becomes a dead letter.
    """
    with _drainer(runtime, kinds, threads=threads, lease_seconds=lease_seconds) as drainer:
        drained = drainer.run(Bounds(limit=limit, until=until))
    _purge(runtime)
    return drained


def work(
    runtime: Runtime,
    stop: threading.Event,
    *,
    kinds: Sequence[str] | None = None,
    threads: int | None = None,
    lease_seconds: float = LEASE_SECONDS,
    on_beat: Callable[[Beat], None] = lambda _: None,
) -> Drained:
    """Work items off as they come until `stop` is set, then end what runs (25 seconds at most) and give what was done.

    Wakes by NOTIFY when an item is put in, by the clock when one becomes due, and every five seconds in any case. A database that
    is away is waited for.
    """
    drainer = _drainer(runtime, kinds, threads=threads, lease_seconds=lease_seconds)
    pulse = _Pulse(
        runtime, drainer, kinds or kinds_known(), threads or runtime.settings.worker_threads, on_beat
    )
    tidied_at = time.monotonic()
    with _woken(runtime, drainer, stop):
        while not stop.is_set():
            try:
                started = drainer.step(Bounds())
                pulse.beat("running")
                rest = 0.0 if started else _rest_seconds(drainer)
                if time.monotonic() - tidied_at > _TIDY_SECONDS:
                    tidied_at = time.monotonic()
                    _purge(runtime)
                    drainer.learn(_works(runtime, kinds))
            except PipelineError as error:
                if isinstance(error, Stop):
                    _log.error("the worker cannot go on: %s", error)
                    stop.set()
                    drainer.close(_GRACE_SECONDS)
                    raise
                _log.warning("the queue cannot be asked: %s", error)
                rest = 1.0
            drainer.rest(rest)
        pulse.beat("stopping", at_once=True)
        left = drainer.close(_GRACE_SECONDS)
        if left:
            _log.warning("%s items did not end in time and are left to their leases", left)
        pulse.beat("stopped", at_once=True)
    return drainer.drained


class _Pulse:
    """The worker's heartbeat, every five seconds."""

    def __init__(
        self,
        runtime: Runtime,
        drainer: Drainer,
        kinds: Sequence[str],
        threads: int,
        on_beat: Callable[[Beat], None],
    ) -> None:
        self._say = partial(
            workers.beat,
            runtime.database,
            uuid4(),
            system_name=runtime.system_name,
            kinds=kinds,
            threads=threads,
        )
        self._drainer = drainer
        self._on_beat = on_beat
        self._beaten_at = float("-inf")

    def beat(self, state: str, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._beaten_at < _BEAT_SECONDS:
            return
        self._beaten_at = now
        drained, refusal = self._drainer.drained, self._drainer.refusal
        beat = Beat(
            state=state,  # type: ignore[arg-type] # one of the three words, by our own calls
            busy=self._drainer.busy,
            done=drained.done,
            failed=drained.failed,
            waits_for=str(refusal) if refusal else None,
        )
        try:
            self._say(now=beat)
        except PipelineError as error:
            _log.warning("the heartbeat could not be written: %s", error.code)
        self._on_beat(beat)


def _rest_seconds(drainer: Drainer) -> float:
    if drainer.refusal is not None:
        return min(_POLL_SECONDS, max(_SOONEST_SECONDS, drainer.refusal.retry_after or _POLL_SECONDS))
    due = drainer.next_due_seconds()
    return _POLL_SECONDS if due is None else min(_POLL_SECONDS, max(_SOONEST_SECONDS, due))


def _drainer(
    runtime: Runtime, kinds: Sequence[str] | None, *, threads: int | None, lease_seconds: float
) -> Drainer:
    _ = runtime.client  # made here, before threads could each make one
    return Drainer(
        runtime.database,
        system_name=runtime.system_name,
        works=_works(runtime, kinds),
        standing=runtime.standing,
        threads=threads or runtime.settings.worker_threads,
        lease_seconds=lease_seconds,
        worker=f"{socket.gethostname()}:{os.getpid()}",
    )


def _works(runtime: Runtime, kinds: Sequence[str] | None) -> Mapping[str, Work]:
    """What to do with each wanted kind. Without `kinds` also those that stand in the queue and nobody knows."""
    wanted = (
        kinds
        if kinds is not None
        else [*kinds_known(), *queue.other_kinds(runtime.database, runtime.system_name, kinds_known())]
    )
    works: dict[str, Work] = {}
    for kind in wanted:
        if kind in BATCHES:
            batch = BATCHES[kind]
            works[kind] = Work(handle=partial(batch.handle, runtime), batch=batch.limit, at_once=1)
        else:
            works[kind] = Work(handle=single(partial(HANDLERS.get(kind, _unknown), runtime)))
    return works


def _unknown(runtime: Runtime, item: Item) -> None:
    del runtime
    raise Stop(
        f"no function works off items of the kind {item.kind!r}; known are {', '.join(kinds_known())}",
        code="QUEUE_UNKNOWN_KIND",
        remedy="Update the worker, or find who puts such items in. Then `onec queue retry` or `drop`.",
    )


def _purge(runtime: Runtime) -> None:
    queue.purge(runtime.database, system_name=runtime.system_name, keep_days=runtime.settings.queue_keep_days)


@contextmanager
def _woken(runtime: Runtime, drainer: Drainer, stop: threading.Event) -> Iterator[None]:
    """Within this block the drainer is woken when items are put in; without a listening connection it only polls."""
    ended = threading.Event()

    def listen() -> None:
        while not (ended.is_set() or stop.is_set()):
            try:
                with runtime.database.session() as session:
                    session.execute(f"LISTEN {queue.CHANNEL}".encode())
                    while not (ended.is_set() or stop.is_set()):
                        for note in session.notifies(timeout=0.5):
                            if note.payload.startswith(f"{runtime.system_name}:"):
                                drainer.wake.set()
            except PipelineError as error:
                _log.warning("not listening for new items: %s", error.code)
                ended.wait(1.0)
        drainer.wake.set()

    listener = threading.Thread(target=listen, name="onec-listen", daemon=True)
    listener.start()
    try:
        yield
    finally:
        ended.set()
        listener.join(timeout=5)
