"""Addresses of 1C's OData, percent-encoded and ready to send (PROTOCOL §1.1, §1.2, §3, §6).

Nothing is sent here. Typed literals, checked names, sets, objects, counts, virtual tables, key batches.
Everything gives the text after the service root. What cannot be said to 1C raises Stop ONEC_BAD_QUERY; what
is longer than web servers take raises Stop ONEC_URL_TOO_LONG.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Literal
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from onec_pipelines.errors import Stop
from onec_pipelines.onec.errors import bad_query

# 1C leaves these as they are; a space must be %20 because "+" is a plus (PROTOCOL §1.2).
_SAFE = "()',$/:=*"
_NAME = re.compile(r"[^\W\d]\w*")
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TYPE = re.compile(r"(?:StandardODATA\.|UnavailableEntities\.|UnavailableEnums\.)?[^\W\d][\w-]*")
_UNSAFE_IN_PATH = re.compile(r"[?+\\/#\x00-\x1f\x7f]")
_LITERAL = re.compile(r"(guid|datetime)?'((?:[^']|'')*)'")
_LONG_NUMBER = re.compile(r"(?<![\w.-])\d{7,}(?![\w-])")


@dataclass(frozen=True, kw_only=True)
class UrlLimits:
    """What the web server before 1C takes.

    Characters of the query as sent, of the whole target as sent, of one decoded path segment. The default
    suits Apache and nginx; `IIS` is what an untouched IIS takes, where long selections in Cyrillic do not
    fit.
    """

    query: int = 7600
    target: int = 8000
    segment: int = 4000


DEFAULT_LIMITS = UrlLimits()
IIS = UrlLimits(query=2048, target=8000, segment=249)


def guid(value: str) -> str:
    """Give the literal of a reference or UUID: `guid'8b96…'`."""
    if not _GUID.fullmatch(value):
        raise bad_query("a key is not a GUID of the form 8-4-4-4-12")
    return f"guid'{value.lower()}'"


def moment(value: datetime, zone: ZoneInfo | None = None) -> str:
    """Give the literal of a date in the infobase's wall clock, to the second.

    An aware value needs the infobase's zone.
    """
    if value.tzinfo is not None:
        if zone is None:
            raise bad_query("an aware time needs the infobase's zone to be said to 1C")
        value = value.astimezone(zone)
    # strftime does not pad years to four digits everywhere, and 1C refuses shorter ones
    return f"datetime'{value.year:04d}-{value:%m-%dT%H:%M:%S}'"


def string(value: str) -> str:
    """Give the literal of a string, quotes doubled."""
    if any(ord(char) < 32 for char in value):  # noqa: PLR2004 - control characters
        raise bad_query("a text with control characters cannot be put into an address")
    return "'" + value.replace("'", "''") + "'"


def boolean(value: bool) -> str:  # noqa: FBT001 - the value is the literal
    """Give the literal of a boolean."""
    return "true" if value else "false"


def number(value: Decimal | int) -> str:
    """Give the literal of a number, without an exponent."""
    if isinstance(value, Decimal) and not value.is_finite():
        raise bad_query("a number in a condition is not finite")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def cast(key: str, type_name: str) -> str:
    """Give the literal of a reference in a composite field.

    Plain `guid'…'` would silently find nothing (PROTOCOL §3.1).
    """
    return f"cast({guid(key)},'{_type(type_name).removeprefix('StandardODATA.')}')"


def name(value: str) -> str:
    """Give the name back if it can be a name in 1C, else raise."""
    if not _NAME.fullmatch(value):
        raise bad_query(f"{value[:80]!r} cannot be a name in 1C")
    return value


def path_name(value: str) -> str:
    """The same for a path of names: `Контрагент/ИНН`, `Товары/*`, `*`, `**`."""
    for part in value.split("/"):
        if part not in {"*", "**"}:
            name(part)
    return value


def all_of(*conditions: str | None) -> str | None:
    """Join conditions by `and`, each in brackets when there are several; None when there is none."""
    return _joined(" and ", conditions)


def any_of(*conditions: str | None) -> str | None:
    """Join conditions by `or`, each in brackets when there are several; None when there is none."""
    return _joined(" or ", conditions)


def _joined(word: str, conditions: Sequence[str | None]) -> str | None:
    given = [condition for condition in conditions if condition]
    return given[0] if len(given) == 1 else word.join(f"({part})" for part in given) or None


@dataclass(frozen=True, kw_only=True)
class SetQuery:
    """A read of an entity set. `orderby` items are `Поле` or `Поле desc`.

    `filter` is the plain text of the condition, not encoded.
    """

    resource: str
    select: tuple[str, ...] = ()
    filter: str | None = None
    orderby: tuple[str, ...] = ()
    top: int | None = None
    skip: int | None = None
    inlinecount: bool = False
    allowed_only: bool = False

    def target(self, limits: UrlLimits = DEFAULT_LIMITS) -> str:
        """Give the address after the service root."""
        options = {
            "$format": "json",
            **_common_options(
                select=self.select, filter_=self.filter, orderby=self.orderby, top=self.top, skip=self.skip
            ),
        }
        if self.inlinecount:
            options["$inlinecount"] = "allpages"
        if self.allowed_only:
            options["allowedOnly"] = "true"
        return _target(name(self.resource), options, limits)


def entity(
    resource: str,
    key: str | Mapping[str, str],
    *,
    select: Sequence[str] = (),
    limits: UrlLimits = DEFAULT_LIMITS,
) -> str:
    """Give the address of one object: by its GUID, or by all members of a composite key as ready literals.

    Values with characters that web servers do not carry in a path (PROTOCOL §1.2) are refused: put them
    into a filter.
    """
    inside = guid(key) if isinstance(key, str) else _arguments(key)
    options = {"$format": "json", **_common_options(select=select)}
    return _target(f"{name(resource)}({inside})", options, limits)


def entity_set(resource: str) -> str:
    """Give the address of a set itself, to which new objects are posted."""
    return quote(name(resource), safe=_SAFE)


def count(resource: str, filter: str | None = None, *, limits: UrlLimits = DEFAULT_LIMITS) -> str:  # noqa: A002 - OData's word
    """Give the address of the number of rows, a plain integer."""
    return _target(f"{name(resource)}/$count", _common_options(filter_=filter), limits)


def virtual_table(
    resource: str,
    function: str,
    *,
    condition: str | None = None,
    dimensions: Sequence[str] = (),
    period: str | None = None,
    start_period: str | None = None,
    end_period: str | None = None,
    select: Sequence[str] = (),
    filter: str | None = None,  # noqa: A002 - OData's word
    orderby: Sequence[str] = (),
    top: int | None = None,
    skip: int | None = None,
    style: Literal["query", "path"] = "query",
    limits: UrlLimits = DEFAULT_LIMITS,
) -> str:
    """Give the address of a virtual table, `…/SliceLast?Condition='…'` or by `style` `…/SliceLast(…)`.

    `condition` is plain OData, its quotes are doubled here; periods are ready literals; dimensions are named
    without `_Key`. IIS limits a path segment to 260 characters, so that `query` is the style that carries
    conditions.
    """
    given = {
        "Period": period,
        "StartPeriod": start_period,
        "EndPeriod": end_period,
        "Condition": string(condition) if condition else None,
        "Dimensions": string(",".join(map(name, dimensions))) if dimensions else None,
    }
    arguments = {key: value for key, value in given.items() if value is not None}
    options = {
        "$format": "json",
        **_common_options(select=select, filter_=filter, orderby=orderby, top=top, skip=skip),
    }
    path = f"{name(resource)}/{name(function)}"
    if style == "query":
        return _target(path, {**arguments, **options}, limits)
    return _target(f"{path}({_arguments(arguments)})", options, limits)


def key_batches(
    keys: Sequence[str],
    query: SetQuery,
    *,
    field: str = "Ref_Key",
    of_type: str | None = None,
    max_keys: int = 30,
    limits: UrlLimits = DEFAULT_LIMITS,
) -> Iterator[tuple[tuple[str, ...], SetQuery]]:
    """Give the keys in batches, each with the query that asks for them, within the limits and `max_keys`.

    `of_type` is the type of the keys where the field may hold several (PROTOCOL §3.1: without it nothing is found).

    There is no `in` in 1C's dialect and no way to send a long query in a body (PROTOCOL §1.2), so the
    condition is an `or` of equalities; 30 keys are what practitioners found safe.
    """
    start = 0
    while start < len(keys):
        size = min(max_keys, len(keys) - start)
        while True:
            batch = tuple(keys[start : start + size])
            narrowed = _narrowed(query, field, batch, of_type)
            try:
                narrowed.target(limits)
            except Stop as error:
                if size == 1 or error.code != "ONEC_URL_TOO_LONG":
                    raise
                size = (size + 1) // 2
            else:
                break
        yield batch, narrowed
        start += size


def _narrowed(query: SetQuery, field: str, keys: tuple[str, ...], of_type: str | None) -> SetQuery:
    literal = guid if of_type is None else partial(cast, type_name=of_type)
    one_of = " or ".join(f"{name(field)} eq {literal(key)}" for key in keys)
    return SetQuery(**{**vars(query), "filter": all_of(query.filter, one_of)})


def mask(target: str) -> str:
    """Give the request as it may be shown.

    Decoded, texts and long numbers of conditions hidden, GUIDs and dates kept.
    """
    plain = unquote(target, errors="replace")
    plain = _LITERAL.sub(lambda found: found[0] if found[1] else _masked_text(found[2]), plain)
    return _LONG_NUMBER.sub("*", "".join(char if char.isprintable() else "?" for char in plain))


def _masked_text(inside: str) -> str:
    """Hide a text, but keep a Condition readable.

    It is a whole expression whose literals have their quotes doubled.
    """
    if "''" not in inside:
        return "'*'"
    expression = inside.replace("''", "'")
    return "'" + _LITERAL.sub(lambda found: found[0] if found[1] else "'*'", expression) + "'"


def _common_options(
    *,
    select: Sequence[str] = (),
    filter_: str | None = None,
    orderby: Sequence[str] = (),
    top: int | None = None,
    skip: int | None = None,
) -> dict[str, str]:
    options: dict[str, str] = {}
    if filter_:
        options["$filter"] = filter_
    if select:
        options["$select"] = ",".join(map(path_name, select))
    if orderby:
        options["$orderby"] = ",".join(map(_order_item, orderby))
    for key, value in (("$top", top), ("$skip", skip)):
        if value is not None:
            if value < 0:
                raise bad_query(f"{key} is below zero")
            options[key] = str(value)
    return options


def _order_item(item: str) -> str:
    field, _, direction = item.partition(" ")
    if direction not in {"", "asc", "desc"}:
        raise bad_query(f"{item[:80]!r} is not an order")
    return f"{path_name(field)} {direction}".rstrip()


def _type(value: str) -> str:
    if not _TYPE.fullmatch(value):
        raise bad_query(f"{value[:80]!r} is not the name of a type in 1C")
    return value


def _arguments(literals: Mapping[str, str]) -> str:
    return ",".join(f"{name(key)}={_path_value(literal)}" for key, literal in literals.items())


def _path_value(literal: str) -> str:
    if _UNSAFE_IN_PATH.search(literal):
        raise bad_query("a key value holds characters that web servers do not carry in a path: use a filter")
    return literal


def _target(path: str, options: Mapping[str, str], limits: UrlLimits) -> str:
    query = "&".join(f"{key}={quote(value, safe=_SAFE)}" for key, value in options.items())
    target = quote(path, safe=_SAFE) + ("?" + query if query else "")
    longest = max(len(segment) for segment in path.split("/"))
    for what, length, limit in (
        ("query", len(query), limits.query),
        ("address", len(target), limits.target),
        ("path segment", longest, limits.segment),
    ):
        if length > limit:
            raise Stop(
                f"the {what} of {mask(path)} is {length} characters long, the limit is {limit}",
                code="ONEC_URL_TOO_LONG",
                remedy=(
                    "Ask for fewer fields or keys at once, or raise the limits here and on the web server."
                ),
            )
    return target
