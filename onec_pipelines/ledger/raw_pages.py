"""The raw layer: what was asked and the bytes that came, gzipped and stored once however often they come."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import psycopg

from onec_pipelines.errors import RetryLater

Tx = psycopg.Connection[Any]
# Level 1: a third of the CPU of level 6 for a tenth more bytes (PERFORMANCE §1).
_LEVEL = 1


@dataclass(frozen=True, kw_only=True)
class StoredPage:
    """A page of the raw layer, decompressed."""

    part: str
    page_index: int
    format: str
    requested_at: datetime
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Body:
    """The bytes of an answer as they are stored: address, length, and gzip unless they are known to be stored already.

    The bytes themselves are let go: a virtual table's answer may be large.
    """

    sha256: bytes
    raw_bytes: int
    compressed: bytes | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class NewPage:
    """A page to be stored: the request with its values masked, and the answer's bytes."""

    part: str
    page_index: int
    request: str
    format: str
    requested_at: datetime
    elapsed_seconds: float
    row_count: int
    body: Body


def pack(body: bytes, known: frozenset[bytes] = frozenset()) -> Body:
    """A body ready to be stored. Takes CPU: it belongs into the fetching thread, not into the transaction."""
    address = sha256(body).digest()
    return Body(
        sha256=address,
        raw_bytes=len(body),
        compressed=None if address in known else gzip.compress(body, _LEVEL, mtime=0),
    )


def known_bodies(tx: Tx, system_name: str, entity: str) -> frozenset[bytes]:
    """Addresses of the bodies of the last finished reading: an unchanged base sends the same ones again."""
    rows = tx.execute(
        "SELECT DISTINCT p.body_sha256 FROM raw.pages p JOIN integ.sync_state s ON s.system_name = p.system_name"
        " AND s.entity_type = p.entity_type AND s.kind = 'complete'"
        " AND p.scan_id = (s.state ->> 'scan_id')::bigint WHERE p.system_name = %s AND p.entity_type = %s",
        (system_name, entity),
    )
    return frozenset(bytes(found) for (found,) in rows)


def store(tx: Tx, page: NewPage, *, system_name: str, entity: str, job_id: int, scan_id: int) -> bytes:
    """Store a page and give the sha256 of its bytes."""
    body = page.body
    known = tx.execute("SELECT 1 FROM raw.bodies WHERE sha256 = %s", (body.sha256,)).fetchone()
    if known is None:
        if body.compressed is None:
            raise RetryLater(
                f"a stored page of {entity} was removed while it was read again",
                code="RAW_PAGE_GONE",
                remedy="Run it again: the page is stored anew.",
            )
        tx.execute(
            "INSERT INTO raw.bodies (sha256, body, raw_bytes) VALUES (%s, %b, %s) ON CONFLICT DO NOTHING",
            (body.sha256, body.compressed, body.raw_bytes),
        )
    tx.execute(
        "INSERT INTO raw.pages (system_name, entity_type, job_id, scan_id, part, page_index, request, format,"
        " requested_at, elapsed_ms, row_count, body_sha256)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            system_name,
            entity,
            job_id,
            scan_id,
            page.part,
            page.page_index,
            page.request,
            page.format,
            page.requested_at,
            round(page.elapsed_seconds * 1000),
            page.row_count,
            body.sha256,
        ),
    )
    return body.sha256


def read_scan(tx: Tx, system_name: str, entity: str, scan_id: int) -> Iterator[StoredPage]:
    """The pages of a scan in the order in which they came, one in memory at a time."""
    ids = tx.execute(
        "SELECT id FROM raw.pages WHERE system_name = %s AND entity_type = %s AND scan_id = %s ORDER BY id",
        (system_name, entity, scan_id),
    ).fetchall()
    for (page_id,) in ids:
        row = tx.execute(
            "SELECT p.part, p.page_index, p.format, p.requested_at, b.body FROM raw.pages p"
            " JOIN raw.bodies b ON b.sha256 = p.body_sha256 WHERE p.id = %s",
            (page_id,),
        ).fetchone()
        if row is not None:
            part, index, page_format, requested_at, body = row
            yield StoredPage(
                part=part,
                page_index=index,
                format=page_format,
                requested_at=requested_at,
                body=gzip.decompress(body),
            )
