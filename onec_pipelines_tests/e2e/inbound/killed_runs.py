"""Runs syncs in child processes and kills them with SIGKILL at the n-th thing they do to the database.

Started by the tests as a program: reads a job a line from stdin and prints its result. A job is the JSON of
`{"environment": {...}, "entities": [...], "kill_at": n or null}`; its result is `{"code": ..., "steps": ...}`, where `steps`
counts what a run that was not killed did. It forks from a process that has everything imported and no threads.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import psycopg

from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.ledger.calls import CallRecorder
from onec_pipelines.runtime import open_runtime
from onec_pipelines.settings import load_settings
from onec_pipelines.steps import extract, grouping

# Small, so that a small shop has several page groups to be killed between.
GROUP_ROWS = 45


class Failpoints:
    """Counts statements, the middle of a COPY, and both sides of each commit; dies at the wanted one."""

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
        self._around(psycopg.Connection, "execute", after=False)
        self._around(psycopg.Connection, "commit", after=True)
        self._around(psycopg.Cursor, "executemany", after=True)
        self._around(psycopg.Copy, "write", after=True)

    def _around(self, owner: type, name: str, *, after: bool) -> None:
        original = getattr(owner, name)

        def counted(*args: Any, **values: Any) -> Any:
            self.passed()
            result = original(*args, **values)
            if after:
                self.passed()
            return result

        setattr(owner, name, counted)


def run(job: dict[str, Any]) -> int:
    """Sync in this process; gives the number of failpoints passed."""
    failpoints = Failpoints(job["kill_at"])
    failpoints.install()
    for module in (extract, grouping):
        assert module.GROUP_ROWS > GROUP_ROWS  # else the name has moved and groups are not small
        module.GROUP_ROWS = GROUP_ROWS
    with open_runtime(load_settings(job["environment"])) as runtime:
        for name in job["entities"]:
            inbound(BY_NAME[name], runtime)
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
