"""What a person does with the items of `integ.retry_queue`: look, try again, drop, correct. Every act is in the audit log with who did it.

Here belong acts on items that nobody works on; what a worker does is in `queue.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import Skip
from onec_pipelines.ledger import audit

Tx = psycopg.Connection[Any]

STATES = ("ready", "leased", "dead", "done", "dropped")
_SHOWN = (
    "id, kind, subject, ordering_key, payload, state, attempts, max_attempts, lost_leases, run_at, leased_by,"
    " lease_until, last_error, created_at, updated_at, finished_at"
)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which items: by id, or all dead ones of a class (`refused`, `exhausted`, …, or an error's code) or of a kind; None means any."""

    ids: Sequence[int] | None = None
    error_class: str | None = None
    kind: str | None = None


def listing(
    database: Database,
    system_name: str,
    *,
    states: Sequence[str] = ("dead", "leased", "ready"),
    kind: str | None = None,
    error_class: str | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Items in these states, dead ones first, then by the time they are due; newest first among the finished."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).cursor(row_factory=dict_row)
        return cursor.execute(
            f"SELECT {_SHOWN} FROM integ.retry_queue WHERE system_name = %s AND state = ANY(%s)"
            " AND (%s::text IS NULL OR kind = %s)"
            " AND (%s::text IS NULL OR %s IN (last_error ->> 'kind', last_error ->> 'code'))"
            " ORDER BY array_position(ARRAY['dead', 'leased', 'ready', 'done', 'dropped'], state),"
            " CASE WHEN finished_at IS NULL THEN run_at END, id DESC LIMIT %s".encode(),
            (system_name, list(states), kind, kind, error_class, error_class, limit),
        ).fetchall()


def entry(database: Database, system_name: str, item_id: int) -> dict[str, Any] | None:
    """One item whole, with the ids of open items that wait behind it and of the one it waits for; None if there is none."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).cursor(row_factory=dict_row)
        return cursor.execute(
            f"SELECT {_SHOWN}, (SELECT min(o.id) FROM integ.retry_queue o WHERE o.system_name = q.system_name"
            " AND o.ordering_key = q.ordering_key AND o.is_open AND o.id < q.id) AS waits_for,"
            " ARRAY(SELECT o.id FROM integ.retry_queue o WHERE o.system_name = q.system_name AND q.is_open"
            " AND o.ordering_key = q.ordering_key AND o.is_open AND o.id > q.id ORDER BY o.id LIMIT 20) AS holds_up"
            " FROM integ.retry_queue q WHERE q.id = %s AND q.system_name = %s".encode(),
            (item_id, system_name),
        ).fetchone()


def counts(database: Database, system_name: str) -> list[dict[str, Any]]:
    """Open items: one row per kind, state and class with `items`, `due` (now) and `oldest` (when the oldest was put in)."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).cursor(row_factory=dict_row)
        return cursor.execute(
            # Only states that partial indexes hold: counting the finished would read a million rows.
            "SELECT kind, state, CASE WHEN state = 'dead' THEN last_error ->> 'kind' END AS class, count(*) AS items,"
            " count(*) FILTER (WHERE state = 'ready' AND run_at <= now()) AS due, min(created_at) AS oldest FROM ("
            "SELECT kind, state, last_error, run_at, created_at FROM integ.retry_queue WHERE state = 'ready' AND system_name = %(s)s"
            " UNION ALL SELECT kind, state, last_error, run_at, created_at FROM integ.retry_queue"
            " WHERE state = 'leased' AND system_name = %(s)s"
            " UNION ALL SELECT kind, state, last_error, run_at, created_at FROM integ.retry_queue"
            " WHERE state = 'dead' AND system_name = %(s)s) q"
            " GROUP BY kind, state, class ORDER BY kind, state, class",
            {"s": system_name},
        ).fetchall()


def retry(
    tx: Tx, *, system_name: str, chosen: Chosen, by: str, reason: str = "", per_second: float | None = None
) -> list[int]:
    """Have items tried again from their first attempt, and give their ids: dead, dropped and waiting ones; never a done one.

    Without ids only dead ones are meant. With `per_second` they become due one after another at that rate.
    """
    named = chosen.ids is not None
    rows = tx.execute(
        "WITH chosen AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM ("
        "SELECT id FROM integ.retry_queue WHERE system_name = %(system)s AND state = ANY(%(states)s)"
        " AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s)) AND (%(kind)s::text IS NULL OR kind = %(kind)s)"
        " AND (%(class)s::text IS NULL OR %(class)s IN (last_error ->> 'kind', last_error ->> 'code'))"
        " ORDER BY id FOR UPDATE) found)"
        " UPDATE integ.retry_queue q SET state = 'ready', attempts = 0, delays = 0, lost_leases = 0, finished_at = NULL,"
        " lease_token = NULL, updated_at = now(),"
        " run_at = now() + make_interval(secs => coalesce(chosen.place / %(rate)s::float8, 0))"
        " FROM chosen WHERE q.id = chosen.id RETURNING q.id",
        {
            "system": system_name,
            "states": ["dead", "dropped", "ready"] if named else ["dead"],
            "ids": list(chosen.ids) if chosen.ids is not None else None,
            "kind": chosen.kind,
            "class": chosen.error_class,
            "rate": per_second,
        },
    ).fetchall()
    ids = sorted(int(found) for (found,) in rows)
    if ids:
        _note(tx, system_name, "queue.retry", by, reason, items=ids, per_second=per_second)
        tx.execute("SELECT pg_notify('onec_queue', %s)", (f"{system_name}:",))
    return ids


def drop(tx: Tx, *, system_name: str, ids: Sequence[int], by: str, reason: str = "") -> list[int]:
    """Give items up for good, so that those behind them may go on; gives the ids of those that were dead or waiting."""
    rows = tx.execute(
        "UPDATE integ.retry_queue SET state = 'dropped', finished_at = now(), updated_at = now()"
        " WHERE system_name = %s AND id = ANY(%s) AND state IN ('dead', 'ready') RETURNING id",
        (system_name, list(ids)),
    ).fetchall()
    dropped = sorted(int(found) for (found,) in rows)
    if dropped:
        _note(tx, system_name, "queue.drop", by, reason, items=dropped)
        tx.execute("SELECT pg_notify('onec_queue', %s)", (f"{system_name}:",))
    return dropped


def edit(
    tx: Tx, *, system_name: str, item_id: int, payload: dict[str, Any], by: str, reason: str = ""
) -> dict[str, Any]:
    """Put another payload into a dead or waiting item and give the one it had; raises Skip when it is in no such state.

    The audit log keeps the hashes of both and the names of the changed keys, not the values.
    """
    row = tx.execute(
        "SELECT payload FROM integ.retry_queue WHERE system_name = %s AND id = %s AND state IN ('dead', 'ready')"
        " FOR UPDATE",
        (system_name, item_id),
    ).fetchone()
    if row is None:
        raise Skip(
            f"item {item_id} is neither dead nor waiting",
            code="QUEUE_NOT_EDITABLE",
            remedy="`onec queue show` says what it is; an item that is being worked on cannot be changed.",
        )
    before = dict(row[0])
    tx.execute(
        "UPDATE integ.retry_queue SET payload = %s, updated_at = now() WHERE id = %s",
        (Jsonb(payload), item_id),
    )
    changed = sorted(name for name in {*before, *payload} if before.get(name) != payload.get(name))
    _note(
        tx,
        system_name,
        "queue.edit",
        by,
        reason,
        items=[item_id],
        changed=changed,
        before_sha256=_hash(before),
        after_sha256=_hash(payload),
    )
    return before


def _note(tx: Tx, system_name: str, action: str, by: str, reason: str, **details: Any) -> None:
    audit.record(
        tx,
        system_name=system_name,
        action=action,
        entity=None,
        job_id=None,
        details={"by": by, "reason": reason, **details},
    )


def _hash(payload: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(payload, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
