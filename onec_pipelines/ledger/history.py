"""How long the ledger remembers what is over: jobs, alerts, settled rejects, closed approvals, comparisons, counts of webhooks.

Nothing that state stands on goes, whatever its age. Pages and packets are `retention.py` and `packets.py`, the audit log `audit.py`.
"""

from __future__ import annotations

from typing import Any

import psycopg

from onec_pipelines.db.engine import Database, driver_connection

Tx = psycopg.Connection[Any]
_BATCH = 5_000


def prune(database: Database, *, keep_days: int) -> dict[str, int]:
    """Remove what ended more than so many days ago, of all bases, in small transactions; gives the number of rows by what they were.

    Of the jobs stay: those that run; of each entity the newest, the newest good one, the newest one of each kind and way that
    confirmed the shop's state, the newest whole reading; and those that a checkpoint, a mark of the packets, a stored page, an open
    reject, a held load or a deletion that still stands names. What the alerts count since and what the audits compare with is among these.
    """
    with database.transaction() as connection:
        kept = [int(found) for (found,) in driver_connection(connection).execute(_KEPT_JOBS)]
    removed = {"jobs": _repeat(database, _JOBS, {"days": keep_days, "kept": kept})}
    for name, statement in _REST.items():
        removed[name] = _repeat(database, statement, {"days": keep_days})
    return removed


def _repeat(database: Database, statement: str, given: dict[str, Any]) -> int:
    total = 0
    while True:
        with database.transaction() as connection:
            removed = (
                driver_connection(connection).execute(statement.encode(), {**given, "batch": _BATCH}).rowcount
            )
        total += removed
        if removed < _BATCH:
            return total


# By entity, so that each is a few steps in an index and not a pass over all jobs.
_KEPT_JOBS = b"""
SELECT j.id FROM integ.known_entities k CROSS JOIN LATERAL (
    (SELECT id FROM integ.sync_jobs n WHERE (n.system_name, n.entity_type) = (k.system_name, k.entity_type) ORDER BY id DESC LIMIT 1)
    UNION
    (SELECT id FROM integ.sync_jobs n WHERE (n.system_name, n.entity_type) = (k.system_name, k.entity_type)
        AND status IN ('succeeded', 'skipped', 'held') AND job_type <> 'dry_run' ORDER BY id DESC LIMIT 1)
    UNION
    (SELECT id FROM integ.health_runs n WHERE (n.system_name, n.entity_type) = (k.system_name, k.entity_type)
        AND confirms ORDER BY started_at DESC LIMIT 1)
    UNION
    (SELECT id FROM integ.health_runs n WHERE (n.system_name, n.entity_type) = (k.system_name, k.entity_type)
        AND confirms AND whole ORDER BY started_at DESC LIMIT 1)
    UNION
    (SELECT max(id) FROM integ.sync_jobs n WHERE (n.system_name, n.entity_type) = (k.system_name, k.entity_type)
        AND status = 'succeeded' GROUP BY job_type)
) AS j
UNION SELECT (state ->> 'scan_id')::bigint FROM integ.sync_state WHERE state ->> 'scan_id' IS NOT NULL
UNION SELECT base_job FROM integ.packet_marks
UNION SELECT job_id FROM raw.pages
UNION SELECT scan_id FROM raw.pages
UNION SELECT job_id FROM clean.quarantine WHERE resolved_at IS NULL
UNION SELECT job_id FROM integ.approvals WHERE state IN ('pending', 'granted', 'rejected')
UNION SELECT job_id FROM integ.deletion_log WHERE restored_at IS NULL
"""
_JOBS = (
    "DELETE FROM integ.sync_jobs WHERE id IN (SELECT id FROM integ.sync_jobs"
    " WHERE started_at < now() - make_interval(days => %(days)s) AND status <> 'running' AND id <> ALL(%(kept)s)"
    " ORDER BY started_at LIMIT %(batch)s)"
)
_REST = {
    # Its deliveries go with it.
    "alerts": "DELETE FROM integ.alerts WHERE id IN (SELECT id FROM integ.alerts"
    " WHERE resolved_at < now() - make_interval(days => %(days)s) LIMIT %(batch)s)",
    "alert_silences": "DELETE FROM integ.alert_silences WHERE id IN (SELECT id FROM integ.alert_silences"
    " WHERE until < now() - make_interval(days => %(days)s) LIMIT %(batch)s)",
    "settled_rejects": "DELETE FROM clean.quarantine WHERE id IN (SELECT id FROM clean.quarantine"
    " WHERE resolved_at < now() - make_interval(days => %(days)s) LIMIT %(batch)s)",
    "closed_approvals": "DELETE FROM integ.approvals WHERE id IN (SELECT id FROM integ.approvals"
    " WHERE state IN ('used', 'superseded', 'lapsed') AND closed_at < now() - make_interval(days => %(days)s) LIMIT %(batch)s)",
    # The newest of each entity is what `integ.drift` shows.
    "comparisons": "DELETE FROM integ.reconciliation WHERE id IN (SELECT id FROM integ.reconciliation r"
    " WHERE finished_at < now() - make_interval(days => %(days)s) AND EXISTS (SELECT FROM integ.reconciliation n"
    " WHERE n.system_name = r.system_name AND n.entity_type = r.entity_type AND n.status <> 'skipped' AND n.id > r.id)"
    " LIMIT %(batch)s)",
    "webhook_counts": "DELETE FROM integ.webhook_counts WHERE (system_name, day, name) IN (SELECT system_name, day, name"
    " FROM integ.webhook_counts WHERE day < current_date - %(days)s::integer LIMIT %(batch)s)",
    "webhook_fetches": "DELETE FROM integ.webhook_applied WHERE id IN (SELECT id FROM integ.webhook_applied"
    " WHERE applied_at < now() - make_interval(days => %(days)s) LIMIT %(batch)s)",
    "audits": "DELETE FROM integ.quality_runs WHERE id IN (SELECT id FROM integ.quality_runs r"
    " WHERE finished_at < now() - make_interval(days => %(days)s) AND EXISTS (SELECT FROM integ.quality_runs n"
    " WHERE n.system_name = r.system_name AND n.id > r.id) LIMIT %(batch)s)",
}
