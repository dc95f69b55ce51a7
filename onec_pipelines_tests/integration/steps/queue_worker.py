"""A worker process of its own for test_drain.py: its handler appends a line per attempt to a file, and obeys the item's payload."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from onec_pipelines.db.engine import connect
from onec_pipelines.ledger.controls import quiet_hours, standing
from onec_pipelines.ledger.queue import Item
from onec_pipelines.steps.drain import Bounds, Drainer, Work, single


def main() -> None:
    options = json.loads(sys.argv[1])

    def handle(item: Item) -> None:
        with open(options["log"], "a") as file:  # noqa: PTH123 - one write, appended whole
            file.write(json.dumps({"id": item.id, "attempt": item.attempts, "pid": os.getpid()}) + "\n")
        if item.payload.get("kills"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(item.payload.get("sleep", options.get("sleep", 0)))
        with open(options["log"], "a") as file:  # noqa: PTH123 - as above
            at = datetime.now(UTC).timestamp()
            file.write(json.dumps({"id": item.id, "worked": True, "pid": os.getpid(), "at": at}) + "\n")

    with connect(options["url"]) as database:
        drainer = Drainer(
            database,
            system_name="test",
            works={"push": Work(handle=single(handle))},
            standing=lambda: standing(database, "test", quiet_hours("", datetime.now().astimezone().tzinfo)),  # type: ignore[arg-type]
            threads=options.get("threads", 2),
            lease_seconds=options.get("lease", 2.0),
            worker=str(os.getpid()),
        )
        ends_at = time.monotonic() + options["seconds"]
        with drainer:
            while time.monotonic() < ends_at and not Path(options["stop"]).exists():
                drainer.rest(0 if drainer.step(Bounds()) else 0.05)
        print(json.dumps({"done": drainer.drained.done, "lost": drainer.drained.lost}))  # noqa: T201 - read by the test


main()
