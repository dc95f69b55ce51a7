"""Scalars as 1C sends them → Python values.

GUIDs, dates, integers, decimals, base64, composite pairs (PROTOCOL §1.5, §2.2). For one value at a time;
whole pages go through `decode.py`. None means empty or not applicable. A value that cannot be read raises
Quarantine, whose message names the rule and not the value: it may be personal.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from onec_pipelines.errors import Quarantine
from onec_pipelines.onec.metadata_model import NAMESPACE

ZERO_GUID = "00000000-0000-0000-0000-000000000000"
EMPTY_DATE = "0001-01-01T00:00:00"
UNDEFINED = "StandardODATA.Undefined"
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_INT64 = 2**63
_MAX_DIGITS = 38  # 1C's numbers have at most 38 digits; more is an attack or damage


def guid(value: object) -> str | None:
    """Read a reference or UUID: 8-4-4-4-12 in lower case.

    Empty and zero are None, braces and other spellings are refused.
    """
    if value is None or value == "":
        return None
    text = value.lower() if isinstance(value, str) else ""
    if not _GUID.fullmatch(text):
        raise _refused("BAD_GUID", "it is not a GUID of the form 8-4-4-4-12")
    return None if text == ZERO_GUID else text


def moment(value: object, zone: ZoneInfo) -> datetime | None:
    """Read a date in the infobase's wall clock as aware UTC; 1C's empty date is None, 9999 and 3999 are kept.

    A time-only value (a time of the day 0001-01-01) is not a moment and is refused, as are offsets and days
    that do not exist. A time that summer time skips or repeats is taken as before the change.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise _refused("BAD_DATE", "it is not a date of the form YYYY-MM-DDTHH:MM:SS")
    if value == EMPTY_DATE:
        return None
    try:
        local = datetime.fromisoformat(value)
        if local.year > 1:
            return local.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _refused("BAD_DATE", "there is no such day or time") from None
    raise _refused("BAD_DATE", "it is a time without a day")


def integer(value: object) -> int | None:
    """Read an integer, which 1C sends as a number (Int16, Int32) or a text (Int64).

    A fraction of zero is accepted.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise _refused("BAD_INTEGER", "it is a boolean")
    number = int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value
    if isinstance(number, Decimal) and number.is_finite() and number == number.to_integral_value():
        number = int(number)
    if not isinstance(number, int) or not -_INT64 <= number < _INT64:
        raise _refused("BAD_INTEGER", "it is not a whole number of 64 bits")
    return number


def decimal(value: object) -> Decimal | None:
    """Read a number without loss: the parser must have given int, Decimal or the text, never float."""
    if value is None or value == "":
        return None
    if isinstance(value, bool | float) or not isinstance(value, str | int | Decimal):
        raise _refused("BAD_NUMBER", "it is not a number")
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise _refused("BAD_NUMBER", "it is not a number") from None
    if not number.is_finite():
        raise _refused("BAD_NUMBER", "it is not finite")
    if len(number.as_tuple().digits) > _MAX_DIGITS or abs(number.adjusted()) > _MAX_DIGITS:
        raise _refused("BAD_NUMBER", f"it has more than {_MAX_DIGITS} digits")
    return number


def boolean(value: object) -> bool | None:
    """Read a boolean, in JSON itself or, inside a composite value, as a text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise _refused("BAD_BOOLEAN", "it is neither true nor false")


def binary(value: object) -> bytes | None:
    """Read base64, which may hold line breaks (PROTOCOL §2.2)."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _refused("BAD_BASE64", "it is not a text")
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _refused("BAD_BASE64", "it is not base64") from None


@dataclass(frozen=True, kw_only=True)
class Composite:
    """A value of a composite attribute: what kind of thing it is, and its value.

    `kind`: `reference` (value: GUID text; `type_name` such as `Catalog_Пользователи`), `unpublished` (a
    reference to an object that is not published; `type_name` is its whole marker), `enum` (value: the
    member's name), or the name of a scalar (`string`, `number`, `date`, `boolean`).
    """

    kind: str
    type_name: str
    value: str | Decimal | datetime | bool


def composite(value: object, type_name: object, zone: ZoneInfo) -> Composite | None:
    """Read the pair X, X_Type; undefined, an empty reference and an empty date are None."""
    if value is None or type_name in {None, "", UNDEFINED}:
        return None
    if not isinstance(value, str) or not isinstance(type_name, str):
        raise _refused("BAD_COMPOSITE", "its value or its type is not a text")
    if type_name.startswith("Edm."):
        return _scalar(value, type_name, zone)
    if type_name.startswith("UnavailableEnums."):
        return _enum(value, type_name.removeprefix("UnavailableEnums."))
    if type_name.startswith("UnavailableEntities."):
        key = guid(value)
        return Composite(kind="unpublished", type_name=type_name, value=key) if key else None
    name = type_name.removeprefix(NAMESPACE)
    if _GUID.fullmatch(value.lower()):
        key = guid(value)
        return Composite(kind="reference", type_name=name, value=key) if key else None
    return _enum(value, name)


def _enum(value: str, name: str) -> Composite | None:
    return Composite(kind="enum", type_name=name, value=value) if value else None


def _scalar(value: str, type_name: str, zone: ZoneInfo) -> Composite | None:
    kind, read = {
        "Edm.String": ("string", lambda: value),
        "Edm.Boolean": ("boolean", lambda: boolean(value)),
        "Edm.DateTime": ("date", lambda: moment(value, zone)),
        "Edm.Guid": ("string", lambda: guid(value)),
    }.get(type_name, ("number", lambda: decimal(value)))
    plain = read()
    return None if plain is None else Composite(kind=kind, type_name=type_name, value=plain)


def _refused(rule: str, reason: str) -> Quarantine:
    return Quarantine(reason, code=rule, remedy="Correct the value in 1C.")
