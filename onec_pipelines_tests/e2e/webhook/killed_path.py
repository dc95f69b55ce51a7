"""The path of an event in processes that are killed at a named place: a receiver, and a worker that drains once.

Started by the tests as a program: a job a line on stdin, a result a line on stdout. `{"do": "receive"|"drain", "environment",
"kill_at"}` starts a child and gives `{"pid", "says"}`: the receiver's address, or what was drained. `{"do": "wait", "pid"}`
gives `{"code"}`, negative for the signal that ended it. It forks from a process that has everything imported and no threads.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from onec_pipelines.dispatch import drain
from onec_pipelines.runtime import open_runtime
from onec_pipelines.settings import load_settings
from onec_pipelines.steps import failpoints
from onec_pipelines.webhook.serve import open_receiver

Say = Callable[[str], None]


def receive(job: dict[str, Any], say: Say) -> None:
    with open_receiver(load_settings(job["environment"])) as receiver:
        receiver.serve(on_ready=say)


def work(job: dict[str, Any], say: Say) -> None:
    with open_runtime(load_settings(job["environment"])) as runtime:
        say(json.dumps(asdict(drain(runtime, kinds=["webhook"]))))


def start(job: dict[str, Any]) -> dict[str, Any]:
    """Fork, and wait for what the child has to say: nothing when it dies before."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        in_child(job, writer)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        return {"pid": child, "says": pipe.readline().strip()}


def in_child(job: dict[str, Any], writer: int) -> None:
    """Do one of the two, die where the job says, and never come back."""

    def kill(name: str) -> None:
        if name == job["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        logging.basicConfig(level=logging.ERROR)
        failpoints.arm(kill)
        {"receive": receive, "drain": work}[job["do"]](job, lambda text: _write(writer, text))
        code = 0
    finally:
        os._exit(code)


def _write(writer: int, text: str) -> None:
    os.write(writer, text.encode() + b"\n")


def main() -> None:
    """Serve jobs until stdin ends."""
    for line in sys.stdin:
        job = json.loads(line)
        if job["do"] == "wait":
            _, status = os.waitpid(job["pid"], 0)
            result = {"code": os.waitstatus_to_exitcode(status)}
        else:
            result = start(job)
        print(json.dumps(result), flush=True)  # noqa: T201 - the result


if __name__ == "__main__":
    main()
