"""A process of its own for test_throttle.py: calls in threads under the shared throttle, then prints when each call began and ended."""

from __future__ import annotations

import json
import sys
import threading
import time

from onec_pipelines.db.engine import connect
from onec_pipelines.errors import RetryLater
from onec_pipelines.ledger.throttle import SharedThrottle
from onec_pipelines.ledger.throttle_rules import Limits


def main() -> None:
    options = json.loads(sys.argv[1])
    limits = Limits(rate_per_second=options.get("rate", 1000), max_calls=options["max_calls"])
    spans: list[tuple[float, float]] = []
    with connect(options["url"]) as database:
        throttle = SharedThrottle(
            database, system_name=options["system"], limits=limits, quiet_until=lambda _: None
        )
        ends_at = time.monotonic() + options["seconds"]

        def call() -> None:
            while time.monotonic() < ends_at:
                try:
                    with throttle.slot(max(0.1, ends_at - time.monotonic()), options.get("lane", "read")):
                        begun = time.time()
                        time.sleep(options["latency"])
                        spans.append((begun, time.time()))
                except RetryLater as error:
                    if error.code != "ONEC_BUSY":
                        raise
                throttle.succeeded()

        threads = [threading.Thread(target=call) for _ in range(options["threads"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        throttle.close()
    print(json.dumps({"spans": spans}))  # noqa: T201 - read by the test


main()
