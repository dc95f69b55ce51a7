"""changes: staged packets → one entity, in the order in which 1C sent them, on top of its last whole reading.

1C is asked only for what could be older than what we have. For each entry the times decide, all of the database's clock. The packet had
come before the whole reading began: the reading is at least as new, the entry is left out. The packet was under way while the reading or
another writer of the row was: nobody can say which is newer (a DataVersion cannot be ordered, PROTOCOL §2.2), so the object is fetched
now. Else the entry is applied.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import audit, exchange_nodes, forgetting, packet_marks, packets, quarantine
from onec_pipelines.ledger.clean_rows import Written
from onec_pipelines.ledger.exchange_nodes import NodeState
from onec_pipelines.ledger.packet_marks import Mark, Pending
from onec_pipelines.ledger.raw_pages import NewPage, pack
from onec_pipelines.onec.client import OnecClient
from onec_pipelines.onec.connection import MEBIBYTE
from onec_pipelines.onec.decode import decode_rows
from onec_pipelines.spec import Entity, Way
from onec_pipelines.steps.demand import read_keys
from onec_pipelines.steps.failpoints import reach
from onec_pipelines.steps.grouping import Group
from onec_pipelines.steps.load import Demand, Loader
from onec_pipelines.steps.packets import own_rows
from onec_pipelines.steps.resolve import Plan
from onec_pipelines.steps.sweep import check_brake
from onec_pipelines.steps.validate import validate

Tx = psycopg.Connection[Any]
PART = "changes"
"""Name of the part under which applied entries are kept in the raw layer."""
_QUIET_HOURS = 1
_ENTRIES = 5_000
# Of products some 1 000, so that the fixed price of a check is paid seldom.
_BYTES = 16 * MEBIBYTE
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What an entity may do with the packets of a node.

    With a `mark` it applies what comes after that. Without one it needs a whole reading first, by `way`; `falls_back` says why packets
    cannot keep it up to date at all for now, empty when they can.
    """

    node: NodeState | None
    mark: Mark | None
    way: Way = Way.CHANGES
    falls_back: str = ""

    @property
    def notice(self) -> str:
        """What an operator should know although all is well, in words: nobody has looked for packets for long."""
        if self.node is None:
            return ""
        hours = (datetime.now(UTC) - self.node.checked_at).total_seconds() / 3600
        return f"packets were last asked for {hours:.1f} hours ago" if hours > _QUIET_HOURS else ""


@dataclass(frozen=True, kw_only=True)
class Work:
    """One run of one entity over the staged packets; the caller holds the entity's lock."""

    database: Database
    client: OnecClient
    plan: Plan
    system_name: str
    job_id: int
    zone: ZoneInfo
    parallel: int
    brake: bool = True
    # Objects fetched by this run, and the moment before that: an entry of a packet that was under way then is older or the same.
    fetched: dict[str, datetime] = field(default_factory=dict, compare=False)


def standing(database: Database, entity: Entity, *, system_name: str, plan: str, node: str) -> Standing:
    """Where the entity stands. Raises Stop NO_EXCHANGE_NODE when the settings name no node."""
    if not plan or not node:
        raise Stop(
            f"{entity.name} is to be read by changes, and the settings name no node of an exchange plan",
            code="NO_EXCHANGE_NODE",
            remedy="Set ONEC_EXCHANGE_PLAN and ONEC_EXCHANGE_NODE, or choose another way in ONEC_READING.",
        )
    with _tx(database) as tx:
        found = exchange_nodes.find(tx, system_name, plan, node)
        if found is None:
            why = f"no packet of {plan} was ever taken in: run `onec changes take`, or the asset onec/changes"
            return Standing(node=None, mark=None, way=Way.VERSIONS, falls_back=why)
        if found.stuck_since is not None:
            error = found.stuck_error or {}
            why = f"no packet of {plan} comes since {found.stuck_since:%Y-%m-%d %H:%M} UTC: {error.get('message', '')}"
            return Standing(node=found, mark=None, way=Way.VERSIONS, falls_back=why)
        return _place(tx, entity, found, system_name)


def mark_base(database: Database, entity: Entity, stand: Standing, *, system_name: str) -> Standing:
    """After a whole reading: the standing anew, its mark stored, so that the reading is remembered as the base for packets."""
    if stand.node is None:
        return stand
    with _tx(database) as tx:
        placed = _place(tx, entity, stand.node, system_name)
        if placed.mark is not None:
            packet_marks.write(tx, system_name, entity.name, placed.mark)
    return placed


def note_missed(
    database: Database, entity: Entity, stand: Standing, resource: str, *, system_name: str, job_id: int
) -> int:
    """After a whole reading on top of an older one: how many objects it changed that no packet told of; put into the audit.

    Many, of a type that never came: it is not in the plan's content, and would never come. The queue must have been empty since, else
    their packet may only be on its way.
    """
    node, mark = stand.node, stand.mark
    if node is None or mark is None or node.drained_at is None or node.drained_at < mark.base.ended_at:
        return 0
    with _tx(database) as tx:
        before = packet_marks.read(tx, system_name, entity.name, node)
        if before is None or before.base.job_id == mark.base.job_id:
            return 0
        count, ever_came = packet_marks.missed(
            tx,
            entity,
            resource,
            node,
            system_name=system_name,
            job_id=mark.base.job_id,
            since=before.base.begun_at,
        )
        if count:
            audit.record(
                tx,
                system_name=system_name,
                action="changes_missed" if ever_came else "changes_not_in_plan",
                entity=entity.name,
                job_id=job_id,
                details={"objects": count, "type": resource, "reading": mark.base.job_id, "plan": node.plan},
            )
        # Told once for each reading.
        packet_marks.write(tx, system_name, entity.name, replace(before, base=mark.base))
    return count


def note_fall_back(
    database: Database, entity: Entity, stand: Standing, *, system_name: str, job_id: int
) -> None:
    """Put into the audit that the entity is read in another way than it should be, and why."""
    with _tx(database) as tx:
        audit.record(
            tx,
            system_name=system_name,
            action="changes_fell_back",
            entity=entity.name,
            job_id=job_id,
            details={"way": stand.way.value, "why": stand.falls_back},
        )


def staged_for(database: Database, stand: Standing, resource: str, *, system_name: str) -> int:
    """How many objects of an entity's set wait in staged packets."""
    if stand.mark is None:
        return 0
    with _tx(database) as tx:
        return packet_marks.count_pending(tx, system_name, resource, stand.mark)


def apply_staged(work: Work, mark: Mark) -> Generator[tuple[Group, Written]]:
    """Apply every staged entry of the entity's set after the mark; each group one transaction that also moves the mark.

    Of an object that comes several times only the last state is applied. Raises Stop DELETION_BRAKE before tombstones delete more than
    the entity allows.
    """
    entity = work.plan.entity
    with _tx(work.database) as tx:
        newest = packet_marks.newest_packet(tx, work.system_name, mark.node)
    while True:
        with _tx(work.database) as tx:
            due = packet_marks.pending(tx, work.system_name, work.plan.resource, mark, limit=_ENTRIES)
        for batch in _batches(due):
            last = batch[-1]
            mark = replace(mark, packet_id=last.packet_id, entry_no=last.entry_no)
            yield from _apply(work, mark, batch)
        if len(due) < _ENTRIES:
            break
    if mark.packet_id < newest:
        # Later packets hold nothing of this set: they are done with, too.
        mark = replace(mark, packet_id=newest, entry_no=0)
        with _tx(work.database) as tx:
            packet_marks.write(tx, work.system_name, entity.name, mark)


def move_mark(work: Work, mark: Mark) -> None:
    """What is before the mark is read: to be said after the reading, so that one that was cut off is done again."""
    with _tx(work.database) as tx:
        base = packet_marks.last_whole_reading(tx, work.system_name, work.plan.entity.name)
        packet_marks.write(
            tx, work.system_name, work.plan.entity.name, replace(mark, base=base) if base else mark
        )


def _place(tx: Tx, entity: Entity, node: NodeState, system_name: str) -> Standing:
    base = packet_marks.last_whole_reading(tx, system_name, entity.name)
    mark = packet_marks.read(tx, system_name, entity.name, node)
    if mark is not None:
        newer = base is not None and base.begun_at > mark.base.begun_at
        return Standing(node=node, mark=replace(mark, base=base) if newer and base else mark)
    # Only what 1C wrote while the node was there is registered for it: the reading must not be older than that.
    if base is not None and base.begun_at >= node.epoch_at:
        return Standing(node=node, mark=Mark(node=node, base=base))
    # After a restore versions may have come a second time with other contents; a version scan of documents is not of everything.
    may_compare = node.epoch_why == "foreign" and base is not None and entity.source.window is None
    way = Way.VERSIONS if may_compare else Way.SNAPSHOT
    return Standing(node=node, mark=None, way=way)


def _batches(due: Sequence[Pending]) -> Iterator[list[Pending]]:
    """Entries of one packet, together not too large."""
    for _, of_packet in groupby(due, key=attrgetter("packet_id")):
        batch: list[Pending] = []
        size = 0
        for entry in of_packet:
            if batch and size + entry.length > _BYTES:
                yield batch
                batch, size = [], 0
            batch.append(entry)
            size += entry.length
        yield batch


def _apply(work: Work, mark: Mark, batch: Sequence[Pending]) -> Iterator[tuple[Group, Written]]:
    with _tx(work.database) as tx:
        late = {one.key for one in batch if one.received_at < mark.base.begun_at}
        unsure = _unsure(tx, work, mark, [one for one in batch if one.key not in late])
    yield from _fetch(work, sorted(unsure), batch)
    reach("changes.fetched")
    rest = [one for one in batch if one.key not in late and one.key not in unsure]
    gone = [one.key for one in rest if one.kind == "deleted" and _GUID.fullmatch(one.key)]
    group, others = _group(work, [one for one in rest if one.kind == "entry"])
    loader = _Applied(work, mark, gone=gone, others=others, late=len(late), fetched=len(unsure))
    yield group, loader.store(group)
    reach("changes.applied")


def _unsure(tx: Tx, work: Work, mark: Mark, batch: Sequence[Pending]) -> set[str]:
    """Objects of which nobody can say whether the packet or the row here is newer, and those of forgotten persons."""
    moments = {one.key: one.requested_at for one in batch if _GUID.fullmatch(one.key)}
    found = {key for key, moment in moments.items() if moment <= mark.base.ended_at}
    found |= {key for key, moment in moments.items() if key in work.fetched and work.fetched[key] >= moment}
    # What came of forgotten persons was stripped of all text before it was stored.
    found |= forgetting.forgotten_among(tx, work.system_name, work.plan.entity, list(moments))
    rest = {key: moment for key, moment in moments.items() if key not in found}
    if rest:
        found |= packet_marks.written_since(
            tx, work.plan.entity, rest, system_name=work.system_name, job_id=work.job_id
        )
    return found


def _fetch(work: Work, keys: Sequence[str], batch: Sequence[Pending]) -> Iterator[tuple[Group, Written]]:
    if not keys:
        return
    with _tx(work.database) as tx:
        row = tx.execute("SELECT clock_timestamp()").fetchone()
    moment = row[0] if row else batch[-1].received_at
    loader = Demand(
        work.database, work.plan, system_name=work.system_name, job_id=work.job_id, brake=work.brake
    )
    source = read_keys(work.client, work.plan, keys, parts=("",), parallel=work.parallel, zone=work.zone)
    for group in source:
        yield group, loader.store(group)
    work.fetched.update(dict.fromkeys(keys, moment))


def _group(work: Work, entries: Sequence[Pending]) -> tuple[Group, list[str]]:
    """The entries as a checked group, and the keys of those that belong to another entity of the same set."""
    rows: list[dict[str, Any]] = []
    others: list[str] = []
    pages: tuple[NewPage, ...] = ()
    if entries:
        first = entries[0]
        places = [(one.piece_no, one.starts_at, one.length) for one in entries]
        with _tx(work.database) as tx:
            head, *found, end = packets.read_entries(tx, first.packet_id, places)
        body = b"".join((head, *found, end))
        rows, others = own_rows(head, found, [one.key for one in entries], work.plan)
        page = NewPage(
            part=PART,
            page_index=first.entry_no,
            request=f"SelectChanges MessageNo={first.message_no} (packet {first.packet_id})",
            format="atom",
            requested_at=first.requested_at,
            elapsed_seconds=0.0,
            row_count=len(rows),
            body=pack(body),
        )
        pages = (page,)
    checked = validate(decode_rows(rows, work.plan.shape), work.plan, work.zone)
    return Group(part=PART, pages=pages, checked=checked, cursor=None, counts=(None, None)), others


class _Applied(Loader):
    """Stores one batch of a packet: its rows, its deletions and the mark."""

    action = "packet_applied"

    def __init__(
        self,
        work: Work,
        mark: Mark,
        *,
        gone: Sequence[str],
        others: Sequence[str],
        late: int,
        fetched: int,
    ) -> None:
        super().__init__(work.database, work.plan, system_name=work.system_name, job_id=work.job_id)
        self._work = work
        self._mark = mark
        self._gone = {"tombstone": gone, "moved": others}
        self._left_out = {"older_than_reading": late, "fetched_anew": fetched}

    def _advance(self, tx: Tx, group: Group) -> int:
        del group
        entity, deleted = self._plan.entity, 0
        for why, keys in self._gone.items():
            if keys:
                quarantine.resolve_gone(tx, entity, self._system_name, keys)
                deleted += packet_marks.mark_deleted(
                    tx, entity, keys, why=why, system_name=self._system_name, job_id=self._job_id
                )
        if self._work.brake:
            # What is over the limit is rolled back with everything of this batch.
            check_brake(tx, entity, deleted, system_name=self._system_name)
        if any(self._left_out.values()):
            audit.record(
                tx,
                system_name=self._system_name,
                action="packet_entries_left_out",
                entity=entity.name,
                job_id=self._job_id,
                details={"packet": self._mark.packet_id, **self._left_out},
            )
        reach("changes.applying")
        packet_marks.write(tx, self._system_name, entity.name, self._mark)
        return deleted


@contextmanager
def _tx(database: Database) -> Iterator[Tx]:
    with database.transaction() as connection:
        yield driver_connection(connection)
