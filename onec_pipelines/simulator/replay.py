"""Recorded traffic: its file format, a proxy that records in front of a real base, answers from a recording.

A recording is JSON Lines, one exchange a line. Personal data is masked before writing; credentials are not
written at all.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import json
import secrets
import ssl
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import h11

from onec_pipelines.simulator import urls
from onec_pipelines.simulator.errors import html_page
from onec_pipelines.simulator.http import Request, Response, serve_connection
from onec_pipelines.simulator.masking import PERSONAL, PERSONAL_SETS, Masker

_KEPT_HEADERS = frozenset(
    ("content-type", "dataserviceversion", "location", "retry-after", "content-encoding")
)
_NOT_SENT = frozenset(("host", "connection", "content-length", "accept-encoding", "transfer-encoding"))
_READ = 1 << 16
_UPSTREAM = "{root}"


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and what was answered; `path` is relative to the service root, bodies are masked."""

    method: str
    path: str
    query: str
    sent: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    binary: bool

    def line(self) -> str:
        """The exchange as one line of a recording."""
        return json.dumps(vars(self) | {"headers": list(self.headers)}, ensure_ascii=False)


def load(lines: Iterable[str]) -> list[Exchange]:
    """Read a recording; raises ValueError for a line that is none."""
    out = []
    for number, line in enumerate(lines, 1):
        try:
            data = json.loads(line)
            out.append(
                Exchange(**{**data, "headers": tuple((name, value) for name, value in data["headers"])})
            )
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"line {number} of the recording: {error}") from error
    return out


def _identity(method: str, path: str, query: str) -> tuple[str, str, frozenset[str]]:
    return (
        method,
        urls.decode(path).strip("/"),
        frozenset(part for part in urls.decode(query).split("&") if part),
    )


class Replayer:
    """Answers from a recording: a request gets its recorded answers one by one, and the last one for ever."""

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        self._answers: dict[tuple[str, str, frozenset[str]], list[Exchange]] = defaultdict(list)
        for one in exchanges:
            self._answers[_identity(one.method, one.path, one.query)].append(one)

    def answer(self, request: Request, path: str, root: str) -> Response:
        """The recorded answer, or 404 HTML that says that there is none."""
        recorded = self._answers.get(_identity(request.method, path, request.query))
        if not recorded:
            page = html_page("404 Not Found", f"No recorded answer for {request.method} {urls.decode(path)}")
            return Response(status=404, body=page, headers=(("Content-Type", "text/html; charset=utf-8"),))
        one = recorded.pop(0) if len(recorded) > 1 else recorded[0]
        body = base64.b64decode(one.body) if one.binary else one.body.replace(_UPSTREAM, root).encode()
        headers = tuple((name, value.replace(_UPSTREAM, root)) for name, value in one.headers)
        return Response(status=one.status, body=body, headers=headers)


class RecordingProxy:
    """Forwards every request to a real base and writes the masked exchange to a file."""

    def __init__(self, upstream: str, file: Path, masker: Masker) -> None:
        parts = urlsplit(upstream)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"not an address of a base: {upstream}")
        self._root = upstream.rstrip("/")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._netloc = parts.netloc
        self.prefix = parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._file = file
        self._masker = masker

    async def handle(self, request: Request) -> Response:
        """Forward one request; the client gets what the base answered, unmasked, with our address in it."""
        status, headers, body = await self._forward(request)
        own = f"http://{request.headers.get('host', '')}{self.prefix}"
        self._record(request, status, headers, body, own)
        if "gzip" not in dict(headers).get("content-encoding", ""):
            body = body.replace(self._root.encode(), own.encode())
        return Response(status=status, body=body, headers=tuple(headers))

    async def _forward(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_READ * 4)
        target = request.path + (f"?{request.query}" if request.query else "")
        kept = [(name, value) for name, value in request.headers.items() if name not in _NOT_SENT]
        fixed = [("host", self._netloc), ("content-length", str(len(request.body))), ("connection", "close")]
        headers = [(name.encode(), value.encode("latin-1")) for name, value in [*fixed, *kept]]
        try:
            events = [
                h11.Request(method=request.method, target=target, headers=headers),
                h11.Data(data=request.body),
                h11.EndOfMessage(),
            ]
            writer.write(b"".join(connection.send(event) or b"" for event in events))
            return await _receive(connection, reader)
        finally:
            writer.close()

    def _record(
        self, request: Request, status: int, headers: list[tuple[str, str]], body: bytes, own: str
    ) -> None:
        path = request.path[len(self.prefix) :]
        where = urls.decode(path)
        text, binary = self._text(body, dict(headers), where)
        exchange = Exchange(
            method=request.method,
            path=self._masker.address(path, where),
            query=self._masker.address(request.query, where),
            sent=self._masker.body(request.body.decode("utf-8", "replace"), where).replace(own, _UPSTREAM),
            status=status,
            headers=tuple((name, self._neutral(value)) for name, value in headers if name in _KEPT_HEADERS),
            body=text,
            binary=binary,
        )
        with self._file.open("a", encoding="utf-8") as out:
            out.write(exchange.line() + "\n")

    def _text(self, body: bytes, headers: dict[str, str], where: str) -> tuple[str, bool]:
        if "gzip" in headers.get("content-encoding", ""):
            body = gzip.decompress(body)
        try:
            return self._neutral(self._masker.body(body.decode("utf-8"), where)), False
        except UnicodeDecodeError:
            return base64.b64encode(body).decode(), True

    def _neutral(self, text: str) -> str:
        return text.replace(self._root, _UPSTREAM)


async def _receive(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> tuple[int, list[tuple[str, str]], bytes]:
    status, headers, body = 0, [], bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ))
        elif isinstance(event, h11.Response):
            status = event.status_code
            headers = [
                (name.decode(), value.decode("utf-8", "replace"))
                for name, value in event.headers
                if name in {one.encode() for one in _KEPT_HEADERS}
            ]
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            return status, headers, bytes(body)


async def record(upstream: str, file: Path, masker: Masker, host: str, port: int) -> None:
    """Serve the proxy until cancelled; prints its address first."""
    proxy = RecordingProxy(upstream, file, masker)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_connection(reader, writer, proxy.handle)

    server = await asyncio.start_server(connected, host, port, limit=1 << 20)
    address = f"http://{host}:{server.sockets[0].getsockname()[1]}{proxy.prefix}"
    sys.stdout.write(json.dumps({"url": address, "file": str(file)}) + "\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


def main(arguments: list[str] | None = None) -> int:
    """`python -m onec_pipelines.simulator.replay --upstream URL --file FILE`: record until interrupted."""
    parser = argparse.ArgumentParser(
        description="Record masked traffic of a real base for the simulator's --replay."
    )
    parser.add_argument("--upstream", required=True, help="service root of the base, …/odata/standard.odata")
    parser.add_argument("--file", required=True, type=Path, help="recording to append to (JSON Lines)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mask", default="", help="comma list of more fields with personal data")
    parser.add_argument(
        "--mask-sets", default="", help="comma list of more sets whose names are personal data"
    )
    options = parser.parse_args(arguments)
    masker = Masker(
        names=(*PERSONAL, *filter(None, options.mask.split(","))),
        sets=(*PERSONAL_SETS, *filter(None, options.mask_sets.split(","))),
        salt=secrets.token_hex(8),
    )
    try:
        asyncio.run(record(options.upstream, options.file, masker, options.host, options.port))
    except KeyboardInterrupt:
        return 0
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
