"""Values of request bodies with 1C's laxness: cut, ignored, accepted or refused by type (PROTOCOL §4.2-4.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from onec_pipelines.simulator import limits, urls
from onec_pipelines.simulator.bodies import Bind, typed
from onec_pipelines.simulator.errors import OdataError, bad_literal, internal
from onec_pipelines.simulator.kinds import UNDEFINED, TypeMeta
from onec_pipelines.simulator.source import Row

_BIND = re.compile(r"(?:^|/)([^/(]+)\(guid'([^']*)'\)$")
_TYPES = ("StandardODATA.", "UnavailableEntities.", "UnavailableEnums.", "Edm.")
_IGNORED = object()
_KEPT = frozenset(("Ref_Key", "DataVersion", "Predefined", "PredefinedDataName"))


def assign(meta: TypeMeta, row: Row, body: Mapping[str, Any]) -> None:
    """Write the properties of a body into a row.

    Keys, versions and unknown names are ignored; raises OdataError.
    """
    for name, value in body.items():
        if isinstance(value, Bind):
            _bind(meta, row, name, value)
        elif name in meta.sections:
            row[name] = section(meta, name, value)
        elif name in meta.properties and name not in _KEPT:
            converted = scalar(meta, name, value)
            if converted is not _IGNORED:
                row[name] = converted
    _check_composites(meta, row, body)


def _bind(meta: TypeMeta, row: Row, name: str, address: str) -> None:
    found = _BIND.search(urls.decode(address))
    if found is None:
        raise OdataError(400, "4", f"Неверное значение свойства {name}")
    guid = urls.guid(found[2])
    if name in meta.navigation or f"{name}_Key" in meta.properties:
        row[f"{name}_Key"] = guid
    elif meta.is_composite(name):
        row[name], row[f"{name}_Type"] = guid, f"StandardODATA.{found[1]}"


def _check_composites(meta: TypeMeta, row: Row, body: Mapping[str, Any]) -> None:
    for name in meta.composites:
        if name not in body and f"{name}_Type" not in body:
            continue
        type_ = str(row.get(f"{name}_Type") or UNDEFINED)
        if not type_.startswith(_TYPES) or (type_ == UNDEFINED and row.get(name)):
            text = f"Недопустимое значение {row.get(name)} для свойства составного типа"
            raise OdataError(400, "4", text)
        if type_ == UNDEFINED:
            row[name] = ""


def section(meta: TypeMeta, name: str, value: Any) -> list[Row]:
    """Rows of a tabular section: `LineNumber` must be there (else 500) and run 1..n (else 400)."""
    if value is None:
        return []
    row_meta = meta.section(name)
    if not isinstance(value, Sequence) or isinstance(value, str) or row_meta is None:
        raise internal()
    rows = []
    for place, one in enumerate(value, 1):
        if not isinstance(one, Mapping) or "LineNumber" not in one:
            raise internal()
        row: Row = {}
        assign(row_meta, row, {key: typed_value(row_meta, key, part) for key, part in one.items()})
        if row.get("LineNumber") != place:
            raise OdataError(400, "4", f"Неверное значение свойства LineNumber: {one['LineNumber']}")
        rows.append(row)
    return rows


def typed_value(meta: TypeMeta, name: str, value: Any) -> Any:
    """A value of a row; texts of XML rows become what their type wants."""
    return typed(value, meta.property_type(name) or "Edm.String") if isinstance(value, str) else value


def scalar(meta: TypeMeta, name: str, value: Any) -> Any:
    """One value by the type of its property."""
    type_ = meta.properties[name].type
    if isinstance(value, (list, dict)) and not type_.startswith("StandardODATA."):
        raise internal()
    if value is None:
        return meta.empty.get(name)
    convert = _CONVERT.get(type_)
    return _text(meta, name, value) if convert is None else convert(value)


def _text(meta: TypeMeta, name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return value
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if meta.is_composite(name):
        return text
    width = limits.length(meta.name, name)
    return text if width is None else text[:width]


def _guid(value: Any) -> str:
    return urls.guid(str(value))


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in {"true", "false"}:
        return bool(value == "true")
    raise bad_literal(str(value), "Edm.Boolean")


def _integer(value: Any) -> Any:
    """Digits are a number; any other text is silently not written."""
    if isinstance(value, bool):
        return _IGNORED
    if isinstance(value, int):
        return value
    text = str(value)
    return int(text) if re.fullmatch(r"-?\d{1,19}", text, re.ASCII) else _IGNORED


def _double(value: Any) -> Any:
    if isinstance(value, bool):
        raise bad_literal(str(value), "Edm.Double")
    if isinstance(value, (int, Decimal)):
        return value
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise bad_literal(str(value), "Edm.Double") from error
    if not number.is_finite():
        raise bad_literal(str(value), "Edm.Double")
    return number


def _moment(value: Any) -> str:
    return urls.moment(str(value))


def _binary(value: Any) -> str:
    return str(value)


_CONVERT: dict[str, Any] = {
    "Edm.Guid": _guid,
    "Edm.Boolean": _boolean,
    "Edm.Int16": _integer,
    "Edm.Int32": _integer,
    "Edm.Int64": _integer,
    "Edm.Double": _double,
    "Edm.DateTime": _moment,
    "Edm.Binary": _binary,
    "Edm.Stream": lambda _value: _IGNORED,
}
