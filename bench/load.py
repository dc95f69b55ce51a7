"""A load of one entity against downloading the same pages and doing nothing else: `python bench/load.py --products 100000`.

Everything is on: raw pages kept, contracts, quarantine, ids, audit. Figures are of one run on one machine: the ratios count.
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
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.simulator.server import Simulator

MEASURED = ("products", "prices", "stock")


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def worker(entity: str, mode: str) -> None:
    """One measurement in a process of its own, so that memory and CPU are its alone."""
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.entities import BY_NAME, ENTITIES
    from onec_pipelines.inbound import inbound
    from onec_pipelines.onec import client as client_module
    from onec_pipelines.runtime import open_runtime

    def wal(runtime) -> int:
        with runtime.database.transaction() as connection:
            found = driver_connection(connection).execute("SELECT pg_current_wal_lsn() - '0/0'").fetchone()
        return int(found[0])

    targets_file = Path(os.environ["BENCH_TARGETS"]) / f"{entity}.json"
    with open_runtime() as runtime:
        for earlier in takewhile(lambda one: one.name != entity, ENTITIES) if mode == "load" else ():
            inbound(earlier, runtime)
        _ = runtime.client, runtime.metadata
        before_wal, before_cpu, begun = wal(runtime), cpu_seconds(), time.monotonic()
        rows = changed = 0
        if mode == "download":
            targets = json.loads(targets_file.read_text())
            with ThreadPoolExecutor(runtime.settings.max_sessions) as pool:
                for _ in pool.map(lambda target: runtime.client.get(target, max_bytes=2**30), targets):
                    pass
        else:
            asked: list[str] = []
            original = client_module.OnecClient.get

            def get(self, target, **options):
                if "$count" not in target and "%24count" not in target:
                    asked.append(target)
                return original(self, target, **options)

            client_module.OnecClient.get = get
            outcome = inbound(BY_NAME[entity], runtime)
            rows, changed = outcome.rows_read, outcome.clean_changed + outcome.shop_changed
            targets_file.write_text(json.dumps(asked))
        seconds = time.monotonic() - begun
        print(
            json.dumps(
                {
                    "entity": entity,
                    "mode": mode,
                    "seconds": round(seconds, 2),
                    "cpu_seconds": round(cpu_seconds() - before_cpu, 2),
                    "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                    "wal_mb": round((wal(runtime) - before_wal) / 2**20, 1),
                    "rows_read": rows,
                    "rows_written": changed,
                }
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--latency-ms", type=int, default=120)
    parser.add_argument("--entity", default="products", choices=MEASURED)
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
                "BENCH_TARGETS": folder,
            }
            results = {}
            try:
                for mode in ("load", "download", "reload", "download"):
                    command = [
                        *(sys.executable, __file__, "--entity", options.entity),
                        *("--worker", mode, "--products", str(options.products)),
                    ]
                    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                    results[mode] = json.loads(out.stdout.splitlines()[-1])
                    print(json.dumps(results[mode]), flush=True)
            finally:
                EmbeddedServer(home).stop()
    bare = results["download"]["seconds"]
    print(f"first load ÷ download = {results['load']['seconds'] / bare:.2f}")
    print(f"unchanged reload ÷ download = {results['reload']['seconds'] / bare:.2f}")
    print(f"unchanged reload ÷ first load = {results['reload']['seconds'] / results['load']['seconds']:.2f}")


if __name__ == "__main__":
    main()
