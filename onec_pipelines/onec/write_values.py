"""Python values → the JSON that 1C takes in a body (PROTOCOL §1.5, §2.2, §4.2, §4.3).

Numbers keep every digit, Int64 are texts of digits, dates are the infobase's wall clock. What a value is on the
wire is said by `$metadata`'s type; a value that does not fit its type raises Stop, because 1C would accept some of
them in silence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from onec_pipelines.errors import Stop
from onec_pipelines.onec.values import EMPTY_DATE, ZERO_GUID

_INTEGERS = frozenset({"Edm.Int64", "Edm.Int32", "Edm.Int16"})
_EMPTY: dict[str, object] = {
    "Edm.Guid": ZERO_GUID,
    "Edm.String": "",
    "Edm.Boolean": False,
    "Edm.DateTime": EMPTY_DATE,
    "Edm.Double": Decimal(0),
    "Edm.Int64": "0",
    "Edm.Int32": 0,
    "Edm.Int16": 0,
}


def empty(edm_type: str) -> object:
    """What 1C holds in an attribute of this type that nobody filled."""
    return _EMPTY.get(edm_type, "")


def wire(value: object, edm_type: str, zone: ZoneInfo) -> object:
    """The value as it stands in a body; None is the type's empty value.

    Moments must be aware and are said in the infobase's zone to the second; a `date` is its midnight.
    """
    if value is None:
        return empty(edm_type)
    made = _made(value, edm_type, zone)
    if made is None:
        raise Stop(
            f"a {type(value).__name__} cannot be written as {edm_type}",
            code="PUSH_BAD_TYPE",
            remedy="The attribute has another type in this base: adapt the declaration of what goes out.",
        )
    return made


def _made(value: object, edm_type: str, zone: ZoneInfo) -> object | None:
    if edm_type in {"Edm.String", "Edm.Guid"}:
        return value if isinstance(value, str) else None
    if edm_type == "Edm.Boolean":
        return value if isinstance(value, bool) else None
    if edm_type == "Edm.DateTime":
        return _moment(value, zone)
    if edm_type in _INTEGERS:
        return _integer(value, edm_type)
    if edm_type == "Edm.Double" and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    return None


def _integer(value: object, edm_type: str) -> object | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return str(value) if edm_type == "Edm.Int64" else value


def _moment(value: object, zone: ZoneInfo) -> str | None:
    if isinstance(value, time):
        return f"0001-01-01T{value:%H:%M:%S}"  # how 1C holds a time of the day (PROTOCOL §1.5)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return None
        local = value.astimezone(zone)
        return f"{local.year:04d}-{local:%m-%dT%H:%M:%S}"
    return f"{value.year:04d}-{value:%m-%d}T00:00:00" if isinstance(value, date) else None


def dumps(value: Any) -> str:
    """JSON text with every digit of a Decimal; never a float, an exponent or a surrogate half."""
    if isinstance(value, Mapping):
        return (
            "{"
            + ",".join(
                f"{json.dumps(str(key), ensure_ascii=False)}:{dumps(one)}" for key, one in value.items()
            )
            + "}"
        )
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "[" + ",".join(dumps(one) for one in value) + "]"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if value is None or isinstance(value, str | bool | int):
        return json.dumps(value, ensure_ascii=False)
    raise TypeError(f"{type(value).__name__} has no place in a body for 1C")
