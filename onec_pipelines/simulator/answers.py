"""From results to HTTP answers: negotiation of the format, headers, BOM, streaming of large sets (PROTOCOL §2.1).

Does not know where rows come from.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import formatdate
from typing import Any

from onec_pipelines.simulator import atom_format, json_format
from onec_pipelines.simulator.columns import Columns, row_columns
from onec_pipelines.simulator.errors import BOM, OdataError, atom_body, json_body
from onec_pipelines.simulator.http import Request, Response
from onec_pipelines.simulator.kinds import TypeMeta
from onec_pipelines.simulator.options import Options
from onec_pipelines.simulator.reading import Page
from onec_pipelines.simulator.source import Row

_STREAMED = 2000
_VERSION = ("DataServiceVersion", "3.0")
_LEVELS = {"odata=nometadata": "none", "odata=minimalmetadata": "minimal", "odata=fullmetadata": "full"}


@dataclass(frozen=True, kw_only=True)
class Format:
    """What the client gets: json or atom; `level` is how much `odata.*` the JSON carries."""

    json: bool
    level: str = "minimal"


def negotiate(request: Request, query: dict[str, str], options: Options) -> Format:
    """The format of the answer; raises OdataError 406 code 3 for an unknown `$format`."""
    wish = query.get("$format")
    if wish is None and options.accept == "honour":
        wish = request.headers.get("accept", "")
        return _format(wish) if "json" in wish and "atom" not in wish else Format(json=False)
    if wish is None:
        return Format(json=False)
    if wish.lower() in {"atom", "xml"} or "atom" in wish or "xml" in wish:
        return Format(json=False)
    if "json" not in wish:
        raise OdataError(406, "3", "Запрошенный тип представления не поддерживается")
    return _format(wish)


def _format(wish: str) -> Format:
    level = next((value for name, value in _LEVELS.items() if name in wish.replace(" ", "")), "minimal")
    return Format(json=True, level=level)


def local_now(skew: float = 0.0) -> str:
    """The wall clock of the infobase, with seconds and no zone."""
    return (datetime.now().astimezone() + timedelta(seconds=skew)).strftime("%Y-%m-%dT%H:%M:%S")


def http_now(skew: float = 0.0) -> str:
    """The same moment as web servers put it into the header Date."""
    return formatdate(time.time() + skew, usegmt=True)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Makes answers for one request; `root` is the service root that addresses name."""

    root: str
    format: Format
    options: Options
    moment: str

    def _address(self, fragment: str) -> str | None:
        return None if self.format.level == "none" else f"{self.root}/$metadata#{fragment}"

    def _headers(self, kind: str = "") -> tuple[tuple[str, str], ...]:
        if self.format.json:
            return (("Content-Type", f"application/json;charset={self.options.charset}"), _VERSION)
        return (("Content-Type", f"application/atom+xml{kind};charset=utf-8"), _VERSION)

    def _bom(self, *answers: str) -> bytes:
        """A BOM, if answers of this kind have one: bodies of real errors were seen with it and without."""
        return BOM if self.options.bom == "always" or self.options.bom in answers else b""

    def rows(self, page: Page, columns: Columns, *, set_name: str) -> Response:
        """A set; large ones are streamed."""
        if page.size > _STREAMED:
            return Response(
                status=200, body=self._stream(page, columns, set_name), headers=self._headers(";type=feed")
            )
        parts = list(self._parts(page, columns, set_name))
        return Response(status=200, body="".join(parts).encode(), headers=self._headers(";type=feed"))

    async def _stream(self, page: Page, columns: Columns, set_name: str) -> AsyncGenerator[bytes, None]:
        for part in self._parts(page, columns, set_name):
            yield part.encode()
            await asyncio.sleep(0)

    def _parts(self, page: Page, columns: Columns, set_name: str) -> Iterator[str]:
        if self.format.json:
            printer = json_format.RowPrinter(
                columns, links=self.format.level != "none", types=self.format.level == "full"
            )
            yield self._bom().decode() + json_format.set_head(self._address(set_name), page.count)
            glue = ""
            for rows in page.chunks():
                yield glue + ",".join(printer.rows(rows))
                glue = ","
            yield json_format.SET_TAIL
            return
        entries = atom_format.EntryPrinter(columns, root=self.root, moment=self.moment)
        yield self._bom().decode() + atom_format.feed_head(self.root)
        for rows in page.chunks():
            yield "".join(entries.entry(row) for row in rows)
        yield atom_format.feed_tail(page.count)

    def single(
        self, row: Row, columns: Columns, *, set_name: str, status: int = 200, location: str = ""
    ) -> Response:
        """One entity; `location` is added as the raw UTF-8 that 1C sends (PROTOCOL §4.1)."""
        if self.format.json:
            level = self.format.level
            printer = json_format.RowPrinter(columns, links=level != "none", types=level == "full")
            body = json_format.single(self._address(f"{set_name}/@Element"), printer.members(row))
        else:
            body = atom_format.EntryPrinter(columns, root=self.root, moment=self.moment).entry(
                row, declare=True
            )
        headers = self._headers(";type=entry")
        if location:
            headers = (*headers, ("Location", location))
        return Response(status=status, body=self._bom() + body.encode(), headers=headers)

    def count(self, number: int) -> Response:
        """A bare number, with a BOM (PROTOCOL §12)."""
        body = self._bom("genuine", "errors") + str(number).encode()
        return Response(
            status=200, body=body, headers=(("Content-Type", "text/plain;charset=utf-8"), _VERSION)
        )

    def text(self, text: str, content_type: str) -> Response:
        """A document that is neither a set nor an entity."""
        return Response(status=200, body=text.encode(), headers=(("Content-Type", content_type), _VERSION))

    def property(self, meta: TypeMeta, name: str, value: Any, *, raw: bool) -> Response:
        """One property of an entity; `raw` is `/$value`."""
        if raw:
            body = self._bom("genuine", "errors") + atom_format.scalar(meta, name, value).encode()
            return Response(
                status=200, body=body, headers=(("Content-Type", "text/plain;charset=utf-8"), _VERSION)
            )
        section = meta.section(name)
        if not self.format.json:
            text = atom_format.property_document(meta, name, value)
            return self.text(text, "application/xml;charset=utf-8")
        if section is not None:
            printed = json_format.RowPrinter(row_columns(section, owner=False)).section(value, {})
        else:
            printed = json_format.value(meta, name, value)
        body_text = json_format.single(self._address(f"{meta.name}/{name}"), f'"value": {printed}')
        return Response(status=200, body=self._bom() + body_text.encode(), headers=self._headers())

    def stream(self, row: Row, name: str) -> Response:
        """The bytes of a value storage (`/$value`)."""
        text = "".join(str(row.get(f"{name}_Base64Data") or "").split())
        content = str(row.get(f"{name}_Type") or "application/octet-stream")
        return Response(
            status=200, body=base64.b64decode(text), headers=(("Content-Type", content), _VERSION)
        )

    def service(self, names: list[str]) -> Response:
        """The service document."""
        if self.format.json:
            return Response(
                status=200,
                body=json_format.service_document(self.root, names).encode(),
                headers=self._headers(),
            )
        return self.text(
            atom_format.service_document(self.root, names), "application/atomsvc+xml;charset=utf-8"
        )

    def error(self, error: OdataError) -> Response:
        """A refusal in the requested format."""
        body = json_body(error) if self.format.json else atom_body(error)
        content = "application/json" if self.format.json else "application/xml"
        headers = (("Content-Type", f"{content};charset=utf-8"), _VERSION)
        return Response(status=error.status, body=self._bom("errors") + body, headers=headers)
