"""Where each entry of a change packet begins and ends, without reading what is in it (PROTOCOL §2.3, §7.1).

One pass of expat over a document of any size, in memory of one piece. What an entry holds is read later, by `atom.py`, from its
own bytes. XML is bounded here as in `xml_reader.py`: UTF-8, no DOCTYPE, no absurd depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote
from xml.parsers.expat import ExpatError, ParserCreate

from onec_pipelines.onec.errors import bad_answer
from onec_pipelines.onec.metadata_model import NAMESPACE
from onec_pipelines.onec.xml_reader import MAX_DEPTH

EntryKind = Literal["entry", "deleted", "emptied"]

_ATOM = "http://www.w3.org/2005/Atom "
_TOMBSTONE = "http://purl.org/atompub/tombstones/1.0 deleted-entry"
_D = "http://schemas.microsoft.com/ado/2007/08/dataservices "
_M = "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata "
_WHAT = "a packet of changes"
_ADDRESS = re.compile(r"([^/()]+)\((.*)\)$", re.DOTALL)
_GUID = re.compile(r"guid'([0-9a-fA-F-]{36})'")
# Depths: feed 1, entry 2, its id and category 3, m:properties 4, a property 5, a row of a record set 6.
_FEED, _ENTRY, _OF_ENTRY, _PROPERTIES, _PROPERTY, _SET_ROW = 1, 2, 3, 4, 5, 6
# An id or a tombstone's ref is an address; anything longer is no key.
_MAX_KEY = 2000


@dataclass(frozen=True, kw_only=True)
class IndexedEntry:
    """One entry of a packet: what it is of, and its bytes `starts_at` … `ends_at` in the document, counted from 0.

    `key` is the GUID of an object in small letters, else the text between the brackets of the id.
    `deleted` is a tombstone, `emptied` a record set without rows: its document was unposted.
    """

    kind: EntryKind
    type_name: str
    key: str
    starts_at: int
    ends_at: int


@dataclass(kw_only=True)
class PacketIndex:
    """Reads a packet; `head_bytes` is known after the first entry, or at the end.

    `entries` gives them in order as the document comes in. What is not one whole Atom feed raises RetryLater
    ONEC_BAD_ANSWER at the point where that shows, so that nothing may be kept of it before the end.
    """

    head_bytes: int = 0
    _scanner: _Scanner = field(init=False, repr=False)

    def entries(self, pieces: Iterable[bytes]) -> Iterator[IndexedEntry]:
        """Give the entries of the document that comes in pieces."""
        scanner = self._scanner = _Scanner()
        size = 0
        try:
            for piece in pieces:
                if size == 0:
                    _check_start(piece)
                size += len(piece)
                scanner.feed(piece)
                yield from scanner.taken()
            scanner.close()
        except (ExpatError, _Unusable) as error:
            raise bad_answer(f"it cannot be read as XML: {error}", request=_WHAT) from None
        yield from scanner.taken()
        self.head_bytes = scanner.head_bytes


class _Unusable(Exception):
    """The document is not what a packet is."""


class _Scanner:
    """Handlers of expat: only depth, and the few elements that name an entry."""

    def __init__(self) -> None:
        self._ready: list[IndexedEntry] = []
        self.head_bytes = 0
        self._depth = 0
        self._in_head = True
        self._begun_at: int | None = None
        self._kind: EntryKind = "entry"
        self._type_name = ""
        self._address = ""
        self._in_set = self._has_set = self._has_rows = False
        self._text: list[str] | None = None
        self._parser = ParserCreate("utf-8", " ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, piece: bytes) -> None:
        self._parser.Parse(piece, False)

    def close(self) -> None:
        self._parser.Parse(b"", True)

    def taken(self) -> list[IndexedEntry]:
        ready, self._ready = self._ready, []
        return ready

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == _PROPERTIES and name == _M + "properties" and self._is_object():
            # What is in an object is nobody's business here, and is most of a packet: each of our handlers doubles the time of the parser.
            self._parser.StartElementHandler = None
            self._parser.EndElementHandler = self._end_of_properties
        elif self._depth > _SET_ROW:
            if self._depth > MAX_DEPTH:
                raise _Unusable("it is nested too deep")
        elif self._depth == _FEED:
            if name != _ATOM + "feed":
                raise _Unusable("it is no feed")
        elif self._depth == _ENTRY:
            self._begin(name, attributes)
        elif self._depth == _OF_ENTRY:
            self._of_entry(name, attributes)
        elif self._depth == _PROPERTY:
            self._in_set = name == _D + "RecordSet"
            self._has_set |= self._in_set
        elif self._depth == _SET_ROW and self._in_set:
            self._has_rows = True

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self._flush(self._parser.CurrentByteIndex)
        if name in {_ATOM + "entry", _TOMBSTONE}:
            self._begun_at = self._parser.CurrentByteIndex
            self._kind = "entry" if name != _TOMBSTONE else "deleted"
            self._type_name, self._address = "", attributes.get("ref", "")
            self._in_set = self._has_set = self._has_rows = False
            self._in_head = False

    def _of_entry(self, name: str, attributes: dict[str, str]) -> None:
        if name == _ATOM + "category":
            self._type_name = attributes.get("term", "").removeprefix(NAMESPACE)
        elif name == _ATOM + "id" and self._kind == "entry":
            self._text = []
            self._parser.CharacterDataHandler = self._text.append

    def _is_object(self) -> bool:
        """Whether the entry is known to be no record set of a register."""
        return bool(self._type_name) and "Register_" not in self._type_name

    def _end_of_properties(self, name: str) -> None:
        if name == _M + "properties":
            self._parser.StartElementHandler = self._start
            self._parser.EndElementHandler = self._end
            self._depth -= 1

    def _end(self, _name: str) -> None:
        if self._depth == _OF_ENTRY and self._text is not None:
            self._address = "".join(self._text).strip()
            self._text = None
            self._parser.CharacterDataHandler = None
        elif self._depth == _FEED:
            self._flush(self._parser.CurrentByteIndex)
        self._depth -= 1

    def _flush(self, ends_at: int) -> None:
        """The entry before this point is over: whitespace and unknown elements after it belong to its bytes."""
        if self._in_head:
            self.head_bytes = ends_at
        if self._begun_at is None:
            return
        found = _ADDRESS.search(unquote(self._address)) if len(self._address) <= _MAX_KEY else None
        if found is None and not self._type_name:
            raise _Unusable("an entry says neither its type nor its key")
        key = found[2] if found else ""
        guid = _GUID.fullmatch(key)
        emptied = self._has_set and not self._has_rows
        self._ready.append(
            IndexedEntry(
                kind="emptied" if emptied and self._kind == "entry" else self._kind,
                type_name=self._type_name or (found[1] if found else ""),
                key=guid[1].lower() if guid else key,
                starts_at=self._begun_at,
                ends_at=ends_at,
            )
        )
        self._begun_at = None

    def _doctype(self, *_: object) -> None:
        raise _Unusable("it holds a DOCTYPE")


def _check_start(piece: bytes) -> None:
    if piece[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in piece[:4]:
        raise _Unusable("it is not in UTF-8")
