"""`integ.exchange_nodes`: the nodes whose packets we take in, who holds the lease, what 1C's counters were, and whether it is stuck.

A node must have exactly one reader (PROTOCOL §7.1.3): the lease is a session lock of PostgreSQL, which is freed when its holder dies, and a
token in the row, by which whoever lost the lock without noticing is fenced off.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database
from onec_pipelines.errors import PipelineError, RetryLater
from onec_pipelines.ledger import audit

Tx = psycopg.Connection[Any]
_COLUMNS = (
    "plan, node_ref::text, code, epoch, epoch_at, epoch_why, received_no, sent_no, holder, held_since,"
    " checked_at, drained_at, failures, stuck_since, stuck_error"
)


@dataclass(frozen=True, kw_only=True)
class NodeState:
    """What we remember of a node. `received_no` is the last message that we believe acknowledged.

    An epoch is a time in which the counters moved as they should; `epoch_at` is when it began, by the database's clock.
    `stuck_since` says that no packet can be had since then, for the reason in `stuck_error` (code, message, onec_message, remedy).
    """

    plan: str
    node_ref: str
    code: str
    epoch: int
    epoch_at: datetime
    epoch_why: str
    received_no: int
    sent_no: int
    holder: str | None
    held_since: datetime | None
    checked_at: datetime
    drained_at: datetime | None
    failures: int
    stuck_since: datetime | None
    stuck_error: dict[str, str] | None


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to read one node, as long as the row holds this token."""

    system_name: str
    plan: str
    node_ref: str
    token: str

    @property
    def key(self) -> tuple[str, str, str]:
        """The node's key."""
        return (self.system_name, self.plan, self.node_ref)


def find(tx: Tx, system_name: str, plan: str, wanted: str) -> NodeState | None:
    """The node that we know under this code or GUID; the newest, should a code have been given anew."""
    row = tx.execute(
        f"SELECT {_COLUMNS} FROM integ.exchange_nodes WHERE system_name = %s AND plan = %s"
        " AND (code = %s OR node_ref::text = lower(%s)) ORDER BY epoch_at DESC LIMIT 1".encode(),
        (system_name, plan, wanted, wanted),
    ).fetchone()
    return None if row is None else NodeState(**dict(zip(NodeState.__annotations__, row, strict=True)))


@contextmanager
def lease(database: Database, system_name: str, plan: str, node_ref: str, *, holder: str) -> Iterator[Lease]:
    """Hold a node for this process. Raises RetryLater NODE_BUSY, naming the holder, when another one reads it.

    The row of the node is made with `note_first`; until then there is nothing to fence.
    """
    held = Lease(system_name=system_name, plan=plan, node_ref=node_ref, token=str(uuid4()))
    with database.session() as session:
        row = session.execute(
            "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))",
            (f"onec-node:{system_name}:{plan}:{node_ref}",),
        ).fetchone()
        if not row or not row[0]:
            raise _busy(session, held)
        session.execute(
            "UPDATE integ.exchange_nodes SET holder = %s, lease_token = %s, held_since = clock_timestamp()"
            " WHERE system_name = %s AND plan = %s AND node_ref = %s",
            (holder, held.token, *held.key),
        )
        try:
            yield held
        finally:
            # The lock goes with the session; that the name stays behind is told by whoever takes it next.
            with suppress(psycopg.Error, PipelineError):
                session.execute(
                    "UPDATE integ.exchange_nodes SET holder = NULL, lease_token = NULL, held_since = NULL"
                    " WHERE lease_token = %s",
                    (held.token,),
                )


def note_first(tx: Tx, held: Lease, *, code: str, received_no: int, sent_no: int, holder: str) -> None:
    """Begin to remember a node; nothing if it is known. Its first epoch begins now."""
    tx.execute(
        "INSERT INTO integ.exchange_nodes (system_name, plan, node_ref, code, epoch_why, received_no, sent_no,"
        " holder, lease_token, held_since) VALUES (%s, %s, %s, %s, 'first', %s, %s, %s, %s, clock_timestamp())"
        " ON CONFLICT DO NOTHING",
        (*held.key, code, received_no, sent_no, holder, held.token),
    )


def guard(tx: Tx, held: Lease) -> NodeState:
    """The node's row, locked to the end of the transaction. Raises RetryLater LEASE_LOST when another holds the node now."""
    row = tx.execute(
        f"SELECT {_COLUMNS} FROM integ.exchange_nodes WHERE system_name = %s AND plan = %s AND node_ref = %s"
        " AND lease_token = %s FOR UPDATE".encode(),
        (*held.key, held.token),
    ).fetchone()
    if row is None:
        raise RetryLater(
            f"the lease on {held.plan} was lost to another reader",
            code="LEASE_LOST",
            remedy="Nothing: the packet is delivered again to whoever holds the node now.",
        )
    return NodeState(**dict(zip(NodeState.__annotations__, row, strict=True)))


def note_numbers(tx: Tx, held: Lease, *, code: str, received_no: int, sent_no: int) -> None:
    """What the node's counters are now, and its code."""
    tx.execute(
        "UPDATE integ.exchange_nodes SET code = %s, received_no = %s, sent_no = %s, checked_at = clock_timestamp()"
        " WHERE system_name = %s AND plan = %s AND node_ref = %s",
        (code, received_no, sent_no, *held.key),
    )


def begin_epoch(tx: Tx, held: Lease, *, why: str, details: dict[str, Any]) -> None:
    """The counters jumped: from now on every entity needs a whole reading before packets are applied to it."""
    tx.execute(
        "UPDATE integ.exchange_nodes SET epoch = epoch + 1, epoch_at = clock_timestamp(), epoch_why = %s"
        " WHERE system_name = %s AND plan = %s AND node_ref = %s",
        (why, *held.key),
    )
    audit.record(
        tx,
        system_name=held.system_name,
        action="changes_node_jumped",
        entity=None,
        job_id=None,
        details={"plan": held.plan, "node": held.node_ref, "why": why, **details},
    )


def note_taken(tx: Tx, held: Lease, *, drained: bool) -> None:
    """A packet came in: the node is not stuck. `drained` says that its queue was empty."""
    was = tx.execute(
        "UPDATE integ.exchange_nodes n SET failures = 0, stuck_since = NULL, stuck_error = NULL,"
        " drained_at = CASE WHEN %s THEN clock_timestamp() ELSE n.drained_at END"
        " FROM integ.exchange_nodes o WHERE n.system_name = %s AND n.plan = %s AND n.node_ref = %s"
        " AND (o.system_name, o.plan, o.node_ref) = (n.system_name, n.plan, n.node_ref) RETURNING o.stuck_since",
        (drained, *held.key),
    ).fetchone()
    if was and was[0] is not None:
        details = {"plan": held.plan, "node": held.node_ref, "stuck_since": was[0].isoformat()}
        audit.record(
            tx,
            system_name=held.system_name,
            action="changes_packet_mended",
            entity=None,
            job_id=None,
            details=details,
        )


def note_failure(tx: Tx, held: Lease, error: PipelineError, *, stuck: bool) -> bool:
    """Count a packet that did not come; `stuck`: it will not come by itself. True when that is news, which goes into the audit."""
    row = tx.execute(
        "UPDATE integ.exchange_nodes n SET failures = n.failures + 1,"
        " stuck_since = CASE WHEN %s THEN coalesce(n.stuck_since, clock_timestamp()) END, stuck_error = %s"
        " FROM integ.exchange_nodes o WHERE n.system_name = %s AND n.plan = %s AND n.node_ref = %s"
        " AND (o.system_name, o.plan, o.node_ref) = (n.system_name, n.plan, n.node_ref)"
        " RETURNING o.stuck_since IS NULL, n.failures",
        (stuck, Jsonb(_told(error)), *held.key),
    ).fetchone()
    if row is None or not stuck or not row[0]:
        return False
    details = {"plan": held.plan, "node": held.node_ref, "failures": row[1], **_told(error)}
    audit.record(
        tx,
        system_name=held.system_name,
        action="changes_packet_broken",
        entity=None,
        job_id=None,
        details=details,
    )
    return True


def _told(error: PipelineError) -> dict[str, str]:
    return {
        "code": error.code,
        "message": error.message,
        "onec_message": error.onec_message or "",
        "remedy": error.remedy,
    }


def _busy(session: Tx, held: Lease) -> RetryLater:
    row = session.execute(
        "SELECT code, holder, held_since FROM integ.exchange_nodes"
        " WHERE system_name = %s AND plan = %s AND node_ref = %s",
        held.key,
    ).fetchone()
    code, holder, since = row or (held.node_ref, None, None)
    by = f" by {holder} since {since:%Y-%m-%d %H:%M:%S} UTC" if holder and since else " by another process"
    return RetryLater(
        f"the node {code} of {held.plan} is being read{by}",
        code="NODE_BUSY",
        remedy="Nothing: a node has one reader at a time, and what it stores is applied by every run.",
    )
