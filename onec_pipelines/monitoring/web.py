"""`/dashboard`, `/audits/`, `/health…` and `/metrics` as a web application that only reads.

Figures come from the views, words from the catalogues. Without a token it answers only to names of this machine, so that a web page
elsewhere cannot read it through a name that leads here.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from onec_pipelines.db.engine import Database
from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger import health as figures
from onec_pipelines.monitoring import dashboard, metrics, words
from onec_pipelines.monitoring.audit_pages import page_of
from onec_pipelines.monitoring.dashboard import View
from onec_pipelines.monitoring.expectations.data_docs import PREFIX
from onec_pipelines.monitoring.health import Policy, Reason, as_document, level, read_or_reason, reasons_of

LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
# Great Expectations' pages have styles and pictures of their own beside them, and no script that they need.
_DOCS_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
)
_ASK = {"www-authenticate": 'Basic realm="onec", charset="UTF-8"', **_HEADERS}


class Site:
    """The pages of one base. `token` empty: no login; `home` holds the Data Docs of audits."""

    def __init__(
        self,
        database: Database,
        *,
        system_name: str,
        view: View,
        home: Path,
        token: str = "",
    ) -> None:
        self._home = home
        self._database = database
        self._system_name = system_name
        self._view = view
        self._token = token

    @property
    def policy(self) -> Policy:
        """What counts as healthy."""
        return self._view.policy

    def routes(self, *, with_health: bool = True) -> list[Route]:
        """The routes; without `/health` itself for an application that has its own."""
        found = [
            Route("/dashboard", self._dashboard, methods=["GET"]),
            Route(f"/{PREFIX}", _to_audits, methods=["GET"]),
            Route(f"/{PREFIX}/{{asked:path}}", self._audit, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
            Route("/health/live", self._live, methods=["GET"]),
            Route("/health/ready", self._ready, methods=["GET"]),
        ]
        if with_health:
            found += [
                Route("/health", self._ready, methods=["GET"]),
                Route("/", _to_dashboard, methods=["GET"]),
            ]
        return found

    async def _live(self, _request: Request) -> Response:
        return _json({"status": "ok"}, 200)

    async def _ready(self, request: Request) -> Response:
        document = await run_in_threadpool(self._judged)
        status = 503 if document["status"] == "down" else 200
        if not self._may(request):
            # Whoever routes traffic needs the verdict; what is wrong is for those who may know.
            return _json({"status": document["status"]}, status)
        return _json(document, status)

    async def _metrics(self, request: Request) -> Response:
        if not self._may(request):
            return Response(b"", 401, _ASK)
        text = await run_in_threadpool(self._exposed)
        return Response(text, 200, {**_HEADERS, "content-type": metrics.CONTENT_TYPE})

    async def _dashboard(self, request: Request) -> Response:
        if not self._may(request):
            return Response(b"", 401, _ASK)
        language = words.chosen(request.query_params.get("lang"), request.headers.get("accept-language"))
        text, status = await run_in_threadpool(self._page, language)
        headers = {
            **_HEADERS,
            "content-type": "text/html; charset=utf-8",
            "content-language": language,
            "vary": "accept-language",
        }
        return Response(text, status, headers)

    async def _audit(self, request: Request) -> Response:
        if not self._may(request):
            return Response(b"", 401, _ASK)
        found = await run_in_threadpool(page_of, self._home, request.path_params["asked"])
        if found is None:
            return Response(
                "There is no such page.", 404, {**_HEADERS, "content-type": "text/plain; charset=utf-8"}
            )
        file, kind = found
        headers = {**_HEADERS, "content-type": kind, "content-security-policy": _DOCS_POLICY}
        return Response(await run_in_threadpool(file.read_bytes), 200, headers)

    def _page(self, language: words.Language) -> tuple[str, int]:
        view = View(
            language=language,
            zone=self._view.zone,
            policy=self._view.policy,
            page_rows=self._view.page_rows,
            max_sessions=self._view.max_sessions,
        )
        try:
            return dashboard.page(self._database, self._system_name, view, home=self._home), 200
        except PipelineError as error:
            code = "MIGRATIONS_PENDING" if error.code == "DB_SCHEMA" else error.code
            return dashboard.failure_page(Reason(code=code, down=True, entity="", figures={}), language), 503

    def _judged(self) -> dict[str, Any]:
        return judged(self._database, self._system_name, self.policy)

    def _exposed(self) -> str:
        try:
            found = figures.read(self._database, self._system_name)
            totals = figures.call_totals(self._database, self._system_name)
        except PipelineError:
            return metrics.expose(metrics.nothing())
        return metrics.expose(metrics.metrics_of(found, totals, self.policy))

    def _may(self, request: Request) -> bool:
        if not self._token:
            return True
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            given = _password(given)
        elif kind.lower() != "bearer":
            given = ""
        return secrets.compare_digest(given.strip().encode(), self._token.encode())


def build_app(site: Site, *, hosts: Sequence[str] = LOCAL_NAMES) -> Starlette:
    """The application; `hosts` are the names it answers to, `*` for all."""
    return Starlette(
        routes=site.routes(),
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)],
    )


def judged(database: Database, system_name: str, policy: Policy) -> dict[str, Any]:
    """The verdict with its reasons: what `/health` answers."""
    found = read_or_reason(database, system_name)
    reasons = [found] if isinstance(found, Reason) else reasons_of(found, policy)
    return {
        "status": level(reasons),
        "system": system_name,
        "reasons": [as_document(reason) for reason in reasons],
    }


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


async def _to_audits(_request: Request) -> Response:
    return RedirectResponse(f"/{PREFIX}/", 307)


async def _to_dashboard(_request: Request) -> Response:
    return RedirectResponse("/dashboard", 307)


def _json(document: dict[str, Any], status: int) -> Response:
    return Response(
        json.dumps(document, ensure_ascii=False, default=str),
        status,
        {**_HEADERS, "content-type": "application/json"},
    )
