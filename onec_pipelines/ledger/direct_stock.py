"""Stock values out of signed events, put into clean and shop without asking 1C: never an older value over a newer one.

A value is applied when its sequence is above the last one of its row, and when it was taken after the last reading of the entity
began; what a reading under way will bring is not touched, because the caller holds the entity's lock. Only rows that a reading made
exist here. The event's hint has the same rows fetched a moment later, whatever was done here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg

from onec_pipelines.db import clean_sql
from onec_pipelines.ledger.inbox import StockValue
from onec_pipelines.spec import Entity

Tx = psycopg.Connection[Any]
JOB_TYPE = "webhook_direct"


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A value, and for how many seconds it has been true at least: all clocks' doubts are in there."""

    value: StockValue
    sequence: int
    age_seconds: float


def write(tx: Tx, entity: Entity, offered: Sequence[Offered], *, system_name: str, job_id: int) -> int:
    """Change the rows of clean that are older than what is offered; gives how many. The merge into the shop is the caller's."""
    row = tx.execute(
        _statement(entity).encode(),
        {
            "system": system_name,
            "entity": entity.name,
            "job": job_id,
            "job_type": JOB_TYPE,
            "rows": msgspec.json.encode([_row(one) for one in offered]).decode(),
        },
    ).fetchone()
    return int(row[0]) if row else 0


def _row(offered: Offered) -> dict[str, Any]:
    value = offered.value
    return {
        "warehouse_ref": value.warehouse,
        "product_ref": value.product,
        "variant_ref": value.variant,
        "on_hand": value.on_hand,
        "to_ship": value.to_ship,
        "sequence": offered.sequence,
        "age": offered.age_seconds,
    }


def _statement(entity: Entity) -> str:
    return (
        "WITH given AS MATERIALIZED ("
        f" SELECT DISTINCT ON (row_key) {clean_sql.row_key(entity, 'x')} AS row_key, x.*"
        " FROM json_to_recordset(%(rows)s::json) AS x (warehouse_ref uuid, product_ref uuid, variant_ref uuid, on_hand numeric,"
        " to_ship numeric, sequence bigint, age float8) ORDER BY row_key, x.sequence DESC"
        "), fresh AS ("
        " INSERT INTO integ.webhook_stock_sequence AS held (system_name, row_key, sequence)"
        " SELECT %(system)s, row_key, sequence FROM given"
        " ON CONFLICT (system_name, row_key) DO UPDATE SET sequence = excluded.sequence"
        " WHERE held.sequence < excluded.sequence RETURNING row_key"
        "), reading AS ("
        " SELECT started_at FROM integ.sync_jobs WHERE system_name = %(system)s AND entity_type = %(entity)s"
        " AND job_type <> %(job_type)s ORDER BY id DESC LIMIT 1"
        "), written AS ("
        f" UPDATE {entity.clean_table} c SET on_hand = g.on_hand, to_ship = coalesce(g.to_ship, c.to_ship),"
        " changed_in = %(job)s, changed_at = now()"
        " FROM given g JOIN fresh USING (row_key), reading"
        " WHERE c.system_name = %(system)s AND c.row_key = g.row_key AND c.deleted_at IS NULL"
        " AND clock_timestamp() - make_interval(secs => g.age) > reading.started_at"
        " AND (c.on_hand, c.to_ship) IS DISTINCT FROM (g.on_hand, coalesce(g.to_ship, c.to_ship))"
        " RETURNING 1"
        ") SELECT count(*) FROM written"
    )
