"""What a run costs by each way of reading, with nothing changed and with changes: `python bench/ways.py --products 1000000`.

One command, one table: first load, then each way on the same base. Each run is a process of its own, so that its peak memory is its own.
`own` is its time without the time that the simulated 1C was at work and waited for. Figures are of one run on one machine, CPU is the
steadiest of them. The limits are P5 and P6 of the performance goals.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.db.urls import conninfo
from onec_pipelines.simulator.server import Simulator

MANY = 10_000
PLAN, NODE = "ExchangePlan_ОбменССайтом", "001"
SETS = {
    "products": ("Catalog_Номенклатура", "Description"),
    "orders": ("Document_ЗаказКлиента", "Комментарий"),
}
OWN_SECONDS, NO_CHANGE_MB, MOST_MB = 3.0, 400, 500
COLUMNS = (
    *("entity", "run", "way", "requests", "rows_scanned", "rows_read", "rows_written", "wire_mb", "seconds"),
    *("own_seconds", "cpu_seconds", "peak_rss_mb", "limit"),
)


@dataclass(frozen=True)
class Run:
    """One line of the table: `changes` objects are edited in 1C before it."""

    title: str
    way: str
    changes: int = 0
    entity: str = "products"


RUNS = (
    Run("first load", "snapshot"),
    Run("no change", "changes"),
    Run("100 changes", "changes", 100),
    Run("10 000 changes", "changes", MANY),
    Run("no change", "versions"),
    Run("100 changes", "versions", 100),
    Run("no change", "snapshot"),
    Run("100 changes", "snapshot", 100),
    Run("100 keys", "keys", 100),
    Run("first load", "windows", entity="orders"),
    Run("no change", "windows", entity="orders"),
    Run("100 changes", "windows", 100, entity="orders"),
)


def worker(entity: str, way: str) -> None:
    """One run; prints its figures as JSON."""
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.entities import BY_NAME
    from onec_pipelines.inbound import inbound
    from onec_pipelines.intake import take_packets
    from onec_pipelines.runtime import open_runtime
    from onec_pipelines.spec import Layer, Way

    calls: list[tuple[float, float, int]] = []

    def observe(call: Any) -> None:
        ended = time.monotonic()
        calls.append((ended - call.seconds, ended, call.wire_bytes))

    with open_runtime(observer=observe) as runtime:
        _ = runtime.client, runtime.metadata
        calls.clear()
        keys = None
        if way == "keys":
            with runtime.database.transaction() as connection:
                rows = driver_connection(connection).execute(
                    f"SELECT ref::text FROM clean.{entity} LIMIT 100".encode()  # noqa: S608 - our own names
                )
                keys = [key for (key,) in rows]
        used, begun = cpu(), time.monotonic()
        if way == "changes":
            take_packets(runtime)
        outcome = inbound(
            BY_NAME[entity],
            runtime,
            layers=[Layer.RAW, Layer.CLEAN],
            only=keys,
            way=None if keys else Way(way),
        )
        seconds = time.monotonic() - begun
        figures = {
            "way": outcome.way,
            "requests": len(calls),
            "rows_scanned": outcome.rows_scanned,
            "rows_read": outcome.rows_read,
            "rows_written": outcome.clean_changed,
            "wire_mb": round(sum(size for _, _, size in calls) / 2**20, 1),
            "seconds": round(seconds, 2),
            "own_seconds": round(seconds - covered([(start, end) for start, end, _ in calls]), 2),
            "cpu_seconds": round(cpu() - used, 2),
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "steps": outcome.seconds,
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


def control(simulated: Simulator, path: str, body: object) -> Any:
    address = f"{simulated.control_url}/{quote(path, safe='/?=&')}"
    request = urllib.request.Request(address, json.dumps(body).encode() if body is not None else None)  # noqa: S310
    with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def change(simulated: Simulator, server: EmbeddedServer, run: Run) -> None:
    """Edit some objects, far from each other."""
    name, field = SETS[run.entity]
    with psycopg.connect(conninfo(server.ensure_running())) as connection:
        rows = connection.execute(
            f"SELECT ref::text FROM clean.{run.entity} ORDER BY md5(ref::text || now()::text) LIMIT %s".encode(),  # noqa: S608 - our own names
            (run.changes,),
        ).fetchall()
    for number, (key,) in enumerate(rows):
        control(simulated, f"rows/{name}/{key}", {field: f"{run.title} {run.way} {number}"})


def judged(run: Run, figures: dict[str, Any]) -> str:
    """What the limits say: P5 of a run without changes, P6 of every one."""
    if figures["peak_rss_mb"] > MOST_MB:
        return f"P6 missed: {MOST_MB} MB"
    if run.title != "no change" or run.way == "snapshot":
        return "P6 kept"
    kept = figures["own_seconds"] <= OWN_SECONDS and figures["peak_rss_mb"] <= NO_CHANGE_MB
    return "P5 kept" if kept else f"P5 missed: {OWN_SECONDS} s, {NO_CHANGE_MB} MB"


def table(lines: list[dict[str, Any]]) -> str:
    """All lines as a Markdown table."""
    rows = [
        COLUMNS,
        tuple("---" for _ in COLUMNS),
        *(tuple(str(line[name]) for name in COLUMNS) for line in lines),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def measure(simulated: Simulator, home: Path, runs: list[Run]) -> list[dict[str, Any]]:
    """All runs, each printed when it is done."""
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
        "ONEC_EXCHANGE_PLAN": PLAN,
        "ONEC_EXCHANGE_NODE": NODE,
        # The business of the simulated base lies in a year of its own.
        "ONEC_HISTORY_START": "2010-01-01",
        "ONEC_OPEN_DAYS": "3650",
    }
    register = [sys.executable, "-m", "onec_pipelines.cli", "changes", "register"]
    subprocess.run(register, env=environment, check=True, capture_output=True)
    lines = []
    for run in runs:
        if run.changes and run.way != "keys":
            change(simulated, EmbeddedServer(home), run)
        command = [sys.executable, __file__, "--worker", run.way, "--entity", run.entity]
        out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        figures = json.loads(out.stdout.splitlines()[-1])
        line = {"entity": run.entity, "run": run.title, **figures, "limit": judged(run, figures)}
        print(json.dumps(line), flush=True)
        lines.append(line)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--latency-ms", type=int, default=20)
    parser.add_argument("--entity", default="products", choices=list(SETS), help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.entity, options.worker)
        return
    runs = [run for run in RUNS if run.changes < options.products]
    with tempfile.TemporaryDirectory(prefix="onec-bench-") as folder:
        home = Path(folder) / "home"
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the database server runs as another user when we are root
        with Simulator.start_process(products=options.products, latency_ms=options.latency_ms) as simulated:
            try:
                print(table(measure(simulated, home, runs)))
            finally:
                EmbeddedServer(home).stop()


if __name__ == "__main__":
    main()
