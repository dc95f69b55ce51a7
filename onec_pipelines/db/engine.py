"""Connections to PostgreSQL: a pool with time limits on everything, and the way from SQLAlchemy to COPY.

Here belong opening, limits and transactions. Statements belong to whoever owns the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, create_engine, event

from onec_pipelines.db.errors import translated
from onec_pipelines.db.urls import conninfo, data_url, masked


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long each kind of waiting may last, in seconds. 0 means for ever.

    A statement that meets its limit is RetryLater (DB_TIMEOUT), a lock RetryLater (DB_LOCKED). `idle` ends a
    transaction whose owner does nothing, so that a hanging process does not hold locks.
    """

    connect: int = 5
    statement: int = 900
    lock: int = 5
    idle: int = 60
    network: int = 30


class Database:
    """One PostgreSQL database: transactions with our errors. Made by `connect`, closed by `close`."""

    def __init__(self, url: str, *, application_name: str, pool_size: int, limits: Limits) -> None:
        self._url = url
        self._limits = limits
        self._arguments: dict[str, Any] = {
            "connect_timeout": limits.connect,
            "tcp_user_timeout": limits.network * 1000,
            "application_name": application_name,
            # Temporary tables of different shapes share a name: the plan of a statement that is prepared by itself after
            # five runs would no longer fit ("cached plan must not change result type").
            "prepare_threshold": None,
        }
        self.engine = create_engine(
            data_url(url),
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=pool_size,
            max_overflow=pool_size,
            connect_args=self._arguments,
        )
        event.listen(self.engine, "connect", lambda raw, _record: _apply(limits, raw))

    def __repr__(self) -> str:
        return f"Database({masked(self._url)})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address as given, password included: for another process or driver, never for a log."""
        return self._url

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction: committed at the end of the block, rolled back when the block raises.

        Errors of the database come out as Quarantine, RetryLater or Stop. A RetryLater (DB_DOWN) from the
        commit itself is ambiguous: re-read before repeating what is not idempotent.
        """
        with translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection[Any]]:
        """A psycopg connection of its own in autocommit mode: for session locks, LISTEN and migrations."""
        with translated(), psycopg.connect(conninfo(self.url), autocommit=True, **self._arguments) as raw:
            _apply(self._limits, raw)
            try:
                yield raw
            finally:
                _unlock(raw)

    def close(self) -> None:
        """Close the pool's connections."""
        self.engine.dispose()


def connect(
    url: str, *, application_name: str = "onec_pipelines", pool_size: int = 5, limits: Limits | None = None
) -> Database:
    """The database at `url`; nothing is opened before the first use.

    Values never appear in errors and logs of the engine, a dead connection in the pool is noticed and
    replaced, and each session runs in UTC under `limits`. The pool holds `pool_size` connections, twice that
    under load.
    """
    return Database(url, application_name=application_name, pool_size=pool_size, limits=limits or Limits())


def _unlock(session: psycopg.Connection[Any]) -> None:
    """Free the session's locks now: PostgreSQL notices the end of a connection later, and who comes next would find them held."""
    if session.info.transaction_status is TransactionStatus.IDLE:
        with suppress(psycopg.Error):
            session.execute("SELECT pg_advisory_unlock_all()")


def driver_connection(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under `connection`, inside the same transaction: for COPY."""
    raw = connection.connection.driver_connection
    if not isinstance(raw, psycopg.Connection):
        raise TypeError(f"expected a psycopg 3 connection, the engine runs on {type(raw).__module__}")
    return raw


def _apply(limits: Limits, raw: psycopg.Connection[Any]) -> None:
    # By SET and not by the start-up packet, which poolers such as PgBouncer refuse.
    settings = {
        "statement_timeout": f"{limits.statement}s",
        "lock_timeout": f"{limits.lock}s",
        "idle_in_transaction_session_timeout": f"{limits.idle}s",
        "TimeZone": "UTC",
        # A page group is staged in temporary tables: 8 MB, the default, would spill to disk.
        "temp_buffers": "64MB",
    }
    raw.execute(
        "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS s (name, value)",
        (list(settings), list(settings.values())),
    )
    if not raw.autocommit:
        raw.commit()
