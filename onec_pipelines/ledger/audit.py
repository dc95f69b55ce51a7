"""`integ.audit_log`: append-only, by month; ids, hashes, counts and codes, never personal data (docs/audit.md).

What an event may hold is decided here and not by the callers: numbers, flags, and texts under keys that are known to hold codes or ids.
Any other text becomes a keyed hash. Who may read the log, and for how long it is kept, is in `sql/0032_audit.sql`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger import state

Tx = psycopg.Connection[Any]

TEXTS = frozenset({"by", "reason", "why", "message", "place", "onec_message", "title", "before", "after"})
"""Keys of sentences that people or 1C wrote: what looks like an e-mail address, a telephone number or a tax number is taken out."""
# An id, a hash, a moment, a code, a name of 1C's metadata (which is in Cyrillic): one word. A name with a blank in it is none.
_WORD = re.compile(r"[\w.:/|#=,;()\[\]*<>+-]{0,400}", re.ASCII)
_METADATA = re.compile(r"(?:StandardODATA\.)?[A-Za-z]{3,40}_\w{1,120}(?:/[A-Za-z]+)?")
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d[\d:.+Z-]*)?")
_HASH = re.compile(r"#?[0-9a-f]{16,128}")
_EMAIL = re.compile(r"[^\s@,;:<>\"']+@[^\s@,;:<>\"']+\.\w{2,}")
# Ten or more digits with whatever people put between them: telephone numbers, tax numbers, cards.
_MANY_DIGITS = re.compile(r"(?<![\w-])\+?\d(?:[ ()\-.]{0,2}\d){9,}(?![\w-])")
_PERSONAL_KEY = re.compile(
    r"(?:^|_)(?:name|full_name|phone|email|mail|address|inn|birth|sex|comment|contact)s?(?:_|$)"
)
_LONG = 400
MASK = "•••"


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which events are wanted; `action` is one action or the beginning of several (`queue.`). `after` is an id."""

    entity: str | None = None
    action: str | None = None
    since: datetime | None = None
    job_id: int | None = None
    after: int = 0
    limit: int = 100


def record(
    tx: Tx,
    *,
    system_name: str,
    action: str,
    entity: str | None,
    job_id: int | None,
    details: Mapping[str, Any],
) -> None:
    """Append one event, in the transaction that did what it tells of; its details are made safe by `safe`."""
    key = salt(tx, system_name) if _has_texts(details) else b""
    tx.execute(
        "INSERT INTO integ.audit_log (system_name, action, entity_type, job_id, details) VALUES (%s, %s, %s, %s, %s)",
        (system_name, action, entity, job_id, Jsonb(safe(details, key))),
    )


def salt(tx: Tx, system_name: str) -> bytes:
    """The base's secret for hashes of personal values; made at the first call."""
    found = tx.execute("SELECT salt FROM integ.salts WHERE system_name = %s", (system_name,)).fetchone()
    if found is None:
        tx.execute("INSERT INTO integ.salts (system_name) VALUES (%s) ON CONFLICT DO NOTHING", (system_name,))
        found = tx.execute("SELECT salt FROM integ.salts WHERE system_name = %s", (system_name,)).fetchone()
    return b"" if found is None else bytes(found[0])


def hashed(text: str, key: bytes) -> str:
    """A text as a keyed hash: equal for equal texts of a base, and of no use without its secret."""
    return "#" + hashlib.blake2b(text.encode(), key=key[:64], digest_size=8).hexdigest()


def safe(details: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """Details fit for the log: under a key that names something personal nothing but hashes, elsewhere no free text.

    Sentences (`TEXTS`) stay readable without e-mail addresses and long numbers; other texts stay when they are
    one word of ASCII (a code, an id, a hash, a date) or a name of 1C's metadata.
    """
    return {_safe_key(name, key): _safe(str(name), value, key) for name, value in details.items()}


def keep(database: Database, *, keep_months: int) -> dict[str, int]:
    """Make the partitions of the coming months and drop those that are too old; gives how many."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute("SELECT made, dropped FROM integ.keep_audit(%s)", (keep_months,))
            .fetchone()
        )
    made, dropped = row or (0, 0)
    return {"audit_months_made": int(made), "audit_months_dropped": int(dropped)}


def note_settings(database: Database, system_name: str, prints: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the settings that differ from those of the last process; they are noted when there are any.

    `prints` are texts of settings that are no secrets, by name.
    """
    with database.transaction() as connection:
        tx = driver_connection(connection)
        key = salt(tx, system_name)
        now = {name: hashed(value, key) for name, value in sorted(prints.items())}
        before = (state.read(tx, system_name, "settings", "audit") or {}).get("prints", {})
        changed = tuple(name for name in sorted({*now, *before}) if now.get(name) != before.get(name))
        if changed:
            state.write(tx, system_name, "settings", "audit", {"prints": now})
            record(
                tx,
                system_name=system_name,
                action="settings.changed" if before else "settings.first",
                entity=None,
                job_id=None,
                details={
                    "fingerprint": hashed("\n".join(f"{n}={v}" for n, v in now.items()), key),
                    "settings": list(changed) if before else len(now),
                },
            )
    return changed


def listing(database: Database, system_name: str, wanted: Filter) -> list[dict[str, Any]]:
    """The newest events that fit, oldest first."""
    with (
        database.transaction() as connection,
        driver_connection(connection).cursor(row_factory=dict_row) as cursor,
    ):
        cursor.execute(
            "SELECT id, at, action, entity_type AS entity, job_id, details FROM integ.audit_log"
            " WHERE system_name = %(system)s AND id > %(after)s"
            " AND (%(entity)s::text IS NULL OR entity_type = %(entity)s)"
            " AND (%(action)s::text IS NULL OR action = %(action)s OR starts_with(action, %(action)s))"
            " AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)"
            " AND (%(job)s::bigint IS NULL OR job_id = %(job)s) ORDER BY id DESC LIMIT %(limit)s",
            {
                "system": system_name,
                "after": wanted.after,
                "entity": wanted.entity,
                "action": wanted.action,
                "since": wanted.since,
                "job": wanted.job_id,
                "limit": wanted.limit,
            },
        )
        return cursor.fetchall()[::-1]


def _has_texts(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_texts(name) or _has_texts(item) for name, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return any(_has_texts(item) for item in value)
    return isinstance(value, str) and not _is_word(value)


def _safe(name: str, value: Any, key: bytes) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {_safe_key(inner, key): _safe(str(inner), item, key) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items: Sequence[Any] = sorted(value) if isinstance(value, set | frozenset) else value
        return [_safe(name, item, key) for item in items]
    if _PERSONAL_KEY.search(name):
        return value if isinstance(value, str) and _GUID.fullmatch(value) else _counted(value, key)
    return _plain(name, value, key)


def _plain(name: str, value: Any, key: bytes) -> Any:
    if isinstance(value, int | float):
        return value
    if isinstance(value, Decimal | UUID | datetime | date):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    text = str(value)
    if name in TEXTS:
        return _scrubbed(text)
    return text if _is_word(text) else hashed(text, key)


def _counted(value: Any, key: bytes) -> Any:
    # `contacts: 12` is a count; a telephone number as a number is none.
    return value if isinstance(value, int) and abs(value) < 10**9 else hashed(str(value), key)


def _safe_key(name: Any, key: bytes) -> str:
    text = str(name)
    return text if _is_word(text) else hashed(text, key)


def _is_word(text: str) -> bool:
    if _GUID.fullmatch(text) or _MOMENT.fullmatch(text) or _HASH.fullmatch(text) or _METADATA.fullmatch(text):
        return True
    return _WORD.fullmatch(text) is not None and not _MANY_DIGITS.search(text)


def _scrubbed(text: str) -> str:
    short = text if len(text) <= _LONG else text[: _LONG - 1] + "…"
    guids = _GUID.findall(short)
    bare = _GUID.sub("\0", short)
    bare = _MANY_DIGITS.sub(MASK, _EMAIL.sub(MASK, bare))
    for guid in guids:
        bare = bare.replace("\0", guid, 1)
    return bare
