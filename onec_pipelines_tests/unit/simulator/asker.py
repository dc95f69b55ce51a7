"""A simulated base called directly, without sockets: what it answers to one request after another."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from onec_pipelines.simulator import assemble
from onec_pipelines.simulator.http import Request
from onec_pipelines.simulator.options import build
from onec_pipelines.simulator.service import Service

ROOT = "/ut/odata/standard.odata"
ORDER = "Document_ЗаказКлиента"
GOODS = "Catalog_Номенклатура"
_SAFE = "/()'=,$"


@dataclass(frozen=True, repr=False)  # asyncio.run prints its result: megabytes of body would cost seconds
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8-sig")

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.json["value"]

    @property
    def error(self) -> tuple[int, str, str]:
        found = self.json["odata.error"]
        return self.status, found["code"], found["message"]["value"]

    @property
    def xml(self) -> ET.Element:
        return ET.fromstring(self.text)  # noqa: S314 - our own answer


class Asker:
    """Asks one service."""

    def __init__(self, **options: Any) -> None:
        made = build({"products": 40, "seed": 5, **options})
        self.service = Service(assemble.build(made), made)

    def __call__(
        self, path: str, query: str = "$format=json", *, method: str = "GET", body: Any = None, **headers: str
    ) -> Answer:
        user = base64.b64encode(
            f"{self.service.options.user}:{self.service.options.password}".encode()
        ).decode()
        more = {name if "-" in name else name.replace("_", "-"): value for name, value in headers.items()}
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        request = Request(
            method=method,
            path=f"{ROOT}/{quote(path, safe=_SAFE)}" if path else ROOT,
            query=quote(query, safe="$&=,'()/:*+%"),
            headers={"authorization": f"Basic {user}", "host": "srv", **more},
            body=sent,
        )
        return asyncio.run(self._handle(request))

    async def _handle(self, request: Request) -> Answer:
        response = await self.service.handle(request)
        body = response.body
        if not isinstance(body, bytes):
            body = b"".join([chunk async for chunk in body])
        if response.finish is not None:
            await response.finish()
        assert not self.service.bugs, self.service.bugs[0]
        return Answer(response.status, dict(response.headers), body)

    def post(self, path: str, body: Any, query: str = "$format=json", **headers: str) -> Answer:
        return self(path, query, method="POST", body=body, **headers)

    def patch(self, path: str, body: Any, query: str = "$format=json", **headers: str) -> Answer:
        return self(path, query, method="PATCH", body=body, **headers)

    def first(self, name: str, query: str = "") -> dict[str, Any]:
        """The first row of a set."""
        return self(name, f"$format=json&$top=1{query}").rows[0]

    def order(self, **changes: Any) -> dict[str, Any]:
        """A body of an order that can be posted: the head and the first line of a generated one."""
        found = next(row for row in self(ORDER).rows if row["Товары"] and row["Posted"])
        head = (
            "Партнер_Key",
            "Контрагент_Key",
            "Организация_Key",
            "Соглашение_Key",
            "Валюта_Key",
            "Склад_Key",
        )
        line = {name: value for name, value in found["Товары"][0].items() if name != "Ref_Key"}
        body = {"Date": "2026-06-14T10:00:00", "Статус": "КОбеспечению", "СуммаДокумента": 100}
        return {**body, **{name: found[name] for name in head}, "Товары": [line], **changes}
