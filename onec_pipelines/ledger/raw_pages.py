"""The raw layer: what was asked and the bytes that came, gzipped and stored once however often they come."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

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
class PageMark:
    """A stored page that is not read yet, and the fingerprint of the plan by which it was asked for."""

    id: int
    plan: str | None


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


def store(
    tx: Tx,
    page: NewPage,
    *,
    system_name: str,
    entity: str,
    job_id: int,
    scan_id: int,
    plan: str | None = None,
) -> bytes:
    """Store a page and give the sha256 of its bytes. `plan` is the fingerprint of a plan kept by `keep_plan`."""
    body = page.body
    # Held until the page points to it, so that the clean-up does not take it away.
    known = tx.execute("SELECT 1 FROM raw.bodies WHERE sha256 = %s FOR KEY SHARE", (body.sha256,)).fetchone()
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
        " requested_at, elapsed_ms, row_count, body_sha256, plan)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
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
            plan,
        ),
    )
    return body.sha256


def keep_plan(tx: Tx, fingerprint: str, document: dict[str, Any]) -> None:
    """Keep how pages are asked for; the same plan is kept once."""
    tx.execute(
        "INSERT INTO raw.plans (fingerprint, document) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (fingerprint, Jsonb(document)),
    )


def plan_of(tx: Tx, fingerprint: str) -> dict[str, Any]:
    """The document of a kept plan."""
    row = tx.execute("SELECT document FROM raw.plans WHERE fingerprint = %s", (fingerprint,)).fetchone()
    return dict(row[0]) if row else {}


def pages_since_scan(tx: Tx, system_name: str, entity: str, scan_id: int) -> list[PageMark]:
    """The pages of a scan and of everything that was read after it began, in the order in which they came."""
    return _marks(
        tx,
        "id >= (SELECT min(id) FROM raw.pages WHERE system_name = %s AND entity_type = %s AND scan_id = %s)",
        (system_name, entity, system_name, entity, scan_id),
    )


def pages_between(
    tx: Tx, system_name: str, entity: str, start: datetime, end: datetime | None
) -> list[PageMark]:
    """The pages that were asked for from `start` up to but without `end` (None: no end), in the order in which they came."""
    return _marks(
        tx,
        "requested_at >= %s AND (%s::timestamptz IS NULL OR requested_at < %s::timestamptz)",
        (system_name, entity, start, end, end),
    )


def _marks(tx: Tx, condition: str, values: tuple[object, ...]) -> list[PageMark]:
    rows = tx.execute(
        "SELECT id, plan FROM raw.pages WHERE system_name = %s AND entity_type = %s"
        f" AND {condition} ORDER BY id".encode(),
        values,
    )
    return [PageMark(id=page_id, plan=plan) for page_id, plan in rows]


def read(tx: Tx, page_id: int) -> StoredPage | None:
    """A page by its id; None when it was removed meanwhile."""
    row = tx.execute(
        "SELECT p.part, p.page_index, p.format, p.requested_at, b.body FROM raw.pages p"
        " JOIN raw.bodies b ON b.sha256 = p.body_sha256 WHERE p.id = %s",
        (page_id,),
    ).fetchone()
    if row is None:
        return None
    part, index, page_format, requested_at, body = row
    return StoredPage(
        part=part,
        page_index=index,
        format=page_format,
        requested_at=requested_at,
        body=gzip.decompress(body),
    )
