"""Dagster's event log and its neighbours as a run of dozens of assets needs them: few connections, few commits.

Dagster opens a connection for each query, stores each event by itself and looks for its own columns each time: of a run of all entities
with nothing to do that was most of the time. What is stored stays what Dagster stores; the tests of this file compare the two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg2  # type: ignore[import-untyped]
from dagster import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._serdes import serialize_value
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage
from dagster_postgres.utils import create_pg_engine
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

_PLANNED = {DagsterEventType.ASSET_MATERIALIZATION_PLANNED, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED}
# Idle connections are given up before a firewall does it in silence.
_RECYCLE_SECONDS = 600
# Asked before every statement whether it lives, a connection would do twice the work.
_IDLE_SECONDS = 2.0


class OnecRuns(PostgresRunStorage):
    """Dagster's runs, by one connection that is kept."""

    def __init__(self, url: str) -> None:
        super().__init__(postgres_url=url, should_autocreate_tables=False)
        self._engine = _pooled(url)

    def dispose(self) -> None:
        """Close the kept connection."""
        self._engine.dispose()


class OnecSchedules(PostgresScheduleStorage):
    """Dagster's ticks, by one connection that is kept."""

    def __init__(self, url: str) -> None:
        super().__init__(postgres_url=url, should_autocreate_tables=False)
        self._engine = _pooled(url)

    def dispose(self) -> None:
        """Close the kept connection."""
        self._engine.dispose()


class OnecEvents(PostgresEventLogStorage):
    """Dagster's events, by one connection that is kept; what a run plans is stored at once."""

    def __init__(self, url: str) -> None:
        self._seen: set[str] = set()
        super().__init__(postgres_url=url, should_autocreate_tables=False)
        # A crash of the server may take the last second of the history along, never of the data: those are other connections.
        self._engine = _pooled(url, options="-c synchronous_commit=off")

    def dispose(self) -> None:
        """Close the kept connection."""
        super().dispose()
        self._engine.dispose()

    def has_table(self, table_name: str) -> bool:
        """As Dagster says, asked once: it looks before each event of a check or with tags."""
        return self._known(f"table {table_name}", lambda: super(OnecEvents, self).has_table(table_name))

    def has_asset_key_col(self, column_name: str) -> bool:
        """As Dagster says, asked once: it reads all columns of the table for each event of an asset."""
        return self._known(
            f"column {column_name}", lambda: super(OnecEvents, self).has_asset_key_col(column_name)
        )

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        return self._known(
            f"column {column_name}",
            lambda: super(OnecEvents, self)._has_asset_key_col_on_connection(conn, column_name),
        )

    def _known(self, what: str, look: Callable[[], bool]) -> bool:
        """Whether it is there; what is there stays."""
        if what not in self._seen and look():
            self._seen.add(what)
        return what in self._seen

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store what belongs together; plans in a handful of statements instead of several an event."""
        if not all(entry.dagster_event_type in _PLANNED for entry in events):
            super().store_event_batch(events)
            return
        statement = self.prepare_insert_event_batch(events).returning(SqlEventLogStorageTable.c.id)
        with self.index_transaction() as connection:
            stored = list(zip(events, (int(row[0]) for row in connection.execute(statement)), strict=True))
            for entry, event_id in stored:
                if entry.dagster_event_type is DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
                    self._store_asset_event_tags(connection, [entry], [event_id])
                    self._store_asset_event(connection, entry, event_id)
            rows = [
                row
                for entry, event_id in stored
                if entry.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
                for row in _planned_checks(entry, event_id)
            ]
            if rows:
                connection.execute(AssetCheckExecutionsTable.insert(), rows)


def _planned_checks(entry: EventLogEntry, event_id: int) -> list[dict[str, object]]:
    planned = entry.get_dagster_event().asset_check_planned_data
    partitions = planned.partitions_subset.get_partition_keys() if planned.partitions_subset else [None]
    return [
        {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "partition": partition,
            "run_id": entry.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(entry),
            "evaluation_event_timestamp": datetime.fromtimestamp(entry.timestamp, UTC).replace(tzinfo=None),
            "evaluation_event_storage_id": event_id,
        }
        for partition in partitions
    ]


def _pooled(url: str, *, options: str = "") -> Engine:
    """One connection that is kept, looked after when it was idle; more for a moment when several threads want one."""
    given = make_url(url).query.get("options", "")
    engine = create_pg_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=1,
        max_overflow=-1,
        pool_recycle=_RECYCLE_SECONDS,
        connect_args={"options": f"{given} {options}".strip()},
    )
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _must_live)
    return engine


def _note_use(connection: Any, record: ConnectionPoolEntry) -> None:
    del connection
    record.info["used"] = time.monotonic()


def _must_live(connection: Any, record: ConnectionPoolEntry, fairy: PoolProxiedConnection) -> None:
    """The pool takes another connection instead of one that the server has closed meanwhile."""
    del fairy
    if time.monotonic() - record.info.get("used", time.monotonic()) < _IDLE_SECONDS:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error as error:
        raise DisconnectionError(str(error)) from error
