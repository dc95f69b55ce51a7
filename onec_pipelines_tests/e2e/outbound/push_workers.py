"""Workers of the queue in child processes that can be killed at any moment, or that kill themselves at a named place.

Started by the tests as a program, because it forks: everything is imported once and there are no threads yet. Reads a command a line
from stdin: `{"start": {...environment}, "die_at": name or null, "nth": n}` forks a worker and prints `{"pid": …}`; `{"kill": pid}` kills
one with SIGKILL; `{"once": {...environment}, "die_at": …}` drains until nothing is open and prints `{"code": …}`; `{"stop": true}` ends
all workers.

Leases are long, so that nobody loses one only because the machine is slow; whoever was killed has its leases ended here.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import time
import traceback
from typing import Any

import psycopg

from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.db.urls import conninfo
from onec_pipelines.dispatch import drain
from onec_pipelines.ledger import retry_policy
from onec_pipelines.onec.client import OnecClient, RetryPolicy
from onec_pipelines.runtime import Runtime, connection_of
from onec_pipelines.settings import load_settings
from onec_pipelines.steps import failpoints
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS

LEASE_SECONDS = 60.0
# A request that was under way when its worker was killed has arrived by then, or never will.
LEFT_SECONDS = 2.0
QUICK = RetryPolicy(attempts=5, wait_initial=0.01, wait_max=0.1, wait_jitter=0.02)


def die_at(name: str | None, nth: int) -> None:
    """Have this process killed when the named place is reached for the n-th time."""
    seen = 0

    def hook(reached: str) -> None:
        nonlocal seen
        if reached == name:
            seen += 1
            if seen == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    failpoints.arm(hook)


def work(variables: dict[str, str], *, until_empty: bool) -> None:
    """Drain again and again; with `until_empty` until nothing is open."""
    retry_policy.FIRST_SECONDS = 0.05  # a test has no time to be polite
    retry_policy.LONGEST_SECONDS = 0.4
    settings = load_settings(variables)
    with Runtime(settings, connect(settings.database_url.get_secret_value())) as runtime:
        runtime.__dict__["client"] = OnecClient(
            connection_of(runtime.settings), runtime.throttle, retry=QUICK
        )
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert not until_empty or time.monotonic() < ends_at, state_of(runtime)
            drain(runtime, kinds=["push"], lease_seconds=LEASE_SECONDS, threads=2)
            if until_empty and not open_items(runtime):
                return
            time.sleep(0.02)


def state_of(runtime: Runtime) -> str:
    """What hangs, for the developer who reads the failed test."""
    with runtime.database.transaction() as connection:
        rows = driver_connection(connection).execute(
            "SELECT subject, state, attempts, delays, run_at - now(), last_error FROM integ.retry_queue WHERE state <> 'done'"
        )
        return "\n".join(map(str, rows))


def open_items(runtime: Runtime) -> int:
    with runtime.database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute("SELECT count(*) FROM integ.retry_queue WHERE state IN ('ready', 'leased')")
            .fetchone()
        )
    return int(row[0]) if row else 0


def fork(variables: dict[str, str], name: str | None, nth: int, *, until_empty: bool) -> int:
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # stdout is for our answers
        code = 1
        try:
            die_at(name, nth)
            if until_empty:  # tells where all threads stand, and ends
                faulthandler.dump_traceback_later(PATIENCE_SECONDS + 60, exit=True)
            work(variables, until_empty=until_empty)
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(code)
    return child


def reap(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def end_leases(variables: dict[str, str], pid: int, *, after: float = 0.0) -> None:
    """Have what a dead worker held taken back, as if its leases had been short."""
    with psycopg.connect(conninfo(variables["ONEC_DATABASE_URL"]), autocommit=True) as connection:
        connection.execute(
            "UPDATE integ.retry_queue SET lease_until = now() + make_interval(secs => %s)"
            " WHERE state = 'leased' AND leased_by LIKE %s",
            (after, f"%:{pid}"),
        )


def main() -> None:
    running: dict[int, dict[str, str]] = {}
    for line in sys.stdin:
        said: dict[str, Any] = json.loads(line)
        answer: dict[str, Any] = {}
        if "start" in said:
            pid = fork(said["start"], said.get("die_at"), said.get("nth", 1), until_empty=False)
            running[pid] = said["start"]
            answer = {"pid": pid}
        elif "once" in said:
            pid = fork(said["once"], said.get("die_at"), said.get("nth", 1), until_empty=True)
            answer = {"code": reap(pid)}
            # It has killed itself beside a request, never during one.
            end_leases(said["once"], pid)
        else:
            for pid in [said["kill"]] if "kill" in said else list(running):
                variables = running.pop(pid)
                os.kill(pid, signal.SIGKILL)
                reap(pid)
                end_leases(variables, pid, after=LEFT_SECONDS)
        print(json.dumps(answer), flush=True)  # noqa: T201 - the result
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        reap(pid)


if __name__ == "__main__":
    main()
