"""Sockets that obey one deadline for a whole exchange, however slowly the other side drips (RELIABILITY 0.3).

Plugged into httpcore as its network backend; knows nothing of HTTP.
"""

from __future__ import annotations

import contextlib
import contextvars
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from functools import lru_cache

import httpcore

ends_at: contextvars.ContextVar[float] = contextvars.ContextVar("onec_exchange_ends_at")
"""The `time.monotonic()` moment at which the exchange of this thread ends."""


def is_near(host: str) -> bool:
    """Tell whether a host is this machine or has only private addresses; one that cannot be found is far.

    Remembered for the process once it is known.
    """
    try:
        return all(_is_near_address(address) for address in _addresses(host))
    except OSError:
        return False  # connecting will say what is wrong with the name


@lru_cache(maxsize=64)  # an error is not remembered
def _addresses(host: str) -> tuple[str, ...]:
    return tuple({str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})


def _is_near_address(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    return address.is_private or address.is_loopback or address.is_link_local


def _remaining(timeout: float | None) -> float:
    """Seconds that the next socket operation may take; none left is a timeout.

    Bounds drips: httpx's own timeout is per read.
    """
    left = ends_at.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline of the whole exchange has passed")
    return left if timeout is None else min(timeout, left)


class DeadlineBackend(httpcore.SyncBackend):
    """Sockets that obey the deadline; only the operating system's name look-up cannot be interrupted."""

    def __init__(self) -> None:
        self._open: set[DeadlineStream] = set()

    def close(self) -> None:
        """Close what is open, from any thread; operations under way fail."""
        for stream in list(self._open):
            stream.close()

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
        left = ends_at.get() - time.monotonic()
        if left <= 0:
            raise httpcore.ConnectTimeout("the deadline passed before a connection was made")
        allowed = left if timeout is None else min(timeout, left)
        stream = super().connect_tcp(address, port, allowed, local_address, socket_options)
        return DeadlineStream(stream, self._open)


class DeadlineStream(httpcore.NetworkStream):
    """A stream under the deadline; `registry` holds it while it is open."""

    def __init__(self, stream: httpcore.NetworkStream, registry: set[DeadlineStream]) -> None:
        self._stream = stream
        self._registry = registry
        registry.add(self)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come, within the deadline."""
        return self._stream.read(max_bytes, _remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it, within the deadline."""
        self._stream.write(buffer, _remaining(timeout))

    def close(self) -> None:
        """Close, from any thread; a thread that reads wakes up with an error."""
        self._registry.discard(self)
        with contextlib.suppress(
            OSError, AttributeError
        ):  # not connected any more, or a stream without a socket
            self._stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)  # wakes a thread that reads
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Give the encrypted stream, which takes the socket over."""
        self._registry.discard(self)  # the encrypted stream takes the socket over
        stream = self._stream.start_tls(ssl_context, server_hostname, _remaining(timeout))
        return DeadlineStream(stream, self._registry)

    def get_extra_info(self, info: str) -> object:
        """Tell about the socket, as httpcore asks."""
        return self._stream.get_extra_info(info)
