"""`integ.approvals`: loads into the shop that a limit holds, what was decided about them, and by whom.

Of an entity one approval is open at a time. What is in a diff and when it breaches a limit is `steps/diff.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import audit

Tx = psycopg.Connection[Any]
Decision = Literal["granted", "rejected"]
_OPEN = "('pending', 'granted', 'rejected')"


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A limit that a load exceeds: what it allows, what was counted, and a few examples.

    `rows` are (key, digest) of every row that it counts, or one pair for exactly these when there are very many.
    """

    limit: str
    allowed: str
    counted: int
    share: float | None
    examples: tuple[dict[str, str], ...]
    rows: tuple[tuple[str, str], ...]

    @property
    def document(self) -> dict[str, Any]:
        """What is shown of it."""
        return {
            "limit": self.limit,
            "allowed": self.allowed,
            "counted": self.counted,
            "share": self.share,
            "examples": list(self.examples),
        }

    @property
    def words(self) -> str:
        """One line for people."""
        share = f" ({self.share:.1%})" if self.share is not None else ""
        return f"{self.limit}: {self.counted}{share}, allowed {self.allowed}"

    @property
    def marks(self) -> list[tuple[str, str, str]]:
        """Limit, key and digest of each row."""
        return [(self.limit, key, digest) for key, digest in self.rows]


@dataclass(frozen=True, kw_only=True)
class Approval:
    """An open approval."""

    id: int
    state: str
    fingerprint: str
    decided_by: str | None
    reason: str | None


def fingerprint(breaches: Sequence[Breach]) -> str:
    """The same for the same rows with the same values under the same limits."""
    return _hash(sorted(mark for breach in breaches for mark in breach.marks))


def open_of(tx: Tx, entity: str, *, system_name: str) -> Approval | None:
    """The open approval of the entity, locked until the transaction ends."""
    row = tx.execute(
        "SELECT id, state, fingerprint, decided_by, reason FROM integ.approvals"
        f" WHERE system_name = %s AND entity_type = %s AND state IN {_OPEN} FOR UPDATE".encode(),
        (system_name, entity),
    ).fetchone()
    if row is None:
        return None
    return Approval(id=row[0], state=row[1], fingerprint=row[2], decided_by=row[3], reason=row[4])


def uncovered(tx: Tx, approval: Approval, breaches: Sequence[Breach]) -> int:
    """How many rows breach a limit now that were not in what was approved, or would get another value."""
    rows = tx.execute(
        "SELECT limit_name, row_key, digest FROM integ.approval_rows WHERE approval_id = %s", (approval.id,)
    )
    known = {tuple(row) for row in rows}
    return sum(1 for breach in breaches for mark in breach.marks if mark not in known)


def use(tx: Tx, approval: Approval, *, system_name: str, entity: str, job_id: int) -> None:
    """The approved load goes through in this transaction."""
    _close(tx, approval, "used", job_id)
    details = {"approval": approval.id, "by": approval.decided_by, "reason": approval.reason}
    _record(tx, "approval.used", system_name, entity, details, job_id=job_id)


def lapse(tx: Tx, entity: str, *, system_name: str, job_id: int) -> None:
    """Nothing breaches a limit any more: an open approval has nothing to decide."""
    found = open_of(tx, entity, system_name=system_name)
    if found is not None:
        _close(tx, found, "lapsed", job_id)
        _record(tx, "approval.lapsed", system_name, entity, {"approval": found.id}, job_id=job_id)


def hold(
    database: Database,
    entity: str,
    breaches: Sequence[Breach],
    diff: dict[str, Any],
    *,
    system_name: str,
    job_id: int,
) -> Approval:
    """Remember that this load is held. The same one is held under the same approval, whatever was decided; another one takes its place."""
    mark = fingerprint(breaches)
    with database.transaction() as connection:
        tx = driver_connection(connection)
        known = open_of(tx, entity, system_name=system_name)
        if known is not None and known.fingerprint == mark:
            tx.execute(
                "UPDATE integ.approvals SET held_runs = held_runs + 1, last_held_at = now() WHERE id = %s",
                (known.id,),
            )
            return known
        if known is not None:
            _close(tx, known, "superseded", job_id)
        made = _insert(tx, entity, breaches, diff, system_name=system_name, job_id=job_id, mark=mark)
        details = {
            "approval": made.id,
            "fingerprint": mark,
            "breaches": [breach.words for breach in breaches],
            "superseded": known.id if known else None,
        }
        _record(tx, "load_held", system_name, entity, details, job_id=job_id)
    return made


def decide(
    database: Database, approval_id: int, decision: Decision, *, system_name: str, by: str, reason: str
) -> str:
    """Grant or reject an open approval and give its entity; a decision may be changed until the load went through.

    Raises Stop APPROVAL_NOT_OPEN when there is none, or it is closed.
    """
    with database.transaction() as connection:
        tx = driver_connection(connection)
        row = tx.execute(
            "UPDATE integ.approvals SET state = %s, decided_by = %s, reason = %s, decided_at = now()"
            f" WHERE id = %s AND system_name = %s AND state IN {_OPEN} RETURNING entity_type, fingerprint".encode(),
            (decision, by, reason, approval_id, system_name),
        ).fetchone()
        if row is None:
            raise Stop(
                f"there is no open approval {approval_id}",
                code="APPROVAL_NOT_OPEN",
                remedy="`onec approve list` shows what waits.",
            )
        details = {"approval": approval_id, "by": by, "reason": reason, "fingerprint": row[1]}
        _record(tx, f"approval.{decision}", system_name, row[0], details, job_id=None)
    return str(row[0])


def listing(database: Database, system_name: str, *, everything: bool = False) -> list[dict[str, Any]]:
    """Open approvals, newest first; with `everything` the last hundred, closed ones too."""
    which = "" if everything else f" AND state IN {_OPEN}"
    return _read(
        database,
        "SELECT id, entity_type, state, breaches, created_at, held_runs, last_held_at, decided_by, decided_at, reason,"
        f" closed_at FROM integ.approvals WHERE system_name = %s{which} ORDER BY id DESC LIMIT 100",
        (system_name,),
    )


def entry(database: Database, system_name: str, approval_id: int) -> dict[str, Any] | None:
    """One approval whole, or None."""
    found = _read(
        database,
        "SELECT id, entity_type, state, breaches, diff, fingerprint, job_id, created_at, held_runs, last_held_at,"
        " decided_by, decided_at, reason, closed_at, closed_by_job FROM integ.approvals"
        " WHERE system_name = %s AND id = %s",
        (system_name, approval_id),
    )
    return found[0] if found else None


def _insert(
    tx: Tx,
    entity: str,
    breaches: Sequence[Breach],
    diff: dict[str, Any],
    *,
    system_name: str,
    job_id: int,
    mark: str,
) -> Approval:
    row = tx.execute(
        "INSERT INTO integ.approvals (system_name, entity_type, fingerprint, breaches, diff, job_id)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
        (system_name, entity, mark, Jsonb([breach.document for breach in breaches]), Jsonb(diff), job_id),
    ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING gives a row
    statement = b"COPY integ.approval_rows (approval_id, limit_name, row_key, digest) FROM STDIN"
    with tx.cursor() as cursor, cursor.copy(statement) as copy:
        for breach in breaches:
            for limit, key, digest in breach.marks:
                copy.write_row((row[0], limit, key, digest))
    return Approval(id=row[0], state="pending", fingerprint=mark, decided_by=None, reason=None)


def _close(tx: Tx, approval: Approval, state: str, job_id: int) -> None:
    tx.execute(
        "UPDATE integ.approvals SET state = %s, closed_at = now(), closed_by_job = %s WHERE id = %s",
        (state, job_id, approval.id),
    )
    tx.execute("DELETE FROM integ.approval_rows WHERE approval_id = %s", (approval.id,))


def _record(
    tx: Tx, action: str, system_name: str, entity: str, details: dict[str, Any], *, job_id: int | None
) -> None:
    audit.record(tx, system_name=system_name, action=action, entity=entity, job_id=job_id, details=details)


def _read(database: Database, statement: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    with database.transaction() as connection:
        cursor = driver_connection(connection).execute(statement.encode(), values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _hash(parts: Sequence[tuple[str, ...]]) -> str:
    digest = sha256()
    for part in parts:
        digest.update("\0".join(part).encode() + b"\n")
    return digest.hexdigest()
