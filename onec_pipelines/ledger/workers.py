"""`integ.workers`: heartbeats of the processes that work the queue off, so that health and sensors can see them."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import dict_row

from onec_pipelines.db.engine import Database, driver_connection

ALIVE_SECONDS = 30.0
"""A worker that was not seen for so long is gone or hangs."""
_FORGET_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class Beat:
    """What a worker says of itself. `waits_for` is why nothing is worked off, None when it works or there is nothing to do."""

    state: Literal["running", "stopping", "stopped"]
    busy: int
    done: int
    failed: int
    waits_for: str | None


def beat(
    database: Database, worker: UUID, *, system_name: str, kinds: Sequence[str], threads: int, now: Beat
) -> None:
    """Say that the worker lives; rows of workers that ended a week ago are removed."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        tx.execute(
            "INSERT INTO integ.workers AS w (id, system_name, kinds, threads, host, pid, state, busy, done, failed, waits_for)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET state = excluded.state,"
            " busy = excluded.busy, done = excluded.done, failed = excluded.failed, waits_for = excluded.waits_for, seen_at = now()",
            (
                worker,
                system_name,
                list(kinds),
                threads,
                socket.gethostname(),
                os.getpid(),
                now.state,
                now.busy,
                now.done,
                now.failed,
                now.waits_for,
            ),
        )
        if now.state == "stopped":
            tx.execute(
                "DELETE FROM integ.workers WHERE seen_at < now() - make_interval(days => %s)", (_FORGET_DAYS,)
            )


def listing(database: Database, system_name: str) -> list[dict[str, Any]]:
    """Workers that have not said goodbye, each with `is_alive` and `seconds_silent`; those silent for a day are left out."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).cursor(row_factory=dict_row)
        return cursor.execute(
            "SELECT id, kinds, threads, host, pid, state, busy, done, failed, waits_for, started_at, seen_at,"
            " extract(epoch FROM now() - seen_at)::float8 AS seconds_silent,"
            " seen_at > now() - make_interval(secs => %s) AS is_alive FROM integ.workers"
            " WHERE system_name = %s AND state <> 'stopped' AND seen_at > now() - interval '1 day' ORDER BY started_at",
            (ALIVE_SECONDS, system_name),
        ).fetchall()


def alive(database: Database, system_name: str) -> int:
    """How many workers of the base live."""
    return sum(bool(worker["is_alive"]) for worker in listing(database, system_name))
