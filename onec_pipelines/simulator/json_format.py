"""JSON as 1C prints it: a line per member, no indentation, `},{` between rows (PROTOCOL §2.1-2.2).

The fragments of one selection are prepared once; a row then costs one `%` of a template.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from onec_pipelines.simulator import limits
from onec_pipelines.simulator.columns import Columns, inherited
from onec_pipelines.simulator.kinds import ZERO_GUID, TypeMeta
from onec_pipelines.simulator.source import Row

Encoder = Callable[[Any], str]


def number(value: Any) -> str:
    """A number as 1C prints it: no exponent, no trailing zeros."""
    if isinstance(value, int):
        return str(value)
    text = format(Decimal(str(value)) if isinstance(value, float) else value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _text(value: Any) -> str:
    return encode_basestring(str(value))


def _flag(value: Any) -> str:
    return "true" if value else "false"


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=0)


_PLAIN: dict[str, tuple[str, Encoder | None]] = {
    "Edm.Guid": ('"%s"', None),
    "Edm.DateTime": ('"%s"', None),
    "Edm.Int64": ('"%s"', None),
    "Edm.Int16": ("%s", None),
    "Edm.Int32": ("%s", None),
    "Edm.Boolean": ("%s", _flag),
    "Edm.Double": ("%s", number),
}


def _encoder(meta: TypeMeta, name: str) -> tuple[str, Encoder | None]:
    """Template of the value, and the function that prepares it (None: it goes in as it is)."""
    type_ = meta.properties[name].type
    if type_ in _PLAIN:
        return _PLAIN[type_]
    if meta.is_composite(name):
        return "%s", _text
    if type_ in {"Edm.String", "Edm.Binary"}:
        width = limits.length(meta.name, name) if limits.padded(meta.name, name) else None
        return "%s", encode_basestring if width is None else _padded(width)
    return "%s", _pretty


def _padded(width: int) -> Encoder:
    def encode(value: Any) -> str:
        return _text(str(value).ljust(width))

    return encode


class RowPrinter:
    """Prints rows of one selection. `links` is off for `odata=nometadata`."""

    def __init__(self, columns: Columns, *, links: bool = True, types: bool = False) -> None:
        self.columns = columns
        meta = columns.meta
        order = columns.order
        nested = dict(columns.sections)
        self._names = order
        encoders = {name: _encoder(meta, name) for name in columns.scalars}
        parts = [(name, *encoders.get(name, ("%s", None))) for name in order]
        self._template = ",\n".join(f'"{name}": {form}' for name, form, _ in parts)
        self._encoders = [(at, encoder) for at, (_, _, encoder) in enumerate(parts) if encoder is not None]
        self._forms = [form for _, form, _ in parts]
        self._defaults = [meta.empty.get(name) for name in order]
        self._sections = [(order.index(name), name, RowPrinter(nested[name], links=False)) for name in nested]
        self._links = columns.links if links else ()
        self._types = f'"odata.type": "StandardODATA.{meta.name}",\n' if types else ""
        self._expansions = [
            (one.name, one.lookup, RowPrinter(one.columns, links=links)) for one in columns.expansions
        ]
        self._more = bool(self._links or self._expansions or columns.presentations)

    def rows(self, rows: Iterable[Row]) -> list[str]:
        """The rows, each as `{…}`."""
        return [f"{{\n{self._types}{self.members(row)}\n}}" for row in rows]

    def members(self, row: Row) -> str:
        """The members of one row without the braces."""
        values = list(map(row.get, self._names, self._defaults))
        for at, name, printer in self._sections:
            values[at] = printer.section(row.get(name), inherited(printer.columns, row))
        if None in values:
            body = self._with_nulls(values)
        else:
            for at, encode in self._encoders:
                values[at] = encode(values[at])
            body = self._template % tuple(values)
        extra = self._extra(row) if self._more else ()
        return ",\n".join([body, *extra] if body else extra) if extra else body

    def _with_nulls(self, values: list[Any]) -> str:
        encoders = dict(self._encoders)
        out = []
        for at, (name, form) in enumerate(zip(self._names, self._forms, strict=True)):
            value = values[at]
            if value is None:
                out.append(f'"{name}": null')
            else:
                out.append(f'"{name}": ' + form % (encoders[at](value) if at in encoders else value))
        return ",\n".join(out)

    def section(self, rows: Sequence[Row] | None, owner: Row) -> str:
        """A collection of rows with what they repeat of their owner; empty is `[]`."""
        if not rows:
            return "[]"
        return "[\n" + ",\n".join(self.rows({**row, **owner} for row in rows)) + "\n]"

    def _extra(self, row: Row) -> list[str]:
        out = [f'"{name}": {_text(make(row))}' for name, make in self.columns.presentations]
        for name, lookup, printer in self._expansions:
            target = lookup(row)
            out.append(f'"{name}": ' + ("null" if target is None else f"{{\n{printer.members(target)}\n}}"))
        if self._links:
            address = self_address(self.columns.meta, row)
            out += [
                f'"{name}@navigationLinkUrl": {_text(f"{address}/{name}")}'
                for name, key in self._links
                if row.get(key, ZERO_GUID) not in {ZERO_GUID, None}
            ]
        return out


def self_address(meta: TypeMeta, row: Row) -> str:
    """The relative address of a row: `Catalog_X(guid'…')`, or with names if the key is composite."""
    if meta.key == ("Ref_Key",):
        return f"{meta.name}(guid'{row.get('Ref_Key', ZERO_GUID)}')"
    parts = [f"{name}={_key_literal(meta, name, row)}" for name in meta.key]
    return f"{meta.name}({', '.join(parts)})"


def _key_literal(meta: TypeMeta, name: str, row: Row) -> str:
    value = row.get(name, meta.empty.get(name))
    type_ = meta.properties[name].type
    if type_ == "Edm.Guid":
        return f"guid'{value}'"
    if type_ == "Edm.DateTime":
        return f"datetime'{value}'"
    if type_ == "Edm.String":
        return "'" + str(value).replace("'", "''") + "'"
    return str(value)


def value(meta: TypeMeta, name: str, content: Any) -> str:
    """One scalar as JSON."""
    form, encode = _encoder(meta, name)
    return "null" if content is None else form % (content if encode is None else encode(content))


def set_head(address: str | None, count: int | None) -> str:
    """The beginning of a set up to its rows.

    `address` is the `odata.metadata`, None for `odata=nometadata`.
    """
    meta = [f'"odata.metadata": {_text(address)}'] if address is not None else []
    total = [f'"odata.count": "{count}"'] if count is not None else []
    return "{\n" + ",\n".join([*meta, *total, '"value": ['])


SET_TAIL = "]\n}"


def single(address: str | None, members: str) -> str:
    """One entity."""
    meta = [f'"odata.metadata": {_text(address)}'] if address is not None else []
    return "{\n" + ",\n".join([*meta, members] if members else meta) + "\n}"


def service_document(root: str, names: Sequence[str]) -> str:
    """The list of sets; its `odata.metadata` is the bare root (PROTOCOL §1.3)."""
    rows = ",\n".join(f'{{\n"name": {_text(name)},\n"url": {_text(name)}\n}}' for name in names)
    value = f"[\n{rows}\n]" if rows else "[]"
    return f'{{\n"odata.metadata": {_text(root)},\n"value": {value}\n}}'
