"""`integ.image_files` and `integ.image_blobs`: what became of the bytes of each picture, and what the image store holds.

Whatever is recorded here reaches `shop.images` in the same transaction. How bytes come and where they go is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import RetryLater
from onec_pipelines.ledger import state

Tx = psycopg.Connection[Any]
State = Literal["ready", "waiting", "unreachable", "rejected"]
STATES: tuple[State, ...] = ("ready", "waiting", "unreachable", "rejected")

ENTITY = "image_files"
"""The name under which the work on bytes has its jobs, its lock and its checkpoint."""

_STORE_LOCK = "onec:image-store"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A live picture of 1C: what 1C says of it now, and what was settled last (`old_`; None throughout for a new one).

    `is_settled` is about the current version; `is_same_content` says that size and time are those of what was settled last.
    """

    ref: str
    data_version: str | None
    extension: str | None
    size_bytes: int | None
    storage: str | None
    modified_at: datetime | None
    is_encrypted: bool | None
    old_mark: str | None
    old_state: State | None
    old_code: str | None
    old_reason: str | None
    old_sha256: str | None
    is_same_content: bool
    is_settled: bool


@dataclass(frozen=True, kw_only=True)
class Blob:
    """Bytes in the store and what picture they are."""

    sha256: str
    path: str
    media_type: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of one picture's bytes. `blob` is what was stored just now; `sha256` names what the store has already."""

    wanted: Wanted
    state: State
    code: str | None = None
    reason: str | None = None
    mark: str | None = None
    sha256: str | None = None
    blob: Blob | None = None


@contextmanager
def store_lock(database: Database, *, exclusive: bool = False) -> Iterator[None]:
    """Keep the collector of garbage (exclusive) and those who store (shared) apart, over all processes and bases.

    Raises RetryLater ALREADY_RUNNING at once.
    """
    function = "pg_try_advisory_lock" if exclusive else "pg_try_advisory_lock_shared"
    with database.session() as session:
        row = session.execute(
            f"SELECT {function}(hashtextextended(%s, 0))".encode(), (_STORE_LOCK,)
        ).fetchone()
        if not row or not row[0]:
            raise RetryLater(
                "the image store is being cleaned up" if not exclusive else "pictures are being stored",
                code="ALREADY_RUNNING",
                remedy="Wait for it to end.",
            )
        yield


def wanted(database: Database, *, system_name: str, after: str | None, limit: int) -> list[Wanted]:
    """The next pictures whose current version is not settled, in the order of their GUIDs."""
    with database.transaction() as connection:
        return _select(
            driver_connection(connection),
            f"AND NOT {_SETTLED} AND c.ref > coalesce(%(after)s::uuid, %(zero)s)"
            " ORDER BY c.ref LIMIT %(limit)s",
            {"system": system_name, "after": after, "limit": limit, "zero": _ZERO},
        )


def one(tx: Tx, *, system_name: str, ref: str) -> Wanted | None:
    """A live picture, whether settled or not; None when it is gone from 1C."""
    found = _select(tx, "AND c.ref = %(ref)s", {"system": system_name, "ref": ref})
    return found[0] if found else None


def newest(database: Database, *, system_name: str) -> dict[str, Any]:
    """What a run has to look at: the newest change of the rows and of the files. Equal twice, nothing was done in between."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute(
                "SELECT (SELECT max(changed_in) FROM clean.images WHERE system_name = %(system)s),"
                " (SELECT max(settled_at)::text FROM integ.image_files WHERE system_name = %(system)s)",
                {"system": system_name},
            )
            .fetchone()
        )
    changed, settled = row or (None, None)
    return {"changed": changed, "settled": settled}


def checkpoint(database: Database, *, system_name: str) -> dict[str, Any] | None:
    """The `newest` from the beginning of the last run that came to its end."""
    with database.transaction() as connection:
        return state.read(driver_connection(connection), system_name, ENTITY, "files")


def finished(database: Database, *, system_name: str, document: dict[str, Any]) -> None:
    """Note that a run came to its end."""
    with database.transaction() as connection:
        state.write(driver_connection(connection), system_name, ENTITY, "files", document)


def known_marks(database: Database, marks: Sequence[str], *, system_name: str) -> dict[str, str]:
    """Of these marks of content, those whose bytes the store has, with their sha256: another file of 1C has the same bytes."""
    with database.transaction() as connection:
        rows = driver_connection(connection).execute(
            "SELECT DISTINCT ON (mark) mark, sha256 FROM integ.image_files"
            " WHERE system_name = %s AND mark = ANY(%s) AND sha256 IS NOT NULL AND state = 'ready' ORDER BY mark",
            (system_name, list(marks)),
        )
        return {str(mark): str(sha256) for mark, sha256 in rows}


def record(tx: Tx, settled: Sequence[Settled], *, system_name: str) -> None:
    """Note what became of these pictures, and bring it to the shop."""
    blobs = {one.blob.sha256: one.blob for one in settled if one.blob is not None}
    with tx.cursor() as cursor:
        # In one order for all, so that two writers of the same bytes do not wait for each other in a ring.
        cursor.executemany(
            "INSERT INTO integ.image_blobs (sha256, path, media_type, width, height, bytes)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (sha256) DO UPDATE SET unneeded_since = NULL"
            " WHERE image_blobs.unneeded_since IS NOT NULL",
            [
                (blob.sha256, blob.path, blob.media_type, blob.width, blob.height, blob.bytes)
                for _, blob in sorted(blobs.items())
            ],
        )
        cursor.executemany(
            "INSERT INTO integ.image_files"
            " (system_name, ref, data_version, size_bytes, modified_at, mark, state, code, reason, sha256)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (system_name, ref) DO UPDATE SET (data_version, size_bytes, modified_at, mark, state, code,"
            " reason, sha256, settled_at) = (excluded.data_version, excluded.size_bytes, excluded.modified_at,"
            " excluded.mark, excluded.state, excluded.code, excluded.reason, excluded.sha256, clock_timestamp())",
            [
                (
                    system_name,
                    one.wanted.ref,
                    one.wanted.data_version,
                    one.wanted.size_bytes,
                    one.wanted.modified_at,
                    one.mark,
                    one.state,
                    one.code,
                    one.reason,
                    one.blob.sha256 if one.blob else one.sha256,
                )
                for one in sorted(settled, key=lambda each: each.wanted.ref)
            ],
        )
    refs = [one.wanted.ref for one in settled]
    tx.execute(
        (_TO_SHOP + " AND f.ref = ANY(%(refs)s::uuid[])").encode(), {"system": system_name, "refs": refs}
    )


def refresh_shop(tx: Tx, *, system_name: str) -> int:
    """Bring all that is noted to the shop: what a merge of the rows wrote at the same moment may be older. Gives rows that differed."""
    return tx.execute(_TO_SHOP.encode(), {"system": system_name}).rowcount


def forget(tx: Tx, *, system_name: str, states: Sequence[str], refs: Sequence[str] = ()) -> int:
    """Have pictures in these states (or just these) asked for again by the next run; gives their number."""
    return tx.execute(
        "UPDATE integ.image_files SET data_version = '', mark = NULL, settled_at = clock_timestamp()"
        " WHERE system_name = %s AND (state = ANY(%s) OR ref = ANY(%s::uuid[]))",
        (system_name, list(states), list(refs)),
    ).rowcount


def counts(database: Database, *, system_name: str) -> dict[str, Any]:
    """How many live pictures are in each state (`waiting` are those never settled, too), why, and what the store holds."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        rows = tx.execute(
            "SELECT coalesce(f.state, 'waiting'), f.code, count(*),"
            f" count(*) FILTER (WHERE NOT {_SETTLED}) FROM {_LIVE} GROUP BY 1, 2 ORDER BY 1, 2".encode(),
            {"system": system_name},
        ).fetchall()
        blobs = tx.execute(
            "SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM integ.image_blobs"
        ).fetchone()
    by_state: dict[str, int] = dict.fromkeys(STATES, 0)
    for found, _, number, _ in rows:
        by_state[found] += number
    return {
        **by_state,
        "to_fetch": sum(pending for *_, pending in rows),
        "reasons": {f"{found} {code}": number for found, code, number, _ in rows if code},
        "files_stored": blobs[0] if blobs else 0,
        "bytes_stored": blobs[1] if blobs else 0,
    }


def listing(database: Database, *, system_name: str, wanted_state: str, limit: int) -> list[dict[str, Any]]:
    """Live pictures in a state, with their product and the reason."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).execute(
            "SELECT c.ref::text AS ref, c.name, c.extension, c.owner_ref::text AS owner, f.code, f.reason, c.volume_path"
            f" FROM {_LIVE} AND coalesce(f.state, 'waiting') = %(state)s ORDER BY c.ref LIMIT %(limit)s".encode(),
            {"system": system_name, "state": wanted_state, "limit": limit},
        )
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _select(tx: Tx, tail: str, values: Mapping[str, Any]) -> list[Wanted]:
    with tx.cursor(row_factory=class_row(Wanted)) as cursor:
        cursor.execute(f"{_WANTED} {tail}".encode(), values)
        return cursor.fetchall()


_ZERO = "00000000-0000-0000-0000-000000000000"
_LIVE = (
    "clean.images c LEFT JOIN integ.image_files f ON f.system_name = c.system_name AND f.ref = c.ref"
    " WHERE c.system_name = %(system)s AND c.deleted_at IS NULL AND NOT c.deletion_mark AND c.is_folder IS NOT TRUE"
)
_SETTLED = "(f.ref IS NOT NULL AND f.data_version IS NOT DISTINCT FROM c.data_version)"
_WANTED = (
    "SELECT c.ref::text AS ref, c.data_version, c.extension, c.size_bytes, c.storage, c.modified_at, c.is_encrypted,"
    " f.mark AS old_mark, f.state AS old_state, f.code AS old_code, f.reason AS old_reason,"
    " f.sha256 AS old_sha256,"
    " (f.ref IS NOT NULL AND f.modified_at IS NOT NULL AND"
    " (f.size_bytes, f.modified_at) IS NOT DISTINCT FROM (c.size_bytes, c.modified_at)) AS is_same_content,"
    f" {_SETTLED} AS is_settled FROM {_LIVE}"
)
_COLUMNS = "state, code, reason, sha256, path, media_type, width, height, bytes"
_OF_FILE = "f.state, f.code, f.reason, b.sha256, b.path, b.media_type, b.width, b.height, b.bytes"
_TO_SHOP = (
    f"UPDATE shop.images t SET ({_COLUMNS}, updated_at) = ({_OF_FILE}, now())"
    " FROM integ.image_files f JOIN integ.external_id_mappings m ON m.system_name = f.system_name"
    " AND m.entity_type = 'images' AND m.external_id = f.ref LEFT JOIN integ.image_blobs b ON b.sha256 = f.sha256"
    " WHERE f.system_name = %(system)s AND t.id = m.internal_id"
    f" AND ({', '.join(f't.{name}' for name in _COLUMNS.split(', '))}) IS DISTINCT FROM ({_OF_FILE})"
)
