"""record_sets: which rows of a register do staged record sets speak of? They are then read anew; nothing is read or stored here.

A packet holds what a document writes into a register now, not what it wrote before, and a balance is the sum of many documents
(PROTOCOL §7.1.5): so a record set is no row of ours, but it names the products whose rows have changed. Those that it named before count,
too: they are in the packet before, or in our own rows that say which document wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.ledger import packet_marks, packets
from onec_pipelines.ledger.packet_marks import Mark, Pending
from onec_pipelines.onec.metadata_model import Metadata
from onec_pipelines.onec.packet_rows import RowReader
from onec_pipelines.onec.values import moment
from onec_pipelines.steps.changes import Work
from onec_pipelines.steps.demand import asked_field
from onec_pipelines.steps.resolve import metadata_of

Tx = psycopg.Connection[Any]
_RECORDER = "recorder_ref"
_ROWS = "RecordSet"
# In memory together; a record set may have a thousand rows.
_AT_ONCE = 200
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Touched:
    """The values of `Source.narrow` whose rows have to be read anew, and the mark when that is done.

    `keys` is None when they cannot be told: then everything has to be read. `why` says so in words.
    """

    sets: int
    keys: tuple[str, ...] | None
    mark: Mark
    why: str = ""


def type_of(resource: str) -> str:
    """The type under which a register comes in packets: its set, not that of its single records."""
    return resource.removesuffix("_RecordType")


def comes_in_packets(metadata: Metadata, resource: str) -> bool:
    """Whether documents write the register: of an independent one no packet tells (PROTOCOL §7.1.6)."""
    found = metadata.find_set(type_of(resource))
    return found is not None and found.is_recorder_register


def touched(work: Work, mark: Mark) -> Touched:
    """What the staged record sets after the mark touch; those that the base of the mark is newer than are left out."""
    entity, type_name = work.plan.entity, type_of(work.plan.resource)
    keys: set[str] = set()
    with work.database.transaction() as connection:
        tx = driver_connection(connection)
        done = packet_marks.newest(tx, work.system_name, mark)
        staged = packet_marks.pending(tx, work.system_name, type_name, mark, every=True)
        due = [one for one in staged if one.received_at >= mark.base.begun_at]
        before = packet_marks.before(tx, work.system_name, type_name, mark, [one.key for one in due])
        first: dict[str, datetime] = {}
        for entry, rows in _read(tx, work, [*before, *due]):
            named = _named(rows, dict(work.plan.columns)[asked_field(entity)])
            if named is None:
                why = f"a record set of {type_name} does not name what it is about"
                return Touched(sets=len(due), keys=None, mark=done, why=why)
            keys |= named
            first.setdefault(entry.key, _earliest(rows, work.zone))
        if any(one.name == _RECORDER for one in entity.fields):
            recorders = [found[0] for one in due if (found := _GUID.search(one.key))]
            field_name = asked_field(entity)
            keys |= packet_marks.written_by(tx, entity, field_name, recorders, system_name=work.system_name)
        else:
            since = packet_marks.kept_since(tx, work.system_name, mark.node)
            known = {one.key for one in before}
            old = {one.key for one in due if one.key not in known and first[one.key] < since}
            if old:
                why = f"{len(old)} documents had written into {type_name} before packets were kept"
                return Touched(sets=len(due), keys=None, mark=done, why=why)
    return Touched(sets=len(due), keys=tuple(sorted(keys)), mark=done)


def _read(
    tx: Tx, work: Work, entries: Sequence[Pending]
) -> Iterator[tuple[Pending, list[dict[str, Any]] | None]]:
    """The rows of each record set, None where they are not to be found; one packet after the other."""
    metadata = metadata_of(work.plan.document)
    for packet_id, of_packet in groupby(entries, key=attrgetter("packet_id")):
        listed = list(of_packet)
        for start in range(0, len(listed), _AT_ONCE):
            together = listed[start : start + _AT_ONCE]
            places = [(one.piece_no, one.starts_at, one.length) for one in together]
            head, *bodies, _ = packets.read_entries(tx, packet_id, places)
            reader = RowReader(head, type_of(work.plan.resource), metadata, [_ROWS])
            for entry, row in zip(together, reader.rows(bodies), strict=True):
                rows = row.get(_ROWS)
                # A tombstone has no properties, and a set that was emptied may have none.
                yield entry, rows if isinstance(rows, list) else [] if entry.kind != "entry" else None


def _named(rows: list[dict[str, Any]] | None, wire: str) -> set[str] | None:
    """Values of a property of all rows; None when a row lacks it."""
    if rows is None or any(wire not in row for row in rows):
        return None
    return {str(row[wire]).lower() for row in rows if row[wire] and _GUID.fullmatch(str(row[wire]).lower())}


def _earliest(rows: list[dict[str, Any]] | None, zone: ZoneInfo) -> datetime:
    """The date of the document, by its rows; before all time without rows."""
    moments = [moment(row.get("Period"), zone) for row in rows or ()]
    return min((found for found in moments if found is not None), default=_BEFORE_ALL)
