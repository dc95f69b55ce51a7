"""Atom as 1C prints it, with the structure of the genuine recordings: feeds, entries, record sets (PROTOCOL §2.3).

Printing only; reading of request bodies is in `bodies.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from onec_pipelines.simulator import limits
from onec_pipelines.simulator.columns import Columns, inherited
from onec_pipelines.simulator.json_format import number, self_address
from onec_pipelines.simulator.kinds import ZERO_GUID, TypeMeta
from onec_pipelines.simulator.source import Row

NAMESPACES = (
    'xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0" '
    'xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices" '
    'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
)
_PROPERTIES = (
    '<m:properties xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices" '
    'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">\n'
)
_SCHEME = "http://schemas.microsoft.com/ado/2007/08/dataservices/scheme"
_RELATED = "http://schemas.microsoft.com/ado/2007/08/dataservices/related/"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def feed_head(root: str) -> str:
    """The beginning of a feed; 1C sends no XML declaration here."""
    return f'<feed {NAMESPACES} xml:base="{escape(root)}/">\n'


def feed_tail(count: int | None) -> str:
    """The end of a feed; the count comes last."""
    total = "" if count is None else f"<m:count>{count}</m:count>\n"
    return f"{total}</feed>\n"


def shuffled(names: Iterable[str]) -> list[str]:
    """Names in the arbitrary but constant order in which 1C prints properties in Atom.

    `X_Type` stays after `X`.
    """
    return sorted(names, key=lambda name: (zlib.crc32(name.removesuffix("_Type").encode()), name))


class EntryPrinter:
    """Prints rows of one selection as entries.

    `moment` is the local time of the answer, as `<updated>` shows it.
    """

    def __init__(self, columns: Columns, *, root: str, moment: str) -> None:
        self._columns = columns
        self._root = root
        self._moment = moment
        self._meta = columns.meta
        self._order = shuffled((*columns.scalars, *(name for name, _ in columns.sections)))
        self._sections = dict(columns.sections)
        self._expansions = {one.name: one for one in columns.expansions}

    def entry(self, row: Row, *, declare: bool = False) -> str:
        """One entry; `declare` makes it a document of its own."""
        name = self._meta.name
        address = self_address(self._meta, row)
        attributes = f' {NAMESPACES} xml:base="{escape(self._root)}/"' if declare else ""
        return (
            f"{_HEAD if declare else ''}<entry{attributes}>\n<id>{escape(f'{self._root}/{address}')}</id>\n"
            f'<category term={quoteattr(f"StandardODATA.{name}")} scheme="{_SCHEME}"/>\n'
            f'<title type="text"/>\n<updated>{self._moment}</updated>\n<author/>\n<summary/>\n'
            f"{self._links(row, address)}"
            f'<link rel="edit" href={quoteattr(address)} title="edit-link"/>\n'
            f'<content type="application/xml">{_PROPERTIES}{self._members(row)}</m:properties>\n'
            "</content>\n</entry>\n"
        )

    def _links(self, row: Row, address: str) -> str:
        out = []
        for name, key in self._columns.links:
            if row.get(key, ZERO_GUID) in {ZERO_GUID, None} or name in self._expansions:
                continue
            out.append(_link(name, address, ""))
        for name, expansion in self._expansions.items():
            target = expansion.lookup(row)
            printer = EntryPrinter(expansion.columns, root=self._root, moment=self._moment)
            inner = "" if target is None else printer.entry(target)
            out.append(_link(name, address, f"<m:inline>{inner}</m:inline>"))
        return "".join(out)

    def _members(self, row: Row) -> str:
        empty = self._meta.empty
        out = []
        for name in self._order:
            section = self._sections.get(name)
            if section is not None:
                out.append(_collection(name, section, row))
            else:
                out.append(_member(self._meta, name, row.get(name, empty.get(name))))
        out += [f"<d:{name}>{_escape(make(row))}</d:{name}>\n" for name, make in self._columns.presentations]
        return "".join(out)


def _link(name: str, address: str, inner: str) -> str:
    return (
        f"<link rel={quoteattr(_RELATED + name)} href={quoteattr(f'{address}/{name}')} "
        f'type="application/atom+xml;type=entry;charset=utf-8" title={quoteattr(name)}'
        + (f">{inner}</link>\n" if inner else "/>\n")
    )


def _collection(name: str, columns: Columns, row: Row) -> str:
    type_ = f"StandardODATA.{columns.meta.name}"
    rows: Sequence[Row] = row.get(name) or ()
    if not rows:
        return f'<d:{name} m:type="Collection({type_})"/>\n'
    owner, empty, meta = inherited(columns, row), columns.meta.empty, columns.meta
    elements = []
    for one in rows:
        full = {**empty, **one, **owner}
        members = "".join(_member(meta, wire, full[wire]) for wire in columns.scalars)
        elements.append(f'<d:element m:type="{type_}">\n{members}</d:element>\n')
    return f'<d:{name} m:type="Collection({type_})">\n{"".join(elements)}</d:{name}>\n'


def _member(meta: TypeMeta, name: str, value: Any) -> str:
    if value is None:
        return f'<d:{name} m:null="true"/>\n'
    if isinstance(value, dict):
        return f'<d:{name} m:type="{meta.properties[name].type}">{_nested(value)}</d:{name}>\n'
    text = scalar(meta, name, value)
    return f"<d:{name}>{_escape(text)}</d:{name}>\n" if text else f"<d:{name}/>\n"


def _nested(value: dict[str, Any]) -> str:
    out = []
    for name, part in value.items():
        if isinstance(part, dict):
            out.append(f"<d:{name}>{_nested(part)}</d:{name}>")
        elif isinstance(part, list):
            elements = "".join(f"<d:element>{_escape(str(one))}</d:element>" for one in part)
            out.append(f"<d:{name}>{elements}</d:{name}>")
        else:
            out.append(f"<d:{name}>{_escape(str(part))}</d:{name}>")
    return "".join(out)


def scalar(meta: TypeMeta, name: str, value: Any) -> str:
    """A scalar as text, as it stands in an element or after `/$value`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    type_ = meta.properties[name].type if name in meta.properties else "Edm.String"
    if type_ == "Edm.Double":
        return number(value)
    width = limits.length(meta.name, name) if limits.padded(meta.name, name) else None
    return str(value) if width is None else str(value).ljust(width)


def _escape(text: str) -> str:
    return escape(text, {"\r": "&#13;"})


def service_document(root: str, names: Sequence[str]) -> str:
    """The AtomPub list of sets; an empty composition has only the title (PROTOCOL §1.3)."""
    collections = "".join(
        f"<collection href={quoteattr(name)}><atom:title>{escape(name)}</atom:title></collection>\n"
        for name in names
    )
    return (
        f'{_HEAD}<service xmlns="http://www.w3.org/2007/app" xmlns:atom="http://www.w3.org/2005/Atom" '
        f'xml:base="{escape(root)}/">\n<workspace>\n<atom:title>Default</atom:title>\n{collections}</workspace>\n</service>\n'
    )


def property_document(meta: TypeMeta, name: str, value: Any) -> str:
    """One property as a document."""
    text = _member(meta, name, value).strip()
    namespace = "http://schemas.microsoft.com/ado/2007/08/dataservices"
    head = f'<d:{name} xmlns:d="{namespace}" xmlns:m="{namespace}/metadata"'
    return _HEAD + head + text[len(f"<d:{name}") :] + "\n"


def tombstone(address: str, moment: str) -> str:
    """A deleted object in a packet (RFC 6721), as documented and not seen in practice (PROTOCOL §7.1)."""
    return f'<at:deleted-entry ref={quoteattr(address)} when="{moment}"/>\n'
