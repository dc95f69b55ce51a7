"""Request bodies: JSON and Atom entries into plain properties (PROTOCOL §4).

Types of values are checked in `values.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element

from onec_pipelines.simulator import edmx
from onec_pipelines.simulator.errors import OdataError, internal
from onec_pipelines.simulator.http import Request
from onec_pipelines.simulator.kinds import TypeMeta

_ATOM = "{http://www.w3.org/2005/Atom}"
_D = "{http://schemas.microsoft.com/ado/2007/08/dataservices}"
_M = "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}"
_RELATED = "http://schemas.microsoft.com/ado/2007/08/dataservices/related/"
Properties = dict[str, Any]


class Bind(str):
    """A value that is the address of another entity, from `X@odata.bind` or an Atom link."""

    __slots__ = ()


def parse(request: Request, meta: TypeMeta) -> Properties:
    """The properties of the body.

    Raises OdataError for a body that cannot be read (500/-1 for broken JSON, PROTOCOL §4.2).
    """
    body = request.body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not body:
        raise OdataError(400, "2", "Неверный формат запроса")
    content = request.headers.get("content-type", "")
    if body.startswith(b"<") or ("xml" in content and not body.startswith(b"{")):
        return _atom(body, meta)
    return _json(body)


def _json(body: bytes) -> Properties:
    try:
        value = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise internal("Непредвиденный символ при чтении JSON") from error
    if not isinstance(value, dict):
        raise internal("Непредвиденный символ при чтении JSON")
    out: Properties = {}
    for name, one in value.items():
        bare, _, annotation = name.partition("@")
        if annotation == "odata.bind":
            out[bare] = Bind(one)
        elif not annotation and not name.startswith("odata."):
            out[name] = one
    return out


def _no_constant(text: str) -> Any:
    raise ValueError(text)


def _atom(body: bytes, meta: TypeMeta) -> Properties:
    try:
        root = edmx.parse_xml(body)
    except ValueError as error:
        raise OdataError(400, "2", "Неверный формат запроса") from error
    properties = next(root.iter(f"{_M}properties"), None)
    if properties is None:
        raise OdataError(400, "2", "Неверный формат запроса")
    out = {_local(one): _value(one, meta) for one in properties}
    for link in root.iter(f"{_ATOM}link"):
        relation = link.get("rel", "")
        if (
            relation.startswith(_RELATED)
            and link.get("href")
            and f"{relation[len(_RELATED) :]}_Key" not in out
        ):
            out[relation[len(_RELATED) :]] = Bind(link.get("href"))
    return out


def _local(element: Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _value(element: Element, meta: TypeMeta) -> Any:
    if element.get(f"{_M}null") == "true":
        return None
    name = _local(element)
    elements = element.findall(f"{_D}element")
    if name in meta.sections or elements or (element.get(f"{_M}type") or "").startswith("Collection("):
        return [_row(one) for one in elements]
    nested = list(element)
    if nested:
        return {_local(one): one.text or "" for one in nested}
    text = element.text or ""
    return typed(text, meta.property_type(name) or "Edm.String")


def _row(element: Element) -> Properties:
    return {_local(one): None if one.get(f"{_M}null") == "true" else one.text or "" for one in element}


def typed(text: str, type_: str) -> Any:
    """A text of XML as JSON would have it; what does not fit stays text and is judged later."""
    stripped = text.strip()
    if type_ == "Edm.Boolean" and stripped in {"true", "false"}:
        return stripped == "true"
    if type_ in {"Edm.Guid", "Edm.DateTime", "Edm.Double", "Edm.Int16", "Edm.Int32", "Edm.Int64"}:
        return stripped
    return text


def known(names: Iterable[str], meta: TypeMeta) -> list[str]:
    """Names that the type has; 1C ignores the others without a word (PROTOCOL §4.1)."""
    return [name for name in names if name in meta.properties or name in meta.navigation]
