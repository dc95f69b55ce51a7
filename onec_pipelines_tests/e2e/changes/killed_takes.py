"""Takes packets in and applies them in child processes that die by SIGKILL at a named place.

Started by the tests as a program: reads a job a line from stdin, `{"environment": {...}, "entities": [...], "kill_at": name or null}`, and
prints the child's exit code (negative for the signal that ended it). It forks from a process that has everything imported.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.intake import take_packets
from onec_pipelines.runtime import open_runtime
from onec_pipelines.settings import load_settings
from onec_pipelines.spec import Way
from onec_pipelines.steps import failpoints


def run(job: dict[str, Any]) -> None:
    """Take in and apply in this process."""

    def reached(name: str) -> None:
        if name == job["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    failpoints.arm(reached)
    with open_runtime(load_settings(job["environment"])) as runtime:
        take_packets(runtime)
        for name in job["entities"]:
            inbound(BY_NAME[name], runtime, way=Way.CHANGES)


def in_child(job: dict[str, Any]) -> int:
    """The exit code of a forked child that runs the job."""
    child = os.fork()
    if child == 0:
        run(job)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(in_child(json.loads(line))), flush=True)  # noqa: T201 - the result
