"""`integ.bases`: which 1C base fills this database. Another base is refused until a person has accepted it (RELIABILITY 42).

The first base that is met is taken. A base at another address with the same objects is refused too: a copy for tests looks exactly so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import psycopg
from psycopg.rows import class_row

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import audit
from onec_pipelines.onec.marks import Marks

Tx = psycopg.Connection[Any]
_REMEDY = (
    "If the settings lead to the wrong base, correct ONEC_URL. If this base shall fill this database from now on, run"
    " `onec doctor --accept-base`; for a second base give it an ONEC_SYSTEM of its own."
)


class Verdict(StrEnum):
    """How a base that is met compares with the one that is known."""

    NEW = "new"
    SAME = "same"
    MOVED = "moved"
    """The same objects at another address: the base was moved, or this is a copy of it."""
    OTHER = "other"
    """Other objects."""


@dataclass(frozen=True, kw_only=True)
class KnownBase:
    """The base that fills this database under a name."""

    system_name: str
    place: str
    marks_of: str | None
    marks: list[str]
    accepted_at: datetime
    accepted_by: str
    confirmed_at: datetime

    def judge(self, place: str, seen: Marks | None) -> Verdict:
        """Compare with what is met; without marks on either side only the address speaks."""
        comparable = seen is not None and seen.resource == self.marks_of and seen.keys and self.marks
        if seen is not None and comparable and not set(seen.keys) & set(self.marks):
            return Verdict.OTHER
        return Verdict.SAME if place == self.place else Verdict.MOVED


def find(database: Database, system_name: str) -> KnownBase | None:
    """The base known under this name, None before the first one was met."""
    with database.transaction() as connection:
        return _find(driver_connection(connection), system_name)


def twins(database: Database, system_name: str, seen: Marks) -> list[KnownBase]:
    """Bases under other names that have the same objects."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).cursor(row_factory=class_row(KnownBase))
        cursor.execute(
            "SELECT * FROM integ.bases WHERE system_name <> %s AND marks_of = %s AND marks && %s ORDER BY system_name",
            (system_name, seen.resource, list(seen.keys)),
        )
        return cursor.fetchall()


def check_place(database: Database, *, system_name: str, place: str) -> None:
    """Refuse an address that is not the known base's, before any request. Raises Stop BASE_MOVED."""
    known = find(database, system_name)
    if known is not None and known.place != place:
        raise refusal(known, Verdict.MOVED, place)


def meet(database: Database, *, system_name: str, place: str, seen: Marks | None, by: str) -> Verdict:
    """Remember the first base, recognise it later. Raises Stop BASE_MOVED or BASE_OTHER for another one."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"onec-base:{system_name}",))
        known = _find(tx, system_name)
        verdict = Verdict.NEW if known is None else known.judge(place, seen)
        if verdict is Verdict.NEW:
            _put(tx, system_name=system_name, place=place, seen=seen, by=by)
        elif verdict is Verdict.SAME:
            _confirm(tx, system_name, seen)
    if known is not None and verdict in {Verdict.MOVED, Verdict.OTHER}:
        raise refusal(known, verdict, place)
    return verdict


def accept(database: Database, *, system_name: str, place: str, seen: Marks | None, by: str) -> None:
    """A person says that this base fills this database from now on; it is in the audit log, with what was before."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        known = _find(tx, system_name)
        verdict = Verdict.NEW if known is None else known.judge(place, seen)
        _put(tx, system_name=system_name, place=place, seen=seen, by=by)
        audit.record(
            tx,
            system_name=system_name,
            action="base.accept",
            entity=None,
            job_id=None,
            details={
                "by": by,
                "verdict": verdict.value,
                "place": place,
                "before": known.place if known else None,
            },
        )


def forget(database: Database, *, system_name: str, name: str, by: str) -> bool:
    """A person says that nothing is filled under `name` any more; whether it was known. Rows loaded and the audit log stay."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        gone = tx.execute(
            "DELETE FROM integ.bases WHERE system_name = %s RETURNING place", (name,)
        ).fetchone()
        if gone is not None:
            audit.record(
                tx,
                system_name=system_name,
                action="base.forget",
                entity=None,
                job_id=None,
                details={"by": by, "before": gone[0]},
            )
    return gone is not None


def refusal(known: KnownBase, verdict: Verdict, place: str) -> Stop:
    """The error for a base that is not the known one."""
    since = f"{known.accepted_at:%Y-%m-%d}"
    if verdict is Verdict.OTHER:
        return Stop(
            f"{place} is another base than the one that has filled {known.system_name} since {since} ({known.place}): of"
            f" {len(known.marks)} objects of {known.marks_of} it has none",
            code="BASE_OTHER",
            remedy=_REMEDY,
        )
    return Stop(
        f"{known.system_name} has been filled from {known.place} since {since}, and the settings lead to {place}: the base was"
        " moved, or this is a copy of it or another base",
        code="BASE_MOVED",
        remedy=_REMEDY,
    )


def _find(tx: Tx, system_name: str) -> KnownBase | None:
    cursor = tx.cursor(row_factory=class_row(KnownBase))
    cursor.execute("SELECT * FROM integ.bases WHERE system_name = %s", (system_name,))
    return cursor.fetchone()


def _put(tx: Tx, *, system_name: str, place: str, seen: Marks | None, by: str) -> None:
    tx.execute(
        "INSERT INTO integ.bases (system_name, place, marks_of, marks, accepted_by) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (system_name) DO UPDATE SET place = excluded.place, marks_of = excluded.marks_of,"
        " marks = excluded.marks, accepted_by = excluded.accepted_by, accepted_at = now(), confirmed_at = now()",
        (system_name, place, seen.resource if seen else None, list(seen.keys) if seen else [], by),
    )


def _confirm(tx: Tx, system_name: str, seen: Marks | None) -> None:
    """Objects come and go over the years: what is seen now is what the next look is compared with."""
    if seen is None or not seen.keys:
        tx.execute("UPDATE integ.bases SET confirmed_at = now() WHERE system_name = %s", (system_name,))
        return
    tx.execute(
        "UPDATE integ.bases SET confirmed_at = now(), marks_of = %s, marks = %s WHERE system_name = %s",
        (seen.resource, list(seen.keys), system_name),
    )
