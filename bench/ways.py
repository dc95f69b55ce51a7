"""What a run costs by each way of reading, with nothing changed and with 100 changes: `python bench/ways.py --products 1000000`.

Each run is a process of its own, so that its peak memory is its own. `own` is its time without the time that the simulated 1C was at
work and waited for. Figures are of one run on one machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

import psycopg

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.db.urls import conninfo
from onec_pipelines.simulator.server import Simulator

CHANGES = 100
RUNS = (
    ("first load", "snapshot", 0),
    ("no change", "versions", 0),
    ("100 changes", "versions", CHANGES),
    ("no change", "snapshot", 0),
    ("100 changes", "snapshot", CHANGES),
    ("100 keys", "keys", CHANGES),
)
SET = "Catalog_Номенклатура"


def worker(entity: str, way: str) -> None:
    """One run; prints its figures as JSON."""
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.entities import BY_NAME
    from onec_pipelines.inbound import inbound
    from onec_pipelines.runtime import open_runtime
    from onec_pipelines.spec import Layer, Way

    busy: list[tuple[float, float]] = []
    layers = [Layer.RAW, Layer.CLEAN]

    def observe(call: object) -> None:
        ended = time.monotonic()
        busy.append((ended - call.seconds, ended))  # type: ignore[attr-defined]

    with open_runtime(observer=observe) as runtime:
        _ = runtime.client, runtime.metadata
        busy.clear()
        keys = None
        if way == "keys":
            with runtime.database.transaction() as connection:
                rows = driver_connection(connection).execute(
                    f"SELECT ref::text FROM clean.{entity} LIMIT {CHANGES}".encode()  # noqa: S608 - our own names
                )
                keys = [key for (key,) in rows]
        used, begun = cpu(), time.monotonic()
        outcome = inbound(BY_NAME[entity], runtime, layers=layers, only=keys, way=None if keys else Way(way))
        seconds = time.monotonic() - begun
        figures = {
            "way": outcome.way,
            "requests": outcome.requests,
            "rows_scanned": outcome.rows_scanned,
            "rows_read": outcome.rows_read,
            "rows_written": outcome.clean_changed,
            "wire_mb": round(outcome.wire_bytes / 2**20, 1),
            "seconds": round(seconds, 2),
            "own_seconds": round(seconds - covered(busy), 2),
            "cpu_seconds": round(cpu() - used, 2),
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    print(json.dumps(figures))


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def covered(spans: list[tuple[float, float]]) -> float:
    """Seconds during which at least one request was under way."""
    total = end = 0.0
    for begun, ended in sorted(spans):
        total += max(0.0, ended - max(begun, end))
        end = max(end, ended)
    return total


def control(simulated: Simulator, path: str, body: object) -> object:
    address = f"{simulated.control_url}/{quote(path, safe='/?=&')}"
    request = urllib.request.Request(address, json.dumps(body).encode() if body is not None else None)  # noqa: S310
    with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def change(simulated: Simulator, server: EmbeddedServer, count: int, mark: str) -> None:
    """Rename some products, far from each other."""
    with psycopg.connect(conninfo(server.ensure_running())) as connection:
        rows = connection.execute(
            "SELECT ref::text FROM clean.products ORDER BY md5(ref::text || now()::text) LIMIT %s",
            (count,),
        ).fetchall()
    for number, (key,) in enumerate(rows):
        control(simulated, f"rows/{SET}/{key}", {"Description": f"{mark} {number}"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--latency-ms", type=int, default=20)
    parser.add_argument("--entity", default="products", choices=["products"])
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.entity, options.worker)
        return
    with tempfile.TemporaryDirectory(prefix="onec-bench-") as folder:
        home = Path(folder) / "home"
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the database server runs as another user when we are root
        with Simulator.start_process(products=options.products, latency_ms=options.latency_ms) as simulated:
            environment = {
                **os.environ,
                "ONEC_ENV_FILE": "",
                "ONEC_URL": simulated.url,
                "ONEC_USER": simulated.user,
                "ONEC_PASSWORD": simulated.password,
                "ONEC_TIMEZONE": "Europe/Moscow",
                "ONEC_SYSTEM": "bench",
                "ONEC_HOME": str(home),
                "ONEC_RATE_PER_SECOND": "10000",
            }
            try:
                for title, way, changes in RUNS:
                    if changes:
                        change(simulated, EmbeddedServer(home), changes, f"{title} {way}")
                    command = [sys.executable, __file__, "--worker", way, "--entity", options.entity]
                    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                    figures = json.loads(out.stdout.splitlines()[-1])
                    print(json.dumps({"run": title, **figures}), flush=True)
            finally:
                EmbeddedServer(home).stop()


if __name__ == "__main__":
    main()
