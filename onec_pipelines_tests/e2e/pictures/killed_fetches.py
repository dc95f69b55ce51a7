"""Fetches pictures in child processes and kills them with SIGKILL at the n-th thing they do to the database or the store.

Started by the test as a program: reads a job a line from stdin, `{"environment": {...}, "kill_at": n or null}`, and prints
`{"code": ..., "steps": ...}`, where `steps` counts what a run that was not killed did. It forks from a process that has
everything imported and no threads.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import psycopg

from onec_pipelines.entities import BY_NAME  # noqa: F401 - imported before the forks, which saves a second each
from onec_pipelines.ledger.calls import CallRecorder
from onec_pipelines.pictures import fetch_pictures
from onec_pipelines.runtime import open_runtime
from onec_pipelines.settings import load_settings
from onec_pipelines.steps import picture_bytes
from onec_pipelines.store import Draft, ImageStore


class Failpoints:
    """Counts writes of drafts, both sides of a file's way into the store and of each commit; dies at the wanted one."""

    def __init__(self, kill_at: int | None) -> None:
        self.count = 0
        self._kill_at = kill_at

    def passed(self) -> None:
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        # The figures of calls are written by the clock: they would be counted or not.
        CallRecorder.flush = lambda _recorder: None  # type: ignore[method-assign]
        for owner, name in (
            (Draft, "write"),
            (ImageStore, "keep"),
            (Path, "replace"),
            (psycopg.Connection, "commit"),
        ):
            self._around(owner, name)

    def _around(self, owner: type, name: str) -> None:
        original = getattr(owner, name)

        def counted(*args: Any, **values: Any) -> Any:
            self.passed()
            result = original(*args, **values)
            self.passed()
            return result

        setattr(owner, name, counted)


def run(job: dict[str, Any]) -> int:
    """Fetch in this process; gives the number of failpoints passed."""
    assert picture_bytes._GROUP_KEYS > 3  # else the name has moved and groups are not small
    picture_bytes._GROUP_KEYS = 3
    failpoints = Failpoints(job["kill_at"])
    failpoints.install()
    with open_runtime(load_settings(job["environment"])) as runtime:
        fetch_pictures(runtime)
    return failpoints.count


def in_child(job: dict[str, Any]) -> dict[str, int]:
    """Run a job in a forked child; `code` is its exit code, negative for the signal that ended it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.write(writer, str(run(job)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        steps = pipe.read()
    _, status = os.waitpid(child, 0)
    return {"code": os.waitstatus_to_exitcode(status), "steps": int(steps or 0)}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(in_child(json.loads(line))), flush=True)  # noqa: T201 - the result
