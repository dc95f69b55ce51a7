"""HTTP/1.1 on a socket: h11 for the grammar, asyncio for the bytes; answers may drip, stop half-way or reset.

Knows nothing of OData. A handler is an async function from `Request` to `Response`.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import h11

_HEAD_LIMIT = 256 * 1024
_BODY_LIMIT = 256 * 1024 * 1024
_READ = 65536
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_NON_ASCII = re.compile(rb"[\x80-\xff]")


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it came; header names in lower case, `path` and `query` still percent-encoded."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How the bytes of an answer reach the client.

    `limit` counts bytes of the body; then the connection ends.
    """

    slice_size: int = 0
    slice_delay: float = 0.0
    limit: int | None = None
    reset: bool = False


@dataclass(frozen=True, kw_only=True)
class Response:
    """An answer; `body` may be a stream of chunks, which is then sent with chunked encoding.

    `finish` is awaited once the answer was sent or could not be.
    """

    status: int
    body: bytes | AsyncGenerator[bytes, None] = b""
    headers: tuple[tuple[str, str], ...] = ()
    delivery: Delivery = field(default_factory=Delivery)
    close: bool = False
    finish: Callable[[], Awaitable[None]] | None = None

    def with_delivery(self, delivery: Delivery) -> Response:
        """The same answer, delivered otherwise."""
        return replace(self, delivery=delivery)


class Disconnect(Exception):
    """Raised by a handler to end the connection with a TCP reset instead of an answer."""


Handler = Callable[[Request], Awaitable[Response]]


async def serve_connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler
) -> None:
    """Serve the requests of one connection one after another until either side closes it."""
    connection = _Connection(reader, writer)
    try:
        while await connection.exchange(handler):
            pass
    except Disconnect:
        reset(writer)
    except h11.RemoteProtocolError:
        writer.write(_BAD_REQUEST)
        writer.close()
    except (ConnectionError, asyncio.IncompleteReadError):
        writer.close()
    else:
        writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection so that the peer sees a TCP reset."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)

    async def exchange(self, handler: Handler) -> bool:
        """Read one request and answer it; False when the connection is over."""
        request = await self._request()
        if request is None:
            return False
        response = await handler(request)
        try:
            return await self._send(response, head=request.method == "HEAD")
        finally:
            if response.finish is not None:
                await response.finish()

    async def _request(self) -> Request | None:
        if not await self._head():
            return None
        event = await self._event()
        if not isinstance(event, h11.Request):
            return None
        if self._h11.they_are_waiting_for_100_continue:
            await self._write(self._h11.send(h11.InformationalResponse(status_code=100, headers=[])))
        body = bytearray()
        while True:
            part = await self._event()
            if isinstance(part, h11.Data):
                body += part.data
            else:
                break
            if len(body) > _BODY_LIMIT:
                raise Disconnect
        path, _, query = event.target.decode("ascii").partition("?")
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in event.headers}
        method = event.method.decode("ascii")
        return Request(method=method, path=path, query=query, headers=headers, body=bytes(body))

    async def _head(self) -> bool:
        """Feed the head of the next request.

        Raw UTF-8 in the request line is percent-encoded, as web servers tolerate it.
        """
        pending, _ = self._h11.trailing_data
        if pending:
            return True
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return False
        except asyncio.LimitOverrunError:
            raise Disconnect from None
        self._h11.receive_data(_NON_ASCII.sub(lambda one: b"%%%02X" % one[0][0], line))
        return True

    async def _event(self) -> object:
        while True:
            event = self._h11.next_event()
            if event is not h11.NEED_DATA:
                return event
            data = await self._reader.read(_READ)
            self._h11.receive_data(data)

    async def _send(self, response: Response, *, head: bool) -> bool:
        body = response.body
        framing = (
            [("Content-Length", str(len(body)))]
            if isinstance(body, bytes)
            else [("Transfer-Encoding", "chunked")]
        )
        closing = [("Connection", "close")] if response.close else []
        headers = [(name.encode(), value.encode()) for name, value in (*response.headers, *framing, *closing)]
        start = h11.Response(status_code=response.status, headers=headers, reason=_reason(response.status))
        await self._write(self._h11.send(start))
        if not head and not await self._send_body(body, response.delivery):
            return False
        await self._write(self._h11.send(h11.EndOfMessage()))
        if response.close or self._h11.our_state is h11.MUST_CLOSE:
            return False
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        return True

    async def _send_body(self, body: bytes | AsyncGenerator[bytes, None], delivery: Delivery) -> bool:
        """Send the body as the delivery says; False when it ended the connection."""
        sent = 0
        async with aclosing(_chunks(body, delivery)) as chunks:
            async for chunk in chunks:
                part = chunk if delivery.limit is None else chunk[: max(delivery.limit - sent, 0)]
                if part:
                    await self._write(self._h11.send(h11.Data(data=part)))
                sent += len(part)
                if delivery.limit is not None and sent >= delivery.limit:
                    if delivery.reset:
                        raise Disconnect
                    return False
        return True

    async def _write(self, data: bytes | None) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()


async def _chunks(
    body: bytes | AsyncGenerator[bytes, None], delivery: Delivery
) -> AsyncGenerator[bytes, None]:
    if isinstance(body, bytes):
        size = delivery.slice_size or len(body) or 1
        for start in range(0, len(body), size):
            yield body[start : start + size]
            if delivery.slice_delay:
                await asyncio.sleep(delivery.slice_delay)
        return
    async with aclosing(body) as stream:
        async for chunk in stream:
            async for part in _chunks(chunk, delivery):
                yield part


def _reason(status: int) -> bytes:
    return _REASONS.get(status, "Unknown").encode()


_REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    411: "Length Required",
    412: "Precondition Failed",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
