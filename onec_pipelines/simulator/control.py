"""The control endpoint, on a port of its own: faults, switches that change at once, counters, true rows.

Everything is JSON. It is never delayed, never faulty and needs no password: it listens where the simulator
listens.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from onec_pipelines.simulator import urls
from onec_pipelines.simulator.answers import local_now
from onec_pipelines.simulator.errors import OdataError
from onec_pipelines.simulator.faults import ATTRIBUTES
from onec_pipelines.simulator.http import Request, Response
from onec_pipelines.simulator.living import Life
from onec_pipelines.simulator.options import change
from onec_pipelines.simulator.service import Service
from onec_pipelines.simulator.writing import Manner


class Control:
    """Answers the control requests of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._routes: dict[tuple[str, str], Callable[[list[str], Any, dict[str, str]], Any]] = {
            ("GET", ""): self._help,
            ("GET", "stats"): self._stats,
            ("DELETE", "stats"): self._reset,
            ("GET", "requests"): self._requests,
            ("GET", "options"): self._options,
            ("PATCH", "options"): self._change,
            ("POST", "options"): self._change,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._set_fault,
            ("DELETE", "faults"): self._remove_faults,
            ("GET", "tables"): self._tables,
            ("GET", "rows"): self._rows,
            ("POST", "rows"): self._write,
            ("DELETE", "rows"): self._delete,
            ("POST", "post"): self._post,
            ("POST", "unpost"): self._unpost,
            ("GET", "exchange"): self._exchange,
            ("POST", "exchange"): self._register,
            ("DELETE", "sessions"): self._drop_sessions,
            ("GET", "day"): self._kinds,
            ("POST", "day"): self._work,
            ("GET", "oracle"): self._oracle,
        }

    async def handle(self, request: Request) -> Response:
        """Answer one request with JSON: 400 with the reason for what is not understood."""
        parts = urls.decode(request.path).strip("/").split("/")
        query = {name: values[-1] for name, values in parse_qs(request.query).items()}
        route = self._routes.get((request.method, parts[0]))
        try:
            if route is None:
                return _json(
                    404,
                    {"error": f"no such control: {request.method} {request.path}", **self._help([], 0, {})},
                )
            return _json(200, route(parts[1:], json.loads(request.body or b"null"), query))
        except OdataError as error:
            return _json(400, {"error": error.message, "status": error.status, "code": error.code})
        except (ValueError, IndexError, TypeError) as error:
            return _json(400, {"error": str(error)})

    def _help(self, _parts: list[str], _body: Any, _query: dict[str, str]) -> dict[str, Any]:
        return {
            "routes": sorted(f"{method} /{name}" for method, name in self._routes),
            "fault_types": ATTRIBUTES,
        }

    def _stats(self, _parts: list[str], _body: Any, _query: dict[str, str]) -> dict[str, Any]:
        service = self._service
        return {
            "requests": dict(service.requests),
            "requests_total": sum(service.requests.values()),
            "statuses": {str(status): number for status, number in service.statuses.items()},
            "sessions_started": service.sessions.started,
            "sessions_refused": service.sessions.refused,
            "sessions_open": service.sessions.open_count(),
            "sessions_most": service.sessions.longest,
            "rows_scanned": service.odata.reader.scanner.scanned,
            "bugs": list(service.bugs),
            "cpu_seconds": round(service.times.cpu, 4),
        }

    def _reset(self, _parts: list[str], _body: Any, _query: dict[str, str]) -> dict[str, Any]:
        service = self._service
        service.requests.clear()
        service.statuses.clear()
        service.log.clear()
        service.sessions.started = service.sessions.refused = service.sessions.longest = 0
        service.odata.reader.scanner.scanned = 0
        service.times.cpu = 0.0
        return {}

    def _requests(self, _parts: list[str], _body: Any, query: dict[str, str]) -> list[str]:
        return [urls.decode(line) for line in list(self._service.log)[-int(query.get("last", "100")) :]]

    def _options(self, _parts: list[str], _body: Any, _query: dict[str, str]) -> dict[str, Any]:
        return dataclasses.asdict(self._service.options)

    def _change(self, _parts: list[str], body: Any, _query: dict[str, str]) -> dict[str, Any]:
        self._service.options = change(self._service.options, dict(body or {}))
        return dataclasses.asdict(self._service.options)

    def _faults(self, _parts: list[str], _body: Any, _query: dict[str, str]) -> list[dict[str, Any]]:
        return [dataclasses.asdict(fault) for fault in self._service.faults.listed()]

    def _set_fault(self, _parts: list[str], body: Any, _query: dict[str, str]) -> Any:
        if isinstance(body, list):
            return [dataclasses.asdict(self._service.faults.set(one)) for one in body]
        return dataclasses.asdict(self._service.faults.set(body or {}))

    def _remove_faults(self, parts: list[str], _body: Any, _query: dict[str, str]) -> dict[str, Any]:
        if not parts:
            self._service.faults.clear()
            return {"removed": "all"}
        if not self._service.faults.remove(parts[0]):
            raise ValueError(f"no fault {parts[0]!r}")
        return {"removed": parts[0]}

    def _tables(self, _parts: list[str], _body: Any, _query: dict[str, str]) -> list[str]:
        return list(self._service.base.shape.sets)

    def _rows(self, parts: list[str], _body: Any, query: dict[str, str]) -> dict[str, Any]:
        """Rows as they truly are, without faults, rights or formats: what a test compares its result with."""
        table = self._service.base.table(parts[0])
        start, size = int(query.get("skip", "0")), int(query.get("top", "1000"))
        rows = table.rows(start, start + size)
        return {"count": len(table), "rows": [table.meta.complete(row) for row in rows]}

    def _manner(self) -> Manner:
        return Manner(now=local_now(), stock_control=self._service.options.stock_control)

    def _write(self, parts: list[str], body: Any, _query: dict[str, str]) -> Any:
        """Create a row, or change the one whose key the address names, as a user of 1C would."""
        writer = self._service.writes.writer
        if len(parts) > 1:
            return writer.update(parts[0], tuple(parts[1:]), dict(body), self._manner())
        return writer.create(parts[0], dict(body), self._manner())

    def _delete(self, parts: list[str], _body: Any, _query: dict[str, str]) -> dict[str, Any]:
        self._service.writes.writer.delete(parts[0], tuple(parts[1:]), self._manner())
        return {"deleted": parts[1:]}

    def _post(self, parts: list[str], _body: Any, _query: dict[str, str]) -> Any:
        return self._service.writes.writer.post(parts[0], tuple(parts[1:]), self._manner())

    def _unpost(self, parts: list[str], _body: Any, _query: dict[str, str]) -> Any:
        return self._service.writes.writer.unpost(parts[0], tuple(parts[1:]), self._manner())

    def _exchange(self, _parts: list[str], _body: Any, _query: dict[str, str]) -> dict[str, int]:
        return self._service.writes.exchange.sizes()

    def _register(self, parts: list[str], _body: Any, _query: dict[str, str]) -> dict[str, int]:
        return {"registered": self._service.writes.exchange.register_all(parts[0])}

    def _life(self) -> Life:
        if self._service.life is None:
            self._service.life = Life(self._service.base, self._service.writes.writer, self._manner())
        return self._service.life

    def _kinds(self, _parts: list[str], _body: Any, _query: dict[str, str]) -> dict[str, Any]:
        return {"next": self._life().number, "kinds": self._life().kinds}

    def _work(self, _parts: list[str], body: Any, _query: dict[str, str]) -> list[dict[str, Any]]:
        """The next steps of the shop's day: `{"steps": 100}`, all of one `kind`, of another `seed` if given."""
        wish = dict(body or {})
        seed = int(wish.get("seed") or 0)
        done = self._life().work(int(wish.get("steps", 1)), kind=wish.get("kind"), seed=seed)
        self._service.writes.states.settle("")
        return done

    def _oracle(self, parts: list[str], _body: Any, _query: dict[str, str]) -> Any:
        """The true state, told straight from the rows: what a shop database must equal."""
        oracle = self._life().oracle
        return oracle.tell(parts[0]) if parts else {"topics": oracle.topics}

    def _drop_sessions(self, _parts: list[str], _body: Any, _query: dict[str, str]) -> dict[str, int]:
        self._service.sessions.drop_all()
        return {"open": self._service.sessions.open_count()}


def _json(status: int, value: Any) -> Response:
    body = json.dumps(value, ensure_ascii=False, indent=1, default=_plain).encode() + b"\n"
    return Response(status=status, body=body, headers=(("Content-Type", "application/json; charset=utf-8"),))


def _plain(value: Any) -> Any:
    """Decimals as text, so that no digit is lost."""
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} cannot be JSON")
