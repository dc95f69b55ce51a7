"""What a call to 1C costs under the shared throttle against the one of a single process: `python bench/throttle.py`.

No 1C: the calls do nothing (and, with --latency-ms, wait), so that only the throttle is measured. The ratio counts.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.db.engine import Database, connect, driver_connection
from onec_pipelines.db.migrations import migrate
from onec_pipelines.ledger.throttle import SharedThrottle
from onec_pipelines.ledger.throttle_rules import Limits
from onec_pipelines.onec.throttle import LocalThrottle, Throttle


def measure(throttle: Throttle, *, calls: int, threads: int, latency: float) -> float:
    def work(count: int) -> None:
        for _ in range(count):
            with throttle.slot(60):
                if latency:
                    time.sleep(latency)
            throttle.succeeded()

    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [calls // threads] * threads))
    return time.perf_counter() - begun


def fill(database: Database, rate: float) -> None:
    """A local throttle begins with a second's worth of tokens, a base that is new to the database with one."""
    with database.transaction() as connection:
        driver_connection(connection).execute(
            "UPDATE integ.throttle SET tokens = %s, counted_at = clock_timestamp()", (rate,)
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--latency-ms", type=float, default=2.0)
    parser.add_argument("--rates", type=float, nargs="+", default=[20.0, 10_000.0])
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="onec-bench-", dir="/tmp"))
    home.chmod(0o755)
    results = []
    with EmbeddedServer(home) as server:
        migrate(server.url)
        for rate in arguments.rates:
            calls = min(arguments.calls, int(rate * 6))
            for threads in (1, 4):
                for latency in {0.0, arguments.latency_ms / 1000}:
                    limits = Limits(rate_per_second=rate, max_calls=4)
                    with connect(server.url) as database:
                        shared = SharedThrottle(
                            database,
                            system_name=f"b{rate}{threads}{latency}",
                            limits=limits,
                            quiet_until=lambda _: None,
                        )
                        measure(shared, calls=threads, threads=threads, latency=0)
                        fill(database, rate)
                        seconds = measure(shared, calls=calls, threads=threads, latency=latency)
                        shared.close()
                    local = LocalThrottle(rate_per_second=rate, max_calls=4)
                    measure(local, calls=threads, threads=threads, latency=0)
                    alone = measure(local, calls=calls, threads=threads, latency=latency)
                    results.append(
                        {
                            "rate": rate,
                            "threads": threads,
                            "latency_ms": latency * 1000,
                            "calls": calls,
                            "shared_us_a_call": round(seconds / calls * 1e6, 1),
                            "local_us_a_call": round(alone / calls * 1e6, 1),
                            "ratio": round(seconds / alone, 2),
                        }
                    )
                    print(json.dumps(results[-1]))
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
