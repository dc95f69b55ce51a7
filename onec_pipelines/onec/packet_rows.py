"""Entries of a change packet → rows of only the properties that are wanted (PROTOCOL §2.3).

A packet carries every property of an object, some 150 of a product, of which we read 20. An entry is cut down to those before it is
parsed; whatever does not look as 1C writes it is left whole, and costs its time. The bytes must be well-formed XML without a DOCTYPE, which
`packet_index.py` has seen to when they were staged. The rows are those that `atom.py` gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element, ParseError, fromstring

from onec_pipelines.onec.atom import scalar
from onec_pipelines.onec.errors import bad_answer
from onec_pipelines.onec.metadata_model import NAMESPACE, Metadata, RowType, collection_of
from onec_pipelines.onec.xml_reader import MAX_DEPTH

_M = "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}"
_PROPERTIES = f".//{_M}properties"
_END = b"</m:properties>"
# Together, because a parser is made for each document; few, because a tree takes ten times the memory of its text.
_AT_ONCE = 50
_COLLECTION = b' m:type="Collection('
# CDATA, comments and instructions may hold what only looks like an element.
_RARE = (b"<!", b"<?")


class RowReader:
    """Reads entries of one type of a packet whose feed begins with `head`, as far as `names` of properties and sections say."""

    def __init__(self, head: bytes, type_name: str, metadata: Metadata, names: Iterable[str]) -> None:
        self._head = head
        self._row_type = metadata.row_type(type_name)
        self._metadata = metadata
        self._names = frozenset(names)
        self._wanted = frozenset(name.encode() for name in self._names)

    def rows(self, entries: Sequence[bytes]) -> Iterator[dict[str, Any]]:
        """The wanted properties of each entry in the shape that `AtomEntry.row` has; those that an entry lacks are missing.

        Raises RetryLater ONEC_BAD_ANSWER for what is no XML.
        """
        for start in range(0, len(entries), _AT_ONCE):
            together = entries[start : start + _AT_ONCE]
            found = self._parsed([self._cut(entry) or entry for entry in together])
            if found is None or len(found) != len(together):
                # One of them was cut wrongly.
                found = [element for entry in together for element in self._whole(entry)]
            for element in found:
                properties = element.find(_PROPERTIES)
                fields = {} if properties is None else self._fields(properties, self._row_type)
                yield {name: value for name, value in fields.items() if name in self._names}

    def _whole(self, entry: bytes) -> list[Element]:
        found = self._parsed([entry])
        if found is None:
            raise bad_answer("an entry cannot be read as XML", request="a packet of changes")
        return found

    def _parsed(self, entries: Iterable[bytes]) -> list[Element] | None:
        try:
            return list(fromstring(b"".join((self._head, *entries, b"</feed>"))))  # noqa: S314 - seen by packet_index.py
        except ParseError:
            return None

    def _cut(self, entry: bytes) -> bytes | None:
        """The entry with the wanted properties alone; None when it is not written as 1C writes."""
        start, end = entry.find(b"<m:properties"), entry.rfind(_END)
        start = entry.find(b">", start) + 1 if start >= 0 else 0
        if not 0 < start <= end or any(mark in entry for mark in _RARE):
            return None
        kept: dict[bytes, bytes] = {}
        flat = self._without_sections(entry[start:end], kept)
        if flat is None or b"m:type" in flat:
            return None
        for piece in flat.split(b"<d:")[1:]:
            name = piece.partition(b">")[0].partition(b" ")[0].rstrip(b"/")
            if name in self._wanted:
                if name in kept or piece.count(b"</d:") + piece.count(b"/>") != 1:
                    return None
                kept[name] = b"<d:" + piece
        if len(kept) < len(self._wanted):
            return None
        links, content = entry.find(b"<link "), entry.find(b"<content")
        front = entry[:links] + entry[content:start] if 0 < links < content < start else entry[:start]
        return b"".join((front, *kept.values(), entry[end:]))

    def _without_sections(self, inner: bytes, kept: dict[bytes, bytes]) -> bytes | None:
        """The properties without tabular sections, of which the wanted ones are put aside."""
        parts, done = [], 0
        while (at := inner.find(_COLLECTION, done)) >= 0:
            begin, open_end = inner.rfind(b"<d:", done, at), inner.find(b">", at)
            if begin < 0 or open_end < 0:
                return None
            name = inner[begin + 3 : at]
            end = open_end + 1
            if inner[open_end - 1 : open_end] != b"/":
                closing = b"</d:" + name + b">"
                end = inner.find(closing, end) + len(closing)
                if end < len(closing) + open_end:
                    return None
            if name in self._wanted:
                kept[name] = inner[begin:end]
            parts.append(inner[done:begin])
            done = end
        return b"".join((*parts, inner[done:]))

    def _fields(self, element: Element, row_type: RowType | None, depth: int = 0) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise bad_answer("it is nested too deep", request="a packet of changes")
        fields: dict[str, Any] = {}
        declared = row_type.properties if row_type is not None else {}
        for child in element:
            name = child.tag.rpartition("}")[2]
            known = declared.get(name)
            edm_type = child.get(_M + "type") or (known.edm_type if known is not None else "Edm.String")
            fields[name] = self._value(child, edm_type, depth + 1)
        return fields

    def _value(self, element: Element, edm_type: str, depth: int) -> Any:
        if element.get(_M + "null") == "true":
            return None
        inner = collection_of(edm_type)
        if inner is not None:
            of_each = inner if inner.startswith("Edm.") else NAMESPACE + inner
            return [self._value(child, child.get(_M + "type") or of_each, depth + 1) for child in element]
        if edm_type.startswith(NAMESPACE):
            return self._fields(element, self._metadata.row_type(edm_type), depth)
        return scalar(element.text or "", edm_type)
