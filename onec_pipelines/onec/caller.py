"""What the reader, the writer and the feed of packets of one base share: the way of one request through throttle and session.

Here belongs how one attempt is sent, told to the throttle and noted for the observer. What is asked, whether it is repeated and what
the answer means belongs to `client.py`, `writer.py` and `changes.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from onec_pipelines.errors import PipelineError
from onec_pipelines.onec.answers import Call, Kind
from onec_pipelines.onec.connection import Connection
from onec_pipelines.onec.errors import OVERLOADED, closed
from onec_pipelines.onec.session import SessionPool
from onec_pipelines.onec.throttle import Lane, Throttle, shared_throttle
from onec_pipelines.onec.transport import Exchange, Reply

_WELL = frozenset({200, 201})


@dataclass(kw_only=True)
class Attempt:
    """One attempt under way: when it began, how long it then waited for its turn, and what came back."""

    kind: Kind
    resource: str
    number: int = 1
    request: str = ""
    requested_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    begun: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    reply: Reply | None = None

    def call(self, failure: PipelineError | None) -> Call:
        """What the observer is told of it now."""
        return Call(
            kind=self.kind,
            resource=self.resource,
            status=self.reply.status if self.reply else None,
            seconds=time.monotonic() - self.begun,
            wire_bytes=self.reply.wire_bytes if self.reply else 0,
            attempt=self.number,
            error_code=failure.code if failure else None,
            requested_at=self.requested_at,
            waited=self.waited,
            request=self.request,
        )


class Caller:
    """One end of the talk with a base; closes its sessions as a context manager.

    Without a `throttle` it shares one with all callers of this process for the same base and user. `observer` is called after each
    attempt, in the calling thread; what it raises comes out of the call.
    """

    def __init__(
        self,
        connection: Connection,
        throttle: Throttle | None,
        observer: Callable[[Call], None] | None,
        sessions: SessionPool,
    ) -> None:
        self.connection = connection
        self._throttle = throttle or shared_throttle(
            connection.url,
            connection.who,
            rate_per_second=connection.rate_per_second,
            max_calls=connection.max_sessions,
        )
        self._observer = observer
        self._sessions = sessions
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the sessions in 1C and close the connections; calls under way in other threads fail."""
        self._closed = True
        self._sessions.close()

    @contextmanager
    def _noted(self, attempt: Attempt) -> Iterator[None]:
        """Tell the throttle of an attempt that fails, and the observer of any."""
        failure: PipelineError | None = None
        try:
            yield
        except PipelineError as error:
            failure = error
            self._throttle.failed(error)
            raise
        finally:
            if self._observer is not None:
                self._observer(attempt.call(failure))

    def _exchange(self, attempt: Attempt, exchange: Exchange, lane: Lane = "read") -> Reply:
        """The reply to one request, sent when throttle and session are free; whatever its status says."""
        if self._closed:
            raise closed()
        if exchange.sink is not None:
            exchange.sink.seek(0)
            exchange.sink.truncate()
        with (
            self._throttle.slot(exchange.ends_at - time.monotonic(), lane),
            self._sessions.borrow(exchange.ends_at - time.monotonic()) as session,
        ):
            attempt.waited = time.monotonic() - attempt.begun
            reply = session.send(exchange)
        attempt.reply = reply
        if reply.status in OVERLOADED:
            self._throttle.overloaded()
        elif reply.status in _WELL:
            self._throttle.succeeded()
        return reply
