"""Messages that arrive together are stored together: one statement and one commit for all of them, each sender answered after it.

Here belong waiting, batching and what is told to whom when the database fails. The statement is in `ledger/inbox.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence

from onec_pipelines.errors import PipelineError, RetryLater
from onec_pipelines.ledger.inbox import InboxWriter, Message

_LOG = logging.getLogger(__name__)
_MOST_TOGETHER = 1000
_MOST_WAITING = 20_000
_STORE_SECONDS = 8.0
_COUNTS_SECONDS = 2.0
_PRUNE_SECONDS = 3600.0
# After a failure the next senders are told at once, so that a database that hangs does not hold them all.
_PAUSE_SECONDS = 1.0
_TOLD_SECONDS = 60.0

Told = Callable[[bool | None], None]
"""Called once per message, after its commit: True when it is new, False when its id was there before. None when it is not stored, or
it is not known whether it is: the sender shall come again."""
_Waiting = tuple[Message, Told]


class GroupCommit:
    """Stores messages in batches. `run` must be running; all of it belongs to one event loop.

    `on_stored` is given the messages that were new, after their commit; it must not wait.
    """

    def __init__(
        self, writer: InboxWriter, *, keep_days: int, on_stored: Callable[[Sequence[Message]], None]
    ) -> None:
        self._writer = writer
        self._keep_days = keep_days
        self._on_stored = on_stored
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._counts: Counter[str] = Counter()
        self._closed_until = 0.0
        self._complained_at: float | None = None

    @property
    def waiting(self) -> int:
        """Messages that are not stored yet."""
        return len(self._waiting)

    def note(self, name: str) -> None:
        """Count something; it reaches the database within seconds."""
        self._counts[name] += 1

    def put(self, message: Message, told: Told) -> None:
        """Have the message stored; `told` is called at once when that is hopeless now. It must not raise and not wait."""
        if time.monotonic() < self._closed_until or len(self._waiting) >= _MOST_WAITING:
            told(None)
            return
        self._waiting.append((message, told))
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; then what waits is stored and the counts are written."""
        counted = pruned = time.monotonic()
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _COUNTS_SECONDS)
                await self._store_waiting()
                now = time.monotonic()
                if now - counted > _COUNTS_SECONDS:
                    counted = now
                    await self._write_counts()
                if now - pruned > _PRUNE_SECONDS:
                    pruned = now
                    await self._prune()
        finally:
            while self._waiting:
                await self._store_waiting()
            await self._write_counts()
            await self._writer.close()

    async def _store_waiting(self) -> None:
        self._wake.clear()
        batch, self._waiting = self._waiting[:_MOST_TOGETHER], self._waiting[_MOST_TOGETHER:]
        if self._waiting:
            self._wake.set()
        if batch:
            await self._store_batch(batch)

    async def _store_batch(self, batch: list[_Waiting]) -> None:
        try:
            new = set(await self._store_together([message for message, _ in batch]))
        except (PipelineError, TimeoutError) as error:
            if len(batch) > 1 and isinstance(error, PipelineError) and not isinstance(error, RetryLater):
                # One of them may be what the database does not take: it must not keep the others out.
                for one in batch:
                    await self._store_batch([one])
                return
            self._fail(batch, error)
            return
        stored = []
        for message, told in batch:
            is_new = message.msg_id in new
            new.discard(message.msg_id)
            if is_new:
                stored.append(message)
            _tell(told, is_new)
        self._on_stored(stored)

    async def _store_together(self, messages: list[Message]) -> frozenset[str]:
        async with asyncio.timeout(_STORE_SECONDS):
            return await self._writer.store(messages)

    def _fail(self, batch: list[_Waiting], error: Exception) -> None:
        self._closed_until = time.monotonic() + _PAUSE_SECONDS
        self._complain(f"webhook_store_failed: {len(batch)} messages", error)
        for _, told in batch:
            _tell(told, None)

    async def _write_counts(self) -> None:
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await self._writer.count(counts)
        except (PipelineError, TimeoutError) as error:
            self._counts.update(counts)
            self._complain("webhook_counts_failed", error)
        else:
            self._is_well()

    async def _prune(self) -> None:
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await self._writer.prune(days=self._keep_days)
        except (PipelineError, TimeoutError) as error:
            self._complain("webhook_prune_failed", error)

    def _complain(self, what: str, error: Exception) -> None:
        """Log it once a minute at most: an outage of hours is one event, not thousands of lines."""
        now = time.monotonic()
        if self._complained_at is None or now - self._complained_at > _TOLD_SECONDS:
            self._complained_at = now
            _LOG.error("%s, %s", what, _told(error))

    def _is_well(self) -> None:
        if self._complained_at is not None:
            self._complained_at = None
            _LOG.warning("webhook_database_back: events are stored again")


def _tell(told: Told, is_new: bool | None) -> None:  # noqa: FBT001 - the outcome itself
    try:
        told(is_new)
    except Exception:  # noqa: BLE001 - one answer that fails must not end the storing for all others
        _LOG.exception("webhook_answer_failed")


def _told(error: Exception) -> str:
    return str(error) or "the database did not answer in time"
