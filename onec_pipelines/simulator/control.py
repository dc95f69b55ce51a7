"""The control endpoint, on a port of its own: counters, and switches that change while the simulator runs."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from onec_pipelines.simulator.http import Request, Response
from onec_pipelines.simulator.options import OptionError, change
from onec_pipelines.simulator.service import Service


class Control:
    """Answers the control requests of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handle(self, request: Request) -> Response:
        """Answer one request with JSON."""
        try:
            return _json(200, self._route(request))
        except (OptionError, ValueError) as error:
            return _json(400, {"error": str(error)})

    def _route(self, request: Request) -> Any:
        if request.path == "/stats":
            return self._stats()
        if request.path == "/options" and request.method == "GET":
            return dataclasses.asdict(self._service.options)
        if request.path == "/options":
            self._service.options = change(self._service.options, json.loads(request.body or b"{}"))
            return dataclasses.asdict(self._service.options)
        raise OptionError(f"no such control: {request.method} {request.path}")

    def _stats(self) -> dict[str, Any]:
        service = self._service
        return {
            "requests": dict(service.requests),
            "statuses": {str(status): number for status, number in service.statuses.items()},
            "sessions_started": service.sessions.started,
            "sessions_refused": service.sessions.refused,
            "sessions_open": service.sessions.open_count(),
            "sessions_most": service.sessions.longest,
            "rows_scanned": service.odata.reader.scanned,
            "cpu_seconds": round(service.times.cpu, 4),
        }


def _json(status: int, value: Any) -> Response:
    body = json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"
    return Response(status=status, body=body, headers=(("Content-Type", "application/json; charset=utf-8"),))
