"""HTTP to one origin, 1C or the token endpoint: the only module of the project that imports httpx.

Adds to httpx what it lacks (RELIABILITY 0.3, 0.4, C-1): one deadline for the whole exchange, a cap on the
body, bounded gzip, no redirects, no cookies or proxies taken from around us. Judges nothing: every status is
handed up. Signs nothing either: who asks is said by the caller's headers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import BinaryIO

import httpcore
import httpx

from onec_pipelines.onec.errors import closed
from onec_pipelines.onec.route import Route
from onec_pipelines.onec.transport_body import Body
from onec_pipelines.onec.transport_faults import translate_fault
from onec_pipelines.onec.transport_sockets import DeadlineBackend, ends_at, is_near
from onec_pipelines.onec.transport_tls import tls_of

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
    """One HTTP client of one origin with at most one connection; used by one thread at a time.

    Making one raises Stop ONEC_TLS_FILES for certificate files that cannot be used.
    `keepalive=False` closes the connection after each exchange: for writes, where a connection that the
    server closed meanwhile would leave us not knowing whether the write happened.
    """

    def __init__(self, route: Route, *, keepalive: bool = True) -> None:
        self._route = route
        self._closed = False
        try:
            self._url = httpx.URL(route.origin + "/")
            self._pool = _DeadlineTransport(route, keepalive=keepalive)
        except httpx.InvalidURL as fault:
            raise translate_fault(fault, request="the address or the proxy") from None
        self._client = httpx.Client(
            transport=self._pool,
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),  # sessions are `session.py`'s
            follow_redirects=False,
            trust_env=False,
        )

    def send(self, exchange: Exchange) -> Reply:
        """Send and read the answer whole.

        Raises RetryLater or Stop of `transport_faults.py` when no whole answer came, Stop ONEC_TOO_LARGE
        above `max_bytes`.
        """
        token = ends_at.set(exchange.ends_at)
        try:
            return self._exchange(exchange)
        except (*FOREIGN_FAULTS, *CORE_FAULTS) as fault:
            raise translate_fault(fault, request=exchange.shown) from fault
        except RuntimeError:
            if not self._closed:
                raise
            raise closed() from None
        finally:
            ends_at.reset(token)
            if self._closed:
                self._pool.close()  # closed by another thread while this one was connecting

    def close(self) -> None:
        """Close the connection; an exchange under way in another thread fails."""
        self._closed = True
        self._client.close()

    def _exchange(self, exchange: Exchange) -> Reply:
        remaining = max(exchange.ends_at - time.monotonic(), 0.001)
        with self._client.stream(
            exchange.method,
            self._url,
            headers={**self._own_headers(), **exchange.headers},
            content=exchange.content or None,
            timeout=httpx.Timeout(remaining, connect=min(self._route.connect_seconds, remaining)),
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

    def _own_headers(self) -> dict[str, str]:
        mode = self._route.compression
        # behind a proxy the address is not ours to look up, and the way is long
        near = mode == "off" or (mode == "auto" and not self._route.proxy and is_near(self._route.host))
        return {"Accept-Encoding": "identity" if near else "gzip", "User-Agent": "onec-pipelines"}


def _text(value: bytes) -> str:
    """Read a header value; 1C puts raw UTF-8 into Location (PROTOCOL §4.1)."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _DeadlineTransport(httpx.BaseTransport):
    """httpx over a connection pool whose sockets obey the deadline of the running exchange."""

    def __init__(self, route: Route, *, keepalive: bool) -> None:
        tls = tls_of(route)
        self._sockets = backend = DeadlineBackend()
        kept = 1 if keepalive else 0
        if route.proxy:
            proxy = httpx.Proxy(route.proxy)  # takes user and password out of the address
            self._pool: httpcore.ConnectionPool = httpcore.HTTPProxy(
                proxy_url=str(proxy.url),
                proxy_auth=proxy.raw_auth,
                proxy_ssl_context=tls_of(_to_proxy(route)) if proxy.url.scheme == "https" else None,
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
        """Close the pool, and a socket that was just being connected, which the pool does not know."""
        self._pool.close()
        self._sockets.close()


def _to_proxy(route: Route) -> Route:
    """The proxy is always verified, because it may get a password, and is shown no certificate of ours."""
    return Route(origin="", ca_file=route.ca_file, ca_added=True)


class _Stream(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()
