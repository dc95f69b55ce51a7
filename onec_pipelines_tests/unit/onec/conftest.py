"""A web server on a raw loopback socket that can misbehave in every way of RELIABILITY C-1."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onec_pipelines.onec import transport, transport_sockets
from onec_pipelines.onec.client import OnecClient, RetryPolicy
from onec_pipelines.onec.connection import Connection
from onec_pipelines.onec.throttle import LocalThrottle
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS

Behaviour = Callable[[socket.socket], object]
QUICK = RetryPolicy(attempts=3, total_seconds=60.0, wait_initial=0.01, wait_max=0.05, wait_jitter=0.0)


def respond(
    body: bytes | str = b'{"value": []}',
    *,
    status: str = "200 OK",
    headers: tuple[str, ...] = (),
    length: int | None = None,
) -> Behaviour:
    """A well-formed answer; keeps the connection open."""
    payload = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(payload) if length is None else length}", *headers]
    raw = "\r\n".join([*head, "", ""]).encode() + payload

    def behave(peer: socket.socket) -> bool:
        peer.sendall(raw)
        return True

    return behave


def raw(data: bytes) -> Behaviour:
    """These bytes, then the end of the connection."""
    return lambda peer: peer.sendall(data) or False


def hang_up(peer: socket.socket) -> None:
    """The end of the connection before any answer."""


def reset(peer: socket.socket) -> None:
    """RST instead of an answer."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(peer: socket.socket) -> None:
    """No answer, for longer than any test waits, or until the client leaves."""
    with contextlib.suppress(OSError):
        peer.settimeout(PATIENCE_SECONDS)
        peer.recv(1)


def drip(data: bytes, pause: float = 0.05) -> Behaviour:
    """One byte at a time."""

    def behave(peer: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for byte in data:
                peer.sendall(bytes([byte]))
                time.sleep(pause)

    return behave


class FaultServer:
    """Answers requests by the given behaviours in turn; the last one stays.

    Remembers requests and counts connections.
    """

    def __init__(self, *behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._behaviours = list(behaviours)
        self._lock = threading.Lock()
        self._peers: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests: list[str] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/ut/odata/standard.odata"

    def targets(self) -> list[str]:
        return [request.split(" ", 2)[1] for request in self.requests]

    def body(self, index: int = -1) -> str:
        """The body of a request."""
        return self.requests[index].partition("\r\n\r\n")[2]

    def header(self, name: str, index: int = -1) -> str | None:
        """A header of a request, None when it was not sent."""
        for line in self.requests[index].split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(
                socket.SHUT_RDWR
            )  # wakes the thread that accepts, which holds the port open
        self._listener.close()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
            peer.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._peers.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError), self._secured(peer) as peer:  # noqa: PLR1704 - the same, encrypted
            while request := _request(peer):
                with self._lock:
                    self.requests.append(request)
                    more = len(self._behaviours) > 1
                    behaviour = self._behaviours.pop(0) if more else self._behaviours[0]
                if behaviour(peer) is not True:
                    return

    def _secured(self, peer: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(peer, server_side=True) if self._tls else peer


def _request(peer: socket.socket) -> str:
    """Head and body of the next request, empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = peer.recv(65536)
        if not piece:
            return ""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += peer.recv(65536)
    return (head + b"\r\n\r\n" + body).decode("latin-1")


class Clock:
    """The clock of the sockets, which can be put forward: a deadline passes when the test wants, not when the machine is slow."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def pass_deadline(self, peer: socket.socket) -> None:
        """The beginning of an answer, and no more of it before the deadline."""
        self.ahead = 3600.0
        with contextlib.suppress(OSError):
            peer.sendall(b"H")
        silent(peer)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(transport_sockets, "time", made)
    return made


@pytest.fixture(autouse=True)
def _connections_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that stands still for some seconds is no idle connection."""
    monkeypatch.setattr(transport, "KEEPALIVE_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
def serve() -> Iterator[Callable[..., FaultServer]]:
    """Start fault servers that end with the test."""
    started: list[FaultServer] = []

    def start(*behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> FaultServer:
        started.append(FaultServer(*behaviours, tls=tls))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def connect() -> Callable[..., Connection]:
    """The connection to a server, with anything changed."""

    def make(url: str, **changes: object) -> Connection:
        given = {"user": "Интеграция", "password": "каналья-7", "timezone": "Europe/Moscow", "system": "test"}
        return Connection(
            **{"url": url, "deadline_seconds": 60.0, "rate_per_second": 1000.0, **given, **changes}
        )

    return make


@pytest.fixture
def client_of(connect: Callable[..., Connection]) -> Iterator[Callable[..., OnecClient]]:
    """A client with a throttle of its own that repeats quickly."""
    started: list[OnecClient] = []

    def make(server: FaultServer, *, observer=None, throttle=None, retry=QUICK, **changes) -> OnecClient:
        connection = connect(server.url, **{"session_mode": "autouse", **changes})
        throttle = throttle or LocalThrottle(rate_per_second=1000, max_calls=connection.max_sessions)
        started.append(OnecClient(connection, throttle, observer, retry=retry))
        return started[-1]

    yield make
    for client in started:
        client.close()


@pytest.fixture(scope="session")
def genuine() -> Path:
    """The folder of genuine recordings; tests skip outside a checkout that has it beside."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "onec"
    if not folder.is_dir():
        pytest.skip("no genuine recordings beside this checkout")
    return folder
