"""What is stored of a person that came from 1C, and taking it away: clean, shop, quarantine, raw bytes.

The application's side is `forgetting_web.py`. Statements only: which
tables and columns are personal is said by the declarations and decided in `steps/forget.py`.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from typing import Any

import psycopg

from onec_pipelines.db import clean_sql
from onec_pipelines.ledger.forgetting_web import distinct
from onec_pipelines.spec import ColumnType, Entity, Field

Tx = psycopg.Connection[Any]
Redact = Callable[[bytes, str], bytes]
RedactPiece = Callable[[bytes], bytes]
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
    """Rows of clean that point to the customer by one of these fields, and rejected ones that name the customer."""
    condition = " OR ".join(f"{name} = %(customer)s::uuid" for name in fields)
    rows = tx.execute(
        f"SELECT row_key::text FROM {entity.clean_table} WHERE system_name = %(system)s AND ({condition})"
        " UNION SELECT row_key::text FROM clean.quarantine WHERE system_name = %(system)s AND entity_type = %(entity)s"
        " AND position(%(customer)s::text in lower(source_row)) > 0".encode(),
        {"system": system_name, "entity": entity.name, "customer": customer.lower()},
    )
    return [str(key) for (key,) in rows]


def forgotten_among(tx: Tx, system_name: str, entity: Entity, keys: Sequence[str]) -> set[str]:
    """Which of these rows of the entity are forgotten."""
    rows = tx.execute(
        "SELECT row_key::text FROM integ.forgotten WHERE system_name = %s AND entity_type = %s AND row_key = ANY(%s::uuid[])",
        (system_name, entity.name, list(keys)),
    )
    return {str(key) for (key,) in rows}


def is_known(tx: Tx, system_name: str, entity: Entity, key: str) -> bool:
    """Whether anything that is stored is about this object of the entity: a row, a reject, an entry of a packet."""
    row = tx.execute(
        f"SELECT EXISTS (SELECT FROM {entity.clean_table} WHERE system_name = %(system)s AND row_key = %(key)s::uuid)"
        " OR EXISTS (SELECT FROM clean.quarantine WHERE system_name = %(system)s AND entity_type = %(entity)s"
        "  AND row_key = %(key)s::uuid)"
        " OR EXISTS (SELECT FROM raw.packet_entries e JOIN raw.packets p ON p.id = e.packet_id"
        "  WHERE p.system_name = %(system)s AND e.type_name = ANY(%(types)s) AND e.key = %(key)s::text)".encode(),
        {
            "system": system_name,
            "key": key,
            "entity": entity.name,
            "types": list(entity.source.resources),
        },
    ).fetchone()
    return bool(row and row[0])


def words_of(tx: Tx, system_name: str, customer: str) -> set[str]:
    """Texts by which a customer of 1C can be recognised in somebody's sentence."""
    rows = tx.execute(
        "SELECT unnest(ARRAY[name, full_name]) FROM clean.customers WHERE system_name = %(system)s AND row_key = %(key)s::uuid"
        " UNION SELECT unnest(ARRAY[presentation, email, phone]) FROM clean.customers_contacts"
        " WHERE system_name = %(system)s AND owner_key = %(key)s::uuid"
        " UNION SELECT unnest(ARRAY[name, full_name, inn]) FROM clean.counterparties"
        " WHERE system_name = %(system)s AND partner_ref = %(key)s::uuid",
        {"system": system_name, "key": customer},
    )
    return distinct(text for (text,) in rows)


def keep_others_out(tx: Tx, system_name: str, *, shared: bool = False) -> None:
    """Until the transaction ends: whoever forgets waits for packets that are being stored (`shared`), and they for them."""
    name = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    tx.execute(f"SELECT {name}(hashtextextended(%s, 0))".encode(), (f"onec:{system_name}:forgetting",))


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
            moved[bytes(address)] = _move(tx, system_name, bytes(address), after)
    return moved


def redact_packets(tx: Tx, system_name: str, redact: RedactPiece) -> int:
    """Rewrite the pieces of stored change packets; `redact` must keep their length. Gives the number of pieces that changed."""
    pieces = tx.execute(
        "SELECT b.body_sha256, b.piece_no FROM raw.packet_pieces b WHERE EXISTS"
        " (SELECT FROM raw.packets p WHERE p.system_name = %s AND p.body_sha256 = b.body_sha256)",
        (system_name,),
    ).fetchall()
    return sum(_rewrite_piece(tx, bytes(address), number, redact) for address, number in pieces)


def redact_packet(
    tx: Tx, system_name: str, packet_id: int, redact: Callable[[bytes, str], bytes]
) -> list[str]:
    """Rewrite the entries of forgotten objects in one packet; `redact` gets an entry and its key and keeps the length. Gives the keys."""
    found = tx.execute(
        "SELECT p.body_sha256, e.piece_no, e.starts_at, e.length, e.key FROM raw.packets p"
        " JOIN raw.packet_entries e ON e.packet_id = p.id"
        " WHERE p.id = %s AND e.kind = 'entry' AND e.key IN"
        " (SELECT f.row_key::text FROM integ.forgotten f WHERE f.system_name = %s) ORDER BY e.entry_no",
        (packet_id, system_name),
    ).fetchall()
    for address, number in {(bytes(row[0]), row[1]) for row in found}:
        places = [
            (start, length, key)
            for sha, no, start, length, key in found
            if (bytes(sha), no) == (address, number)
        ]

        def rewritten(piece: bytes, places: list[tuple[int, int, str]] = places) -> bytes:
            for start, length, key in places:
                piece = piece[:start] + redact(piece[start : start + length], key) + piece[start + length :]
            return piece

        _rewrite_piece(tx, address, number, rewritten)
    return sorted({str(row[4]) for row in found})


def _rewrite_piece(tx: Tx, address: bytes, number: int, redact: RedactPiece) -> int:
    where = (address, number)
    row = tx.execute(
        "SELECT body FROM raw.packet_pieces WHERE body_sha256 = %s AND piece_no = %s", where
    ).fetchone()
    before = gzip.decompress(row[0]) if row else b""
    after = redact(before)
    if after == before:
        return 0
    tx.execute(
        "UPDATE raw.packet_pieces SET body = %b WHERE body_sha256 = %s AND piece_no = %s",
        (gzip.compress(after, _LEVEL, mtime=0), *where),
    )
    return 1


def _move(tx: Tx, system_name: str, address: bytes, body: bytes) -> bytes:
    new = sha256(body).digest()
    tx.execute(
        "INSERT INTO raw.bodies (sha256, body, raw_bytes) VALUES (%s, %b, %s) ON CONFLICT DO NOTHING",
        (new, gzip.compress(body, _LEVEL, mtime=0), len(body)),
    )
    # Another entity may have been answered with the very same bytes.
    for table in ("raw.pages", "clean.quarantine"):
        tx.execute(
            f"UPDATE {table} SET body_sha256 = %s WHERE system_name = %s AND body_sha256 = %s".encode(),
            (new, system_name, address),
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
