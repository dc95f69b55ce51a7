"""One published base behind its web server: who may enter, what it costs, what is counted.

Order of things: faults, web server, login, maintenance, session, the request itself, latency.
"""

from __future__ import annotations

import asyncio
import gzip
import time
import traceback
from collections import Counter, deque
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from onec_pipelines.simulator import errors, tokens, urls
from onec_pipelines.simulator.answers import Answers, Format, http_now, local_now, negotiate
from onec_pipelines.simulator.base import Base
from onec_pipelines.simulator.errors import HostError, OdataError
from onec_pipelines.simulator.faults import Faults, Plan
from onec_pipelines.simulator.http import Disconnect, Request, Response
from onec_pipelines.simulator.living import Life
from onec_pipelines.simulator.odata import Ask, Done, OData
from onec_pipelines.simulator.options import Options
from onec_pipelines.simulator.query import QueryError
from onec_pipelines.simulator.replay import Replayer, load
from onec_pipelines.simulator.sessions import Sessions
from onec_pipelines.simulator.writes import Writes
from onec_pipelines.simulator.writing import Manner

_LIMITS = {"apache": 8190, "nginx": 8192, "iis": 16384, "none": 1 << 20}
_IIS_QUERY = 2048
_IIS_SEGMENT = 260
_LOGGED = 10_000


@dataclass(kw_only=True)
class Times:
    """What the server spent, in seconds of its own CPU."""

    cpu: float = 0.0


class Service:
    """Handles the requests of one publication. `options` may be replaced while it runs."""

    def __init__(self, base: Base, options: Options) -> None:
        self.base = base
        self.options = options
        self.odata = OData(base)
        self.writes = Writes(self.odata, options)
        self.life: Life | None = None
        if options.day:
            self.life = Life(
                base, self.writes.writer, Manner(now=local_now(), stock_control=options.stock_control)
            )
            self.life.work(options.day)
        self.sessions = Sessions()
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.times = Times()
        self.faults = Faults(options.seed)
        lines = Path(options.replay).read_text("utf-8").splitlines() if options.replay else []
        self._replayer = Replayer(load(lines)) if options.replay else None
        self.bugs: deque[str] = deque(maxlen=20)
        self.log: deque[str] = deque(maxlen=_LOGGED)

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        plan = self.faults.plan(request)
        self.log.append(f"{request.method} {request.path}{f'?{request.query}' if request.query else ''}")
        if plan.latency:
            await asyncio.sleep(plan.latency)
        if plan.hang is not None:
            await asyncio.sleep(plan.hang)
        if plan.reset_before or plan.hang is not None:
            raise Disconnect
        response = plan.answer or await self._safely(request, plan)
        self.statuses[response.status] += 1
        if plan.reset_after:
            await _drain(response)
            raise Disconnect
        return self._spoil(self._finish(request, response), plan)

    async def _safely(self, request: Request, plan: Plan) -> Response:
        try:
            return await self._host(request, plan)
        except HostError as refusal:
            headers = (("Content-Type", refusal.content_type), *refusal.headers)
            return Response(status=refusal.status, body=refusal.body, headers=headers)

    def _spoil(self, response: Response, plan: Plan) -> Response:
        """The answer as a faulty server sends it."""
        if plan.html:
            page = errors.html_page("Service temporarily unavailable", "The server is temporarily unable.")
            response = Response(
                status=200, body=page, headers=(("Content-Type", "text/html; charset=utf-8"),)
            )
        if plan.wrong_gzip:
            response = replace(response, headers=(*response.headers, ("Content-Encoding", "gzip")))
        return response.with_delivery(plan.delivery)

    def _finish(self, request: Request, response: Response) -> Response:
        """What the web server does to an answer on its way out."""
        if self.options.hide_errors and response.status in {404, 500}:
            page = errors.html_page(f"{response.status} - Ошибка сервера", "Ресурс недоступен.")
            response = replace(response, body=page, headers=(("Content-Type", "text/html"),))
        accepts = "gzip" in request.headers.get("accept-encoding", "")
        if self.options.gzip and accepts and isinstance(response.body, bytes) and response.body:
            headers = (*response.headers, ("Content-Encoding", "gzip"))
            response = replace(response, body=gzip.compress(response.body, 5, mtime=0), headers=headers)
        return response

    async def _host(self, request: Request, plan: Plan) -> Response:
        options = self.options
        check_limits(request, options)
        root = f"/{options.publication}/odata/standard.odata"
        path = urls.decode(request.path)
        if options.bearer and path.rstrip("/") in {"/token", f"/{options.publication}/token"}:
            return tokens.endpoint(request, options)
        if options.publication_off or not (path == root or path.startswith(f"{root}/")):
            raise HostError(
                404, errors.html_page("404 Not Found", "The requested URL was not found on this server.")
            )
        if options.version_mismatch:
            raise errors.version_mismatch()
        owner = self._login(request)
        rest = request.path[len(_raw_root(request.path, root)) :]
        if self._replayer is not None:
            return self._replayer.answer(request, rest, f"{self._public(request)}{root}")
        if options.maintenance:
            raise errors.maintenance(path)
        lease = await self.sessions.acquire(request, owner, options)
        streaming = False
        try:
            if lease.session.fresh and options.cold_start_ms:
                await asyncio.sleep(options.cold_start_ms / 1000)
            response = await self._answer(request, rest, plan)
            if not isinstance(response.body, bytes):
                streaming = True
                response = replace(response, finish=partial(self.sessions.release, lease))
        finally:
            if not streaming:
                await self.sessions.release(lease)
        if lease.set_cookie:
            response = replace(response, headers=(*response.headers, ("Set-Cookie", lease.set_cookie)))
        return response

    def _public(self, request: Request) -> str:
        return self.options.public_url or f"http://{request.headers.get('host', 'localhost')}"

    def _login(self, request: Request) -> tuple[str, str]:
        """User and password; raises HostError 401 without a 1C code (PROTOCOL §8.3)."""
        options = self.options
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic" and tokens.basic(value) == (options.user, options.password):
            return options.user, options.password
        if scheme.lower() == "bearer" and options.bearer and tokens.user_of(value, options) == options.user:
            return options.user, ""
        challenge = 'Basic realm="1C:Enterprise 8.3"'
        if scheme.lower() == "bearer" and options.bearer:
            challenge = 'Bearer error="invalid_token"'
        page = errors.html_page("401 Unauthorized", "Идентификация пользователя не выполнена.")
        raise HostError(401, page, headers=(("WWW-Authenticate", challenge),))

    async def _answer(self, request: Request, rest: str, plan: Plan) -> Response:
        options = self.options
        started = time.process_time()
        answers = Answers(
            root=f"{self._public(request)}/{options.publication}/odata/standard.odata",
            format=Format(json="json" in request.query or "json" in request.headers.get("accept", "")),
            options=options,
            moment=local_now(plan.skew),
        )
        done = Done(response=Response(status=500))
        try:
            query = urls.parse_query(request.query)
            answers = replace(answers, format=negotiate(request, query, options))
            resource = urls.parse_path(rest)
            ask = Ask(
                request=request, resource=resource, query=query, answers=answers, distortion=plan.distortion
            )
            self.requests[kind_of(ask)] += 1
            done = await self._dispatch(ask, plan)
        except OdataError as error:
            done = Done(response=answers.error(error))
        except QueryError as error:
            done = Done(response=answers.error(OdataError(error.http, error.code, error.message)))
        except Exception as error:  # noqa: BLE001 - a bug of ours looks to a client as one of 1C's, and is kept to be seen
            self.bugs.append("".join(traceback.format_exception(error)))
            done = Done(response=answers.error(errors.internal()))
        self.times.cpu += time.process_time() - started
        await self._wait(done, plan)
        return replace(done.response, headers=(*done.response.headers, ("Date", http_now(plan.skew))))

    async def _dispatch(self, ask: Ask, plan: Plan) -> Done:
        if plan.refusal is not None:
            raise OdataError(*plan.refusal)
        self.writes.states.lag_ms = self.options.state_lag_ms
        self.writes.states.settle(ask.answers.moment)
        if self.writes.wants(ask):
            return await self.writes.answer(ask, self.options)
        return await self.odata.get(ask, self.options)

    async def _wait(self, done: Done, plan: Plan) -> None:
        options = self.options
        wait = options.latency_ms + (options.row_latency_ms + plan.row_latency * 1000) * done.rows
        if done.function:
            wait += options.function_latency_ms
        if wait > 0:
            await asyncio.sleep(wait / 1000)


async def _drain(response: Response) -> None:
    """Let an answer that nobody will see be made to its end."""
    if not isinstance(response.body, bytes):
        async for _ in response.body:
            pass
    if response.finish is not None:
        await response.finish()


def _raw_root(raw_path: str, root: str) -> str:
    """The part of the still encoded path that decodes to the service root."""
    depth = root.count("/")
    return "/".join(raw_path.split("/")[: depth + 1])


def kind_of(ask: Ask) -> str:
    """What a request is counted as: its method, and for GET the set, function or document it reads."""
    segments = ask.resource.segments
    name = segments[0].name if segments else "service"
    tail = ask.resource.call.name if ask.resource.call is not None else ""
    if not tail and segments[1:]:
        tail = segments[-1].name
    key = "()" if segments and segments[0].key is not None else ""
    return f"{ask.request.method} {name}{key}{f'/{tail}' if tail else ''}"


def check_limits(request: Request, options: Options) -> None:
    """Refuse addresses that the web server in front would not pass (PROTOCOL §1.2)."""
    server = options.web_server
    line = len(request.method) + len(request.path) + len(request.query) + 12
    if server == "iis":
        unsized = "content-length" not in request.headers and "transfer-encoding" not in request.headers
        if unsized and request.method in {"POST", "PATCH", "PUT", "DELETE"}:
            raise HostError(
                411, errors.html_page("Length Required", "HTTP Error 411. The request needs a length.")
            )
        if len(request.query) > _IIS_QUERY:
            raise HostError(404, errors.html_page("404.15 - Not Found", "The query string is too long."))
        if any(len(part) > _IIS_SEGMENT for part in urls.decode(request.path).split("/")):
            raise HostError(
                400,
                errors.html_page("Bad Request - Invalid URL", "HTTP Error 400. The request URL is invalid."),
            )
    if line > _LIMITS[server]:
        raise HostError(
            414, errors.html_page("414 Request-URI Too Long", "The requested URL's length exceeds the limit.")
        )
