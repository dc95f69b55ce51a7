"""uvicorn's protocol with two things more: nobody holds a connection without finishing a request's headers, and events go a short way.

An event whose request is there whole is judged and answered here, without a task, an ASGI scope and Starlette's layers: a tenth of
the work. Whatever is not that simple (a body in pieces, another address, HTTP/1.0, an Expect) goes uvicorn's way to the application,
which judges by the same function.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Iterable
from typing import ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from onec_pipelines.webhook import answers
from onec_pipelines.webhook.answers import Answer
from onec_pipelines.webhook.body import MOST_BYTES

Headers = Iterable[tuple[bytes, bytes]]
"""Names in small letters."""
Reply = Callable[[Answer], None]
Take = Callable[[Headers, bytes, Reply], None]
"""Judges a whole request and replies once, at once or later."""
TAKE = "onec.take"
"""Where the application's lifespan state holds `(path, Take)`; without it there is no short way."""
HEADER_SECONDS = 5.0
_LOG = logging.getLogger(__name__)


class _Underway:
    """What uvicorn asks of a request that is being answered; here of one that went the short way."""

    __slots__ = ("disconnected", "keep_alive", "response_complete")
    message_event: ClassVar = asyncio.Event()  # set by uvicorn when the sender hangs up; nobody waits for it

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.disconnected = self.response_complete = False


class EventProtocol(HttpToolsProtocol):
    """One connection. uvicorn's own way waits for ever for the end of headers (RELIABILITY D)."""

    header_seconds = HEADER_SECONDS
    _deadline: asyncio.TimerHandle | None = None
    _in_headers = False
    _held: list[bytes] | None = None
    _path: bytes | None = None
    _take: Take
    _date: tuple[object, bytes] = (None, b"")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the deadline of the first headers, so that silence counts as well."""
        super().connection_made(transport)
        self._path, self._take = self.app_state.get(TAKE, (None, None))
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; what is not whole by the end goes uvicorn's way."""
        super().data_received(data)
        if self._held is not None:
            self._let_go()
        # Most requests are whole by now and never cost a timer.
        if self._deadline is None and self.timeout_keep_alive_task is None and not self._is_answering():
            self._arm()

    def on_message_begin(self) -> None:
        """Note that headers have begun."""
        self._in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Choose the way of the request."""
        self._in_headers = False
        self._disarm()
        if self._is_simple():
            self._held = []
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body that may go the short way."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        """Judge a request that is there whole."""
        if self._held is None:
            super().on_message_complete()
            return
        body = b"".join(self._held)
        if len(body) > MOST_BYTES:
            self._let_go()
            super().on_message_complete()
        else:
            self._held = None
            self._answer(body)

    def _is_simple(self) -> bool:
        """Whether the request may go the short way if its body is here as well."""
        return (
            self.url == self._path
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and len(self.connections) < cast("int", self.limit_concurrency)
        )

    def _let_go(self) -> None:
        """Give what is held to uvicorn, as if it had just come."""
        held, self._held = self._held or [], None
        super().on_headers_complete()
        for part in held:
            super().on_body(part)

    def _answer(self, body: bytes) -> None:
        self._unset_keepalive_if_required()
        underway = _Underway(keep_alive=self.parser.should_keep_alive())
        self.cycle = cast("RequestResponseCycle", underway)
        try:
            self._take(self.headers, body, functools.partial(self._say, underway))
        except Exception:  # noqa: BLE001 - logged and answered, as uvicorn does on its own way
            # A parser's callback that raises would be answered 400, and a 400 is not repeated.
            _LOG.exception("webhook_broken")
            underway.keep_alive = False
            self._say(underway, answers.BROKEN)

    def _say(self, underway: _Underway, answer: Answer) -> None:
        if underway.disconnected or underway.response_complete:
            return
        underway.response_complete = True
        status, rest = _wire(answer)
        close = b"" if underway.keep_alive else b"connection: close\r\n"
        self.transport.write(b"".join((status, self._added(), close, rest)))
        if not underway.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _added(self) -> bytes:
        """The headers of every answer: uvicorn makes a new list each second, for the date."""
        headers = self.server_state.default_headers
        cls = type(self)
        if cls._date[0] is not headers:
            cls._date = headers, b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        return cls._date[1]

    def _is_answering(self) -> bool:
        return not self._in_headers and self.cycle is not None and not self.cycle.response_complete

    def _arm(self) -> None:
        self._deadline = self.loop.call_later(self.header_seconds, self.transport.close)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


@functools.cache
def _wire(answer: Answer) -> tuple[bytes, bytes]:
    return answer.wire()
