"""`raw.packets`: change packets as 1C sent them, stored before they are acknowledged, with an index of what is in them.

The bytes lie in pieces cut between entries, stored once for equal packets; the index says where each object is, so that an entity reads
only its own entries. How far an entity has come is in `packet_marks.py`.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, BinaryIO

import psycopg
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger.exchange_nodes import Lease
from onec_pipelines.onec.connection import MEBIBYTE
from onec_pipelines.onec.packet_index import EntryKind, IndexedEntry, PacketIndex

Tx = psycopg.Connection[Any]
Counts = dict[str, dict[EntryKind, int]]
# Level 1: a third of the CPU of level 6 for a tenth more bytes (PERFORMANCE §1).
_LEVEL = 1
_PIECE_BYTES = MEBIBYTE
_READ_BYTES = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A packet that lies in a file: its number, and the database's clock before it was asked for and after it had come."""

    message_no: int
    requested_at: datetime
    received_at: datetime
    elapsed_seconds: float


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A stored packet. `counts` are its entries by type and kind."""

    packet_id: int
    message_no: int
    raw_bytes: int
    counts: Counts

    @property
    def entries(self) -> int:
        """All entries."""
        return sum(sum(kinds.values()) for kinds in self.counts.values())


@dataclass(kw_only=True)
class _Cutter:
    """Assigns entries to pieces of about a mebibyte, in the order of the document."""

    pieces: list[tuple[int, int]] = field(default_factory=list)
    counts: dict[str, Counter[EntryKind]] = field(default_factory=dict)
    number: int = 0

    def row(self, entry: IndexedEntry) -> tuple[int, str, str, str, int, int, int]:
        """The entry's row of the index, without the packet."""
        if not self.pieces or entry.starts_at - self.pieces[-1][0] >= _PIECE_BYTES:
            self.pieces.append((entry.starts_at, entry.ends_at))
        start, _ = self.pieces[-1]
        self.pieces[-1] = (start, entry.ends_at)
        self.counts.setdefault(entry.type_name, Counter())[entry.kind] += 1
        self.number += 1
        return (
            self.number,
            entry.type_name,
            entry.key,
            entry.kind,
            len(self.pieces) - 1,
            entry.starts_at - start,
            entry.ends_at - entry.starts_at,
        )


def first_entry(source: BinaryIO) -> bool:
    """Whether a packet has any entry. Raises RetryLater ONEC_BAD_ANSWER for what is no packet, as far as it was looked at."""
    return next(PacketIndex().entries(_read(source)), None) is not None


def stage(tx: Tx, held: Lease, epoch: int, arrived: Arrived, source: BinaryIO) -> Staged:
    """Store a packet and its index in this transaction; the caller has checked the lease in it.

    One pass over the file makes the index, a second one the pieces, so that a packet of any size takes the memory of one entry.
    Raises RetryLater ONEC_BAD_ANSWER when it is not one whole feed.
    """
    row = tx.execute(
        "INSERT INTO raw.packets (system_name, plan, node_ref, epoch, message_no, requested_at, received_at,"
        " elapsed_ms, body_sha256, raw_bytes, head, counts)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, '', 0, '', '{}') RETURNING id",
        (
            *held.key,
            epoch,
            arrived.message_no,
            arrived.requested_at,
            arrived.received_at,
            round(arrived.elapsed_seconds * 1000),
        ),
    ).fetchone()
    packet_id = int(row[0]) if row else 0
    index, cutter, digest = PacketIndex(), _Cutter(), sha256()
    size = _copy_index(tx, packet_id, index.entries(_hashed(source, digest.update)), cutter, source)
    source.seek(0)
    head = source.read(index.head_bytes)
    counts: Counts = {name: dict(kinds) for name, kinds in sorted(cutter.counts.items())}
    tx.execute(
        "UPDATE raw.packets SET body_sha256 = %s, raw_bytes = %s, head = %s, counts = %s WHERE id = %s",
        (digest.digest(), size, head, Jsonb(counts), packet_id),
    )
    _store_pieces(tx, digest.digest(), cutter.pieces, source)
    return Staged(packet_id=packet_id, message_no=arrived.message_no, raw_bytes=size, counts=counts)


def note_acknowledged(tx: Tx, held: Lease, message_no: int) -> None:
    """1C has heard that everything up to this number is stored."""
    tx.execute(
        "UPDATE raw.packets SET acknowledged_at = clock_timestamp() WHERE system_name = %s AND plan = %s"
        " AND node_ref = %s AND message_no <= %s AND acknowledged_at IS NULL"
        " AND epoch = (SELECT epoch FROM integ.exchange_nodes WHERE system_name = %s AND plan = %s AND node_ref = %s)",
        (*held.key, message_no, *held.key),
    )


def waits_for_acknowledgement(tx: Tx, held: Lease, epoch: int, message_no: int) -> bool:
    """Whether a packet of this number is stored and was not acknowledged as far as we know."""
    row = tx.execute(
        "SELECT 1 FROM raw.packets WHERE system_name = %s AND plan = %s AND node_ref = %s AND epoch = %s"
        " AND message_no = %s AND acknowledged_at IS NULL LIMIT 1",
        (*held.key, epoch, message_no),
    ).fetchone()
    return row is not None


def listing(tx: Tx, system_name: str, plan: str, limit: int) -> list[dict[str, Any]]:
    """The packets of a plan's nodes, newest first."""
    cursor = tx.execute(
        "SELECT id, node_ref::text AS node, epoch, message_no, received_at, acknowledged_at, raw_bytes, elapsed_ms,"
        " counts FROM raw.packets WHERE system_name = %s AND plan = %s ORDER BY id DESC LIMIT %s",
        (system_name, plan, limit),
    )
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def totals(tx: Tx, system_name: str, plan: str, node_ref: str) -> Counts:
    """Entries by type and kind of all stored packets of a node."""
    rows = tx.execute(
        "SELECT t.key, k.key, sum(k.value::bigint) FROM raw.packets p, jsonb_each(p.counts) t, jsonb_each_text(t.value) k"
        " WHERE p.system_name = %s AND p.plan = %s AND p.node_ref = %s GROUP BY 1, 2 ORDER BY 1, 2",
        (system_name, plan, node_ref),
    )
    found: Counts = {}
    for name, kind, number in rows:
        found.setdefault(name, {})[kind] = int(number)
    return found


def prune(tx: Tx, system_name: str, *, days: int) -> int:
    """Remove packets that were acknowledged more than `days` ago and that every entity of their node has applied. Gives their number.

    A packet that an entity has not applied stays however old it is.
    """
    gone = tx.execute(
        "DELETE FROM raw.packets p WHERE p.system_name = %s AND p.acknowledged_at < now() - make_interval(days => %s)"
        " AND NOT EXISTS (SELECT FROM integ.packet_marks m WHERE m.system_name = p.system_name AND m.plan = p.plan"
        " AND m.node_ref = p.node_ref AND m.packet_id <= p.id)",
        (system_name, days),
    ).rowcount
    if gone:
        tx.execute(
            "DELETE FROM raw.packet_pieces b WHERE NOT EXISTS"
            " (SELECT FROM raw.packets p WHERE p.body_sha256 = b.body_sha256)"
        )
    return gone


def prune_in(database: Database, system_name: str, *, days: int) -> int:
    """`prune` in a transaction of its own."""
    with database.transaction() as connection:
        return prune(driver_connection(connection), system_name, days=days)


def read_entries(tx: Tx, packet_id: int, places: Iterable[tuple[int, int, int]]) -> Iterator[bytes]:
    """A feed of the entries at these places (piece, start, length) of a packet, in bytes ready to be parsed; one piece in memory."""
    row = tx.execute("SELECT body_sha256, head FROM raw.packets WHERE id = %s", (packet_id,)).fetchone()
    if row is None:
        raise LookupError(f"packet {packet_id} is not stored")
    digest, head = row
    yield bytes(head)
    number, piece = -1, b""
    for piece_no, start, length in places:
        if piece_no != number:
            number, piece = piece_no, _piece(tx, digest, piece_no)
        yield piece[start : start + length]
    yield b"</feed>"


def json_pages_since(
    tx: Tx, system_name: str, entities: list[str], since: datetime
) -> Iterator[tuple[str, bytes]]:
    """Entity and bytes of the JSON pages that were asked for since a moment, the newest first, one in memory."""
    ids = tx.execute(
        "SELECT id, entity_type, body_sha256 FROM raw.pages WHERE system_name = %s AND entity_type = ANY(%s)"
        " AND format = 'json' AND requested_at >= %s ORDER BY id DESC",
        (system_name, entities, since),
    ).fetchall()
    for _, entity, digest in ids:
        row = tx.execute("SELECT body FROM raw.bodies WHERE sha256 = %s", (digest,)).fetchone()
        if row is not None:
            yield entity, gzip.decompress(row[0])


def _piece(tx: Tx, digest: bytes, piece_no: int) -> bytes:
    row = tx.execute(
        "SELECT body FROM raw.packet_pieces WHERE body_sha256 = %s AND piece_no = %s", (digest, piece_no)
    ).fetchone()
    if row is None:
        raise LookupError(f"piece {piece_no} of a packet is not stored")
    return gzip.decompress(row[0])


def _copy_index(
    tx: Tx, packet_id: int, entries: Iterator[IndexedEntry], cutter: _Cutter, source: BinaryIO
) -> int:
    statement = b"COPY raw.packet_entries (packet_id, entry_no, type_name, key, kind, piece_no, starts_at, length) FROM STDIN"
    with tx.cursor() as cursor, cursor.copy(statement) as copy:
        for entry in entries:
            copy.write_row((packet_id, *cutter.row(entry)))
    return source.tell()


def _store_pieces(tx: Tx, digest: bytes, pieces: list[tuple[int, int]], source: BinaryIO) -> None:
    known = tx.execute("SELECT count(*) FROM raw.packet_pieces WHERE body_sha256 = %s", (digest,)).fetchone()
    if known and known[0] == len(pieces):
        return
    for number, (start, end) in enumerate(pieces):
        source.seek(start)
        tx.execute(
            "INSERT INTO raw.packet_pieces (body_sha256, piece_no, body) VALUES (%s, %s, %b) ON CONFLICT DO NOTHING",
            (digest, number, gzip.compress(source.read(end - start), _LEVEL, mtime=0)),
        )


def _read(source: BinaryIO) -> Iterator[bytes]:
    source.seek(0)
    while piece := source.read(_READ_BYTES):
        yield piece


def _hashed(source: BinaryIO, update: Any) -> Iterator[bytes]:
    for piece in _read(source):
        update(piece)
        yield piece
