"""`integ.packet_marks`: how far each entity has applied the staged packets, on which whole reading, and what is still before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg

from onec_pipelines.ledger import scans
from onec_pipelines.ledger.exchange_nodes import NodeState
from onec_pipelines.onec.packet_index import EntryKind
from onec_pipelines.spec import Entity

Tx = psycopg.Connection[Any]


@dataclass(frozen=True, kw_only=True)
class Base:
    """The last whole reading of an entity: its job, when it began and when it had ended, by the database's clock."""

    job_id: int
    begun_at: datetime
    ended_at: datetime


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Everything up to and with this entry is applied, in this epoch of this node, on top of `base`."""

    node: NodeState
    base: Base
    packet_id: int = 0
    entry_no: int = 0


@dataclass(frozen=True, kw_only=True)
class Pending:
    """One entry that an entity has not applied: where it lies, and when its packet was asked for and had come."""

    packet_id: int
    entry_no: int
    key: str
    kind: EntryKind
    piece_no: int
    starts_at: int
    length: int
    requested_at: datetime
    received_at: datetime
    message_no: int


def last_whole_reading(tx: Tx, system_name: str, entity: str) -> Base | None:
    """The last reading that was proved complete, in whichever way; its beginning is that of the run which began it."""
    row = tx.execute(
        "SELECT (s.state ->> 'scan_id')::bigint, j.started_at, s.updated_at FROM integ.sync_state s"
        " JOIN integ.sync_jobs j ON j.id = (s.state ->> 'scan_id')::bigint"
        " WHERE s.system_name = %s AND s.entity_type = %s AND s.kind = ANY(%s)"
        " AND (s.state ->> 'complete')::boolean ORDER BY j.started_at DESC LIMIT 1",
        (system_name, entity, [scans.COMPLETE, scans.COMPARED]),
    ).fetchone()
    return None if row is None else Base(job_id=int(row[0]), begun_at=row[1], ended_at=row[2])


def read(tx: Tx, system_name: str, entity: str, node: NodeState) -> Mark | None:
    """The entity's mark, if it is of this node and of its present epoch."""
    row = tx.execute(
        "SELECT packet_id, entry_no, base_job, base_begun_at, base_ended_at FROM integ.packet_marks"
        " WHERE system_name = %s AND entity_type = %s AND plan = %s AND node_ref = %s AND epoch = %s",
        (system_name, entity, node.plan, node.node_ref, node.epoch),
    ).fetchone()
    if row is None:
        return None
    packet_id, entry_no, job_id, begun_at, ended_at = row
    base = Base(job_id=job_id, begun_at=begun_at, ended_at=ended_at)
    return Mark(node=node, base=base, packet_id=packet_id, entry_no=entry_no)


def write(tx: Tx, system_name: str, entity: str, mark: Mark) -> None:
    """Move the entity's mark, in the transaction that applied what is before it."""
    tx.execute(
        "INSERT INTO integ.packet_marks (system_name, entity_type, plan, node_ref, epoch, packet_id, entry_no,"
        " base_job, base_begun_at, base_ended_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (system_name, entity_type) DO UPDATE SET plan = excluded.plan, node_ref = excluded.node_ref,"
        " epoch = excluded.epoch, packet_id = excluded.packet_id, entry_no = excluded.entry_no,"
        " base_job = excluded.base_job, base_begun_at = excluded.base_begun_at,"
        " base_ended_at = excluded.base_ended_at, applied_at = now()",
        (
            system_name,
            entity,
            mark.node.plan,
            mark.node.node_ref,
            mark.node.epoch,
            mark.packet_id,
            mark.entry_no,
            mark.base.job_id,
            mark.base.begun_at,
            mark.base.ended_at,
        ),
    )


_PENDING = (
    "SELECT e.packet_id, e.entry_no, e.key, e.kind, e.piece_no, e.starts_at, e.length, d.requested_at,"
    " d.received_at, d.message_no FROM due d JOIN raw.packet_entries e ON e.packet_id = d.id"
)


def pending(
    tx: Tx, system_name: str, type_name: str, mark: Mark, *, limit: int | None = None, every: bool = False
) -> list[Pending]:
    """The next entries of a type after a mark, in the order in which 1C sent them; of each object only its last one, or `every` one."""
    last_only = (
        " AND NOT EXISTS (SELECT FROM due l JOIN raw.packet_entries n ON n.packet_id = l.id"
        " WHERE n.type_name = e.type_name AND n.key = e.key AND (n.packet_id, n.entry_no) > (e.packet_id, e.entry_no))"
    )
    rows = tx.execute(
        "WITH due AS (SELECT p.id, p.requested_at, p.received_at, p.message_no FROM raw.packets p"
        " WHERE p.system_name = %s AND p.plan = %s AND p.node_ref = %s AND p.epoch = %s AND p.id >= %s)"
        f" {_PENDING} WHERE e.type_name = %s AND (e.packet_id, e.entry_no) > (%s, %s)"
        f"{'' if every else last_only}"
        " ORDER BY e.packet_id, e.entry_no LIMIT %s".encode(),
        (
            system_name,
            mark.node.plan,
            mark.node.node_ref,
            mark.node.epoch,
            mark.packet_id,
            type_name,
            mark.packet_id,
            mark.entry_no,
            limit,
        ),
    )
    return [Pending(**dict(zip(Pending.__annotations__, row, strict=True))) for row in rows]


def before(tx: Tx, system_name: str, type_name: str, mark: Mark, keys: Sequence[str]) -> list[Pending]:
    """Of each of these keys the last entry up to the mark, as far as its packet is still kept."""
    rows = tx.execute(
        "WITH due AS (SELECT p.id, p.requested_at, p.received_at, p.message_no FROM raw.packets p"
        " WHERE p.system_name = %s AND p.plan = %s AND p.node_ref = %s AND p.epoch = %s AND p.id <= %s),"
        f" found AS ({_PENDING} WHERE e.type_name = %s AND e.key = ANY(%s) AND (e.packet_id, e.entry_no) <= (%s, %s))"
        " SELECT * FROM (SELECT DISTINCT ON (key) * FROM found ORDER BY key, packet_id DESC, entry_no DESC) f"
        " ORDER BY packet_id, entry_no".encode(),
        (
            system_name,
            mark.node.plan,
            mark.node.node_ref,
            mark.node.epoch,
            mark.packet_id,
            type_name,
            list(keys),
            mark.packet_id,
            mark.entry_no,
        ),
    )
    return [Pending(**dict(zip(Pending.__annotations__, row, strict=True))) for row in rows]


def kept_since(tx: Tx, system_name: str, node: NodeState) -> datetime:
    """Since when every packet of the node's epoch is kept: older ones are removed in time."""
    row = tx.execute(
        "SELECT CASE WHEN clock_timestamp() < %s + interval '1 day' THEN %s ELSE coalesce(min(requested_at), %s) END"
        " FROM raw.packets WHERE system_name = %s AND plan = %s AND node_ref = %s AND epoch = %s",
        (node.epoch_at, node.epoch_at, node.epoch_at, system_name, node.plan, node.node_ref, node.epoch),
    ).fetchone()
    return node.epoch_at if row is None else row[0]


def written_by(tx: Tx, entity: Entity, field: str, recorders: Sequence[str], *, system_name: str) -> set[str]:
    """Values of a field in the live rows that these documents have written."""
    rows = tx.execute(
        f"SELECT DISTINCT t.{field}::text FROM {entity.clean_table} t WHERE t.system_name = %s"
        f" AND t.recorder_ref = ANY(%s::uuid[]) AND t.deleted_at IS NULL AND t.{field} IS NOT NULL".encode(),
        (system_name, list(recorders)),
    )
    return {key for (key,) in rows}


def count_pending(tx: Tx, system_name: str, type_name: str, mark: Mark) -> int:
    """How many objects of a type come after a mark."""
    row = tx.execute(
        "SELECT count(DISTINCT e.key) FROM raw.packets p JOIN raw.packet_entries e ON e.packet_id = p.id"
        " WHERE p.system_name = %s AND p.plan = %s AND p.node_ref = %s AND p.epoch = %s AND p.id >= %s"
        " AND e.type_name = %s AND (e.packet_id, e.entry_no) > (%s, %s)",
        (
            system_name,
            mark.node.plan,
            mark.node.node_ref,
            mark.node.epoch,
            mark.packet_id,
            type_name,
            mark.packet_id,
            mark.entry_no,
        ),
    ).fetchone()
    return int(row[0]) if row else 0


def newest(tx: Tx, system_name: str, mark: Mark) -> Mark:
    """The mark behind everything that is staged now."""
    row = tx.execute(
        "SELECT e.packet_id, e.entry_no FROM raw.packet_entries e WHERE e.packet_id = %s"
        " ORDER BY e.entry_no DESC LIMIT 1",
        (newest_packet(tx, system_name, mark.node),),
    ).fetchone()
    return (
        mark
        if row is None or row <= (mark.packet_id, mark.entry_no)
        else replace(mark, packet_id=row[0], entry_no=row[1])
    )


def newest_packet(tx: Tx, system_name: str, node: NodeState) -> int:
    """The newest packet of the node's epoch; 0 when there is none."""
    row = tx.execute(
        "SELECT coalesce(max(id), 0) FROM raw.packets WHERE system_name = %s AND plan = %s AND node_ref = %s"
        " AND epoch = %s",
        (system_name, node.plan, node.node_ref, node.epoch),
    ).fetchone()
    return int(row[0]) if row else 0


def written_since(
    tx: Tx, entity: Entity, moments: dict[str, datetime], *, system_name: str, job_id: int
) -> set[str]:
    """Of these objects those whose row was written at or after the moment that is given for each, by another job than this one."""
    rows = tx.execute(
        f"SELECT t.row_key::text FROM {entity.clean_table} t JOIN unnest(%s::uuid[], %s::timestamptz[]) AS"
        " m (row_key, since) ON m.row_key = t.row_key WHERE t.system_name = %s AND t.changed_at >= m.since"
        " AND t.changed_in <> %s".encode(),
        (list(moments), list(moments.values()), system_name, job_id),
    )
    return {key for (key,) in rows}


def missed(
    tx: Tx, entity: Entity, type_name: str, node: NodeState, *, system_name: str, job_id: int, since: datetime
) -> tuple[int, bool]:
    """Objects that a whole reading wrote and that no packet since a moment names; and whether any packet ever held this type.

    Rows of a register are not named one by one: any record set of it will do.
    """
    values = (system_name, node.plan, node.node_ref)
    same_key = " AND e.key = t.row_key::text" if entity.key == ("ref",) else ""
    row = tx.execute(
        f"SELECT count(*) FROM {entity.clean_table} t WHERE t.system_name = %s AND t.changed_in = %s"
        " AND NOT EXISTS (SELECT FROM raw.packet_entries e JOIN raw.packets p ON p.id = e.packet_id"
        " WHERE (p.system_name, p.plan, p.node_ref) = (%s, %s, %s) AND p.received_at >= %s AND e.type_name = %s"
        f"{same_key})".encode(),
        (system_name, job_id, *values, since, type_name),
    ).fetchone()
    ever = tx.execute(
        "SELECT EXISTS (SELECT FROM raw.packets p WHERE (p.system_name, p.plan, p.node_ref) = (%s, %s, %s)"
        " AND p.counts ? %s)",
        (*values, type_name),
    ).fetchone()
    return (int(row[0]) if row else 0), bool(ever and ever[0])


def mark_deleted(
    tx: Tx, entity: Entity, keys: Sequence[str], *, why: str, system_name: str, job_id: int
) -> int:
    """Live rows of these objects become deleted for this reason; gives how many there were."""
    return tx.execute(
        f"UPDATE {entity.clean_table} t SET deleted_at = now(), deleted_why = %s, changed_in = %s, changed_at = now()"
        " WHERE t.system_name = %s AND t.row_key = ANY(%s::uuid[]) AND t.deleted_at IS NULL".encode(),
        (why, job_id, system_name, list(keys)),
    ).rowcount


def listing(tx: Tx, system_name: str) -> list[dict[str, Any]]:
    """How far each entity is, and how many packets of its node are after that."""
    cursor = tx.execute(
        "SELECT m.entity_type AS entity, m.epoch, m.packet_id, m.applied_at, m.base_job, m.base_ended_at,"
        " (SELECT count(*) FROM raw.packets p WHERE (p.system_name, p.plan, p.node_ref, p.epoch)"
        " = (m.system_name, m.plan, m.node_ref, m.epoch) AND p.id > m.packet_id) AS packets_behind"
        " FROM integ.packet_marks m WHERE m.system_name = %s ORDER BY 1",
        (system_name,),
    )
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]
