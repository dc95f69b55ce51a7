"""The exchange plan's side of 1C: its nodes, `SelectChanges`, `NotifyChangesReceived` (PROTOCOL §7.1).

One request each, nothing is repeated here: when it is right to ask again is decided by whoever remembers what was stored
(`steps/intake.py`). Both change 1C (a selection stamps what it carries with the message's number), so they are POST requests without
keep-alive. What is in a packet is read by `packet_index.py` and `atom.py`.
"""

from __future__ import annotations

import re
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO
from urllib.parse import quote

from onec_pipelines.errors import PipelineError, RetryLater, Skip, Stop
from onec_pipelines.onec import query
from onec_pipelines.onec.answers import ACCEPT, Call, check_shape
from onec_pipelines.onec.authorization import Authorizer
from onec_pipelines.onec.caller import Attempt, Caller
from onec_pipelines.onec.client import OnecClient
from onec_pipelines.onec.connection import MEBIBYTE, Connection
from onec_pipelines.onec.decode_patient import load_json
from onec_pipelines.onec.errors import bad_answer, reports_error, translate
from onec_pipelines.onec.session import SessionPool
from onec_pipelines.onec.throttle import Throttle
from onec_pipelines.onec.transport import Exchange, Reply
from onec_pipelines.onec.values import guid as to_guid

MAX_PACKET_BYTES = 1024 * MEBIBYTE
"""The largest packet that is taken in: 1C cannot be told to make it smaller (PROTOCOL §7.1.4)."""
PACKET_BROKEN = "ONEC_PACKET_BROKEN"
"""Code of the Stop for a packet that 1C refuses to build."""
_NODE_FIELDS = ("Ref_Key", "Code", "Description", "DeletionMark", "SentNo", "ReceivedNo")
_OK, _BAD_REQUEST, _SERVER_ERROR = 200, 400, 500
# 1C's complaints about our own request (PROTOCOL §8.2): another packet would not be built either.
_OUR_FAULT = frozenset({"2", "3", "6", "7", "11", "12", "14"})
_HOPELESS = frozenset(
    {
        PACKET_BROKEN,
        "ONEC_TOO_LARGE",
        "ONEC_NODE_UNKNOWN",
        "ONEC_NOT_PUBLISHED",
        "ONEC_RIGHTS",
        "ONEC_NOT_SUPPORTED",
        "ONEC_BAD_REQUEST",
        "ONEC_UNKNOWN_NAME",
    }
)
_END = re.compile(rb"(?:</(?:\w+:)?feed|/)>\s*$")
_ENDS = 4096
_READABLE = 0.9


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of an exchange plan as 1C shows it: `received_no` is the last message that was acknowledged, `sent_no` the last selected."""

    plan: str
    ref: str
    code: str
    name: str
    sent_no: int
    received_no: int

    @property
    def next_no(self) -> int:
        """The number of the message that is due (PROTOCOL §7.1.1)."""
        return self.received_no + 1


@dataclass(frozen=True, kw_only=True)
class Packet:
    """A packet that has come in whole: its bytes are in the sink. `elapsed_seconds` is 1C's building and sending."""

    message_no: int
    elapsed_seconds: float
    wire_bytes: int


def list_nodes(client: OnecClient, plan: str) -> list[Node]:
    """All nodes of a plan that are not marked for deletion, the base's own among them (it is not marked on the wire).

    Stop ONEC_NOT_PUBLISHED when the base does not publish the plan.
    """
    answer = client.get(query.SetQuery(resource=plan, select=_NODE_FIELDS).target())
    document = load_json(answer.body.decode("utf-8-sig", "replace").encode())
    rows = document.get("value") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise bad_answer("it is no list of nodes", request=answer.request)
    return [_node(plan, row, answer.request) for row in rows if row.get("DeletionMark") is not True]


def find_node(client: OnecClient, plan: str, wanted: str) -> Node:
    """The node with this code or GUID, its counters read now.

    Stop ONEC_NODE_UNKNOWN, with the codes there are, when none or several fit.
    """
    nodes = list_nodes(client, plan)
    text = wanted.strip()
    found = [node for node in nodes if text.lower() == node.ref] or [n for n in nodes if n.code == text]
    if len(found) != 1:
        codes = ", ".join(sorted(f"{node.code} ({node.name})" for node in nodes)) or "none"
        raise Stop(
            f"{plan} has {len(found) or 'no'} node{'s' if len(found) > 1 else ''} with the code or GUID {text!r}; there are: {codes}",
            code="ONEC_NODE_UNKNOWN",
            remedy="Set ONEC_EXCHANGE_NODE to the code or GUID of the node that is ours, or make one: `onec changes register`.",
        )
    return found[0]


class ChangeFeed(Caller):
    """Selects and acknowledges packets of one base; closes its session as a context manager. Used by one thread at a time.

    `observer` is told of every request like the client's.
    """

    def __init__(
        self,
        connection: Connection,
        throttle: Throttle | None = None,
        observer: Callable[[Call], None] | None = None,
        *,
        authorizer: Authorizer | None = None,
    ) -> None:
        sessions = SessionPool(replace(connection, max_sessions=1), keepalive=False, authorizer=authorizer)
        super().__init__(connection, throttle, observer, sessions)

    def select(self, node: Node, number: int, sink: BinaryIO, *, deadline: float) -> Packet:
        """Have 1C build message `number` and put its bytes into `sink`, whole or not at all.

        The same number again redelivers, and adds what is new: harmless (PROTOCOL §7.1.2). `deadline` (seconds) bounds everything from
        the wait for the throttle to the last byte. Stop ONEC_PACKET_BROKEN for a packet that 1C cannot build, Stop ONEC_TOO_LARGE above
        `MAX_PACKET_BYTES`, Stop ONEC_NODE_UNKNOWN for a node that is gone, else the errors of `errors.translate`.
        """
        begun = time.monotonic()
        shown = f"POST SelectChanges({node.plan} {node.code}, MessageNo={number})"
        reply = self._send("SelectChanges", node, number, shown=shown, deadline=deadline, sink=sink)
        ends = _ends_of(sink)
        check_shape(ends, kind="atom", status=reply.status, request=shown)
        if not _END.search(ends):
            raise bad_answer("it is cut", request=shown, status=reply.status)
        return Packet(
            message_no=number, elapsed_seconds=time.monotonic() - begun, wire_bytes=reply.wire_bytes
        )

    def acknowledge(self, node: Node, number: int, *, deadline: float) -> None:
        """Have 1C forget what messages up to `number` carried.

        Only to be said of what is stored. After a lost answer the node's `received_no` tells whether it was heard; to say it again is
        harmless.
        """
        shown = f"POST NotifyChangesReceived({node.plan} {node.code}, MessageNo={number})"
        reply = self._send("NotifyChangesReceived", node, number, shown=shown, deadline=deadline)
        body = reply.body.strip()
        if reports_error(body):
            raise translate(reply.status, reply.body, request=shown)
        if body[:1] == b"<" and b"<html" in body[:_ENDS].lower():
            raise bad_answer("it is an HTML page", request=shown, status=reply.status)

    def _send(
        self,
        method: str,
        node: Node,
        number: int,
        *,
        shown: str,
        deadline: float,
        sink: BinaryIO | None = None,
    ) -> Reply:
        attempt = Attempt(kind="atom", resource=method)
        exchange = Exchange(
            method="POST",
            target=f"{self.connection.prefix}/{method}?{_arguments(self.connection, node, number)}",
            shown=shown,
            ends_at=attempt.begun + deadline,
            max_bytes=MAX_PACKET_BYTES,
            headers={"Accept": ACCEPT["atom"]},
            sink=sink,
        )
        with self._noted(attempt):
            reply = self._exchange(attempt, exchange)
            if reply.status != _OK:
                error = translate(
                    reply.status, reply.body, request=shown, headers=reply.headers, now=attempt.requested_at
                )
                raise _meaning(error, node, selects=method == "SelectChanges")
        return reply


def _arguments(connection: Connection, node: Node, number: int) -> str:
    """The node by its canonical address, whose inner quotes are not doubled (PROTOCOL §7.1)."""
    point = f"{connection.url.rstrip('/')}/{query.name(node.plan)}({query.guid(node.ref)})"
    quoted = quote(f"'{point}'", safe="()',$/:=*")
    return f"DataExchangePoint={quoted}&MessageNo={number:d}"


def _meaning(error: PipelineError, node: Node, *, selects: bool) -> PipelineError:
    """What an error means when it answers a packet instead of a read."""
    if isinstance(error, Skip):
        return Stop(
            f"the node {node.code} of {node.plan} is gone from 1C",
            code="ONEC_NODE_UNKNOWN",
            remedy="Make a new node and set ONEC_EXCHANGE_NODE; the entities are then read whole once.",
            http_status=error.http_status,
            onec_code=error.onec_code,
            onec_message=error.onec_message,
        )
    refused = isinstance(error, Stop) and error.http_status in {_BAD_REQUEST, _SERVER_ERROR}
    if not selects or not refused or error.onec_code in _OUR_FAULT:
        return error
    said = readable(error.onec_message or "")
    return Stop(
        f"1C cannot build the packet for node {node.code} of {node.plan} ({error.message})",
        code=PACKET_BROKEN,
        remedy=(
            "One object of the queue holds a character that XML forbids, or its handler in 1C fails: find it (`onec changes status` names"
            " suspects), mend and save it in 1C. Until then the entities are read by versions."
        ),
        http_status=error.http_status,
        onec_code=error.onec_code,
        onec_message=said or None,
    )


def readable(message: str) -> str:
    """1C's words: of a broken packet they may come as base64 (PROTOCOL §7.1.8)."""
    text = "".join(message.split())
    try:
        plain = b64decode(text, validate=True).decode("utf-8-sig") if len(text) >= 16 else ""  # noqa: PLR2004
    except (Base64Error, ValueError):
        return message
    shown = "".join(char if char.isprintable() else "?" for char in plain)
    is_text = shown and sum(char != "?" for char in shown) >= _READABLE * len(shown)
    return shown[:500] if is_text else message


def cannot_be_had(error: PipelineError) -> bool:
    """Whether waiting for 1C to come back will not bring the packet: it cannot be built, or the plan or its node cannot be read."""
    return error.code in _HOPELESS


def may_be_the_packet(error: PipelineError) -> bool:
    """Whether this may come of the packet (its size, a byte in it), which shows when it comes again and again."""
    return isinstance(error, RetryLater) and error.code in {
        "ONEC_OUT_OF_MEMORY",
        "ONEC_TIMEOUT",
        "ONEC_BAD_ANSWER",
        "ONEC_DISK_FULL",
        "ONEC_SERVER_ERROR",
    }


def _node(plan: str, row: dict[str, Any], request: str) -> Node:
    ref = to_guid(row.get("Ref_Key"))
    numbers = [str(row.get(name) or "0").strip() for name in ("SentNo", "ReceivedNo")]
    if ref is None or not all(text.isascii() and text.isdigit() for text in numbers):
        raise bad_answer("a node has no key or no message numbers", request=request)
    return Node(
        plan=plan,
        ref=str(ref),
        code=str(row.get("Code") or "").strip(),
        name=str(row.get("Description") or "").strip(),
        sent_no=int(numbers[0]),
        received_no=int(numbers[1]),
    )


def _ends_of(sink: BinaryIO) -> bytes:
    """The beginning and the end of what came: the shape of a packet shows there."""
    sink.seek(0)
    start = sink.read(_ENDS)
    size = sink.seek(0, 2)
    sink.seek(max(size - _ENDS, 0))
    return start if size <= _ENDS else start + sink.read(_ENDS)
