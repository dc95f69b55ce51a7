"""Addresses: the resource path with keys and function calls, literals, the query string (PROTOCOL §1.1-1.2).

Only syntax belongs here; what a segment means is decided by `odata.py` and `writes.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from onec_pipelines.simulator.errors import OdataError, bad_literal, not_supported
from onec_pipelines.simulator.query import FunctionCall, parse_function_call

FUNCTIONS = (
    "BalanceAndTurnovers|Balance|Turnovers|DrCrTurnovers|ExtDimensions|RecordsWithExtDimensions|SliceLast|SliceFirst"
    "|Post|Unpost"
)
_FUNCTION = re.compile(rf"/((?:{FUNCTIONS})(?:\(.*\))?)$", re.DOTALL)
_SEGMENT = re.compile(r"([^/(]+)(?:\(((?:[^'()]|'(?:[^']|'')*')*)\))?(?:/|$)")
_KEY_PART = re.compile(r"\s*(?:([^=',]+?)\s*=\s*)?((?:[A-Za-z]+)?'(?:[^']|'')*'|[^',]+)\s*(?:,|$)")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(\.\d+)?Z?")
_OPTIONS = frozenset(
    ("$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$inlinecount", "$format")
)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One part of the path; `key` maps names to parsed literals.

    The name "" stands for the short form `(guid'…')`.
    """

    name: str
    key: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A parsed resource path."""

    segments: tuple[Segment, ...]
    call: FunctionCall | None = None


def decode(text: str) -> str:
    """Percent-decode UTF-8; a plus sign stays a plus sign (PROTOCOL §1.2)."""
    return unquote_to_bytes(text).decode("utf-8", "replace")


def parse_path(raw: str) -> Resource:
    """Parse the path after the service root; raises OdataError 400 code 6 or 1."""
    path = "/" + decode(raw).strip("/")
    call = None
    found = _FUNCTION.search(path)
    if found is not None:
        call = parse_function_call(found[1])
        path = path[: found.start()]
    segments = []
    position = 1
    while position < len(path):
        match = _SEGMENT.match(path, position)
        if match is None:
            raise OdataError(400, "6", f"Сегмент пути {path[position:]} не найден!")
        key = None if match[2] is None else _key(match[2])
        segments.append(Segment(name=match[1], key=key))
        position = match.end()
    return Resource(segments=tuple(segments), call=call)


def _key(text: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    position = 0
    while position < len(text):
        match = _KEY_PART.match(text, position)
        if match is None or match.end() == position:
            raise OdataError(400, "2", f"Неверный формат запроса: {text}")
        out[match[1] or ""] = literal(match[2].strip())
        position = match.end()
    return out


def literal(text: str) -> Any:
    """Parse a literal of a key: guid, datetime, string, boolean, number; raises OdataError 400 code 1."""
    if text.startswith("guid'"):
        return guid(text[5:-1])
    if text.startswith("datetime'"):
        return moment(text[9:-1])
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if text in {"true", "false"}:
        return text == "true"
    try:
        return int(text)
    except ValueError:
        return _number(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise bad_literal(text, "Edm.String") from error


def guid(text: str) -> str:
    """A GUID in lower case; raises OdataError 400 code 1."""
    if _GUID.fullmatch(text) is None:
        raise bad_literal(text, "Edm.Guid")
    return text.lower()


def moment(text: str) -> str:
    """A date with seconds, as it stands in rows; the year needs four digits (PROTOCOL §1.2)."""
    if _DATE.fullmatch(text) is None:
        raise bad_literal(text, "Edm.DateTime")
    full = text.removesuffix("Z").split(".", maxsplit=1)[0]
    return full if len(full) > len("2026-06-02T14:36") else f"{full}:00"


def parse_query(raw: str) -> dict[str, str]:
    """Decode the query string.

    An unknown `$option` is refused with 501 code 0, other unknown names are kept (PROTOCOL §3).
    """
    out: dict[str, str] = {}
    for part in raw.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        key = decode(name)
        if key.startswith("$") and key not in _OPTIONS:
            raise not_supported()
        out[key] = decode(value)
    return out


def whole(text: str | None, name: str) -> int | None:
    """A non-negative number of `$top` or `$skip`; raises OdataError 400 code 14."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise OdataError(400, "14", f"Ошибка разбора опций запроса: {name}={text}")
    return int(text)
