"""HTTP to one 1C base: the only module of the project that imports httpx.

Adds to httpx what it lacks (RELIABILITY 0.3, 0.4, C-1): one deadline for the whole exchange, a cap on the
body, bounded gzip, no redirects, no cookies or proxies taken from around us. Judges nothing about 1C: every
status is handed up.
"""

from __future__ import annotations

import base64
import contextvars
import logging
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import BinaryIO

import httpcore
import httpx

from onec_pipelines.errors import Stop
from onec_pipelines.onec.connection import Connection
from onec_pipelines.onec.transport_body import Body
from onec_pipelines.onec.transport_faults import translate_fault

KEEPALIVE_SECONDS = 2.0  # below Apache's 5 s, so that we never send into a connection that is being closed
FOREIGN_FAULTS = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
CORE_FAULTS = (
    httpcore.ConnectionNotAvailable,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)
# They print addresses with filters, and response headers with session cookies.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_ends_at: contextvars.ContextVar[float] = contextvars.ContextVar("onec_exchange_ends_at")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and its limits. `target` is percent-encoded, from the root of the host.

    `shown` is its masked text.
    `ends_at` is a `time.monotonic()` moment; `sink` takes the decoded body in place of memory.
    """

    method: str
    target: str
    shown: str
    ends_at: float
    max_bytes: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)
    sink: BinaryIO | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back: header names are lower-case, the body is decoded from gzip.

    `wire_bytes` counts it as transferred.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    wire_bytes: int


class Transport:
    """One HTTP client of one base with at most one connection; used by one thread at a time.

    `keepalive=False` closes the connection after each exchange: for writes, where a connection that the
    server closed meanwhile would leave us not knowing whether the write happened.
    """

    def __init__(self, connection: Connection, *, keepalive: bool = True) -> None:
        login = f"{connection.user}:{connection.password}".encode()  # 1C wants UTF-8 (PROTOCOL §9)
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(login).decode("ascii"),
            "Accept-Encoding": "gzip",
            "User-Agent": "onec-pipelines",
        }
        self._url = httpx.URL(connection.origin + "/")
        self._connect_seconds = connection.connect_seconds
        self._client = httpx.Client(
            transport=_DeadlineTransport(connection, keepalive=keepalive),
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),  # sessions are `session.py`'s
            follow_redirects=False,
            trust_env=False,
        )

    def send(self, exchange: Exchange) -> Reply:
        """Send and read the answer whole.

        Raises RetryLater or Stop of `transport_faults.py` when no whole answer came, Stop ONEC_TOO_LARGE
        above `max_bytes`.
        """
        token = _ends_at.set(exchange.ends_at)
        try:
            return self._exchange(exchange)
        except (*FOREIGN_FAULTS, *CORE_FAULTS) as fault:
            raise translate_fault(fault, request=exchange.shown) from fault
        except RuntimeError:
            if not self._client.is_closed:
                raise
            raise Stop("the client was closed", code="ONEC_CLOSED", remedy="Open a new client.") from None
        finally:
            _ends_at.reset(token)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _exchange(self, exchange: Exchange) -> Reply:
        remaining = max(exchange.ends_at - time.monotonic(), 0.001)
        with self._client.stream(
            exchange.method,
            self._url,
            headers={**self._headers, **exchange.headers},
            content=exchange.content or None,
            timeout=httpx.Timeout(remaining, connect=min(self._connect_seconds, remaining)),
            extensions={"target": exchange.target.encode("ascii")},
        ) as response:
            headers = {name.decode("latin-1").lower(): _text(value) for name, value in response.headers.raw}
            # an error page is small and must not land in the caller's file
            sink = exchange.sink if response.status_code == httpx.codes.OK else None
            body = Body(
                encoding=headers.get("content-encoding", ""),
                max_bytes=exchange.max_bytes,
                request=exchange.shown,
                sink=sink,
            )
            for piece in response.iter_raw():
                body.feed(piece)
            return Reply(
                status=response.status_code,
                headers=headers,
                body=body.finish(),
                wire_bytes=body.wire_bytes,
            )


def _text(value: bytes) -> str:
    """Read a header value; 1C puts raw UTF-8 into Location (PROTOCOL §4.1)."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _DeadlineTransport(httpx.BaseTransport):
    """httpx over a connection pool whose sockets obey the deadline of the running exchange."""

    def __init__(self, connection: Connection, *, keepalive: bool) -> None:
        tls = _tls(connection.ca_file, verify=connection.verify)
        backend = _DeadlineBackend()
        kept = 1 if keepalive else 0
        if connection.proxy:
            proxy = httpx.Proxy(connection.proxy)  # takes user and password out of the address
            self._pool: httpcore.ConnectionPool = httpcore.HTTPProxy(
                proxy_url=str(proxy.url),
                proxy_auth=proxy.raw_auth,
                ssl_context=tls,
                max_connections=1,
                max_keepalive_connections=kept,
                keepalive_expiry=KEEPALIVE_SECONDS,
                network_backend=backend,
            )
        else:
            self._pool = httpcore.ConnectionPool(
                ssl_context=tls,
                max_connections=1,
                max_keepalive_connections=kept,
                keepalive_expiry=KEEPALIVE_SECONDS,
                network_backend=backend,
            )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; faults come out as httpcore's own, which `Transport.send` translates."""
        url = request.url
        # the target as we wrote it: httpx would encode it in its own way
        extensions = dict(request.extensions)
        target = extensions.pop("target", url.raw_path)
        answer = self._pool.handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=target),
                headers=request.headers.raw,
                content=request.stream,
                extensions=extensions,
            )
        )
        if not isinstance(answer.stream, Iterable):
            raise httpcore.LocalProtocolError("the answer has no body to read")
        return httpx.Response(answer.status, headers=answer.headers, stream=_Stream(answer))

    def close(self) -> None:
        """Close the pool."""
        self._pool.close()


@lru_cache(maxsize=8)  # reading the authorities takes tens of milliseconds, and each session needs them
def _tls(ca_file: Path | None, *, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Stream(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


def _remaining(timeout: float | None) -> float:
    """Seconds that the next socket operation may take; none left is a timeout.

    Bounds drips: httpx's own timeout is per read.
    """
    left = _ends_at.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline of the whole exchange has passed")
    return left if timeout is None else min(timeout, left)


class _DeadlineBackend(httpcore.SyncBackend):
    """Sockets that obey the deadline; only the operating system's name look-up cannot be interrupted."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that answers, all tries within the deadline."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(
                f"the name of the 1C host cannot be resolved: {error.strerror}"
            ) from error
        addresses = list(dict.fromkeys(str(address[4][0]) for address in found))
        for address in addresses[:-1]:
            try:
                return self._connect(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue  # the next address may answer; the last one's fault is the one to report
        return self._connect(addresses[-1], port, timeout, local_address, socket_options)

    def _connect(
        self,
        address: str,
        port: int,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.NetworkStream:
        left = _ends_at.get() - time.monotonic()
        if left <= 0:
            raise httpcore.ConnectTimeout("the deadline passed before a connection was made")
        allowed = left if timeout is None else min(timeout, left)
        return _DeadlineStream(super().connect_tcp(address, port, allowed, local_address, socket_options))


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _remaining(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, _remaining(timeout)))

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
