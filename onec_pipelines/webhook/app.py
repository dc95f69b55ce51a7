"""The web application: one address for events, one for health, one that describes both. Every answer is fixed text.

The order is the promise: cap and deadline → signature over the raw bytes → parsing → stored and committed → answer. A body never
reaches a log or an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger.inbox import InboxWriter, Message
from onec_pipelines.steps.failpoints import reach
from onec_pipelines.webhook.body import Gone, TooLarge, TooSlow, read_body
from onec_pipelines.webhook.events import BadEvent, parse
from onec_pipelines.webhook.group_commit import GroupCommit, Unavailable
from onec_pipelines.webhook.openapi import DOCUMENT
from onec_pipelines.webhook.signature import BadSignature, Secrets, Verified, verify

PATH = "/webhooks/1c"
RETRY_AFTER_SECONDS = 5
_LOG = logging.getLogger(__name__)
_JSON = {"content-type": "application/json"}
# The rest of a request that was not read to its end would be taken for the next one.
_CLOSE = {**_JSON, "connection": "close"}
_AGAIN = {**_JSON, "retry-after": str(RETRY_AFTER_SECONDS)}


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """A fixed answer, and the name under which it is counted."""

    counted: str
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: _JSON)


_ACCEPTED = _Answer(counted="accepted", status=202, body=b'{"status":"accepted"}')
_DUPLICATE = _Answer(counted="duplicate", status=200, body=b'{"status":"duplicate"}')
_NOT_UNDERSTOOD = _Answer(counted="not_understood", status=400, body=b'{"error":"bad_request"}')
_UNAUTHORIZED = _Answer(counted="refused", status=401, body=b'{"error":"unauthorized"}')
_ANSWERS: dict[type[Exception], _Answer] = {
    TooLarge: _Answer(counted="too_large", status=413, body=b'{"error":"too_large"}', headers=_CLOSE),
    TooSlow: _Answer(counted="too_slow", status=408, body=b'{"error":"too_slow"}', headers=_CLOSE),
    Gone: _Answer(counted="hung_up", status=400, headers=_CLOSE),
    Unavailable: _Answer(counted="unavailable", status=503, body=b'{"error":"try_later"}', headers=_AGAIN),
}
_HEALTH_SECONDS = 2.0
_SKEW_LOG_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How the receiver judges: who may sign, how far clocks may differ, which clock is ours."""

    secrets: Secrets
    tolerance_seconds: int = 300
    keep_days: int = 14
    clock: Callable[[], float] = time.time
    body_deadline_seconds: float = 5.0


def build_app(
    writer: InboxWriter,
    policy: Policy,
    *,
    on_stored: Callable[[Sequence[Message]], None] = lambda _messages: None,
    more_routes: Sequence[Route] = (),
) -> Starlette:
    """The application; its lifespan runs the group commit. `on_stored` gets the messages that were new, after their commit.

    `more_routes` are served by the same process; they must not hold it up.
    """
    endpoint = _Endpoint(writer, policy, on_stored)
    return Starlette(
        routes=[
            Route(PATH, endpoint.receive, methods=["POST"]),
            Route("/health", endpoint.health, methods=["GET"]),
            Route("/openapi.json", _describe, methods=["GET"]),
            *more_routes,
        ],
        lifespan=endpoint.lifespan,
    )


class _Endpoint:
    def __init__(
        self, writer: InboxWriter, policy: Policy, on_stored: Callable[[Sequence[Message]], None]
    ) -> None:
        self._writer = writer
        self._policy = policy
        self._on_stored = on_stored
        self._told_skew = 0.0

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._commit = GroupCommit(self._writer, keep_days=self._policy.keep_days, on_stored=self._on_stored)
        task = asyncio.create_task(self._commit.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def receive(self, request: Request) -> Response:
        try:
            body = await read_body(request, deadline_seconds=self._policy.body_deadline_seconds)
            return await self._stored(parse(body, self._verified(request, body)))
        except BadSignature as bad:
            return self._refused(bad)
        except BadEvent as bad:
            _LOG.warning("webhook_not_understood: %s", bad)
            return self._answer(_NOT_UNDERSTOOD)
        except (TooLarge, TooSlow, Gone, Unavailable) as error:
            return self._answer(_ANSWERS[type(error)])

    async def health(self, _request: Request) -> Response:
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                await self._writer.ping()
        except (PipelineError, TimeoutError):
            return Response(b'{"status":"down","database":"down"}', 503, _AGAIN)
        return Response(b'{"status":"ok","database":"ok"}', 200, _JSON)

    def _verified(self, request: Request, body: bytes) -> Verified:
        given = dict(request.headers.raw)
        verified = verify(
            msg_id=given.get(b"webhook-id"),
            timestamp=given.get(b"webhook-timestamp"),
            signatures=given.get(b"webhook-signature"),
            body=body,
            secrets=self._policy.secrets,
            now=self._policy.clock(),
            tolerance=self._policy.tolerance_seconds,
        )
        # An old secret whose count stays where it is may go.
        self._commit.note(f"secret_{verified.secret + 1}")
        return verified

    async def _stored(self, message: Message) -> Response:
        reach("webhook_received")
        is_new = await self._commit.store(message)
        reach("webhook_stored")
        if not is_new:
            return self._answer(_DUPLICATE)
        if not message.known:
            self._commit.note("unknown_type")
        return self._answer(_ACCEPTED)

    def _refused(self, bad: BadSignature) -> Response:
        if bad.skew is not None:
            self._tell_skew(bad.skew)
        self._commit.note(f"refused_{bad.reason}")
        return self._answer(_UNAUTHORIZED)

    def _tell_skew(self, seconds: int) -> None:
        now = time.monotonic()
        if not self._told_skew or now - self._told_skew > _SKEW_LOG_SECONDS:
            self._told_skew = now
            _LOG.warning(
                "webhook_clock_skew: a good signature is %d s old; replayed, or a clock is wrong", seconds
            )

    def _answer(self, answer: _Answer) -> Response:
        self._commit.note(answer.counted)
        return Response(answer.body, answer.status, answer.headers)


async def _describe(_request: Request) -> Response:
    return Response(DOCUMENT, 200, _JSON)
