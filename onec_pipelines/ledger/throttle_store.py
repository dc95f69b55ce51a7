"""`integ.throttle` and `integ.throttle_members`: one short transaction per question, in two trips to the database.

Here belongs the SQL of the throttle. What is decided is in `throttle_rules.py`; who asks is in `throttle.py`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database
from onec_pipelines.db.errors import translated
from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger.throttle_rules import Base, Member
from onec_pipelines.onec.throttle import Lane

# No heartbeat for so long: the process hangs, and its calls are given to others.
HANGS_SECONDS = 15.0
# Who has not asked for so long is not waiting any more, whatever its row says.
_AWAKE_SECONDS = 2.0
_STATE = tuple(field.name for field in fields(Base))
_READ = (
    f"SELECT clock_timestamp() AS now, {', '.join(_STATE)}, paused_at, paused_until, paused_by, pause_reason"
    " FROM integ.throttle WHERE system_name = %s FOR UPDATE"
)
_MEMBERS = (
    "SELECT process, lane, held, in_use, waiting_since,"
    f" CASE WHEN seen_at > clock_timestamp() - interval '{_AWAKE_SECONDS} seconds' THEN wants ELSE held END AS wants,"
    f" process <> %s AND (seen_at < clock_timestamp() - interval '{HANGS_SECONDS} seconds'"
    " OR pg_try_advisory_xact_lock(hashtextextended('onec:throttle:' || process, 0))) AS is_gone"
    " FROM integ.throttle_members WHERE system_name = %s"
)
_WRITE = f"UPDATE integ.throttle SET {', '.join(f'{name} = %({name})s' for name in _STATE)} WHERE system_name = %(system)s"
_WRITE_MEMBER = (
    "INSERT INTO integ.throttle_members AS m (process, lane, system_name, held, wants, in_use, waiting_since, host, pid, seen_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp()) ON CONFLICT (process, lane) DO UPDATE"
    " SET held = excluded.held, wants = excluded.wants, in_use = excluded.in_use,"
    " waiting_since = excluded.waiting_since, seen_at = excluded.seen_at"
)


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Somebody paused the base; `until` None means until `onec resume`."""

    since: datetime
    until: datetime | None
    by: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a process sees when it asks: the base, who else calls, its own rows, by the database's clock."""

    now: datetime
    base: Base
    pause: Pause | None
    others: Mapping[tuple[UUID, Lane], Member]
    mine: Mapping[Lane, Member]


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What is written back: the base, and the rows of this process (a row of nothing is removed)."""

    base: Base
    mine: Mapping[Lane, Member]


class Store:
    """One connection of one process, opened at the first question; not thread-safe.

    Holds a session lock, so that others know at once when this process is gone (RELIABILITY trap 9).
    """

    def __init__(self, database: Database, system_name: str) -> None:
        self._database = database
        self._system = system_name
        self._open = ExitStack()
        self._connection: psycopg.Connection[Any] | None = None
        self.process = uuid4()
        """Names this process; another one after each lost connection, because the lock of the old may linger."""

    def decide(self, rule: Callable[[Seen], Decided]) -> None:
        """Let `rule` look at the base and write what it decides, alone among all processes.

        Raises RetryLater DB_… when the database does not answer; the next question connects anew.
        """
        try:
            with translated():
                self._decide(self._connected(), rule)
        except BaseException:
            # Whatever it was, the row must not stay locked.
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, which frees everything that this process holds."""
        self._connection = None
        connection, self._open = self._open, ExitStack()
        with suppress(PipelineError), translated():
            connection.close()

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            connection = self._open.enter_context(self._database.session())
            self.process = uuid4()
            # A decision that is lost in a crash is no loss, and nobody waits for one that hangs.
            connection.execute("SET synchronous_commit = off")
            connection.execute("SET idle_in_transaction_session_timeout = '3s'")
            connection.execute("SET statement_timeout = '10s'")
            connection.execute(
                "SELECT pg_advisory_lock(hashtextextended('onec:throttle:' || %s, 0))", (str(self.process),)
            )
            connection.execute(
                "INSERT INTO integ.throttle (system_name) VALUES (%s) ON CONFLICT DO NOTHING", (self._system,)
            )
            self._connection = connection
        return self._connection

    def _decide(self, connection: psycopg.Connection[Any], rule: Callable[[Seen], Decided]) -> None:
        with connection.pipeline() as pipeline:
            connection.execute("BEGIN")
            base_row = connection.cursor(row_factory=dict_row).execute(_READ.encode(), (self._system,))
            rows = connection.cursor(row_factory=dict_row).execute(
                _MEMBERS.encode(), (self.process, self._system)
            )
            pipeline.sync()
            found = base_row.fetchone()
            assert found is not None  # noqa: S101 - made when the connection was
            gone, seen = self._seen(found, rows.fetchall())
            decided = rule(seen)
            if decided.base != seen.base:
                connection.execute(_WRITE.encode(), self._values(decided.base))
            for lane, member in decided.mine.items():
                self._write_member(connection, lane, member, known=lane in seen.mine)
            if gone:
                connection.execute(
                    "DELETE FROM integ.throttle_members WHERE process = ANY(%s)", (list(gone),)
                )
            connection.execute("COMMIT")

    def _seen(self, row: dict[str, Any], rows: list[dict[str, Any]]) -> tuple[set[UUID], Seen]:
        others: dict[tuple[UUID, Lane], Member] = {}
        mine: dict[Lane, Member] = {}
        for one in rows:
            member = Member(
                held=one["held"],
                wants=one["wants"],
                in_use=one["in_use"],
                waiting_since=one["waiting_since"],
            )
            if one["process"] == self.process:
                mine[one["lane"]] = member
            elif not one["is_gone"]:
                others[one["process"], one["lane"]] = member
        gone = {one["process"] for one in rows if one["is_gone"]}
        return gone, Seen(
            now=row["now"],
            base=Base(**{name: row[name] for name in _STATE}),
            pause=pause_of(row),
            others=others,
            mine=mine,
        )

    def _values(self, base: Base) -> dict[str, Any]:
        values = {name: getattr(base, name) for name in _STATE}
        return {
            **values,
            "cause": Jsonb(base.cause) if base.cause is not None else None,
            "system": self._system,
        }

    def _write_member(
        self, connection: psycopg.Connection[Any], lane: Lane, member: Member, *, known: bool
    ) -> None:
        if member.held or member.wants or member.in_use:
            connection.execute(
                _WRITE_MEMBER,
                (
                    self.process,
                    lane,
                    self._system,
                    member.held,
                    member.wants,
                    member.in_use,
                    member.waiting_since,
                    socket.gethostname(),
                    os.getpid(),
                ),
            )
        elif known:
            connection.execute(
                "DELETE FROM integ.throttle_members WHERE process = %s AND lane = %s", (self.process, lane)
            )


def pause_of(row: dict[str, Any]) -> Pause | None:
    """The pause that holds at the row's `now`, from its columns of `integ.throttle`."""
    if row["paused_at"] is None or (row["paused_until"] is not None and row["paused_until"] <= row["now"]):
        return None
    return Pause(
        since=row["paused_at"],
        until=row["paused_until"],
        by=row["paused_by"] or "",
        reason=row["pause_reason"] or "",
    )
