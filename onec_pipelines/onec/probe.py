"""Single questions to a base, for the doctor: one request each, never repeated, and every answer is given back, a refusal too.

The client repeats, translates and raises; here a refusal is what is asked for. Also says more of a host that cannot be reached than a
client needs to.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from onec_pipelines.errors import PipelineError
from onec_pipelines.onec import query
from onec_pipelines.onec.answers import ACCEPT, Kind, check_shape
from onec_pipelines.onec.authorization import Authorizer
from onec_pipelines.onec.connection import MEBIBYTE, Connection
from onec_pipelines.onec.decode_patient import load_json
from onec_pipelines.onec.errors import bad_answer, translate
from onec_pipelines.onec.session import SessionPool
from onec_pipelines.onec.throttle import Throttle
from onec_pipelines.onec.transport import Exchange, Reply
from onec_pipelines.onec.write_values import dumps

_GOOD = range(200, 300)
_MAX_BYTES = 64 * MEBIBYTE


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An answer of 1C. `error` is what a client would have raised for it, None for a good one; `asked_at` is aware."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    seconds: float
    asked_at: datetime
    error: PipelineError | None

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object of a good answer, empty if it is none."""
        found = load_json(self.body.decode("utf-8-sig", "replace").encode()) if self.error is None else None
        return found if isinstance(found, dict) else {}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a set."""
        rows = self.document.get("value")
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    @property
    def skew_seconds(self) -> float | None:
        """By how much the server's clock is ahead of ours, by its Date header (whole seconds); None without one."""
        try:
            there = parsedate_to_datetime(self.headers.get("date", ""))
        except (TypeError, ValueError, IndexError):
            return None
        middle = self.asked_at.timestamp() + self.seconds / 2
        return there.replace(tzinfo=there.tzinfo or UTC).timestamp() - middle


class Prober:
    """Asks one base, within its throttle, and counts what it asks; closes its sessions as a context manager."""

    def __init__(
        self, connection: Connection, throttle: Throttle, *, authorizer: Authorizer | None = None
    ) -> None:
        self.connection = connection
        self.requests = 0
        self._throttle = throttle
        self._sessions = SessionPool(connection, authorizer=authorizer)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sessions.close()

    @property
    def session_mode(self) -> str:
        """How the publication reuses sessions, as far as it showed: `auto` before the first answer."""
        return self._sessions.mode

    def get(self, target: str, *, kind: Kind = "json", seconds: float | None = None) -> Seen:
        """Ask for an address after the service root.

        Raises only when no answer came at all: RetryLater or Stop of `transport_faults.py`, or of the throttle.
        """
        return self._ask("GET", target, kind=kind, seconds=seconds)

    def write(
        self,
        method: Literal["POST", "PATCH"],
        target: str,
        body: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Seen:
        """Send one write."""
        return self._ask(method, target, content=dumps(body).encode(), headers=headers)

    def _ask(
        self,
        method: str,
        target: str,
        *,
        kind: Kind = "json",
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Seen:
        asked_at, begun = datetime.now(UTC), time.monotonic()
        shown = f"{method} {query.mask(target) or 'the service root'}"
        ends_at = begun + (seconds or self.connection.deadline_seconds)
        own = {"Accept": ACCEPT[kind]} | (
            {"Content-Type": "application/json; charset=utf-8"} if content else {}
        )
        exchange = Exchange(
            method=method,
            target=f"{self.connection.prefix}/{target}",
            shown=shown,
            ends_at=ends_at,
            max_bytes=_MAX_BYTES,
            headers={**own, **(headers or {})},
            content=content,
        )
        lane: Literal["read", "write"] = "read" if method == "GET" else "write"
        with self._throttle.slot(ends_at - begun, lane), self._sessions.borrow(ends_at - begun) as session:
            with self._lock:
                self.requests += 1
            reply = session.send(exchange)
        return Seen(
            status=reply.status,
            headers=reply.headers,
            body=reply.body,
            seconds=time.monotonic() - begun,
            asked_at=asked_at,
            error=_error(reply, kind=kind, shown=shown, write=method != "GET"),
        )


def why_unreachable(connection: Connection) -> str:
    """Say at which step the way to 1C ends: the name, the connection, or after it. Opens a connection and sends nothing."""
    address = connection.proxy or connection.origin
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    whose = "the proxy" if connection.proxy else "the host"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return f"the name of {whose}, {host}, is not known to DNS"
    addresses = ", ".join(sorted({str(one[4][0]) for one in found}))
    try:
        with closing(socket.create_connection((host, port), timeout=min(5.0, connection.connect_seconds))):
            return f"{whose} {host}:{port} takes connections, but they break before an answer"
    except TimeoutError:
        return f"{whose} {host}:{port} ({addresses}) does not answer: a firewall or a machine that is off"
    except ConnectionRefusedError:
        return f"{whose} {host} ({addresses}) is there, but nothing listens at port {port}"
    except OSError as error:
        return (
            f"{whose} {host}:{port} ({addresses}) cannot be reached: {error.strerror or type(error).__name__}"
        )


def _error(reply: Reply, *, kind: Kind, shown: str, write: bool) -> PipelineError | None:
    if reply.status not in _GOOD:
        return translate(reply.status, reply.body, request=shown, headers=reply.headers, write=write)
    try:
        check_shape(reply.body, kind=kind, status=reply.status, request=shown)
        if kind == "json":
            json.loads(reply.body.decode("utf-8-sig", "replace"), strict=False)
    except PipelineError as error:
        return error
    except ValueError:
        return bad_answer("it is not JSON", request=shown)
    return None
