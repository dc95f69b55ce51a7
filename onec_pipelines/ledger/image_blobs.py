"""`integ.image_blobs` as the keeper of the store sees them: what should be there, and what nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg.rows import class_row

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger.image_rows import Blob, Tx

_PAGE = 1_000
_COLUMNS = "sha256, path, media_type, width, height, bytes"


def stored(database: Database) -> Iterator[Blob]:
    """Everything that should be in the store, in the order of the hashes."""
    after = ""
    while True:
        with (
            database.transaction() as connection,
            driver_connection(connection).cursor(row_factory=class_row(Blob)) as cursor,
        ):
            cursor.execute(
                f"SELECT {_COLUMNS} FROM integ.image_blobs WHERE sha256 > %s ORDER BY sha256 LIMIT %s".encode(),
                (after, _PAGE),
            )
            found = cursor.fetchall()
        yield from found
        if len(found) < _PAGE:
            return
        after = found[-1].sha256


def ask_again(tx: Tx, sha256: Sequence[str]) -> int:
    """Have the pictures with these bytes fetched again by the next run, of whatever base; gives their number."""
    return tx.execute(
        "UPDATE integ.image_files SET data_version = '', mark = NULL, settled_at = clock_timestamp()"
        " WHERE sha256 = ANY(%s)",
        (list(sha256),),
    ).rowcount


def mark_unneeded(tx: Tx) -> int:
    """Note since when no live picture has some bytes, and of which a picture has them again; gives the number unneeded now."""
    tx.execute(
        "UPDATE integ.image_blobs b SET unneeded_since = CASE WHEN b.unneeded_since IS NULL THEN now() END"
        f" WHERE (b.unneeded_since IS NULL) = (NOT {_NEEDED})".encode()
    )
    row = tx.execute("SELECT count(*) FROM integ.image_blobs WHERE unneeded_since IS NOT NULL").fetchone()
    return int(row[0]) if row else 0


def drop_unneeded(tx: Tx, *, keep_days: float, limit: int) -> list[str]:
    """Forget bytes unneeded for that long, and give their paths: the caller removes the files once this is committed.

    Pictures that had them are deleted in 1C; should one come back, it is fetched again.
    """
    rows = tx.execute(
        "SELECT sha256, path FROM integ.image_blobs WHERE unneeded_since <= now() - make_interval(secs => %s)"
        " ORDER BY unneeded_since LIMIT %s FOR UPDATE",
        (keep_days * 86_400, limit),
    ).fetchall()
    hashes = [sha256 for sha256, _ in rows]
    tx.execute(
        "UPDATE shop.images SET (state, code, reason, sha256, path, media_type, width, height, bytes, updated_at)"
        " = ('waiting', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, now()) WHERE sha256 = ANY(%s)",
        (hashes,),
    )
    tx.execute("DELETE FROM integ.image_files WHERE sha256 = ANY(%s)", (hashes,))
    tx.execute("DELETE FROM integ.image_blobs WHERE sha256 = ANY(%s)", (hashes,))
    return [path for _, path in rows]


def known_paths(database: Database, paths: Sequence[str]) -> set[str]:
    """Those of the paths that belong to stored bytes."""
    with database.transaction() as connection:
        rows = driver_connection(connection).execute(
            "SELECT path FROM integ.image_blobs WHERE path = ANY(%s)", (list(paths),)
        )
        return {str(path) for (path,) in rows}


_NEEDED = (
    "EXISTS (SELECT FROM integ.image_files f JOIN clean.images c ON c.system_name = f.system_name AND c.row_key = f.ref"
    " WHERE f.sha256 = b.sha256 AND c.deleted_at IS NULL AND NOT c.deletion_mark)"
)
