"""`integ.retry_queue`: claim with a lease and a fencing token, and the four ways an item can end its turn.

Here belongs what a worker does. What a person does with items is in `queue_desk.py`, what an error means in
`retry_policy.py`, which function works off which kind in `dispatch.py`. All times are the database's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import PipelineError, RetryLater, Skip
from onec_pipelines.ledger import audit, retry_policy
from onec_pipelines.ledger.queue_desk import Chosen, counts, drop, edit, entry, listing, retry
from onec_pipelines.ledger.retry_policy import Verdict

__all__ = [
    "CHANNEL",
    "Chosen",
    "Item",
    "LeaseLost",
    "Verdict",
    "claim",
    "counts",
    "drop",
    "due",
    "edit",
    "enqueue",
    "entry",
    "extend",
    "fail",
    "fence",
    "give_back",
    "listing",
    "next_due_seconds",
    "other_kinds",
    "purge",
    "retry",
    "settle",
    "succeed",
    "suspects_wait",
]

Tx = psycopg.Connection[Any]

CHANNEL = "onec_queue"
"""What `integ.enqueue` notifies on; the text is `system:kind`."""

_CLAIMS = 3
_COLUMNS = (
    "id, system_name, kind, subject, ordering_key, payload, attempts, max_attempts, delays, lease_token, lease_until,"
    " created_at"
)
# Of `integ.retry_queue i`: due and not held up by an older item; and one whose last worker never came back.
_CLAIMABLE = (
    "i.state = 'ready' AND i.run_at <= now() AND NOT EXISTS (SELECT FROM integ.retry_queue older"
    " WHERE older.system_name = i.system_name AND older.ordering_key = i.ordering_key AND older.is_open"
    " AND (older.id < i.id OR older.state = 'leased'))"
)
_SUSPECT = "i.lost_leases > 0"


class LeaseLost(PipelineError):
    """Somebody else has this item by now, or nobody: what was done for it must be rolled back."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One claimed item. `payload` holds references; `lease_token` is what every later call is fenced by; times are aware."""

    id: int
    system_name: str
    kind: str
    subject: str
    ordering_key: str
    payload: dict[str, Any]
    attempts: int
    max_attempts: int
    delays: int
    lease_token: UUID
    lease_until: datetime
    created_at: datetime


def enqueue(
    tx: Tx,
    *,
    system_name: str,
    kind: str,
    subject: str,
    ordering_key: str,
    payload: dict[str, Any],
    run_at: datetime | None = None,
) -> int:
    """Put one item into the queue, in the transaction that knows of it, and give its id."""
    row = tx.execute(
        "SELECT integ.enqueue(%s, %s, %s, %s, %s, %s)",
        (system_name, kind, subject, ordering_key, Jsonb(payload), run_at),
    ).fetchone()
    assert row is not None  # noqa: S101 - a function gives a row
    return int(row[0])


def claim(
    database: Database,
    *,
    system_name: str,
    kinds: Sequence[str],
    limit: int,
    lease_seconds: float,
    worker: str = "",
    suspects: bool | None = None,
) -> list[Item]:
    """Take up to `limit` due items, oldest first, none whose ordering key has an older open item; the attempt counts from here.

    Items of workers that never came back become ready again, or dead when that happened too often. They are suspected of
    having ended their worker: `suspects` asks for nothing but them, or for none of them. Committed when it returns.
    """
    for _ in range(_CLAIMS):
        try:
            with database.transaction() as connection:
                tx = driver_connection(connection)
                _take_back(tx, system_name)
                return _take(
                    tx,
                    system_name=system_name,
                    kinds=kinds,
                    limit=limit,
                    lease_seconds=lease_seconds,
                    worker=worker,
                    suspects=suspects,
                )
        except PipelineError as error:
            # Two claimed items of one ordering key at the same moment: the index refused the second.
            if error.code != "DB_CONSTRAINT":
                raise
    return []


def fence(tx: Tx, item: Item) -> None:
    """Lock the item for this transaction if it is still ours, else raise LeaseLost: for handlers, before they write."""
    _one(
        tx.execute(
            "SELECT 1 FROM integ.retry_queue WHERE id = %s AND lease_token = %s AND state = 'leased' FOR UPDATE",
            (item.id, item.lease_token),
        ).rowcount,
        item,
    )


def extend(tx: Tx, items: Sequence[Item], lease_seconds: float) -> set[int]:
    """Renew the leases of items that are being worked on, and give the ids of those that are lost."""
    rows = tx.execute(
        "UPDATE integ.retry_queue q SET lease_until = clock_timestamp() + make_interval(secs => %s)"
        " FROM unnest(%s::bigint[], %s::uuid[]) AS mine (id, token)"
        " WHERE q.id = mine.id AND q.lease_token = mine.token AND q.state = 'leased' RETURNING q.id",
        (lease_seconds, [item.id for item in items], [item.lease_token for item in items]),
    ).fetchall()
    return {item.id for item in items} - {int(found) for (found,) in rows}


def settle(tx: Tx, item: Item, error: PipelineError | None) -> Verdict:
    """End the turn of an item by what came of it, and say what that was."""
    verdict = Verdict.DONE if error is None else retry_policy.judge(error)
    if error is None:
        succeed(tx, item)
    elif verdict is Verdict.PUT_OFF:
        give_back(tx, item, error)
    else:
        return fail(tx, item, error)
    return verdict


def succeed(tx: Tx, item: Item) -> None:
    """The item is done. Said again by the same claim it changes nothing, so that an uncertain commit can be repeated."""
    _one(
        tx.execute(
            "UPDATE integ.retry_queue SET state = 'done', finished_at = coalesce(finished_at, now()), updated_at = now(),"
            " last_error = NULL, lease_until = NULL WHERE id = %s AND lease_token = %s AND state IN ('leased', 'done')",
            (item.id, item.lease_token),
        ).rowcount,
        item,
    )


def fail(tx: Tx, item: Item, error: PipelineError) -> Verdict:
    """The attempt failed: Skip ends the item as done, RetryLater has it tried later until its attempts are used up, all else kills it."""
    if isinstance(error, Skip):
        _finish(tx, item, "done", retry_policy.document(error))
        return Verdict.DONE
    if isinstance(error, RetryLater) and item.attempts < item.max_attempts:
        wait = retry_policy.backoff_seconds(item.attempts, retry_after=error.retry_after)
        _one(_reschedule(tx, item, error, wait, burnt=True), item)
        return Verdict.LATER
    kind = "exhausted" if isinstance(error, RetryLater) else retry_policy.class_of(error)
    _finish(tx, item, "dead", retry_policy.document(error, kind))
    _tell_of_death(
        tx,
        item.system_name,
        item=item.id,
        kind=item.kind,
        subject=item.subject,
        attempts=item.attempts,
        death=kind,
        code=error.code,
    )
    return Verdict.DEAD


def give_back(tx: Tx, item: Item, error: PipelineError) -> None:
    """Put the item off for a reason that is not its fault: the attempt is not counted."""
    wait = retry_policy.delay_seconds(item.delays, error)
    _one(_reschedule(tx, item, error, wait, burnt=False), item)


def next_due_seconds(database: Database, *, system_name: str, kinds: Sequence[str]) -> float | None:
    """Seconds until the next item of these kinds becomes due (0 when one is), None when nothing waits."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute(
                "SELECT extract(epoch FROM min(q.run_at) - clock_timestamp())::float8"
                " FROM unnest(%s::text[]) AS wanted (kind) CROSS JOIN LATERAL ("
                "SELECT run_at FROM integ.retry_queue WHERE system_name = %s AND kind = wanted.kind AND state = 'ready'"
                " ORDER BY run_at LIMIT 1) q",
                (list(kinds), system_name),
            )
            .fetchone()
        )
    return None if row is None or row[0] is None else max(0.0, float(row[0]))


def due(database: Database, system_name: str, *, most: int = 1000) -> int:
    """How many items could be claimed now, at most `most`: neither held up by an older one nor being worked on."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute(
                "SELECT count(*) FROM (SELECT FROM integ.retry_queue i WHERE i.system_name = %(s)s AND i.state = 'ready'"
                " AND i.run_at <= now() AND NOT EXISTS (SELECT FROM integ.retry_queue older WHERE older.system_name = i.system_name"
                " AND older.ordering_key = i.ordering_key AND older.is_open"
                " AND (older.id < i.id OR (older.state = 'leased' AND older.lease_until >= now())))"
                " UNION ALL SELECT FROM integ.retry_queue l WHERE l.system_name = %(s)s AND l.state = 'leased'"
                " AND l.lease_until < now() LIMIT %(most)s) found",
                {"s": system_name, "most": most},
            )
            .fetchone()
        )
    return int(row[0]) if row else 0


def suspects_wait(database: Database, *, system_name: str, kinds: Sequence[str]) -> bool:
    """Whether an item could be claimed whose last worker never came back."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute(
                "SELECT EXISTS (SELECT FROM integ.retry_queue i WHERE i.system_name = %s AND i.kind = ANY(%s)"
                f" AND {_CLAIMABLE} AND {_SUSPECT})".encode(),
                (system_name, list(kinds)),
            )
            .fetchone()
        )
    return bool(row and row[0])


def other_kinds(database: Database, system_name: str, known: Sequence[str]) -> list[str]:
    """Kinds of waiting items that are none of the known ones."""
    with database.transaction() as connection:
        rows = driver_connection(connection).execute(
            # One probe of the index per kind instead of reading every waiting item.
            "WITH RECURSIVE kinds AS (SELECT min(kind) AS kind FROM integ.retry_queue WHERE system_name = %(s)s AND state = 'ready'"
            " UNION ALL SELECT (SELECT min(kind) FROM integ.retry_queue WHERE system_name = %(s)s AND state = 'ready'"
            " AND kind > kinds.kind) FROM kinds WHERE kinds.kind IS NOT NULL)"
            " SELECT kind FROM kinds WHERE kind IS NOT NULL AND kind <> ALL(%(known)s)",
            {"s": system_name, "known": list(known)},
        )
        return [str(kind) for (kind,) in rows]


def purge(database: Database, *, system_name: str, keep_days: float, limit: int = 10_000) -> int:
    """Remove done and dropped items that ended longer ago, at most `limit`; gives how many. Dead ones wait for a person."""
    with database.transaction() as connection:
        return (
            driver_connection(connection)
            .execute(
                "DELETE FROM integ.retry_queue WHERE id IN (SELECT id FROM integ.retry_queue"
                " WHERE state IN ('done', 'dropped') AND finished_at < now() - make_interval(secs => %s * 86400)"
                " AND system_name = %s ORDER BY finished_at LIMIT %s FOR UPDATE SKIP LOCKED)",
                (keep_days, system_name, limit),
            )
            .rowcount
        )


def _take(
    tx: Tx,
    *,
    system_name: str,
    kinds: Sequence[str],
    limit: int,
    lease_seconds: float,
    worker: str,
    suspects: bool | None,
) -> list[Item]:
    only = "" if suspects is None else f" AND {_SUSPECT}" if suspects else f" AND NOT ({_SUSPECT})"
    with tx.cursor(row_factory=class_row(Item)) as cursor:
        found = cursor.execute(
            "WITH due AS ("
            " SELECT q.id, q.run_at FROM unnest(%(kinds)s::text[]) AS wanted (kind) CROSS JOIN LATERAL ("
            "  SELECT i.id, i.run_at FROM integ.retry_queue i WHERE i.system_name = %(system)s AND i.kind = wanted.kind"
            f"  AND {_CLAIMABLE}{only}"
            "  ORDER BY i.run_at, i.id LIMIT %(limit)s FOR UPDATE OF i SKIP LOCKED) q),"
            " chosen AS (SELECT id FROM due ORDER BY run_at, id LIMIT %(limit)s)"
            " UPDATE integ.retry_queue q SET state = 'leased', attempts = q.attempts + 1, lease_token = %(token)s,"
            " lease_until = clock_timestamp() + make_interval(secs => %(lease)s), leased_by = %(worker)s,"
            f" updated_at = now() FROM chosen WHERE q.id = chosen.id RETURNING q.{_COLUMNS.replace(', ', ', q.')}".encode(),
            {
                "system": system_name,
                "kinds": list(kinds),
                "limit": limit,
                "lease": lease_seconds,
                "token": uuid4(),
                "worker": worker,
            },
        ).fetchall()
    return sorted(found, key=lambda item: item.id)


def _take_back(tx: Tx, system_name: str) -> None:
    """End the leases that ran out: the worker died or hangs."""
    lost = tx.execute(
        "UPDATE integ.retry_queue q SET lost_leases = q.lost_leases + 1, lease_token = NULL, lease_until = NULL,"
        " state = CASE WHEN late.is_poison THEN 'dead' ELSE 'ready' END,"
        " finished_at = CASE WHEN late.is_poison THEN now() END,"
        " run_at = now() + make_interval(secs => random() * least(%(longest)s, %(first)s * 2 ^ least(q.attempts - 1, 20))),"
        " last_error = jsonb_build_object('kind', CASE WHEN late.is_poison THEN 'poison' ELSE 'later' END, 'code', 'QUEUE_LEASE_LOST',"
        " 'message', format('the worker %%s did not come back from attempt %%s', q.leased_by, q.attempts),"
        " 'remedy', CASE WHEN late.is_poison THEN %(remedy)s END), updated_at = now()"
        " FROM (SELECT id, lost_leases + 1 >= %(most)s OR attempts >= max_attempts AS is_poison FROM integ.retry_queue"
        "  WHERE state = 'leased' AND lease_until < now() AND system_name = %(system)s FOR UPDATE SKIP LOCKED) late"
        " WHERE q.id = late.id RETURNING q.id, q.kind, q.subject, q.attempts, q.state",
        {
            "system": system_name,
            "most": retry_policy.MAX_LOST_LEASES,
            "first": retry_policy.FIRST_SECONDS,
            "longest": retry_policy.LONGEST_SECONDS,
            "remedy": "Find in the worker's log what ends it (memory?), then `onec queue retry` or `drop`.",
        },
    ).fetchall()
    for item_id, kind, subject, attempts, state in lost:
        if state == "dead":
            _tell_of_death(
                tx, system_name, item=item_id, kind=kind, subject=subject, attempts=attempts, death="poison"
            )


def _reschedule(tx: Tx, item: Item, error: PipelineError, wait_seconds: float, *, burnt: bool) -> int:
    return tx.execute(
        "UPDATE integ.retry_queue SET state = 'ready', attempts = attempts - %s, delays = CASE WHEN %s THEN delays + 1 ELSE 0 END,"
        " lost_leases = 0, run_at = clock_timestamp() + make_interval(secs => %s), last_error = %s,"
        " lease_token = NULL, lease_until = NULL, updated_at = now()"
        " WHERE id = %s AND lease_token = %s AND state = 'leased'",
        (
            0 if burnt else 1,
            not burnt,
            wait_seconds,
            Jsonb(retry_policy.document(error)),
            item.id,
            item.lease_token,
        ),
    ).rowcount


def _finish(tx: Tx, item: Item, state: str, error: dict[str, Any]) -> None:
    _one(
        tx.execute(
            "UPDATE integ.retry_queue SET state = %s, finished_at = now(), updated_at = now(), last_error = %s,"
            " lease_until = NULL WHERE id = %s AND lease_token = %s AND state = 'leased'",
            (state, Jsonb(error), item.id, item.lease_token),
        ).rowcount,
        item,
    )


def _tell_of_death(tx: Tx, system_name: str, **details: Any) -> None:
    audit.record(tx, system_name=system_name, action="queue.dead", entity=None, job_id=None, details=details)


def _one(touched: int, item: Item) -> None:
    if touched != 1:
        raise LeaseLost(
            f"the lease of item {item.id} ({item.kind} {item.subject}) is lost: another worker may have it",
            code="QUEUE_LEASE_LOST",
            remedy="Nothing: what this worker did for it is rolled back.",
        )
