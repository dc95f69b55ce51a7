"""ONEC_WEBHOOK_DIRECT_STOCK: stock values of signed events reach the shop before 1C is asked, in batches, beside the receiving.

What may be applied is decided in `ledger/direct_stock.py`. Whatever goes wrong here is logged and left to the fetch that the same
event leads to.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.entities.stock import STOCK
from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger import direct_stock, jobs, shop_rows, webhook_log
from onec_pipelines.ledger.direct_stock import Offered
from onec_pipelines.ledger.inbox import Message
from onec_pipelines.steps.diff import Guard
from onec_pipelines.steps.limits import limits_of

_LOG = logging.getLogger(__name__)
# A batch is a job of its own in the ledger: five a second at most.
_GATHER_SECONDS = 0.2
_MOST_WAITING = 5000
# webhook-timestamp has whole seconds.
_CLOCK_DOUBT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class _Received:
    message: Message
    at: float


class DirectStock:
    """Applies what `offer` is given in a thread of its own, for as long as the context lasts."""

    def __init__(self, database: Database, *, system_name: str, limits: str = "") -> None:
        self._database = database
        self._system_name = system_name
        self._limits = limits_of(STOCK, limits)
        self._waiting: queue.Queue[_Received | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="direct-stock", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.put(None)
        self._thread.join()

    def offer(self, messages: Sequence[Message]) -> None:
        """Take those messages that carry stock; returns at once. What does not fit is left to the fetch."""
        now = time.monotonic()
        for message in messages:
            if message.stock and message.sequence is not None and message.occurred_at is not None:
                try:
                    self._waiting.put_nowait(_Received(message=message, at=now))
                except queue.Full:
                    return

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            time.sleep(_GATHER_SECONDS)
            batch = [first]
            is_over = False
            while not self._waiting.empty() and not is_over:
                received = self._waiting.get()
                is_over = received is None
                batch += [received] if received is not None else []
            try:
                self.apply(batch_of(batch, now=time.monotonic()))
            except PipelineError as error:
                _LOG.warning("webhook_direct_left_to_fetch: %d events, %s", len(batch), error.code)
            if is_over:
                return

    def apply(self, offered: Sequence[Offered]) -> int:
        """Write what is newer than what the shop has, and give the number of rows. Raises RetryLater while stock is being read."""
        with jobs.entity_lock(self._database, self._system_name, STOCK.name):
            job_id = jobs.start(
                self._database,
                system_name=self._system_name,
                entity=STOCK.name,
                job_type=direct_stock.JOB_TYPE,
                run_id=None,
            )
            try:
                written = self._write(offered, job_id)
            except PipelineError as error:
                jobs.finish(self._database, job_id, status="failed", error=str(error), metadata={})
                raise
            jobs.finish(
                self._database, job_id, status="succeeded", error=None, metadata={"rows_changed": written}
            )
            return written

    def _write(self, offered: Sequence[Offered], job_id: int) -> int:
        with self._database.transaction() as connection:
            tx = driver_connection(connection)
            written = direct_stock.write(tx, STOCK, offered, system_name=self._system_name, job_id=job_id)
            if written:
                # A held load of stock must not slip into the shop behind a value that came directly.
                guard = Guard(STOCK, system_name=self._system_name, job_id=job_id, limits=self._limits)
                shop_rows.merge(tx, STOCK, system_name=self._system_name, everything=False, examine=guard)
                oldest = max(one.age_seconds for one in offered)
                webhook_log.note(
                    tx,
                    system_name=self._system_name,
                    entity=STOCK.name,
                    way="direct",
                    job_id=job_id,
                    hints=len(offered),
                    rows_changed=written,
                    rows_deleted=0,
                    oldest_at=datetime.now(UTC) - timedelta(seconds=oldest),
                )
        return written


def batch_of(received: Sequence[_Received], *, now: float) -> list[Offered]:
    """The values of these messages, with how long they have been true: since 1C took them, by 1C's own two clock readings, and since."""
    found = []
    for one in received:
        message = one.message
        if message.occurred_at is None or message.sequence is None:
            continue
        in_1c = max(0.0, (message.sent_at - message.occurred_at).total_seconds())
        age = now - one.at + in_1c + _CLOCK_DOUBT_SECONDS
        found += [Offered(value=value, sequence=message.sequence, age_seconds=age) for value in message.stock]
    return found
