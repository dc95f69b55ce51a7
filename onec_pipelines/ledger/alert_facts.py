"""What the rules of alerts look at: one cheap question to the ledger for each kind of trouble, no judgement of ours beyond times.

Rows are dicts: `since` is aware, `rows` counts what it is about.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

Tx = psycopg.Connection[Any]
Rows = list[dict[str, Any]]

_RECENT = "interval '7 days'"
_WHOLE = "coalesce(metadata ->> 'way', '') <> 'keys'"


def now(tx: Tx) -> Any:
    """The database's clock."""
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    return row[0] if row else None


def dead_letters(tx: Tx, system_name: str) -> Rows:
    """Dead items by kind and code, with the newest one's words and a few of their subjects."""
    return _ask(
        tx,
        "SELECT kind, coalesce(last_error ->> 'code', 'unknown') AS code, min(finished_at) AS since, count(*)::int AS rows,"
        " (array_agg(last_error ORDER BY id DESC))[1] AS error, (array_agg(subject ORDER BY id DESC))[1:5] AS subjects"
        " FROM integ.retry_queue WHERE system_name = %s AND state = 'dead' GROUP BY 1, 2",
        (system_name,),
    )


def pushed_object(tx: Tx, system_name: str, subject: str) -> dict[str, Any] | None:
    """The object in 1C of a queue item such as `order:123`: resource and onec_key, None when there is none."""
    aggregate, _, number = subject.partition(":")
    outgoing = {"order": "orders", "customer": "customers", "return": "return_requests"}.get(aggregate)
    if outgoing is None or not number.isdecimal():
        return None
    rows = _ask(
        tx,
        "SELECT resource, coalesce(onec_key, own_key)::text AS key FROM integ.push_objects"
        " WHERE system_name = %s AND outgoing = %s AND subject_id = %s AND sends > 0",
        (system_name, outgoing, int(number)),
    )
    return rows[0] if rows else None


def throttle(tx: Tx, system_name: str) -> dict[str, Any] | None:
    """Breaker and pause of the base, None when 1C was never called."""
    rows = _ask(
        tx,
        "SELECT breaker, opened_at, cause, paused_at, paused_by, pause_reason,"
        " paused_at IS NOT NULL AND (paused_until IS NULL OR paused_until > clock_timestamp()) AS is_paused,"
        " extract(epoch FROM clock_timestamp() - opened_at)::float8 AS open_seconds,"
        " extract(epoch FROM clock_timestamp() - paused_at)::float8 AS paused_seconds"
        " FROM integ.throttle WHERE system_name = %s",
        (system_name,),
    )
    return rows[0] if rows else None


def exhausted(tx: Tx, system_name: str, codes: Collection[str], *, minutes: float) -> Rows:
    """Work that 1C refused lately for want of a session or licence: code, since, rows, error."""
    return _ask(
        tx,
        "SELECT code, min(at) AS since, count(*)::int AS rows, max(message) AS message FROM ("
        " SELECT substring(error_message FROM '^\\[([A-Z0-9_]+)\\]') AS code, completed_at AS at, error_message AS message"
        "  FROM integ.sync_jobs WHERE system_name = %(system)s AND status = 'failed'"
        "  AND completed_at > clock_timestamp() - make_interval(secs => %(minutes)s * 60)"
        " UNION ALL SELECT last_error ->> 'code', updated_at, last_error ->> 'onec_message' FROM integ.retry_queue"
        "  WHERE system_name = %(system)s AND state = 'ready' AND updated_at > clock_timestamp() - make_interval(secs => %(minutes)s * 60)"
        ") work WHERE code = ANY(%(codes)s) GROUP BY code",
        {"system": system_name, "codes": list(codes), "minutes": minutes},
    )


def failed_jobs(tx: Tx, system_name: str) -> Rows:
    """Entities whose newest ended job failed: entity, code, error, run_id, since (the first failure in a row), failures.

    Readings of single objects do not count: what they are for has an item in the queue, and they say nothing of the entity as a whole.
    """
    return _ask(
        tx,
        "SELECT last.entity_type AS entity, substring(last.error_message FROM '^\\[([A-Z0-9_]+)\\]') AS code,"
        " last.error_message AS error, last.run_id, last.id AS job_id, streak.since, streak.failures FROM ("
        " SELECT n.entity_type, n.id, n.status, n.error_message, n.run_id FROM integ.known_entities k CROSS JOIN LATERAL ("
        "  SELECT * FROM integ.sync_jobs j WHERE j.system_name = k.system_name AND j.entity_type = k.entity_type"
        f"  AND j.status IN ('succeeded', 'failed', 'held') AND {_WHOLE} ORDER BY j.id DESC LIMIT 1) n"
        f" WHERE k.system_name = %(system)s AND n.started_at > now() - {_RECENT}) last"
        " CROSS JOIN LATERAL (SELECT min(completed_at) AS since, count(*)::int AS failures FROM integ.sync_jobs j"
        "  WHERE j.system_name = %(system)s AND j.entity_type = last.entity_type AND j.status = 'failed'"
        f"  AND {_WHOLE} AND j.id > coalesce(("
        "   SELECT max(id) FROM integ.sync_jobs g WHERE g.system_name = %(system)s AND g.entity_type = last.entity_type"
        f"   AND g.status IN ('succeeded', 'held') AND {_WHOLE}), 0)) streak"
        " WHERE last.status = 'failed' ORDER BY last.entity_type",
        {"system": system_name},
    )


def stuck_jobs(tx: Tx, system_name: str, *, hours: float, grace_minutes: float = 5) -> Rows:
    """Jobs that run too long, or whose process is gone without a word (it would hold the entity's lock): entity, since, run_id, is_gone."""
    return _ask(
        tx,
        "SELECT entity, run_id, job_id, since, is_gone FROM ("
        " SELECT j.entity_type AS entity, j.run_id, j.id AS job_id, j.started_at AS since, j.status,"
        "  NOT EXISTS (SELECT FROM pg_locks l CROSS JOIN LATERAL (SELECT hashtextextended("
        "    'onec:' || j.system_name || ':' || j.entity_type, 0) AS key) h WHERE l.locktype = 'advisory' AND l.objsubid = 1"
        "    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        "    AND l.classid::bigint = ((h.key >> 32) & 4294967295) AND l.objid::bigint = (h.key & 4294967295)) AS is_gone"
        " FROM integ.known_entities k CROSS JOIN LATERAL (SELECT * FROM integ.sync_jobs n WHERE n.system_name = k.system_name"
        "  AND n.entity_type = k.entity_type ORDER BY n.id DESC LIMIT 1) j WHERE k.system_name = %(system)s) newest"
        " WHERE status = 'running' AND since < clock_timestamp() - make_interval(secs => %(grace)s * 60)"
        " AND (is_gone OR since < clock_timestamp() - make_interval(secs => %(hours)s * 3600))",
        {"system": system_name, "grace": grace_minutes, "hours": hours},
    )


def quarantined(tx: Tx, system_name: str) -> Rows:
    """Open entries of the quarantine by entity: entity, rows, since, rules, run_id, total.

    `run_id` is the run that saw the newest of them (None: not one of Dagster's), `total` how many rows the last whole reading saw
    (None: unknown).
    """
    return _ask(
        tx,
        "SELECT q.entity, q.rows, q.since, q.rules,"
        " (SELECT j.run_id FROM integ.sync_jobs j WHERE j.system_name = %(system)s AND j.entity_type = q.entity"
        "  AND j.started_at <= q.seen ORDER BY j.id DESC LIMIT 1) AS run_id,"
        " (SELECT (j.metadata ->> 'rows_seen')::bigint FROM integ.sync_jobs j"
        "  WHERE j.system_name = %(system)s AND j.entity_type = q.entity AND j.status = 'succeeded'"
        "  AND (j.metadata ->> 'whole')::boolean ORDER BY j.id DESC LIMIT 1) AS total FROM ("
        " SELECT entity_type AS entity, count(*)::int AS rows, min(last_seen_at) AS since, max(last_seen_at) AS seen,"
        "  (array_agg(DISTINCT (failures -> 0 ->> 'field') || ': ' || (failures -> 0 ->> 'rule')))[1:3] AS rules"
        " FROM clean.quarantine WHERE system_name = %(system)s AND resolved_at IS NULL GROUP BY entity_type) q",
        {"system": system_name},
    )


def waiting_items(tx: Tx, system_name: str, *, minutes: float, alive_seconds: float) -> dict[str, Any] | None:
    """Items that are due for so long while no worker lives: rows, since, kinds; None when there are none or somebody works."""
    rows = _ask(
        tx,
        "SELECT count(*)::int AS rows, min(run_at) AS since, array_agg(DISTINCT kind) AS kinds FROM integ.retry_queue"
        " WHERE system_name = %(system)s AND state = 'ready' AND run_at < clock_timestamp() - make_interval(secs => %(minutes)s * 60)"
        " AND NOT EXISTS (SELECT FROM integ.workers WHERE system_name = %(system)s AND state <> 'stopped'"
        "  AND seen_at > clock_timestamp() - make_interval(secs => %(alive)s))",
        {"system": system_name, "minutes": minutes, "alive": alive_seconds},
    )
    return rows[0] if rows[0]["rows"] else None


def held_loads(tx: Tx, system_name: str) -> Rows:
    """Loads that wait for an approval: id, entity, since, rows, breaches."""
    return _ask(
        tx,
        "SELECT id, entity_type AS entity, created_at AS since, breaches, job_id FROM integ.approvals"
        " WHERE system_name = %s AND state = 'pending'",
        (system_name,),
    )


def clock_skew(tx: Tx, system_name: str, *, seconds: float) -> dict[str, Any] | None:
    """By how much 1C's clock differs from ours in the last hour's webhooks (the middle one of at least 3), None when by less."""
    rows = _ask(
        tx,
        "SELECT skew, rows, since FROM (SELECT count(*)::int AS rows, min(received_at) AS since,"
        " percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM received_at - sent_at))::float8 AS skew"
        " FROM integ.webhook_inbox WHERE system_name = %s AND received_at > clock_timestamp() - interval '1 hour') seen"
        " WHERE rows >= 3 AND abs(skew) > %s",
        (system_name, seconds),
    )
    return rows[0] if rows else None


def refused_for_time(tx: Tx, system_name: str) -> int:
    """Webhooks of today that were well signed and refused because their time was too far off."""
    rows = _ask(
        tx,
        "SELECT coalesce(sum(count), 0)::int AS rows FROM integ.webhook_counts WHERE system_name = %s"
        " AND day = current_date AND name = 'refused_timestamp'",
        (system_name,),
    )
    return int(rows[0]["rows"])


def skew_that_the_doctor_saw(tx: Tx, system_name: str) -> dict[str, Any] | None:
    """What the newest look of the doctor says of 1C's clock if it was wrong: saw, since; None when it was right or is long ago."""
    rows = _ask(
        tx,
        "SELECT one ->> 'saw' AS saw, newest.made_at AS since FROM (SELECT made_at, document FROM integ.doctor_reports"
        f"  WHERE system_name = %s AND made_at > now() - {_RECENT} - interval '1 day' ORDER BY id DESC LIMIT 1) newest"
        " CROSS JOIN LATERAL jsonb_array_elements(newest.document -> 'findings') AS one WHERE one ->> 'code' = 'CLOCK_SKEW'",
        (system_name,),
    )
    return rows[0] if rows else None


def reconciliation(tx: Tx, system_name: str) -> Rows:
    """What the newest comparison of each entity with 1C found to differ and left so: entity, rows, since."""
    return _ask(
        tx,
        "SELECT entity_type AS entity, rows_left::int AS rows, finished_at AS since FROM integ.drift"
        " WHERE system_name = %s AND rows_left > 0",
        (system_name,),
    )


def _ask(tx: Tx, statement: str, values: Sequence[object] | dict[str, object]) -> Rows:
    return tx.cursor(row_factory=dict_row).execute(statement.encode(), values or None).fetchall()
