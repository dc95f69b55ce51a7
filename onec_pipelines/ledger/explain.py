"""What is kept of one row: in clean, in the shop, in the raw layer, and what waits or was noted for it. Read only."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from onec_pipelines.spec import Entity

Tx = psycopg.Connection[Any]
_Values = tuple[object, ...] | dict[str, Any]
# Bodies that are unpacked to look for a row: some seconds at most.
_BODIES = 400


@dataclass(frozen=True, kw_only=True)
class PageSeen:
    """A stored page that names a row: where it lies, how it was asked for, and by whom."""

    id: int
    plan: str | None
    part: str
    page_index: int
    request: str
    requested_at: datetime
    sha256: str
    job_id: int
    job_type: str | None
    run_id: str | None


def keys_by(tx: Tx, system_name: str, entity: Entity, column: str, value: str) -> list[str]:
    """Row keys of clean whose column is this text, without case and blanks around it; live rows first."""
    rows = tx.execute(
        f"SELECT row_key::text FROM {entity.clean_table} WHERE system_name = %s"
        f" AND lower(btrim({column}::text)) = lower(btrim(%s)) ORDER BY deleted_at IS NOT NULL, row_key".encode(),
        (system_name, value),
    )
    return [str(key) for (key,) in rows]


def key_of(tx: Tx, system_name: str, entity: Entity, internal_id: int) -> str | None:
    """The GUID behind our id."""
    row = tx.execute(
        "SELECT external_id::text FROM integ.external_id_mappings"
        " WHERE system_name = %s AND entity_type = %s AND internal_id = %s",
        (system_name, entity.name, internal_id),
    ).fetchone()
    return None if row is None else str(row[0])


def id_of(tx: Tx, system_name: str, entity: Entity, key: str) -> dict[str, Any] | None:
    """Our id of a GUID: internal_id, since when, and when a change last reached the shop."""
    return _one(
        tx,
        "SELECT internal_id, created_at, last_synced_at, is_adopted FROM integ.external_id_mappings"
        " WHERE system_name = %s AND entity_type = %s AND external_id::text = %s",
        (system_name, entity.name, key),
    )


def clean_row(tx: Tx, system_name: str, entity: Entity, key: str) -> dict[str, Any] | None:
    """The row of clean with its bookkeeping (changed_in, changed_at, deleted_at, deleted_why)."""
    return _one(
        tx,
        f"SELECT * FROM {entity.clean_table} WHERE system_name = %s AND row_key = %s::uuid",
        (system_name, key),
    )


def shop_row(
    tx: Tx, system_name: str, entity: Entity, key: str, internal_id: int | None
) -> dict[str, Any] | None:
    """The row of the shop, by our id, of a register by its key."""
    if entity.has_ids:
        return _one(tx, f"SELECT * FROM {entity.target.table} WHERE id = %s", (internal_id,))
    return _one(
        tx,
        f"SELECT * FROM {entity.target.table} WHERE system_name = %s AND onec_key = %s::uuid",
        (system_name, key),
    )


def job(tx: Tx, job_id: int) -> dict[str, Any] | None:
    """The job that wrote something; of one that retention has removed what the audit log says."""
    return _one(
        tx,
        "SELECT id, job_type, run_id, status, started_at, completed_at FROM integ.sync_jobs WHERE id = %s",
        (job_id,),
    ) or _one(
        tx,
        "SELECT job_id AS id, details ->> 'job_type' AS job_type, details ->> 'run_id' AS run_id,"
        " details ->> 'status' AS status, NULL AS started_at, at AS completed_at FROM integ.audit_log"
        " WHERE job_id = %s AND action = 'run.finished' ORDER BY id DESC LIMIT 1",
        (job_id,),
    )


def names_of(tx: Tx, ids: Mapping[str, tuple[Entity, int]]) -> dict[str, str]:
    """What the shop calls the rows with these ids, by the caller's names for them; entities without a column `name` are left out."""
    found = {}
    for title, (entity, internal_id) in ids.items():
        if any(column.name == "name" for column in entity.target.columns):
            row = tx.execute(
                f"SELECT name::text FROM {entity.target.table} WHERE id = %s".encode(), (internal_id,)
            ).fetchone()
            if row is not None and row[0]:
                found[title] = str(row[0])
    return found


_OF_ROW = "system_name = %(system)s AND entity_type = %(entity)s AND row_key = %(key)s::uuid"
_NOTED = {
    "quarantine": "SELECT id, failures, first_seen_at, last_seen_at, job_id FROM clean.quarantine"
    f" WHERE {_OF_ROW} AND resolved_at IS NULL ORDER BY id",
    "unresolved": "SELECT field, target_entity, missing_id::text AS missing_id, holds_row, first_seen_at"
    f" FROM integ.unresolved_refs WHERE {_OF_ROW} ORDER BY 1",
    "deletions": "SELECT why, deleted_at, job_id, restored_at, restored_job_id FROM integ.deletion_log"
    f" WHERE {_OF_ROW} ORDER BY id DESC LIMIT 10",
    "forgotten": f"SELECT forgotten_at, forgotten_by FROM integ.forgotten WHERE {_OF_ROW}",
    "pushes": "SELECT subject_id, phase, version, done_version, sends, sent_at, number, posted, updated_at"
    " FROM integ.push_objects WHERE system_name = %(system)s AND outgoing = %(entity)s AND coalesce(onec_key, own_key) = %(key)s::uuid",
}


def noted(tx: Tx, system_name: str, entity: Entity, key: str) -> dict[str, list[dict[str, Any]]]:
    """What waits or was noted for the row, by kind.

    `quarantine`: open rejects (personal values are masked in them); `unresolved`: references to objects that have not come;
    `deletions`: when and why it was deleted, and whether it came back; `forgotten`: since when its personal fields are kept empty;
    `pushes`: what of the application's was sent there.
    """
    given = {"system": system_name, "entity": entity.name, "key": key}
    return {kind: _all(tx, statement, given) for kind, statement in _NOTED.items()}


def packets(tx: Tx, system_name: str, entity: Entity, key: str) -> list[dict[str, Any]]:
    """Entries of stored change packets about the object, newest first, with their places; `applied` says whether clean knows of it."""
    return _all(
        tx,
        "SELECT p.id AS packet_id, p.message_no, p.received_at, e.entry_no, e.key, e.kind, e.type_name, e.piece_no, e.starts_at, e.length,"
        " encode(p.body_sha256, 'hex') AS sha256, (p.id, e.entry_no) <= (m.packet_id, m.entry_no) IS TRUE AS applied"
        " FROM raw.packet_entries e JOIN raw.packets p ON p.id = e.packet_id LEFT JOIN integ.packet_marks m"
        " ON m.system_name = p.system_name AND m.entity_type = %(entity)s AND m.node_ref = p.node_ref AND m.epoch = p.epoch"
        " WHERE p.system_name = %(system)s AND e.type_name = ANY(%(types)s) AND e.key = %(key)s"
        " ORDER BY p.id DESC, e.entry_no DESC LIMIT 10",
        {
            "system": system_name,
            "entity": entity.name,
            "types": list(entity.source.resources),
            "key": key,
        },
    )


def pages_naming(
    tx: Tx, system_name: str, entity: Entity, text: str, *, first_job: int, limit: int
) -> list[PageSeen]:
    """The newest stored pages whose bytes name a GUID, those of `first_job` before all others; a body is unpacked once."""
    rows = _all(
        tx,
        "SELECT p.id, p.plan, p.part, p.page_index, p.request, p.requested_at, p.body_sha256, p.job_id,"
        " j.job_type, j.run_id FROM raw.pages p LEFT JOIN integ.sync_jobs j ON j.id = p.job_id"
        " WHERE p.system_name = %s AND p.entity_type = %s ORDER BY p.job_id = %s DESC, p.id DESC",
        (system_name, entity.name, first_job),
    )
    wanted, seen = text.lower().encode(), dict[bytes, bool]()
    found: list[PageSeen] = []
    for row in rows:
        digest = bytes(row.pop("body_sha256"))
        if digest not in seen:
            if len(seen) >= _BODIES:
                break
            seen[digest] = wanted in _body(tx, digest).lower()
        if seen[digest]:
            found.append(PageSeen(**row, sha256=digest.hex()))
        if len(found) == limit:
            break
    return found


def _body(tx: Tx, digest: bytes) -> bytes:
    row = tx.execute("SELECT body FROM raw.bodies WHERE sha256 = %s", (digest,)).fetchone()
    return b"" if row is None else gzip.decompress(row[0])


def _one(tx: Tx, statement: str, values: _Values) -> dict[str, Any] | None:
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), values).fetchone()


def _all(tx: Tx, statement: str, values: _Values) -> list[dict[str, Any]]:
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()
