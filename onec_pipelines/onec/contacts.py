"""Contact information as people typed it into 1C → e-mail addresses, E.164 numbers, parts of an address (PROTOCOL §11.6).

Pure, but for one thing: numbers without a country code belong to the region of `use_region`, one for the process. What
cannot be understood gives nothing; the text itself is kept by the caller.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import phonenumbers
from phonenumbers import Leniency, PhoneNumber, PhoneNumberFormat, PhoneNumberMatcher, ValidationResult

from onec_pipelines.errors import Stop
from onec_pipelines.onec.contact_fields import parts_of_fields

_EMAIL = re.compile(r"[^\s@,;:<>()\[\]\"'«»|/\\]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_][\w-]{1,62}")
_DIGITS = re.compile(r"\d")
_FEWEST_DIGITS = 5
_LONGEST = 250
_ONLY_DIGITS = re.compile(r"\d{10,15}")
_REMEMBERED = 20_000
_region = "RU"


def use_region(region: str) -> None:
    """From now on numbers without a country code are of this region (ISO 3166: `RU`). Raises Stop SETTINGS for an unknown one."""
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise Stop(
            f"ONEC_PHONE_REGION={region} is no country with telephones",
            code="SETTINGS",
            remedy="Give the two letters of the country (ISO 3166), e.g. RU.",
        )
    global _region  # noqa: PLW0603 - one setting of one process, far below all that could hand it down
    _region = region


def emails(text: str) -> list[str]:
    """The e-mail addresses in a text, in lower case, each once, in order."""
    found = (match[0].lower().strip(".") for match in _EMAIL.finditer(text))
    return list(dict.fromkeys(address for address in found if ".." not in address and address[0] != "@"))


def phones(text: str) -> list[str]:
    """The telephone numbers in a text as E.164 (`+79031234567`), without extensions, each once, in order."""
    found = (phonenumbers.format_number(number, PhoneNumberFormat.E164) for number in _numbers(text, _region))
    return list(dict.fromkeys(found))


def extension(text: str) -> str | None:
    """The extension (добавочный) of the first number that has one."""
    return next((number.extension for number in _numbers(text, _region) if number.extension), None)


def address_parts(text: str) -> dict[str, str] | None:
    """Parts of an address: country, postcode, region, district, city, street, house, flat.

    `Значение` holds them as JSON, `ЗначенияПолей` of older releases as XML or lines. None when it is no address.
    Names carry their kind as 1C writes it: `Типанова ул`.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return parts_of_fields(text)
    if not isinstance(value, dict) or value.get("type", "Адрес") != "Адрес":
        return None
    parts = {
        "country": _text(value.get("country")),
        "postcode": _text(value.get("ZIPcode")),
        "region": _named(value, "area"),
        "district": _named(value, "district") or _named(value, "munDistrict"),
        "city": _named(value, "city") or _named(value, "locality") or _named(value, "settlement"),
        "street": _named(value, "street"),
        "house": ", ".join(
            [*_numbered([{"number": value.get("houseNumber")}]), *_numbered(value.get("buildings"))]
        ),
        "flat": ", ".join(_numbered(value.get("apartments"))),
    }
    return {name: part for name, part in parts.items() if part} or None


@lru_cache(maxsize=_REMEMBERED)
def _numbers(text: str, region: str) -> tuple[PhoneNumber, ...]:
    if len(text) > _LONGEST or "@" in text or len(_DIGITS.findall(text)) < _FEWEST_DIGITS:
        return ()
    whole = _parsed(text, region)
    if whole is not None:
        return (whole,)
    found = PhoneNumberMatcher(text, region, leniency=Leniency.POSSIBLE)
    numbers = tuple(match.number for match in found if _is_whole(match.number))
    if not numbers and _ONLY_DIGITS.fullmatch(text):
        # 1C's own column of digits has the country code without a plus.
        other = _parsed(f"+{text}", region)
        return (other,) if other is not None else ()
    return numbers


def _parsed(text: str, region: str) -> PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    return number if _is_whole(number) else None


def _is_whole(number: PhoneNumber) -> bool:
    """Whether it can be dialled from anywhere: a number without its city code cannot."""
    return phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE


def _text(value: Any) -> str:
    text = str(value) if isinstance(value, str | int) else ""
    return " ".join("".join(char for char in text if char.isprintable()).split())


def _named(value: Mapping[str, Any], name: str) -> str:
    """A name with its kind behind it."""
    own = _text(value.get(name))
    return f"{own} {_text(value.get(f'{name}Type'))}".strip() if own else ""


def _numbered(items: Any) -> Iterator[str]:
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and _text(item.get("number")):
            yield f"{_text(item.get('type'))} {_text(item['number'])}".strip()
