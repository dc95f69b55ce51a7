"""Webhooks: stored and answered per second with everything on, against a bare Starlette application in the same run (goal P8).

`python bench/webhooks.py [--requests 7500] [--connections 32] [--runs 5]`: embedded PostgreSQL, fully durable, the receiver in a process
of its own, the load from this one. Rows stored are counted afterwards; every answer's status is checked.

`python bench/webhooks.py --applied [--products 500]`: the same receiver with ONEC_WEBHOOK_DIRECT_STOCK=on; counted are events a second
until the shop's stock is what the last event of each row says.
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
from datetime import UTC, datetime
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
from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.ledger.inbox import InboxWriter
from onec_pipelines.runtime import open_runtime
from onec_pipelines.settings import load_settings
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.webhook.app import PATH, Policy, build_app
from onec_pipelines.webhook.direct import DirectStock
from onec_pipelines.webhook.server import Receiver
from onec_pipelines.webhook.signature import new_secret, parse_secrets, sign

PRODUCTS = 2000
SYSTEM = "bench"
APPLIED_SECONDS = 60.0
SHOWN = """
SELECT warehouse_ref::text, product_ref::text, variant_ref::text, s.on_hand FROM clean.stock c
JOIN integ.external_id_mappings w ON w.entity_type = 'warehouses' AND w.external_id = c.warehouse_ref
JOIN integ.external_id_mappings p ON p.entity_type = 'products' AND p.external_id = c.product_ref
LEFT JOIN integ.external_id_mappings v ON v.entity_type = 'variants' AND v.external_id = c.variant_ref
JOIN shop.stock s ON s.warehouse_id = w.internal_id AND s.product_id = p.internal_id
    AND s.variant_id IS NOT DISTINCT FROM v.internal_id
WHERE c.deleted_at IS NULL
"""


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


def direct(port_to: Connection, url: str, secret: str) -> None:
    database = connect(url)
    with DirectStock(database, system_name=SYSTEM) as applying:
        app = build_app(
            InboxWriter(database, system_name=SYSTEM),
            Policy(secrets=parse_secrets(secret)),
            on_stored=applying.offer,
        )
        serve(app, port_to)


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
    products = [str(uuid.uuid4()) for _ in range(PRODUCTS)]
    return [
        request(
            secret,
            {"refs": [products[number % PRODUCTS]], "sequence": number + 1, "data_version": "AAAAAQAAAAA="},
        )
        for number in range(count)
    ]


def request(secret: str, data: dict) -> bytes:
    key = parse_secrets(secret).keys[0]
    now = time.time()
    stamp = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%S}Z"
    body = json.dumps({"type": "stock.changed", "timestamp": stamp, "data": data}).encode()
    msg_id = f"evt-{uuid.uuid4()}"
    signature = sign(key=key, msg_id=msg_id, timestamp=int(now), body=body)
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"webhook-id: {msg_id}\r\nwebhook-timestamp: {int(now)}\r\nwebhook-signature: {signature}\r\n\r\n"
    )
    return head.encode() + body


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
    parser.add_argument("--applied", action="store_true")
    parser.add_argument("--products", type=int, default=500)
    options = parser.parse_args()
    uvicorn.config.logger.setLevel("WARNING")
    if options.applied:
        applied(options)
    else:
        stored(options)


def stored(options: argparse.Namespace) -> None:
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
            kept = connection.execute("SELECT count(*) FROM integ.webhook_inbox").fetchone()[0]
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
        f"ratio {ratio:.2f} of bare; {kept} events stored of {options.requests * options.runs}, {queued} queue items"
    )
    micro = [seconds / (options.requests * options.runs) * 1e6 for seconds in used]
    print(f"CPU an event: bare {micro[0]:.0f} us, receiver {micro[1]:.0f} us, PostgreSQL {micro[2]:.0f} us")
    assert kept == options.requests * options.runs


def applied(options: argparse.Namespace) -> None:
    home = Path(tempfile.mkdtemp(prefix="onec-bench-", dir="/tmp"))
    home.chmod(0o755)
    secret = new_secret()
    with (
        Simulator.start_process(products=options.products, seed=1, broken=False) as shop,
        EmbeddedServer(home) as server,
    ):
        migrate(server.url)
        environment = {
            "ONEC_ENV_FILE": "",
            "ONEC_URL": shop.url,
            "ONEC_USER": shop.user,
            "ONEC_PASSWORD": shop.password,
            "ONEC_TIMEZONE": "Europe/Moscow",
            "ONEC_SYSTEM": SYSTEM,
            "ONEC_DATABASE_URL": server.url,
            "ONEC_HOME": str(home),
            "ONEC_RATE_PER_SECOND": "1000",
        }
        with open_runtime(load_settings(environment)) as runtime:
            for name in ("price_types", "warehouses", "products", "variants", "reserves", "stock"):
                inbound(BY_NAME[name], runtime)
        with psycopg.connect(conninfo(server.url), autocommit=True) as connection:
            rows = connection.execute(
                "SELECT warehouse_ref::text, product_ref::text, variant_ref::text FROM clean.stock WHERE deleted_at IS NULL"
            ).fetchall()
            # What an event says was taken after the last reading of stock began, beyond the doubt of whole seconds.
            connection.execute("UPDATE integ.sync_jobs SET started_at = started_at - interval '1 minute'")
            process, url = started(direct, server.url, secret)
            wanted, requests = {}, []
            for number in range(options.requests):
                row = rows[number % len(rows)]
                wanted[row] = number % 900 + 1
                values = dict(zip(("warehouse", "product", "variant"), row, strict=True))
                stock = [{**values, "on_hand": wanted[row]}]
                requests.append(request(secret, {"refs": [row[1]], "sequence": number + 1, "stock": stock}))
            begun = time.perf_counter()
            run = asyncio.run(load(url, requests[::-1], options.connections))
            while time.perf_counter() - begun < APPLIED_SECONDS:
                found = {tuple(row): int(on_hand) for *row, on_hand in connection.execute(SHOWN).fetchall()}
                if all(found.get(row) == on_hand for row, on_hand in wanted.items()):
                    break
                time.sleep(0.02)
            else:
                raise SystemExit("the shop's stock did not become right")
            seconds = time.perf_counter() - begun
        process.terminate()
        process.join()
    shutil.rmtree(home)
    late = seconds - options.requests / run.per_second
    print(
        f"direct stock: {len(rows)} rows, {options.requests} events stored at {run.per_second:.0f}/s (not 202: {run.wrong}),"
        f" the shop right {late:.2f} s after the last answer: {options.requests / seconds:.0f}/s applied"
    )


if __name__ == "__main__":
    main()
