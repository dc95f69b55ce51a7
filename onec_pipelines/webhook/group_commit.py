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

_Waiting = tuple[Message, "asyncio.Future[bool]"]


class Unavailable(Exception):
    """The message is not stored, or it is not known whether it is: the sender shall come again."""


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

    @property
    def waiting(self) -> int:
        """Messages that are not stored yet."""
        return len(self._waiting)

    def note(self, name: str) -> None:
        """Count something; it reaches the database within seconds."""
        self._counts[name] += 1

    async def store(self, message: Message) -> bool:
        """Store the message; False when this id was there before. Raises Unavailable."""
        if time.monotonic() < self._closed_until or len(self._waiting) >= _MOST_WAITING:
            raise Unavailable
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, answer))
        self._wake.set()
        return await answer

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
        for message, answer in batch:
            is_new = message.msg_id in new
            new.discard(message.msg_id)
            if is_new:
                stored.append(message)
            if not answer.done():
                answer.set_result(is_new)
        self._on_stored(stored)

    async def _store_together(self, messages: list[Message]) -> frozenset[str]:
        async with asyncio.timeout(_STORE_SECONDS):
            return await self._writer.store(messages)

    def _fail(self, batch: list[_Waiting], error: Exception) -> None:
        self._closed_until = time.monotonic() + _PAUSE_SECONDS
        _LOG.error("webhook_store_failed: %d messages, %s", len(batch), _told(error))
        for _, answer in batch:
            if not answer.done():
                answer.set_exception(Unavailable())

    async def _write_counts(self) -> None:
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await self._writer.count(counts)
        except (PipelineError, TimeoutError) as error:
            self._counts.update(counts)
            _LOG.warning("webhook_counts_failed: %s", _told(error))

    async def _prune(self) -> None:
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await self._writer.prune(days=self._keep_days)
        except (PipelineError, TimeoutError) as error:
            _LOG.warning("webhook_prune_failed: %s", _told(error))


def _told(error: Exception) -> str:
    return str(error) or "the database did not answer in time"
