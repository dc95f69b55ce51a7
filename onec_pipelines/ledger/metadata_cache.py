"""`integ.metadata_files`: the latest `$metadata` of a base, so that of several machines only one asks 1C (PROTOCOL §1.4: 17 MB, 23 s)."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.onec.metadata_file import MetadataFile


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is kept: when it was fetched (aware) and what it is; the bytes are asked for apart."""

    sha256: str
    fetched_at: datetime


def kept(database: Database, *, system_name: str, base: str) -> Kept | None:
    """What is kept of this base and user, None when nothing is."""
    with database.transaction() as connection:
        cursor = driver_connection(connection).cursor(row_factory=class_row(Kept))
        cursor.execute(
            "SELECT sha256, fetched_at FROM integ.metadata_files WHERE system_name = %s AND base = %s",
            (system_name, base),
        )
        return cursor.fetchone()


def body(database: Database, *, system_name: str, base: str) -> tuple[bytes, datetime] | None:
    """The document and when it was fetched."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute(
                "SELECT body, fetched_at FROM integ.metadata_files WHERE system_name = %s AND base = %s",
                (system_name, base),
            )
            .fetchone()
        )
    return (gzip.decompress(row[0]), row[1]) if row else None


def keep(database: Database, file: MetadataFile, *, system_name: str, base: str) -> None:
    """Keep a fetched document, unless a later one is kept already; the same bytes only get a new date."""
    known = kept(database, system_name=system_name, base=base)
    if known is not None and known.fetched_at >= file.fetched_at:
        return
    same = known is not None and known.sha256 == file.sha256
    with database.transaction() as connection:
        tx = driver_connection(connection)
        if same:
            tx.execute(
                "UPDATE integ.metadata_files SET fetched_at = %s WHERE system_name = %s AND base = %s"
                " AND sha256 = %s AND fetched_at < %s",
                (file.fetched_at, system_name, base, file.sha256, file.fetched_at),
            )
            return
        tx.execute(
            "INSERT INTO integ.metadata_files AS m (system_name, base, sha256, fetched_at, size, body)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (system_name, base) DO UPDATE SET sha256 = excluded.sha256,"
            " fetched_at = excluded.fetched_at, size = excluded.size, body = excluded.body"
            " WHERE m.fetched_at < excluded.fetched_at",
            (
                system_name,
                base,
                file.sha256,
                file.fetched_at,
                file.size,
                gzip.compress(file.path.read_bytes(), compresslevel=6, mtime=0),
            ),
        )
