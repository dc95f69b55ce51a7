"""A pool of at most N sessions with 1C, each one HTTP client and at most one session of 1C (PROTOCOL §5).

Knows both ways a publication reuses sessions. `autouse`: 1C matches the session itself, we only keep few
connections busy. `use`: we ask for a session, carry its cookie and end it. `auto` asks once and sees.
Signs the requests, and asks once for a fresh token when 1C refuses one. Statuses other than a dead session's
or a dead token's are handed up.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Literal

from onec_pipelines.errors import PipelineError, RetryLater, Stop
from onec_pipelines.onec.authorization import Authorizer, shared_authorizer
from onec_pipelines.onec.connection import Connection, SessionMode
from onec_pipelines.onec.error_bodies import read_fault
from onec_pipelines.onec.transport import Exchange, Reply, Transport

_log = logging.getLogger(__name__)
_COOKIE = re.compile(r"\bibsession=([^;,\s]+)", re.IGNORECASE)
_OK = 200
_BAD_REQUEST = 400
_UNAUTHORIZED = 401
_FINISH_SECONDS = 5.0
_AUTOUSE_LIFE_SECONDS = 20.0  # the default sessionMaxAge of a publication


class SessionPool:
    """At most `connection.max_sessions` sessions; the one used last goes out first, so that few stay warm.

    Thread-safe.
    """

    def __init__(
        self, connection: Connection, *, keepalive: bool = True, authorizer: Authorizer | None = None
    ) -> None:
        self._connection = connection
        self._keepalive = keepalive
        self.authorizer = authorizer or shared_authorizer(connection)
        self._idle: queue.LifoQueue[Session | None] = queue.LifoQueue()
        for _ in range(connection.max_sessions):
            self._idle.put(None)  # made when first needed
        self._lock = threading.Lock()
        self._all: list[Session] = []
        self.mode: SessionMode = connection.session_mode
        self.sessions_started = 0
        """Sessions that 1C was made to start: exact with cookies, an upper bound with `autouse`."""

    @contextmanager
    def borrow(self, max_wait_seconds: float) -> Iterator[Session]:
        """Hold a session for one call; RetryLater ONEC_BUSY (never sent) when none came free in time."""
        try:
            session = self._idle.get(timeout=max(max_wait_seconds, 0.001))
        except queue.Empty:
            raise RetryLater(
                "all sessions with 1C are in use",
                code="ONEC_BUSY",
                remedy="It is repeated by itself; raise ONEC_MAX_SESSIONS if 1C can bear more.",
                sent=False,
            ) from None
        try:
            yield session or (session := self._new())
        finally:
            self._idle.put(session)

    def close(self) -> None:
        """End all sessions of 1C and close the connections.

        A session that another thread is using, or that cannot be ended, dies of age in 1C.
        """
        idle = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        for session in self._all:
            session.close(finish=session in idle)

    def learn(self, mode: Literal["autouse", "use"]) -> None:
        """Remember how this publication reuses sessions."""
        with self._lock:
            if self.mode == "auto":
                self.mode = mode

    def count_start(self) -> None:
        """Count one more session started in 1C."""
        with self._lock:
            self.sessions_started += 1

    def _new(self) -> Session:
        session = Session(self._connection, self, keepalive=self._keepalive)
        with self._lock:
            self._all.append(session)
        return session


class Session:
    """One HTTP client and at most one session of 1C; used by one thread at a time."""

    def __init__(self, connection: Connection, pool: SessionPool, *, keepalive: bool) -> None:
        self._transport = Transport(connection.route, keepalive=keepalive)
        self._root = connection.prefix + "/"
        self._pool = pool
        self._cookie: str | None = None
        self._used_at = float("-inf")

    def send(self, exchange: Exchange) -> Reply:
        """Send within the session, starting one where that is our part; what died is replaced once.

        1C answers 400 for an unknown session, and 401 for a token that is not accepted, before it looks at
        the request, so that even a write may be repeated then. No fresh token: the errors of the authorizer.
        """
        signed = self._pool.authorizer.header(exchange.ends_at)
        reply = self._send_alive(exchange, signed)
        if (
            reply.status == _UNAUTHORIZED
            and not read_fault(reply.body).code  # with a code it is a right that is missing (PROTOCOL §8.3)
            and self._pool.authorizer.refused(signed)
        ):
            signed = self._pool.authorizer.header(exchange.ends_at)
            reply = self._send_alive(exchange, signed)
        return reply if reply.status == _OK else _without_login(reply, signed)

    def close(self, *, finish: bool) -> None:
        """Close the connection; with `finish`, end the session of 1C first if we started one."""
        if finish and self._cookie is not None:
            try:
                last = self._finish()
                self._transport.send(_signed(last, self._pool.authorizer.header(last.ends_at)))
            except PipelineError as error:
                _log.info("a session of 1C could not be ended and will die of age: %s", error.code)
        self._cookie = None
        self._transport.close()

    def _send_alive(self, exchange: Exchange, signed: str) -> Reply:
        exchange = _signed(exchange, signed)
        had_session = self._cookie is not None
        reply = self._send(exchange)
        if reply.status == _BAD_REQUEST and had_session and not _blames_request(reply.body):
            self._cookie = None
            reply = self._send(exchange)
        return reply

    def _send(self, exchange: Exchange) -> Reply:
        starts = self._cookie is None and self._pool.mode != "autouse"
        session_header = {"IBSession": "start"} if starts else {}
        if self._cookie is not None:
            session_header["Cookie"] = f"ibsession={self._cookie}"
        elif not starts:
            self._count_autouse()
        reply = self._transport.send(replace(exchange, headers={**exchange.headers, **session_header}))
        if starts:
            self._started(reply)
        self._used_at = time.monotonic()
        return reply

    def _started(self, reply: Reply) -> None:
        cookie = _COOKIE.search(reply.headers.get("set-cookie", ""))
        if cookie:
            self._cookie = cookie[1]
            self._pool.count_start()
            self._pool.learn("use")
        elif reply.status < _BAD_REQUEST:
            if self._pool.mode == "use":
                raise Stop(
                    "1C gave no session although ONEC_SESSION_MODE=use: each call would start one of its own",
                    code="ONEC_SESSION_MODE",
                    remedy="Set ONEC_SESSION_MODE=auto, or reuseSessions=use in the publication.",
                )
            self._count_autouse()
            self._pool.learn("autouse")

    def _count_autouse(self) -> None:
        if time.monotonic() - self._used_at > _AUTOUSE_LIFE_SECONDS:
            self._pool.count_start()

    def _finish(self) -> Exchange:
        return Exchange(
            method="GET",
            target=self._root,
            shown="the end of the session",
            ends_at=time.monotonic() + _FINISH_SECONDS,
            max_bytes=16 * 1024 * 1024,
            headers={"Cookie": f"ibsession={self._cookie}", "IBSession": "finish"},
        )


def _blames_request(body: bytes) -> bool:
    """Tell whether a 400 is 1C's own complaint about the request, which a new session would not change."""
    fault = read_fault(body)
    return fault.shape in {"odata", "atom"} and bool(fault.code) and "сеанс" not in fault.message.lower()


def _signed(exchange: Exchange, header: str) -> Exchange:
    return replace(exchange, headers={**exchange.headers, "Authorization": header})


def _without_login(reply: Reply, header: str) -> Reply:
    """An error page that echoes what we signed with must not carry it into messages."""
    secret = header.partition(" ")[2].encode()
    return replace(reply, body=reply.body.replace(secret, b"***")) if secret in reply.body else reply
