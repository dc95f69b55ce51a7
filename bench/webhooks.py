"""Webhooks: stored and answered per second with everything on, against a bare Starlette application in the same run (goal P8).

`python bench/webhooks.py [--requests 7500] [--connections 32] [--runs 5]`: embedded PostgreSQL, fully durable, the receiver in a process
of its own, the load from this one. Rows stored are counted afterwards; every answer's status is checked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
import uuid
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import httptools
import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.db.engine import connect
from onec_pipelines.db.migrations import migrate
from onec_pipelines.db.urls import conninfo
from onec_pipelines.ledger.inbox import InboxWriter
from onec_pipelines.webhook.app import PATH, Policy, build_app
from onec_pipelines.webhook.server import Receiver
from onec_pipelines.webhook.signature import new_secret, parse_secrets, sign

PRODUCTS = 2000


@dataclass
class Run:
    """What the sender saw."""

    per_second: float
    p50_ms: float
    p99_ms: float
    wrong: int


def bare(port_to: Connection) -> None:
    """The application without any of our work: reads the body, answers 202."""

    async def receive(request: Request) -> Response:
        await request.body()
        return Response(b'{"status":"accepted"}', 202, {"content-type": "application/json"})

    serve(Starlette(routes=[Route(PATH, receive, methods=["POST"])]), port_to)


def ours(port_to: Connection, url: str, secret: str) -> None:
    writer = InboxWriter(connect(url), system_name="bench")
    serve(build_app(writer, Policy(secrets=parse_secrets(secret))), port_to)


def serve(app: Starlette, port_to: Connection) -> None:
    Receiver(app, host="127.0.0.1", port=0).serve(on_ready=port_to.send)


class Sender(asyncio.Protocol):
    """One keep-alive connection that sends the next request when the answer is there."""

    def __init__(self, requests: list[bytes], times: list[float], statuses: list[int]) -> None:
        self.requests, self.times, self.statuses = requests, times, statuses
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)
        self.next()

    def next(self) -> None:
        if not self.requests:
            self.transport.close()
            self.done.set_result(None)
            return
        self.sent = time.perf_counter()
        self.transport.write(self.requests.pop())

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.times.append(time.perf_counter() - self.sent)
        self.statuses.append(self.parser.get_status_code())
        self.parser = httptools.HttpResponseParser(self)
        self.next()


def signed(secret: str, count: int) -> list[bytes]:
    key = parse_secrets(secret).keys[0]
    products = [str(uuid.uuid4()) for _ in range(PRODUCTS)]
    now = int(time.time())
    found = []
    for number in range(count):
        body = json.dumps(
            {
                "type": "stock.changed",
                "timestamp": "2026-01-01T00:00:00Z",
                "data": {
                    "refs": [products[number % PRODUCTS]],
                    "sequence": number + 1,
                    "data_version": "AAAAAQAAAAA=",
                },
            }
        ).encode()
        msg_id = f"evt-{uuid.uuid4()}"
        signature = sign(key=key, msg_id=msg_id, timestamp=now, body=body)
        head = (
            f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"webhook-id: {msg_id}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: {signature}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


async def load(url: str, requests: list[bytes], connections: int) -> Run:
    host, port = url.removeprefix("http://").split(":")
    times: list[float] = []
    statuses: list[int] = []
    total = len(requests)
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    pairs = [
        await loop.create_connection(lambda: Sender(requests, times, statuses), host, int(port))
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in pairs))
    seconds = time.perf_counter() - begun
    times.sort()
    return Run(
        per_second=total / seconds,
        p50_ms=times[total // 2] * 1000,
        p99_ms=times[total * 99 // 100] * 1000,
        wrong=sum(status != 202 for status in statuses),
    )


def cpu_seconds(pid: int) -> float:
    """CPU of a process and of those it started that still run: unlike requests a second, it does not depend on who else is busy."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if pid in {int(stat.parent.name), int(fields[1])}:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def postmaster(home: Path) -> int:
    return int(next(home.rglob("postmaster.pid")).read_text().split()[0])


def started(target, *arguments) -> tuple[multiprocessing.Process, str]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(there, *arguments))
    process.start()
    return process, here.recv()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=7500)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    uvicorn.config.logger.setLevel("WARNING")
    home = Path(tempfile.mkdtemp(prefix="onec-bench-", dir="/tmp"))
    home.chmod(0o755)
    secret = new_secret()
    with EmbeddedServer(home) as server:
        migrate(server.url)
        bare_process, bare_url = started(bare)
        our_process, our_url = started(ours, server.url, secret)
        pids = (bare_process.pid, our_process.pid, postmaster(home))
        before = [cpu_seconds(pid) for pid in pids]
        # Alternating, so that a noisy minute hits both.
        pairs = [
            tuple(
                asyncio.run(load(url, signed(secret, options.requests), options.connections))
                for url in (bare_url, our_url)
            )
            for _ in range(options.runs)
        ]
        used = [cpu_seconds(pid) - since for pid, since in zip(pids, before, strict=True)]
        for process in (bare_process, our_process):
            process.terminate()
            process.join()
        with psycopg.connect(conninfo(server.url)) as connection:
            stored = connection.execute("SELECT count(*) FROM integ.webhook_inbox").fetchone()[0]
            queued = connection.execute("SELECT count(*) FROM integ.retry_queue").fetchone()[0]
    shutil.rmtree(home)
    for name, runs in (("bare Starlette", [p[0] for p in pairs]), ("stored, durable", [p[1] for p in pairs])):
        print(
            f"{name:16} {statistics.median(r.per_second for r in runs):8.0f}/s"
            f"  p50 {statistics.median(r.p50_ms for r in runs):5.1f} ms  p99 {statistics.median(r.p99_ms for r in runs):5.1f} ms"
            f"  not 202: {sum(r.wrong for r in runs)}"
        )
    ratio = statistics.median(ours.per_second / bare.per_second for bare, ours in pairs)
    print(
        f"ratio {ratio:.2f} of bare; {stored} events stored of {options.requests * options.runs}, {queued} queue items"
    )
    micro = [seconds / (options.requests * options.runs) * 1e6 for seconds in used]
    print(f"CPU an event: bare {micro[0]:.0f} us, receiver {micro[1]:.0f} us, PostgreSQL {micro[2]:.0f} us")
    assert stored == options.requests * options.runs


if __name__ == "__main__":
    main()
