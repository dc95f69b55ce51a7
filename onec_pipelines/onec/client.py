"""The reader of one 1C base: every request of the pull goes through `OnecClient.get` (PROTOCOL §8, §13).

Joins throttle, sessions, error translation and repeats. Does not know what is read: addresses come from
`query.py`, bodies go to the decoders. Writes never come here: they must not be repeated blindly.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import stamina
from stamina.instrumentation import LoggingOnRetryHook, set_on_retry_hooks

from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.onec import query
from onec_pipelines.onec.answers import ACCEPT, BOM, Answer, Call, Kind, check_shape
from onec_pipelines.onec.authorization import Authorizer
from onec_pipelines.onec.caller import Attempt, Caller
from onec_pipelines.onec.capabilities import UNKNOWN, Capabilities
from onec_pipelines.onec.connection import Connection
from onec_pipelines.onec.errors import NOT_AT_ONCE, bad_answer, bad_query, translate
from onec_pipelines.onec.metadata import Metadata, parse_metadata
from onec_pipelines.onec.metadata_file import MetadataFile, check_ends, fetch_metadata
from onec_pipelines.onec.session import SessionPool
from onec_pipelines.onec.throttle import Throttle
from onec_pipelines.onec.transport import Exchange, Reply

# Where structlog is installed stamina would print repeats to stdout, into the JSON of our commands.
set_on_retry_hooks([LoggingOnRetryHook])

_OK = 200
_ODATA_COUNT = re.compile(rb'"odata\.count"\s*:\s*"?(\d{1,18})"?')
# 1C executes these even on GET (PROTOCOL §4.6): a reader must be unable to say them.
_ACTION = re.compile(
    r"(?:^|/)(?:Post|Unpost|SelectChanges|NotifyChangesReceived|Start|ExecuteTask)(?:\(|$)", re.IGNORECASE
)
# Refusals of /$count that mean "this base cannot", so that the other way of counting is tried.
_CANNOT_COUNT = frozenset({400, 404, 405, 500, 501})
DAY_SECONDS = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How a read is repeated within one call: full jitter on top of the exponential wait.

    No new attempt after `total_seconds`.
    """

    attempts: int = 4
    total_seconds: float = 60.0
    wait_initial: float = 0.5
    wait_max: float = 15.0
    wait_jitter: float = 1.0


@dataclass(frozen=True, kw_only=True)
class _Request:
    target: str
    shown: str
    kind: Kind
    deadline: float
    max_bytes: int
    sink: BinaryIO | None
    check: Callable[[Answer], None] | None


class OnecClient(Caller):
    """Reads from one base; thread-safe, closes its sessions as a context manager.

    `throttle` and `authorizer` default to ones shared by all clients of this process for the same base and
    user. `observer`
    is called after each attempt, in the calling thread; what it raises comes out of the call. `capabilities` is what
    is known of the base: how it counts and pages is not tried again.
    """

    def __init__(
        self,
        connection: Connection,
        throttle: Throttle | None = None,
        observer: Callable[[Call], None] | None = None,
        *,
        retry: RetryPolicy | None = None,
        authorizer: Authorizer | None = None,
        capabilities: Capabilities = UNKNOWN,
    ) -> None:
        super().__init__(connection, throttle, observer, SessionPool(connection, authorizer=authorizer))
        self.capabilities = capabilities
        self._retry = retry or RetryPolicy()
        self._counts_by_path = capabilities.count is not False

    @property
    def sessions_started(self) -> int:
        """Sessions that 1C was made to start by this client (an upper bound when 1C pools them itself)."""
        return self._sessions.sessions_started

    def get(
        self,
        path_and_query: str,
        *,
        kind: Kind = "json",
        deadline: float | None = None,
        max_bytes: int | None = None,
        check: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """Give the answer to a read of an address after the service root, or of a whole address of this base.

        `deadline` (seconds, default the connection's) bounds each attempt from the wait for the throttle to
        the last byte. `max_bytes` bounds the unpacked body. `check` may raise RetryLater to have a body
        that does not parse fetched again. Raises the errors of PROTOCOL §8 by what happens next: RetryLater
        after the repeats are used up, Skip for an absent object, Stop otherwise.
        """
        return self._get(path_and_query, kind=kind, deadline=deadline, max_bytes=max_bytes, check=check)

    def count(self, resource: str, filter: str | None = None) -> int:  # noqa: A002 - OData's word
        """Give the number of rows, by `/$count` or, where refused, by `$inlinecount` (PROTOCOL §12.4)."""
        if self._counts_by_path:
            try:
                answer = self.get(query.count(resource, filter), kind="count")
                return int(answer.body.removeprefix(BOM))
            except Stop as refusal:
                if refusal.http_status not in _CANNOT_COUNT:
                    raise
        counted = self._inline_count(resource, filter)
        self._counts_by_path = False
        return counted

    def service_document(self) -> Answer:
        """Read the list of published sets as JSON.

        An empty `value` means that the OData composition is not set (PROTOCOL §1.3).
        """
        return self.get("?$format=json")

    def metadata_file(self, cache_dir: Path, *, max_age_seconds: float = DAY_SECONDS) -> MetadataFile:
        """Give a file with `$metadata`, downloaded when the cached one is older or not whole.

        64 MiB at most.
        """

        def download(sink: BinaryIO) -> None:
            self._get("$metadata", kind="xml", sink=sink, check=lambda _: check_ends(sink))

        return fetch_metadata(
            download,
            cache_dir,
            base=self.connection.base,
            max_age_seconds=max_age_seconds,
        )

    def metadata(self, cache_dir: Path, *, max_age_seconds: float = DAY_SECONDS) -> Metadata:
        """Give the parsed `$metadata` (see `metadata_file`)."""
        return parse_metadata(self.metadata_file(cache_dir, max_age_seconds=max_age_seconds).path)

    def _inline_count(self, resource: str, filter_: str | None) -> int:
        counted = query.SetQuery(resource=resource, filter=filter_, top=0, inlinecount=True)
        answer = self.get(counted.target())
        found = _ODATA_COUNT.search(answer.body)
        if found is None:
            raise bad_answer("it holds no odata.count", request=answer.request)
        return int(found[1])

    def _get(
        self,
        path_and_query: str,
        *,
        kind: Kind,
        deadline: float | None = None,
        max_bytes: int | None = None,
        sink: BinaryIO | None = None,
        check: Callable[[Answer], None] | None = None,
    ) -> Answer:
        target = self._own_target(path_and_query)
        relative = target.removeprefix(self.connection.prefix).lstrip("/")
        request = _Request(
            target=target,
            shown=f"GET {query.mask(relative) or 'the service root'}",
            kind=kind,
            deadline=deadline or self.connection.deadline_seconds,
            max_bytes=max_bytes or self.connection.max_body_bytes,
            sink=sink,
            check=check,
        )
        # no arguments are handed to stamina, so that its log hook has nothing to print
        for attempt in stamina.retry_context(
            on=self._wait_before_repeat,
            attempts=self._retry.attempts,
            timeout=self._retry.total_seconds,
            wait_initial=self._retry.wait_initial,
            wait_max=self._retry.wait_max,
            wait_jitter=self._retry.wait_jitter,
        ):
            with attempt:
                return self._attempt(request, attempt.num)
        raise AssertionError  # stamina raises the last error itself

    def _wait_before_repeat(self, error: Exception) -> bool | float:
        """Tell stamina whether to repeat, and after how many seconds if 1C said so."""
        if self._closed or not isinstance(error, RetryLater) or error.code in NOT_AT_ONCE:
            return False
        if error.retry_after is None:
            return True
        # a wait longer than this is the queue's, not a held thread's
        return error.retry_after if error.retry_after <= self._retry.wait_max else False

    def _attempt(self, request: _Request, number: int) -> Answer:
        words = request.shown.removeprefix("GET ")
        attempt = Attempt(
            kind=request.kind,
            resource=re.split(r"[(/?]", words, maxsplit=1)[0] or "the service root",
            number=number,
            request=request.shown,
        )
        exchange = Exchange(
            method="GET",
            target=request.target,
            shown=request.shown,
            ends_at=attempt.begun + request.deadline,
            max_bytes=request.max_bytes,
            headers={"Accept": ACCEPT[request.kind]},
            sink=request.sink,
        )
        with self._noted(attempt):
            reply = self._exchange(attempt, exchange)
            answer = _answer(request, reply, attempt.requested_at, time.monotonic() - attempt.begun)
            if request.check is not None:
                request.check(answer)
        return answer

    def _own_target(self, address: str) -> str:
        """Give the target from the host's root.

        An address of another origin or outside the service root is refused.
        Some addresses are chosen by the server (links), and each request carries the password or a token.
        """
        prefix = self.connection.prefix
        if "://" in address or address.startswith("//"):
            whole = f"{self.connection.origin}{prefix}"
            if not address.startswith((whole + "/", whole + "?")):
                raise Stop(
                    "an address outside this base was refused, because the login would go with it",
                    code="ONEC_FOREIGN_URL",
                    remedy="Find out who put a foreign address into 1C's answer or into the declaration.",
                )
            address = address.removeprefix(whole)
        address = address.removeprefix("/")
        path = address.partition("?")[0]
        if not address.isascii() or any(char <= " " or char in '\\#"<>' for char in address):
            raise bad_query("an address is not percent-encoded")
        if ".." in path.split("/") or _ACTION.search(path):
            raise bad_query(f"{query.mask(path)} must not be read by GET")
        return f"{prefix}/{address}"


def _answer(request: _Request, reply: Reply, requested_at: datetime, seconds: float) -> Answer:
    if reply.status != _OK:
        raise translate(
            reply.status, reply.body, request=request.shown, headers=reply.headers, now=requested_at
        )
    if request.sink is None:
        check_shape(reply.body, kind=request.kind, status=reply.status, request=request.shown)
    return Answer(
        body=reply.body,
        status=reply.status,
        elapsed_seconds=seconds,
        wire_bytes=reply.wire_bytes,
        requested_at=requested_at,
        request=request.shown,
    )
