"""The web application: one address for events, one for health, one that describes both. Every answer is fixed text.

The order is the promise: cap and deadline → signature over the raw bytes → parsing → stored and committed → answer. A body never
reaches a log or an answer. Most events do not come by the application: `protocol.py` gives them to `Events.take` itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger.inbox import InboxWriter, Message
from onec_pipelines.steps.failpoints import reach
from onec_pipelines.webhook import answers
from onec_pipelines.webhook.answers import Answer
from onec_pipelines.webhook.body import Gone, TooLarge, TooSlow, read_body
from onec_pipelines.webhook.events import BadEvent, parse
from onec_pipelines.webhook.group_commit import GroupCommit
from onec_pipelines.webhook.openapi import DOCUMENT
from onec_pipelines.webhook.protocol import TAKE, Headers, Reply
from onec_pipelines.webhook.signature import BadSignature, Secrets, Verified, verify

PATH = "/webhooks/1c"
_LOG = logging.getLogger(__name__)
_ANSWERS: dict[type[Exception], Answer] = {
    TooLarge: answers.TOO_LARGE,
    TooSlow: answers.TOO_SLOW,
    Gone: answers.HUNG_UP,
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
    commit = GroupCommit(writer, keep_days=policy.keep_days, on_stored=on_stored)
    events = Events(commit, policy)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, object]]:
        task = asyncio.create_task(commit.run())
        try:
            yield {TAKE: (PATH.encode(), events.take)}
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def health(_request: Request) -> Response:
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                await writer.ping()
        except (PipelineError, TimeoutError):
            return _response(answers.UNHEALTHY)
        return _response(answers.HEALTHY)

    return Starlette(
        routes=[
            Route(PATH, events.receive, methods=["POST"]),
            Route("/health", health, methods=["GET"]),
            Route("/openapi.json", _describe, methods=["GET"]),
            *more_routes,
        ],
        lifespan=lifespan,
    )


class Events:
    """Judges requests and has the good ones stored."""

    def __init__(self, commit: GroupCommit, policy: Policy) -> None:
        self._commit = commit
        self._policy = policy
        self._told_skew = 0.0
        self._used_secret = [f"secret_{place + 1}" for place in range(len(policy.secrets.keys))]

    async def receive(self, request: Request) -> Response:
        """The way of a request whose body comes in pieces."""
        try:
            body = await read_body(request, deadline_seconds=self._policy.body_deadline_seconds)
        except (TooLarge, TooSlow, Gone) as error:
            answer = _ANSWERS[type(error)]
            self._commit.note(answer.counted)
            return _response(answer)
        decided: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.take(
            request.headers.raw, body, lambda answer: None if decided.done() else decided.set_result(answer)
        )
        return _response(await decided)

    def take(self, headers: Headers, body: bytes, reply: Reply) -> None:
        """Judge a whole request. `reply` is called once: now, or when the event is committed."""

        def answer(found: Answer) -> None:
            self._commit.note(found.counted)
            reply(found)

        def told(is_new: bool | None) -> None:  # noqa: FBT001 - what GroupCommit tells
            if is_new is None:
                answer(answers.UNAVAILABLE)
                return
            reach("webhook_stored")
            if is_new and not message.known:
                self._commit.note("unknown_type")
            answer(answers.ACCEPTED if is_new else answers.DUPLICATE)

        try:
            message = parse(body, self._verified(headers, body))
        except BadSignature as bad:
            self._note_refusal(bad)
            answer(answers.UNAUTHORIZED)
        except BadEvent as bad:
            _LOG.warning("webhook_not_understood: %s", bad)
            answer(answers.NOT_UNDERSTOOD)
        else:
            reach("webhook_received")
            self._commit.put(message, told)

    def _verified(self, headers: Headers, body: bytes) -> Verified:
        given = dict(headers)
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
        self._commit.note(self._used_secret[verified.secret])
        return verified

    def _note_refusal(self, bad: BadSignature) -> None:
        self._commit.note(f"refused_{bad.reason}")
        now = time.monotonic()
        if bad.skew is not None and (not self._told_skew or now - self._told_skew > _SKEW_LOG_SECONDS):
            self._told_skew = now
            _LOG.warning(
                "webhook_clock_skew: a good signature is %d s old; replayed, or a clock is wrong", bad.skew
            )


async def _describe(_request: Request) -> Response:
    return Response(DOCUMENT, 200, {"content-type": "application/json"})


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers))
