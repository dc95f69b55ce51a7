"""`integ.push_objects`: what the push made of each thing in 1C, written before and after each step, so that a killed push can go on.

Also what is known of the base itself (whether it honours the keys we choose) and the lock that keeps two pushes of one thing apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.ledger import audit, state

Tx = psycopg.Connection[Any]

_COLUMNS = (
    "id, outgoing, subject_id, resource, own_key, onec_key, phase, payload_hash, version, done_version, sent_at, sends, intended,"
    " confirmed, post_pending, number, posted, data_version"
)


@dataclass(frozen=True, kw_only=True)
class PushObject:
    """What is remembered of one object. `onec_key` is None until 1C answered with one; prints are of `steps/push/compare.py`."""

    id: int
    outgoing: str
    subject_id: int
    resource: str
    own_key: UUID
    onec_key: UUID | None
    phase: str
    payload_hash: bytes
    version: int
    done_version: int
    sent_at: datetime | None
    sends: int
    intended: dict[str, Any]
    confirmed: dict[str, Any] | None
    post_pending: bool
    number: str | None
    posted: bool | None
    data_version: str | None


@contextmanager
def subject_lock(database: Database, system_name: str, subject: str) -> Iterator[None]:
    """Hold the thing for this process until the block ends or the process dies; RetryLater ALREADY_RUNNING when another has it."""
    with database.session() as session:
        row = session.execute(
            "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (f"onec:{system_name}:push:{subject}",)
        ).fetchone()
        if not row or not row[0]:
            raise RetryLater(
                f"another worker is pushing {subject} just now",
                code="ALREADY_RUNNING",
                remedy="Nothing: it is tried again by itself.",
            )
        yield


def print_key(database: Database) -> bytes:
    """The secret under which this installation remembers personal values."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute("SELECT value FROM integ.secrets WHERE name = 'print_key'")
            .fetchone()
        )
    if row is None:
        raise Stop(
            "the secret that keys what is remembered of personal values is gone from integ.secrets",
            code="PUSH_NO_SECRET",
            remedy="Put the row `print_key` back from a backup. A new one makes every change a conflict for a person to decide.",
        )
    return bytes(row[0])


def find(database: Database, system_name: str, outgoing: str, subject_id: int) -> PushObject | None:
    """What is remembered of a thing, None when nothing of it was ever pushed."""
    with (
        database.transaction() as connection,
        driver_connection(connection).cursor(row_factory=class_row(PushObject)) as cursor,
    ):
        cursor.execute(
            f"SELECT {_COLUMNS} FROM integ.push_objects WHERE system_name = %s AND outgoing = %s AND subject_id = %s".encode(),
            (system_name, outgoing, subject_id),
        )
        return cursor.fetchone()


def intend(
    database: Database,
    *,
    system_name: str,
    outgoing: str,
    subject_id: int,
    resource: str,
    own_key: UUID,
    payload_hash: bytes,
    version: int,
    prints: dict[str, Any],
    may_have_arrived: bool,
) -> None:
    """Store key and payload hash before the first byte leaves.

    `may_have_arrived`: an earlier payload may be in 1C, so its prints stay what the object is compared with.
    """
    keep = "p.intended" if may_have_arrived else "excluded.intended"
    with database.transaction() as connection:
        tx = driver_connection(connection)
        _note(tx, system_name, outgoing, subject_id, {"phase": "intended", "version": version})
        tx.execute(
            "INSERT INTO integ.push_objects AS p (system_name, outgoing, subject_id, resource, own_key, phase, payload_hash,"
            " version, intended) VALUES (%s, %s, %s, %s, %s, 'intended', %s, %s, %s)"
            " ON CONFLICT (system_name, outgoing, subject_id) DO UPDATE SET payload_hash = excluded.payload_hash,"
            f" version = excluded.version, intended = {keep}, updated_at = now(),"
            " phase = CASE WHEN p.phase = 'not_needed' THEN 'intended' ELSE p.phase END".encode(),
            (system_name, outgoing, subject_id, resource, own_key, payload_hash, version, Jsonb(prints)),
        )


def update(database: Database, system_name: str, outgoing: str, subject_id: int, **values: Any) -> None:
    """Set columns of what is remembered, committed when it returns."""
    with database.transaction() as connection:
        set_columns(driver_connection(connection), system_name, outgoing, subject_id, **values)


def set_columns(tx: Tx, system_name: str, outgoing: str, subject_id: int, **values: Any) -> None:
    """Set columns of what is remembered, in the transaction of the caller."""
    names = ", ".join(f"{name} = %s" for name in values)
    made = [Jsonb(value) if isinstance(value, dict) else value for value in values.values()]
    tx.execute(
        f"UPDATE integ.push_objects SET {names}, updated_at = now()"
        " WHERE system_name = %s AND outgoing = %s AND subject_id = %s".encode(),
        (*made, system_name, outgoing, subject_id),
    )
    if "phase" in values:
        seen: dict[str, Any] = {
            name: values[name] for name in ("phase", "onec_key", "done_version") if name in values
        }
        _note(tx, system_name, outgoing, subject_id, seen)


def sending(
    database: Database, system_name: str, outgoing: str, subject_id: int, *, entity: str | None
) -> None:
    """Note, before a creation is sent, that it may have happened from now on.

    Where the base is known to keep our keys, the pair of ids is stored here too, so that a reading of 1C that comes first does not
    give the object another id of ours.
    """
    with database.transaction() as connection:
        tx = driver_connection(connection)
        row = tx.execute(
            "UPDATE integ.push_objects SET sent_at = clock_timestamp(), sends = sends + 1, updated_at = now()"
            " WHERE system_name = %s AND outgoing = %s AND subject_id = %s RETURNING own_key",
            (system_name, outgoing, subject_id),
        ).fetchone()
        _note(tx, system_name, outgoing, subject_id, {"phase": "sending"})
        known = state.read(tx, system_name, "push", "keys")
        if row is not None and entity is not None and known is not None and known["honoured"]:
            _map(tx, system_name, entity, subject_id, row[0])


def seconds_since_sent(database: Database, system_name: str, outgoing: str, subject_id: int) -> float | None:
    """How long ago a creation was sent for the last time, by the database's clock; None when never."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute(
                "SELECT extract(epoch FROM clock_timestamp() - sent_at)::float8 FROM integ.push_objects"
                " WHERE system_name = %s AND outgoing = %s AND subject_id = %s",
                (system_name, outgoing, subject_id),
            )
            .fetchone()
        )
    return None if row is None or row[0] is None else float(row[0])


def finish(
    database: Database,
    *,
    system_name: str,
    outgoing: str,
    subject_id: int,
    entity: str | None,
    key: UUID,
    version: int,
    **values: Any,
) -> None:
    """The object is as wanted: the pair of ids, the state for the application and the version, in one transaction."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        if entity is not None:
            _map(tx, system_name, entity, subject_id, key)
        set_columns(
            tx,
            system_name,
            outgoing,
            subject_id,
            phase="done",
            onec_key=key,
            done_version=version,
            post_pending=False,
            **values,
        )


def honours_keys(database: Database, system_name: str) -> bool | None:
    """Whether the base keeps the key we choose; None until its first answer (PROTOCOL §14.1)."""
    with database.transaction() as connection:
        known = state.read(driver_connection(connection), system_name, "push", "keys")
    return None if known is None else bool(known["honoured"])


def note_keys(database: Database, system_name: str, *, honoured: bool) -> bool:
    """Remember what the base does with our keys; True when that is news. Once ignored stays ignored until a person forgets it."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        known = state.read(tx, system_name, "push", "keys")
        if known is not None and (known["honoured"] == honoured or not known["honoured"]):
            return False
        state.write(tx, system_name, "push", "keys", {"honoured": honoured})
        return True


def mapped_key(database: Database, system_name: str, entity: str, internal_id: int) -> UUID | None:
    """The GUID of a shop row, None when 1C does not have it yet."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute(
                "SELECT external_id FROM integ.external_id_mappings"
                " WHERE system_name = %s AND entity_type = %s AND internal_id = %s",
                (system_name, entity, internal_id),
            )
            .fetchone()
        )
    return None if row is None else UUID(str(row[0]))


def _note(tx: Tx, system_name: str, outgoing: str, subject_id: int, details: dict[str, Any]) -> None:
    """One step of a push in the audit log."""
    audit.record(
        tx,
        system_name=system_name,
        action="push.step",
        entity=outgoing,
        job_id=None,
        details={"subject": subject_id, **details},
    )


def _map(tx: Tx, system_name: str, entity: str, internal_id: int, key: UUID) -> None:
    """The pair of ids. An object that 1C's side of the shop has an id for already keeps that one."""
    tx.execute(
        "DELETE FROM integ.external_id_mappings WHERE system_name = %s AND entity_type = %s AND internal_id = %s"
        " AND external_id <> %s",
        (system_name, entity, internal_id, key),
    )
    tx.execute(
        "INSERT INTO integ.external_id_mappings (system_name, entity_type, internal_id, external_id) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (system_name, entity, internal_id, key),
    )
