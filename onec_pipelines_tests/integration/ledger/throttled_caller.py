"""A process of its own for test_throttle.py: calls in threads under the shared throttle, and writes down when each call began and ended."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from onec_pipelines.db.engine import connect
from onec_pipelines.errors import RetryLater
from onec_pipelines.ledger.throttle import SharedThrottle
from onec_pipelines.ledger.throttle_rules import Limits
from onec_pipelines_tests.fixtures.patience import until


def main() -> None:
    options = json.loads(sys.argv[1])
    limits = Limits(rate_per_second=options.get("rate", 1000), max_calls=options["max_calls"])
    go, stop = Path(options["go"]), Path(options["stop"])
    writing = threading.Lock()
    with connect(options["url"]) as database, Path(options["spans"]).open("w") as spans:
        throttle = SharedThrottle(
            database, system_name=options["system"], limits=limits, quiet_until=lambda _: None
        )

        def call() -> None:
            while not stop.exists():
                try:
                    with throttle.slot(5, options.get("lane", "read")):
                        begun = time.time()
                        time.sleep(options["latency"])
                        ended = time.time()
                except RetryLater as error:
                    if error.code != "ONEC_BUSY":
                        raise
                    continue
                throttle.succeeded()
                with writing:
                    spans.write(f"{begun!r} {ended!r}\n")
                    spans.flush()

        Path(options["ready"]).touch()
        until(go.exists, pause=0.005)
        threads = [threading.Thread(target=call) for _ in range(options["threads"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        throttle.close()


main()
