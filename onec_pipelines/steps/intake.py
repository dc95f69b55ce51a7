"""intake: the queue of our node in an exchange plan → packets stored here, then acknowledged (PROTOCOL §7.1). Nothing is applied here.

The order is what keeps changes from being lost: one reader a node (lease), the number from the node itself, the packet committed, only
then the acknowledgement. Cut off at any point, the packet is delivered again under the same number, with what is new since.

A packet that was stored by an earlier run but not acknowledged is never acknowledged unseen: another request of the same number may have
stamped more changes with it, so it is selected once more.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeVar

import psycopg
import stamina

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import PipelineError, RetryLater
from onec_pipelines.ledger import audit, exchange_nodes, packets
from onec_pipelines.ledger.exchange_nodes import Lease, NodeState
from onec_pipelines.ledger.packets import Arrived, Counts, Staged
from onec_pipelines.onec.changes import (
    ChangeFeed,
    Node,
    cannot_be_had,
    find_node,
    may_be_the_packet,
)
from onec_pipelines.onec.client import OnecClient, RetryPolicy
from onec_pipelines.onec.errors import NOT_AT_ONCE
from onec_pipelines.steps.failpoints import reach
from onec_pipelines.steps.keep_forgotten import keep_out_of_packet

Tx = psycopg.Connection[Any]
T = TypeVar("T")
MAX_PACKETS = 50
"""A run ends after so many packets even if the queue is not empty: entities wait for their turn."""
_FAILURES = 3
"""After so many runs in a row in which the packet did not come, it is believed to be the packet's fault."""
# A packet is one answer without pages, so it may take several times what a page may.
_DEADLINE_FACTOR = 5
_ACKNOWLEDGE_SECONDS = 45.0  # below Limits.idle: the node's row is locked meanwhile
_DISK_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Everything that taking in packets needs. `wanted` is the node's code or GUID; `holder` names this process for others."""

    database: Database
    client: OnecClient
    feed: ChangeFeed
    system_name: str
    plan: str
    wanted: str
    holder: str
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    max_packets: int = MAX_PACKETS

    @property
    def deadline(self) -> float:
        """Seconds for one packet, from the wait for the throttle to the last byte."""
        return self.feed.connection.deadline_seconds * _DEADLINE_FACTOR


@dataclass(kw_only=True)
class Taken:
    """What a run took in. `counts` are entries by type and kind, `drained` says that the queue was seen empty at the end.

    `jumped` says why the counters of the node are not what they should be, empty otherwise.
    """

    node: Node | None = None
    packets: int = 0
    raw_bytes: int = 0
    counts: Counts = field(default_factory=dict)
    drained: bool = False
    jumped: str = ""

    @property
    def entries(self) -> int:
        """All entries."""
        return sum(sum(kinds.values()) for kinds in self.counts.values())

    def add(self, staged: Staged) -> None:
        """Count a packet."""
        self.packets += 1
        self.raw_bytes += staged.raw_bytes
        for name, kinds in staged.counts.items():
            into = self.counts.setdefault(name, {})
            for kind, number in kinds.items():
                into[kind] = into.get(kind, 0) + number

    def unknown(self, known: Mapping[str, object]) -> dict[str, int]:
        """Types that came and that nothing of ours reads, with their number of entries."""
        return {name: sum(kinds.values()) for name, kinds in self.counts.items() if name not in known}


def register(intake: Intake) -> NodeState:
    """Begin to remember the node: from now on a whole reading may be the base on which packets are applied."""
    with _held(intake) as (held, node), _tx(intake.database) as tx:
        _remember(tx, held, node, intake.holder)
        return exchange_nodes.guard(tx, held)


def take(intake: Intake) -> Taken:
    """Take in packets until the queue is empty or `max_packets` are here.

    Raises RetryLater NODE_BUSY when another process reads the node; what 1C or the network answers otherwise, after it is noted with the
    node: Stop ONEC_PACKET_BROKEN for a packet that cannot be built.
    """
    taken = Taken()
    with _held(intake) as (held, node):
        taken.node = node
        with _tx(intake.database) as tx:
            _remember(tx, held, node, intake.holder)
        taken.jumped = _judge(intake, held, node)
        for _ in range(intake.max_packets):
            taken.node = _take_one(intake, held, taken)
            if taken.drained:
                break
    return taken


def _take_one(intake: Intake, held: Lease, taken: Taken) -> Node:
    with tempfile.SpooledTemporaryFile(max_size=_DISK_BYTES) as file:
        source: BinaryIO = file  # type: ignore[assignment]
        node, arrived = _noting(intake, held, lambda: _fetch(intake, held, source))
        reach("changes.selected")
        # What was selected before under a higher number comes when ours has grown to it, by acknowledging empty packets.
        if node.sent_no <= arrived.message_no and not packets.first_entry(source):
            with _tx(intake.database) as tx:
                exchange_nodes.guard(tx, held)
                exchange_nodes.note_taken(tx, held, drained=True)
            taken.drained = True
            return node
        staged = _noting(intake, held, lambda: _stage(intake, held, arrived, source))
    reach("changes.staged")
    node = _acknowledge(intake, held, node, arrived.message_no)
    reach("changes.acknowledged")
    taken.add(staged)
    return node


def _fetch(intake: Intake, held: Lease, sink: BinaryIO) -> tuple[Node, Arrived]:
    """One packet, asked for anew as long as that may help; each time by what the node says then."""
    for attempt in stamina.retry_context(
        on=_again,
        attempts=intake.retry.attempts,
        timeout=intake.retry.total_seconds,
        wait_initial=intake.retry.wait_initial,
        wait_max=intake.retry.wait_max,
        wait_jitter=intake.retry.wait_jitter,
    ):
        with attempt:
            node = find_node(intake.client, intake.plan, held.node_ref)
            requested_at = _clock(intake.database)
            packet = intake.feed.select(node, node.next_no, sink, deadline=intake.deadline)
            arrived = Arrived(
                message_no=packet.message_no,
                requested_at=requested_at,
                received_at=_clock(intake.database),
                elapsed_seconds=packet.elapsed_seconds,
            )
            return node, arrived
    raise AssertionError  # stamina raises the last error itself


def _again(error: Exception) -> bool:
    return isinstance(error, RetryLater) and error.code not in NOT_AT_ONCE and error.retry_after is None


def _noting(intake: Intake, held: Lease, act: Callable[[], T]) -> T:
    """Do it; what goes wrong is noted with the node before it is raised."""
    try:
        return act()
    except PipelineError as error:
        if cannot_be_had(error) or may_be_the_packet(error):
            with _tx(intake.database) as tx:
                state = exchange_nodes.guard(tx, held)
                stuck = cannot_be_had(error) or state.failures + 1 >= _FAILURES
                exchange_nodes.note_failure(tx, held, error, stuck=stuck)
        raise


def _stage(intake: Intake, held: Lease, arrived: Arrived, source: BinaryIO) -> Staged:
    with _tx(intake.database) as tx:
        state = exchange_nodes.guard(tx, held)
        staged = packets.stage(tx, held, state.epoch, arrived, source)
        forgotten = keep_out_of_packet(tx, intake.system_name, staged.packet_id)
        exchange_nodes.note_taken(tx, held, drained=False)
        reach("changes.staging")
        audit.record(
            tx,
            system_name=intake.system_name,
            action="packet_staged",
            entity=None,
            job_id=None,
            details={
                "plan": held.plan,
                "node": held.node_ref,
                "message_no": arrived.message_no,
                "packet": staged.packet_id,
                "bytes": staged.raw_bytes,
                "counts": staged.counts,
                "forgotten": forgotten,
            },
        )
    return staged


def _acknowledge(intake: Intake, held: Lease, node: Node, number: int) -> Node:
    """Say that everything up to `number` is stored, until 1C has heard it.

    The node's row is locked meanwhile, so that whoever took the lease over cannot select before it is settled.
    """
    for attempt in stamina.retry_context(
        on=_again,
        attempts=intake.retry.attempts,
        timeout=intake.retry.total_seconds,
        wait_initial=intake.retry.wait_initial,
        wait_max=intake.retry.wait_max,
        wait_jitter=intake.retry.wait_jitter,
    ):
        with attempt:
            if attempt.num > 1:
                node = find_node(intake.client, intake.plan, held.node_ref)
            with _tx(intake.database) as tx:
                exchange_nodes.guard(tx, held)
                if node.received_no < number:
                    deadline = min(intake.feed.connection.deadline_seconds, _ACKNOWLEDGE_SECONDS)
                    intake.feed.acknowledge(node, number, deadline=deadline)
                reach("changes.notified")
                packets.note_acknowledged(tx, held, number)
                sent = max(node.sent_no, number)
                exchange_nodes.note_numbers(tx, held, code=node.code, received_no=number, sent_no=sent)
    return node


def _judge(intake: Intake, held: Lease, node: Node) -> str:
    """Compare the node's counters with what we believe; a jump begins a new epoch and is told in words."""
    with _tx(intake.database) as tx:
        state = exchange_nodes.guard(tx, held)
        jump = ""
        if node.received_no < state.received_no:
            jump = "back"
        elif node.received_no > state.received_no and not packets.waits_for_acknowledgement(
            tx, held, state.epoch, node.received_no
        ):
            jump = "foreign"
        if node.received_no > state.received_no and not jump:
            # The answer to our acknowledgement was lost, the acknowledgement was not.
            packets.note_acknowledged(tx, held, node.received_no)
        if jump:
            numbers = {"believed": state.received_no, "found": node.received_no}
            exchange_nodes.begin_epoch(tx, held, why=jump, details=numbers)
        exchange_nodes.note_numbers(
            tx, held, code=node.code, received_no=node.received_no, sent_no=node.sent_no
        )
    if not jump:
        return ""
    meaning = {
        "back": "the base was restored from a backup, or the node's counters were set back",
        "foreign": "somebody else acknowledges messages of this node, and their changes never come here",
    }
    return f"the node says {node.received_no} where {state.received_no} was expected: {meaning[jump]}; entities are read whole once"


def _remember(tx: Tx, held: Lease, node: Node, holder: str) -> None:
    exchange_nodes.note_first(
        tx, held, code=node.code, received_no=node.received_no, sent_no=node.sent_no, holder=holder
    )


@contextmanager
def _held(intake: Intake) -> Iterator[tuple[Lease, Node]]:
    """The lease on the node, and the node as it is under the lease."""
    with _tx(intake.database) as tx:
        known = exchange_nodes.find(tx, intake.system_name, intake.plan, intake.wanted)
    ref = known.node_ref if known else find_node(intake.client, intake.plan, intake.wanted).ref
    with exchange_nodes.lease(
        intake.database, intake.system_name, intake.plan, ref, holder=intake.holder
    ) as held:

        def find() -> Node:
            return find_node(intake.client, intake.plan, intake.wanted)

        node = _noting(intake, held, find) if known else find()
        if node.ref == ref:
            yield held, node
            return
    # The code was given to another node meanwhile.
    with exchange_nodes.lease(
        intake.database, intake.system_name, intake.plan, node.ref, holder=intake.holder
    ) as held:
        yield held, node


def _clock(database: Database) -> Any:
    """The database's clock: jobs and rows carry it, so that they can be compared with packets."""
    with _tx(database) as tx:
        row = tx.execute("SELECT clock_timestamp()").fetchone()
    return row[0] if row else None


@contextmanager
def _tx(database: Database) -> Iterator[Tx]:
    with database.transaction() as connection:
        yield driver_connection(connection)
