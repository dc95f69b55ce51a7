"""`integ.webhook_inbox`: what 1C told us, stored once, and the work it leads to put into the retry queue by the same statement.

Asynchronous, unlike the rest of the ledger, because the receiver lives in an event loop. What is done with a hint is `steps/hints.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import psycopg

from onec_pipelines.db.engine import Database
from onec_pipelines.db.errors import translated
from onec_pipelines.db.urls import conninfo

KIND = "webhook"
_SETTINGS = {"statement_timeout": "5s", "lock_timeout": "2s", "TimeZone": "UTC"}
_CONNECT: dict[str, Any] = {
    "connect_timeout": 3,
    "tcp_user_timeout": 5000,
    "application_name": "onec_webhooks",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class StockValue:
    """A balance as an event tells it, GUIDs in small letters."""

    warehouse: str
    product: str
    variant: str | None
    on_hand: Decimal
    to_ship: Decimal | None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A verified and parsed event: each of `refs` is to be looked at again in each of `entities`. Times are by 1C's clock."""

    msg_id: str
    type: str
    refs: tuple[str, ...]
    sent_at: datetime
    occurred_at: datetime | None = None
    data_version: str | None = None
    sequence: int | None = None
    stock: tuple[StockValue, ...] = ()
    entities: tuple[str, ...] = ()
    known: bool = True


# One statement, so one transaction and one journey: the events that are new, and for each object that nothing waits for yet an item
# in the queue. An item that is ready has not been fetched yet, so its fetch will see what this event tells of; one that is leased may
# have been. A ready item that was put off is brought forward: the object has changed, trying it is worth it again.
# `state || ''` keeps the planner from the index over all that is ready, which may be a hundred thousand after an outage.
# The rows come as JSON: nine arrays cost the client four times as much.
_STORE = """
WITH given AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(rows)s::json)
        AS row (msg_id text, type text, refs uuid[], details jsonb, sent_at timestamptz, entities text[])
), stored AS (
    INSERT INTO integ.webhook_inbox (system_name, msg_id, type, refs, details, sent_at)
    SELECT %(system)s, msg_id, type, refs, details, sent_at FROM given
    ON CONFLICT (system_name, msg_id) DO NOTHING
    RETURNING msg_id
), wanted AS MATERIALIZED (
    SELECT DISTINCT entity, ref::text AS ref, entity || ':' || ref AS subject
    FROM given JOIN stored USING (msg_id) CROSS JOIN unnest(given.entities) AS entity CROSS JOIN unnest(given.refs) AS ref
), waiting AS MATERIALIZED (
    SELECT wanted.*, open.id, open.run_at FROM wanted LEFT JOIN LATERAL (
        SELECT queue.id, queue.run_at FROM integ.retry_queue queue
        WHERE queue.system_name = %(system)s AND queue.ordering_key = wanted.subject AND queue.is_open
            AND queue.state || '' = 'ready'
        ORDER BY queue.id LIMIT 1) open ON true
), brought_forward AS (
    UPDATE integ.retry_queue queue SET run_at = now(), updated_at = now()
    WHERE id = ANY (ARRAY(SELECT id FROM waiting WHERE run_at > now() + interval '5 seconds')) AND state || '' = 'ready'
), queued AS (
    INSERT INTO integ.retry_queue (system_name, kind, subject, ordering_key, payload)
    SELECT %(system)s, 'webhook', subject, subject, jsonb_build_object('entity', entity, 'ref', ref)
    FROM waiting WHERE id IS NULL
    RETURNING id
), audited AS (
    INSERT INTO integ.audit_log (system_name, action, details)
    SELECT %(system)s, 'webhook.received', jsonb_build_object('events', events) FROM (SELECT count(*) AS events FROM stored) new
    WHERE events > 0
)
SELECT coalesce((SELECT array_agg(msg_id) FROM stored), '{}'),
    (SELECT pg_notify('onec_queue', %(system)s || ':webhook') FROM queued LIMIT 1)
"""

_COUNT = """
INSERT INTO integ.webhook_counts (system_name, name, count)
SELECT %s, name, count FROM unnest(%s::text[], %s::bigint[]) AS given (name, count)
ON CONFLICT (system_name, day, name) DO UPDATE SET count = integ.webhook_counts.count + excluded.count
"""

_PRUNE = """
WITH old AS (
    SELECT id FROM integ.webhook_inbox WHERE received_at < now() - make_interval(days => %s) ORDER BY received_at LIMIT 5000
), gone AS (
    DELETE FROM integ.webhook_inbox inbox USING old WHERE inbox.id = old.id RETURNING inbox.id
), applied AS (
    DELETE FROM integ.webhook_applied WHERE applied_at < now() - make_interval(days => %s)
)
SELECT count(*) FROM gone
"""


class InboxWriter:
    """The receiver's one connection, opened at need and thrown away at any error. Every wait on the database is limited to seconds."""

    def __init__(self, database: Database, *, system_name: str) -> None:
        self._database = database
        self._system_name = system_name
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def store(self, messages: Sequence[Message]) -> frozenset[str]:
        """Store the messages and queue what they ask for, in one transaction; gives the ids that were new.

        The same id twice in one call counts once. Raises our errors; a RetryLater may have been stored all the same.
        """
        once = {message.msg_id: message for message in messages}
        rows = await self._run(_STORE, {"system": self._system_name, "rows": _rows(once.values())})
        return frozenset(rows[0][0])

    async def count(self, counts: Mapping[str, int]) -> None:
        """Add to today's counts."""
        await self._run(_COUNT, (self._system_name, list(counts), list(counts.values())))

    async def prune(self, *, days: int) -> int:
        """Forget up to 5000 events received more than so many days ago; gives how many."""
        return int((await self._run(_PRUNE, (days, days)))[0][0])

    async def ping(self) -> None:
        """Raise our error if the database cannot be asked."""
        await self._run("SELECT 1", ())

    async def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _run(self, statement: str, values: Any) -> list[Any]:
        with translated():
            try:
                cursor = await (await self._open()).execute(statement.encode(), values)
                return await cursor.fetchall() if cursor.description else []
            except BaseException:
                # A cancelled or failed connection may be in the middle of anything.
                await self.close()
                raise

    async def _open(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None:
            opened = await psycopg.AsyncConnection.connect(
                conninfo(self._database.url), autocommit=True, **_CONNECT
            )
            await opened.execute(
                "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS s (name, value)",
                (list(_SETTINGS), list(_SETTINGS.values())),
            )
            self._connection = opened
        return self._connection


class _Details(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    data_version: str | None = None
    occurred_at: datetime | None = None
    sequence: int | None = None
    stock: tuple[StockValue, ...] = ()


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    msg_id: str
    type: str
    refs: tuple[str, ...]
    details: _Details | None
    sent_at: datetime
    entities: tuple[str, ...]


_NOTHING = _Details()
_ENCODER = msgspec.json.Encoder()


def _rows(messages: Iterable[Message]) -> str:
    return _ENCODER.encode([_row(message) for message in messages]).decode()


def _row(message: Message) -> _Row:
    details = _Details(
        data_version=message.data_version or None,
        occurred_at=message.occurred_at,
        sequence=message.sequence,
        stock=message.stock,
    )
    return _Row(
        msg_id=message.msg_id,
        type=message.type,
        refs=message.refs,
        details=None if details == _NOTHING else details,
        sent_at=message.sent_at,
        entities=message.entities,
    )
