"""Atom feeds and entries → rows of the same shape that the JSON form gives (PROTOCOL §2.3, §7.1).

Sets, single entities, change packets. Only reads; what a tombstone or an emptied record set means is
decided above. Values that do not fit their type stay texts, so that the validation names them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from onec_pipelines.onec.connection import MEBIBYTE
from onec_pipelines.onec.metadata_model import NAMESPACE, Metadata, RowType, collection_of
from onec_pipelines.onec.xml_reader import pieces_of, read_xml

_ATOM = "{http://www.w3.org/2005/Atom}"
_TOMBSTONE = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
_M = "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}"
_NUMBERS = frozenset({"Edm.Double", "Edm.Decimal", "Edm.Single"})
_SMALL_INTEGERS = frozenset({"Edm.Int16", "Edm.Int32", "Edm.Byte", "Edm.SByte"})
_ADDRESS = re.compile(r"([^/()]+)\((.*)\)$", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class AtomEntry:
    """One object or record set (`entry`), or the news that an object is gone (`deleted`, with an empty row).

    `type_name` is without the namespace; `key` is the text between the brackets of the id, decoded. `row`
    has the shape of JSON parsed with `parse_float=Decimal`: Int64 stay texts, numbers are Decimal, sections
    are lists of dicts, null is None. Properties that the metadata does not know are texts.
    """

    kind: Literal["entry", "deleted"]
    type_name: str
    key: str
    row: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AtomFeed:
    """A whole feed; `count` is the total of `$inlinecount=allpages` when it was asked for."""

    entries: tuple[AtomEntry, ...]
    count: int | None


def read_feed(source: Path | bytes, metadata: Metadata, *, max_bytes: int = 64 * MEBIBYTE) -> AtomFeed:
    """Read a feed or a single entry whole. What is not whole, plain XML raises RetryLater ONEC_BAD_ANSWER."""
    target = _Atom(metadata)
    for _ in read_xml(pieces_of(source), target, what="an Atom answer", max_bytes=max_bytes):
        pass
    return AtomFeed(entries=tuple(target.ready), count=target.count)


def iter_entries(
    pieces: Iterable[bytes], metadata: Metadata, *, max_bytes: int = 1024 * MEBIBYTE
) -> Iterator[AtomEntry]:
    """Give the entries of a feed as they come in, in bounded memory.

    Change packets are one document of any size (PROTOCOL §7.1).
    """
    target = _Atom(metadata)
    for _ in read_xml(pieces, target, what="an Atom answer", max_bytes=max_bytes):
        ready, target.ready = target.ready, []
        yield from ready


@dataclass(kw_only=True)
class _Frame:
    """One open element inside `m:properties`: a scalar until its type says otherwise."""

    name: str
    edm_type: str
    row_type: RowType | None = None  # set for anything that holds named properties
    fields: dict[str, Any] | None = None
    items: list[Any] | None = None
    is_null: bool = False
    texts: list[str] = field(default_factory=list)


class _Atom:
    """Parser target. Outside `m:properties` only category, id, count and tombstones matter."""

    def __init__(self, metadata: Metadata) -> None:
        self.ready: list[AtomEntry] = []
        self.count: int | None = None
        self._metadata = metadata
        self._frames: list[_Frame] = []
        self._type_name = ""
        self._id = ""
        self._row: dict[str, Any] = {}
        self._text: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._frames:
            self._frames.append(self._property(tag, attributes))
        elif tag == _M + "properties":
            row_type = self._metadata.row_type(self._type_name)
            self._frames.append(_Frame(name="", edm_type="", row_type=row_type, fields={}))
        elif tag == _ATOM + "entry":
            self._type_name, self._id, self._row = "", "", {}
        elif tag == _ATOM + "category":
            self._type_name = attributes.get("term", "").removeprefix(NAMESPACE)
        elif tag in {_ATOM + "id", _M + "count"}:
            self._text = []
        elif tag == _TOMBSTONE:
            self.ready.append(_entry("deleted", "", attributes.get("ref", ""), {}))

    def end(self, tag: str) -> None:
        if self._frames:
            self._close_frame()
        elif tag == _ATOM + "entry":
            self.ready.append(_entry("entry", self._type_name, self._id, self._row))
        elif tag == _ATOM + "id":
            self._id = self._taken_text()
        elif tag == _M + "count":
            text = self._taken_text()
            self.count = int(text) if text.isascii() and text.isdigit() else None

    def data(self, text: str) -> None:
        if self._frames:
            self._frames[-1].texts.append(text)
        elif self._text is not None:
            self._text.append(text)

    def _taken_text(self) -> str:
        text, self._text = "".join(self._text or ()).strip(), None
        return text

    def _property(self, tag: str, attributes: dict[str, str]) -> _Frame:
        name = tag.rpartition("}")[2]
        parent = self._frames[-1]
        edm_type = attributes.get(_M + "type") or _declared(parent, name)
        frame = _Frame(name=name, edm_type=edm_type, is_null=attributes.get(_M + "null") == "true")
        if collection_of(edm_type) is not None:
            frame.items = []
        elif edm_type.startswith(NAMESPACE):
            frame.row_type = self._metadata.row_type(edm_type)
            frame.fields = {}
        return frame

    def _close_frame(self) -> None:
        frame = self._frames.pop()
        value = _value(frame)
        if not self._frames:
            self._row = value if isinstance(value, dict) else {}
            return
        parent = self._frames[-1]
        if parent.items is not None:
            parent.items.append(value)
        elif parent.fields is not None:
            parent.fields[frame.name] = value


def _declared(parent: _Frame, name: str) -> str:
    if parent.items is not None:
        inner = collection_of(parent.edm_type) or ""
        return inner if inner.startswith("Edm.") else NAMESPACE + inner
    declared = parent.row_type.properties.get(name) if parent.row_type else None
    return declared.edm_type if declared else "Edm.String"


def _value(frame: _Frame) -> Any:
    if frame.is_null:
        return None
    if frame.items is not None:
        return frame.items
    if frame.fields is not None:
        return frame.fields
    return scalar("".join(frame.texts), frame.edm_type)


def scalar(text: str, edm_type: str) -> Any:
    """A value of this Edm type; what does not fit it stays a text, so that the validation names it."""
    if edm_type == "Edm.Boolean":
        return {"true": True, "false": False}.get(text, text)
    if edm_type in _SMALL_INTEGERS and re.fullmatch(r"-?[0-9]{1,10}", text):
        return int(text)
    if edm_type in _NUMBERS:
        try:
            return Decimal(text)
        except InvalidOperation:
            return text
    return text


def _entry(kind: Literal["entry", "deleted"], type_name: str, address: str, row: dict[str, Any]) -> AtomEntry:
    found = _ADDRESS.search(unquote(address))
    return AtomEntry(
        kind=kind,
        type_name=type_name or (found[1] if found else ""),
        key=found[2] if found else "",
        row=row,
    )
