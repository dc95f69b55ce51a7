"""What is stored of a person, and taking it away: clean, shop, the application's rows, raw bytes, what the push remembers.

Statements only. Which tables and columns are personal is said by the declarations and decided in `steps/forget.py`.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from onec_pipelines.db import clean_sql
from onec_pipelines.spec import ColumnType, Entity, Field

Tx = psycopg.Connection[Any]
Redact = Callable[[bytes, str], bytes]
_LEVEL = 1


def remember_forgotten(tx: Tx, system_name: str, entity: Entity, keys: Sequence[str], by: str) -> int:
    """Write down that these rows stay without personal data; gives how many were not so before."""
    return tx.execute(
        "INSERT INTO integ.forgotten (system_name, entity_type, row_key, internal_id, forgotten_by)"
        " SELECT %(system)s, %(entity)s, k, m.internal_id, %(by)s FROM unnest(%(keys)s::uuid[]) AS k"
        " LEFT JOIN integ.external_id_mappings m ON m.system_name = %(system)s AND m.entity_type = %(entity)s"
        " AND m.external_id = k ON CONFLICT DO NOTHING",
        {"system": system_name, "entity": entity.name, "keys": list(keys), "by": by},
    ).rowcount


def take_back(tx: Tx, system_name: str, entity: Entity, keys: Sequence[str]) -> int:
    """Rows are no longer forgotten; without a version in clean they are fetched anew by the next reading. Gives how many."""
    gone = tx.execute(
        "DELETE FROM integ.forgotten WHERE system_name = %s AND entity_type = %s AND row_key = ANY(%s::uuid[])",
        (system_name, entity.name, list(keys)),
    ).rowcount
    if gone and any(field.name == "data_version" for field in entity.fields):
        tx.execute(
            f"UPDATE {entity.clean_table} SET data_version = NULL WHERE system_name = %s AND row_key = ANY(%s::uuid[])".encode(),
            (system_name, list(keys)),
        )
    return gone


def keys_of_person(
    tx: Tx, system_name: str, entity: Entity, fields: Sequence[str], customer: str
) -> list[str]:
    """Rows of clean that point to the customer by one of these fields."""
    condition = " OR ".join(f"{name} = %(customer)s::uuid" for name in fields)
    rows = tx.execute(
        f"SELECT row_key::text FROM {entity.clean_table} WHERE system_name = %(system)s AND ({condition})".encode(),
        {"system": system_name, "customer": customer},
    )
    return [str(key) for (key,) in rows]


def mask_stage(tx: Tx, entity: Entity, system_name: str, instead: str) -> list[str]:
    """Take the personal values out of staged rows that are forgotten; gives their keys. Costs one look-up when there are none."""
    personal = [field for field in entity.fields if field.pii]
    sections = [section for section in entity.sections if any(field.pii for field in section.fields)]
    if not personal and not sections:
        return []
    key = clean_sql.row_key(entity, "x")
    rows = tx.execute(
        f"SELECT f.row_key::text FROM integ.forgotten f JOIN {clean_sql.STAGE} x ON {key} = f.row_key"
        " WHERE f.system_name = %s AND f.entity_type = %s".encode(),
        (system_name, entity.name),
    ).fetchall()
    keys = [str(found) for (found,) in rows]
    if not keys:
        return []
    if personal:
        tx.execute(
            f"UPDATE {clean_sql.STAGE} x SET {_blank(personal)} WHERE {key} = ANY(%(keys)s::uuid[])".encode(),
            {"keys": keys, "instead": instead},
        )
    for section in sections:
        tx.execute(
            f"DELETE FROM {clean_sql.section_stage(section)} WHERE owner = ANY(%s::uuid[])".encode(), (keys,)
        )
    return keys


def blank_clean(tx: Tx, system_name: str, entity: Entity, keys: Sequence[str], instead: str) -> int:
    """Take the personal values out of clean; sections that hold any go whole. Gives the number of rows."""
    personal = [field for field in entity.fields if field.pii]
    values = {"system": system_name, "keys": list(keys), "instead": instead}
    done = 0
    if personal:
        done = tx.execute(
            f"UPDATE {entity.clean_table} SET {_blank(personal)} WHERE system_name = %(system)s"
            " AND row_key = ANY(%(keys)s::uuid[])".encode(),
            values,
        ).rowcount
    for section in entity.sections:
        if any(field.pii for field in section.fields):
            tx.execute(
                f"DELETE FROM {entity.section_table(section)} WHERE system_name = %(system)s"
                " AND owner_key = ANY(%(keys)s::uuid[])".encode(),
                values,
            )
    return done


def blank_quarantine(tx: Tx, system_name: str, entity: Entity, keys: Sequence[str]) -> int:
    """What quarantine shows of the rows: rules and reasons stay, values go."""
    return tx.execute(
        "UPDATE clean.quarantine SET source_row = '{}', failures = (SELECT coalesce(jsonb_agg(f || '{\"value\": \"\"}'), '[]')"
        " FROM jsonb_array_elements(failures) AS f) WHERE system_name = %s AND entity_type = %s"
        " AND row_key = ANY(%s::uuid[])",
        (system_name, entity.name, list(keys)),
    ).rowcount


def blank_shop(
    tx: Tx, system_name: str, entity: Entity, keys: Sequence[str], *, columns: Collection[str], instead: str
) -> int:
    """Take the values of these columns out of the shop's rows; children made of personal sections go. Gives the number of rows."""
    ids = (
        "SELECT internal_id FROM integ.external_id_mappings WHERE system_name = %(system)s"
        " AND entity_type = %(entity)s AND external_id = ANY(%(keys)s::uuid[])"
    )
    values = {"system": system_name, "entity": entity.name, "keys": list(keys), "instead": instead}
    where = (
        f"id IN ({ids})"
        if entity.has_ids
        else "system_name = %(system)s AND onec_key = ANY(%(keys)s::uuid[])"
    )
    done = 0
    if columns:
        needed = _not_null(tx, entity.target.table)
        blank = ", ".join(
            f"{name} = {'%(instead)s' if name in needed else 'NULL'}" for name in sorted(columns)
        )
        done = tx.execute(f"UPDATE {entity.target.table} SET {blank} WHERE {where}".encode(), values).rowcount
    personal = {s.name for s in entity.sections if any(field.pii for field in s.fields)}
    for child in entity.target.children:
        if child.section in personal and entity.has_ids:
            tx.execute(f"DELETE FROM {child.table} WHERE owner_id IN ({ids})".encode(), values)
    return done


def redact_pages(
    tx: Tx, system_name: str, entity: Entity, redact: Redact, only: Collection[bytes] = ()
) -> dict[bytes, bytes]:
    """Rewrite stored bodies of the entity; `only` names some of them. Gives the new address by the old one.

    A body's address is the sha256 of its bytes, so the rewritten one has another and its pages point to that.
    """
    found = tx.execute(
        "SELECT DISTINCT body_sha256, format FROM raw.pages WHERE system_name = %s AND entity_type = %s"
        " AND (%s::bytea[] = '{}' OR body_sha256 = ANY(%s::bytea[]))",
        (system_name, entity.name, list(only), list(only)),
    ).fetchall()
    moved: dict[bytes, bytes] = {}
    for address, page_format in found:
        row = tx.execute("SELECT body FROM raw.bodies WHERE sha256 = %s", (address,)).fetchone()
        before = gzip.decompress(row[0]) if row else b""
        after = redact(before, page_format)
        if after != before:
            moved[bytes(address)] = _move(tx, system_name, entity, bytes(address), after)
    return moved


def redact_packets(
    tx: Tx, system_name: str, types: Sequence[str], keys: Sequence[str], redact: Redact
) -> int:
    """Rewrite the pieces of change packets that hold these objects; places in them stay. Gives the number of pieces."""
    pieces = tx.execute(
        "SELECT DISTINCT p.body_sha256, e.piece_no FROM raw.packet_entries e JOIN raw.packets p ON p.id = e.packet_id"
        " WHERE p.system_name = %s AND e.type_name = ANY(%s) AND e.key = ANY(%s)",
        (system_name, list(types), list(keys)),
    ).fetchall()
    done = 0
    for address, number in pieces:
        where = (address, number)
        row = tx.execute(
            "SELECT body FROM raw.packet_pieces WHERE body_sha256 = %s AND piece_no = %s", where
        ).fetchone()
        before = gzip.decompress(row[0]) if row else b""
        after = redact(before, "atom")
        if after != before:
            tx.execute(
                "UPDATE raw.packet_pieces SET body = %b WHERE body_sha256 = %s AND piece_no = %s",
                (gzip.compress(after, _LEVEL, mtime=0), *where),
            )
            done += 1
    return done


def _move(tx: Tx, system_name: str, entity: Entity, address: bytes, body: bytes) -> bytes:
    new = sha256(body).digest()
    tx.execute(
        "INSERT INTO raw.bodies (sha256, body, raw_bytes) VALUES (%s, %b, %s) ON CONFLICT DO NOTHING",
        (new, gzip.compress(body, _LEVEL, mtime=0), len(body)),
    )
    for table in ("raw.pages", "clean.quarantine"):
        tx.execute(
            f"UPDATE {table} SET body_sha256 = %s WHERE system_name = %s AND entity_type = %s AND body_sha256 = %s".encode(),
            (new, system_name, entity.name, address),
        )
    tx.execute(
        "DELETE FROM raw.bodies b WHERE sha256 = %s AND NOT EXISTS"
        " (SELECT FROM raw.pages p WHERE p.body_sha256 = b.sha256)",
        (address,),
    )
    return new


def _blank(fields: Sequence[Field]) -> str:
    return ", ".join(
        f"{field.name} = {'NULL' if field.nullable or field.type is not ColumnType.TEXT else '%(instead)s'}"
        for field in fields
    )


def _not_null(tx: Tx, table: str) -> frozenset[str]:
    rows = tx.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnotnull AND attnum > 0",
        (table,),
    )
    return frozenset(str(name) for (name,) in rows)


def open_pushes(tx: Tx, system_name: str, subjects: Sequence[str]) -> int:
    """Queue items of the person that are not done: orders and changes on their way to 1C."""
    row = tx.execute(
        "SELECT count(*) FROM integ.retry_queue WHERE system_name = %s AND subject = ANY(%s)"
        " AND state IN ('ready', 'leased', 'dead')",
        (system_name, list(subjects)),
    ).fetchone()
    return int(row[0]) if row else 0


_WEB = (
    (
        "UPDATE shop.web_customers SET name = %(instead)s, full_name = NULL, phone = NULL,"
        " email = 'forgotten-' || id || '@invalid', address = NULL, inn = NULL, kpp = NULL, birth_date = NULL,"
        " gender = NULL, comment = NULL, updated_at = now() WHERE id = %(customer)s"
    ),
    (
        "UPDATE shop.web_orders SET delivery_address = NULL, delivery_comment = NULL, contact_name = NULL,"
        " contact_phone = NULL, contact_email = NULL, comment = NULL, updated_at = now() WHERE id = ANY(%(orders)s)"
    ),
    "UPDATE shop.web_returns SET comment = NULL, updated_at = now() WHERE order_id = ANY(%(orders)s)",
    "UPDATE shop.web_cancellations SET comment = NULL WHERE order_id = ANY(%(orders)s)",
)


def web_subjects(tx: Tx, customer_id: int) -> tuple[list[int], list[str]]:
    """Ids of the person's orders in the application, and the names under which the person's things stand in the queue."""
    orders = [
        int(found)
        for (found,) in tx.execute("SELECT id FROM shop.web_orders WHERE customer_id = %s", (customer_id,))
    ]
    returns = tx.execute("SELECT id FROM shop.web_returns WHERE order_id = ANY(%s)", (orders,)).fetchall()
    names = [f"customer:{customer_id}", *(f"order:{found}" for found in orders)]
    return orders, [*names, *(f"return:{found}" for (found,) in returns)]


def blank_web(
    tx: Tx,
    system_name: str,
    customer_id: int,
    orders: Sequence[int],
    *,
    subjects: Sequence[str],
    instead: str,
) -> int:
    """Contact data out of the application's rows; what its triggers put into the queue for that is dropped: 1C is not told."""
    row = tx.execute("SELECT coalesce(max(id), 0) FROM integ.retry_queue").fetchone()
    before = int(row[0]) if row else 0
    values = {"customer": customer_id, "orders": list(orders), "instead": instead}
    done = sum(tx.execute(statement.encode(), values).rowcount for statement in _WEB)
    tx.execute("SET CONSTRAINTS ALL IMMEDIATE")
    tx.execute(
        "UPDATE integ.retry_queue SET state = 'dropped', finished_at = now(), updated_at = now()"
        " WHERE system_name = %s AND id > %s AND kind = 'push' AND subject = ANY(%s) AND state = 'ready'",
        (system_name, before, list(subjects)),
    )
    return done


def blank_queue(tx: Tx, system_name: str, subjects: Sequence[str]) -> int:
    """1C's words about failed pushes of the person; codes and remedies stay."""
    return tx.execute(
        "UPDATE integ.retry_queue SET last_error = last_error - '{message,onec_message}'::text[]"
        " WHERE system_name = %s AND subject = ANY(%s) AND last_error IS NOT NULL",
        (system_name, list(subjects)),
    ).rowcount


def blank_push(tx: Tx, system_name: str, customer_id: int, orders: Sequence[int]) -> int:
    """Hashes of personal values that the push remembers of the customer's own object, and of the whole payload."""
    rows = tx.execute(
        "SELECT id, intended, confirmed FROM integ.push_objects WHERE system_name = %s"
        " AND (outgoing IN ('customers', 'counterparties') AND subject_id = %s"
        " OR outgoing = 'orders' AND subject_id = ANY(%s))",
        (system_name, customer_id, list(orders)),
    ).fetchall()
    for row_id, intended, confirmed in rows:
        tx.execute(
            "UPDATE integ.push_objects SET intended = %s, confirmed = %s, payload_hash = '' WHERE id = %s",
            (Jsonb(_no_hashes(intended)), Jsonb(_no_hashes(confirmed)) if confirmed else None, row_id),
        )
    return len(rows)


def _no_hashes(prints: Any) -> Any:
    if isinstance(prints, dict):
        kept = {name: _no_hashes(value) for name, value in prints.items()}
        return {name: value for name, value in kept.items() if value is not None}
    return None if isinstance(prints, str) and prints.startswith("#") else prints
