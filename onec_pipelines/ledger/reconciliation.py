"""`integ.reconciliation`, and the comparisons that go into it: what 1C said just now against clean, and clean against the shop.

Both are read only. Rows are named by key, what differs by column; values stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from onec_pipelines.db import clean_sql, shop_sql
from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.spec import Entity, Target

Tx = psycopg.Connection[Any]
CLEAN, SHOP = "clean", "shop"
_SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A row that is not the same on both sides.

    `where` is the side that is wrong: `clean` against 1C or `shop` against clean. `what` is missing, extra, differs or count (only a total
    tells of it). `ask` is the key by which 1C can be asked for it. Of an `extra` row `noticed` says that the sync has missed it already and
    waits for the second time.
    """

    row_key: str
    ask: str | None
    where: str
    what: str
    columns: tuple[str, ...] = ()
    noticed: bool = False


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One comparison of an entity as it is stored; see migration 0024 for what the counts mean."""

    entity: str
    status: str
    started_at: datetime
    rows_asked: int = 0
    rows_compared: int = 0
    rows_late: int = 0
    rows_drift: int = 0
    rows_repaired: int = 0
    rows_left: int = 0
    totals: tuple[dict[str, Any], ...] = ()
    differences: tuple[Difference, ...] = ()
    message: str | None = None


def sample(tx: Tx, entity: Entity, field: str, *, system_name: str, size: int) -> list[str]:
    """Keys to ask for: a half of those that changed last, and as many of all at random."""
    live = f"FROM {entity.clean_table} WHERE system_name = %(system_name)s AND deleted_at IS NULL"
    rows = tx.execute(
        f"SELECT {field}::text FROM (SELECT {field} {live} ORDER BY changed_in DESC, changed_at DESC LIMIT %(half)s) a"
        f" UNION SELECT {field}::text FROM (SELECT {field} {live} ORDER BY random() LIMIT %(half)s) b"
        f" WHERE {field} IS NOT NULL".encode(),
        {"system_name": system_name, "half": (size + 1) // 2},
    )
    return [str(key) for (key,) in rows if key is not None]


def compare_clean(
    tx: Tx, entity: Entity, field: str, *, system_name: str, asked: Sequence[str], rejected: Sequence[str]
) -> list[Difference]:
    """Compare the staged rows (`clean_rows.stage`), the whole truth about the asked keys, with clean. Rejected rows are left out."""
    names = [one.name for one in entity.fields]
    differing = ", ".join(f"CASE WHEN o.{name} IS DISTINCT FROM s.{name} THEN '{name}' END" for name in names)
    values = {"system_name": system_name, "asked": list(asked), "rejected": list(rejected)}
    rows = tx.execute(
        f"SELECT * FROM (SELECT coalesce(s.row_key, o.row_key)::text, coalesce(s.{field}, o.{field})::text,"
        f" CASE WHEN o.row_key IS NULL THEN 'missing' WHEN s.row_key IS NULL THEN 'extra' ELSE 'differs' END AS what,"
        f" CASE WHEN o.row_key IS NULL OR s.row_key IS NULL THEN ARRAY[]::text[]"
        f" ELSE array_remove(ARRAY[{differing}], NULL) END AS columns, coalesce(o.absent_sweeps, 0) > 0"
        f" FROM (SELECT {clean_sql.row_key(entity, 'x')} AS row_key, x.* FROM {clean_sql.STAGE} x) s"
        f" FULL JOIN (SELECT t.* FROM {entity.clean_table} t WHERE t.system_name = %(system_name)s"
        f" AND t.deleted_at IS NULL AND (t.{field} = ANY(%(asked)s::uuid[])"
        f" OR t.row_key IN ({clean_sql.staged_keys(entity)}))) o ON o.row_key = s.row_key"
        f" WHERE coalesce(s.row_key, o.row_key) <> ALL(%(rejected)s::uuid[])) d"
        f" WHERE d.what <> 'differs' OR d.columns <> ARRAY[]::text[]".encode(),
        values,
    ).fetchall()
    found = [
        Difference(
            row_key=key,
            ask=ask,
            where=CLEAN,
            what=what,
            columns=tuple(columns),
            noticed=what == "extra" and seen,
        )
        for key, ask, what, columns, seen in rows
    ]
    known = {one.row_key for one in found}
    for section in entity.sections:
        fields = ", ".join(one.name for one in section.fields)
        staged = f"SELECT owner AS row_key, line_number, {fields} FROM {clean_sql.section_stage(section)}"
        kept = (
            f"SELECT k.owner_key, k.line_number, {', '.join('k.' + one.name for one in section.fields)}"
            f" FROM {entity.section_table(section)} k WHERE k.system_name = %(system_name)s"
            f" AND k.owner_key IN (SELECT ref FROM {clean_sql.STAGE})"
        )
        lines = tx.execute(
            f"SELECT DISTINCT row_key::text FROM (({staged} EXCEPT {kept}) UNION ALL ({kept} EXCEPT {staged})) d".encode(),
            values,
        ).fetchall()
        found += [
            Difference(row_key=key, ask=key, where=CLEAN, what="differs", columns=(section.name,))
            for (key,) in lines
            if key not in known
        ]
        known |= {key for (key,) in lines}
    return found


def compare_shop(tx: Tx, entity: Entity, *, system_name: str) -> tuple[int, list[Difference]]:
    """Compare every row of clean with the shop's table and its child tables; gives how many rows were compared.

    Under the entity's lock, else a merge that is under way looks like drift. Rows that wait for a reference are not in the shop by right.
    """
    values = {"system_name": system_name, "since": 0}
    names = [column.name for column in entity.target.columns]
    match = "t.id = s.id" if entity.has_ids else "t.system_name = %(system_name)s AND t.onec_key = s.row_key"
    tx.execute(shop_sql.create_source(entity, everything=True).encode(), values)
    tx.execute(f"ANALYZE {shop_sql.SOURCE}".encode())
    differing = ", ".join(f"CASE WHEN t.{name} IS DISTINCT FROM s.{name} THEN '{name}' END" for name in names)
    rows = tx.execute(
        f"SELECT * FROM (SELECT s.row_key::text, CASE WHEN t.id IS NULL THEN 'missing' ELSE 'differs' END AS what,"
        f" CASE WHEN t.id IS NULL THEN ARRAY[]::text[] ELSE array_remove(ARRAY[{differing}], NULL) END AS columns"
        f" FROM {shop_sql.SOURCE} s LEFT JOIN {entity.target.table} t ON {match} WHERE NOT s.is_held) d"
        f" WHERE d.what = 'missing' OR d.columns <> ARRAY[]::text[]".encode(),
        values,
    ).fetchall()
    found = [_in_shop(key, what, columns) for key, what, columns in rows]
    found += [_in_shop(key, "missing", ()) for (key,) in tx.execute(_unmapped(entity).encode(), values)]
    found += [_in_shop(key, "extra", ()) for (key,) in tx.execute(_without_clean(entity).encode(), values)]
    known = {one.row_key for one in found}
    for child in entity.target.children:
        lines = _compare_child(tx, entity, child, values)
        found += [_in_shop(key, "differs", (child.table,)) for key in lines if key not in known]
        known |= set(lines)
    count = tx.execute(f"SELECT count(*) FROM {shop_sql.SOURCE}".encode()).fetchone()
    tx.execute(f"DROP TABLE {shop_sql.SOURCE}".encode())
    return (int(count[0]) if count else 0), found


def _in_shop(key: str, what: str, columns: Iterable[str]) -> Difference:
    return Difference(row_key=key, ask=None, where=SHOP, what=what, columns=tuple(columns))


def _unmapped(entity: Entity) -> str:
    if not entity.has_ids:
        return "SELECT NULL::text WHERE FALSE"
    return (
        f"SELECT c.row_key::text FROM {entity.clean_table} c WHERE c.system_name = %(system_name)s"
        f" AND ({entity.target.where}) AND NOT EXISTS (SELECT FROM integ.external_id_mappings m"
        f" WHERE m.system_name = c.system_name AND m.entity_type = '{entity.name}' AND m.external_id = c.row_key)"
    )


def _without_clean(entity: Entity) -> str:
    """Live rows of the shop that claim to come from 1C and of which clean knows nothing."""
    live = " AND NOT t.is_deleted" if any(one.name == "is_deleted" for one in entity.target.columns) else ""
    key, join = "t.onec_key", "t.system_name = %(system_name)s"
    table = f"{entity.target.table} t"
    if entity.has_ids:
        key, join = "m.external_id", "m.system_name = %(system_name)s"
        table += (
            f" JOIN integ.external_id_mappings m ON m.entity_type = '{entity.name}' AND m.internal_id = t.id"
        )
    return (
        f"SELECT {key}::text FROM {table} WHERE {join}{live} AND NOT EXISTS"
        f" (SELECT FROM {entity.clean_table} c WHERE c.system_name = %(system_name)s AND c.row_key = {key})"
    )


def _compare_child(tx: Tx, entity: Entity, child: Target, values: dict[str, Any]) -> list[str]:
    tx.execute(shop_sql.create_child_source(entity, child).encode(), values)
    names = ", ".join(column.name for column in child.columns)
    wanted = f"SELECT owner_id, line_number, {names} FROM pg_temp.child_source WHERE NOT is_held"
    there = (
        f"SELECT owner_id, line_number, {names} FROM {child.table}"
        f" WHERE owner_id IN (SELECT id FROM {shop_sql.SOURCE} WHERE NOT is_held)"
    )
    rows = tx.execute(
        f"SELECT DISTINCT o.row_key::text FROM (({wanted} EXCEPT {there}) UNION ALL ({there} EXCEPT {wanted})) d"
        f" JOIN {shop_sql.SOURCE} o ON o.id = d.owner_id".encode()
    ).fetchall()
    tx.execute("DROP TABLE pg_temp.child_source")
    return [key for (key,) in rows]


def rejected_keys(tx: Tx, entity: Entity, *, system_name: str) -> set[str]:
    """Keys of rows in quarantine of which clean has no older good state: 1C counts them and we do not."""
    rows = tx.execute(
        f"SELECT q.row_key::text FROM clean.quarantine q WHERE q.system_name = %(system_name)s"
        f" AND q.entity_type = '{entity.name}' AND q.resolved_at IS NULL AND NOT EXISTS"
        f" (SELECT FROM {entity.clean_table} c WHERE c.system_name = q.system_name AND c.row_key = q.row_key"
        f" AND c.deleted_at IS NULL)".encode(),
        {"system_name": system_name},
    )
    return {str(key) for (key,) in rows}


def clean_sums(
    tx: Tx,
    entity: Entity,
    *,
    system_name: str,
    bucket: str,
    measures: Sequence[str],
    where: str = "TRUE",
    by: str | None = None,
    values: dict[str, Any] | None = None,
) -> dict[tuple[str, str], tuple[int, tuple[Decimal, ...]]]:
    """Count and sums of live clean rows `c` by (bucket, key `by`); `bucket` and `where` are SQL over the row."""
    sums = "".join(f", coalesce(sum(c.{name}), 0)" for name in measures)
    rows = tx.execute(
        f"SELECT coalesce(({bucket})::text, ''), {f'coalesce(c.{by}::text, {chr(39) * 2})' if by else chr(39) * 2}, count(*){sums}"
        f" FROM {entity.clean_table} c WHERE c.system_name = %(system_name)s AND c.deleted_at IS NULL"
        f" AND ({where}) GROUP BY 1, 2".encode(),
        {"system_name": system_name, **(values or {})},
    )
    return {(str(of), str(key)): (int(count), tuple(numbers)) for of, key, count, *numbers in rows}


def record(database: Database, finding: Finding, *, system_name: str, run_id: str | None) -> None:
    """Keep a comparison."""
    with database.transaction() as connection:
        driver_connection(connection).execute(
            "INSERT INTO integ.reconciliation (system_name, entity_type, run_id, status, started_at, rows_asked,"
            " rows_compared, rows_late, rows_drift, rows_repaired, rows_left, totals, differences, message)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                system_name,
                finding.entity,
                run_id,
                finding.status,
                finding.started_at,
                finding.rows_asked,
                finding.rows_compared,
                finding.rows_late,
                finding.rows_drift,
                finding.rows_repaired,
                finding.rows_left,
                Jsonb(list(finding.totals[:_SHOWN])),
                Jsonb([asdict(one) for one in finding.differences[:_SHOWN]]),
                finding.message,
            ),
        )


def latest(database: Database, *, system_name: str) -> list[dict[str, Any]]:
    """The last comparison of each entity that was made."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).cursor(row_factory=dict_row)
        cursor.execute(
            "SELECT * FROM integ.drift WHERE system_name = %s ORDER BY entity_type", (system_name,)
        )
        return cursor.fetchall()
