"""From text to tokens: names, literals and punctuation.

The text is percent-decoded, and `+` is a plus (PROTOCOL §1.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Literal as OneOf

from onec_pipelines.simulator.query.errors import not_allowed, syntax
from onec_pipelines.simulator.query.nodes import Literal

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<prefix>[^\W\d]\w*)?'(?P<body>(?:[^']|'')*)'
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?)[LlMmDdFf]?(?![\w.])
      | (?P<name>[^\W\d]\w*)
      | (?P<punctuation>[(),/:*=-])
      | (?P<plus>\+)""",
    re.VERBOSE,
)
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:\.[0-9]+)?")
_DIGITS = 38  # the longest number of 1C's DBMS


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A piece of the text: a name, a punctuation mark, a literal, or the end."""

    kind: OneOf["name", "mark", "literal", "end"]
    text: str = ""
    literal: Literal | None = None


class PlusError(Exception):
    """There is a plus where a space was meant; the caller decides what 1C does about it (PROTOCOL §12 #6)."""


def moment(text: str) -> str | None:
    """Normalise `YYYY-MM-DDTHH:MM[:SS[.fff]]` to seconds, or None.

    Four digits of the year, no zone, a day that exists.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    whole = match[1] + (match[2] or ":00")
    try:
        datetime.fromisoformat(whole)
    except ValueError:
        return None
    return whole


def guid(text: str) -> str | None:
    """Normalise a guid to lower case, or None when it is not one."""
    lowered = text.lower()
    return lowered if _GUID.fullmatch(lowered) else None


def number(text: str) -> int | Decimal | None:
    """The exact value of an unsigned number, or None when it has more digits than a DBMS holds."""
    try:
        value = Decimal(text)
    except InvalidOperation:  # pragma: no cover - the lexer's pattern lets nothing else through
        return None
    if value and (
        value.adjusted() >= _DIGITS or value.adjusted() <= -_DIGITS or len(value.as_tuple().digits) > _DIGITS
    ):
        return None
    return int(value) if value == value.to_integral_value() else value


def tokens(text: str, option: str) -> Iterator[Token]:
    """Tokens of the text and an end.

    Raises QueryError 400/14 naming `option`, and PlusError at a plus outside quotes.
    """
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise syntax(option)
        position = match.end()
        if match["plus"]:
            raise PlusError
        if not match["space"]:
            yield _token(match, option)
    yield Token(kind="end")


def _token(match: re.Match[str], option: str) -> Token:
    if match["name"]:
        return Token(kind="name", text=match["name"])
    if match["punctuation"]:
        return Token(kind="mark", text=match["punctuation"])
    literal = _numeric(match["number"]) if match["number"] else _quoted(match["prefix"], match["body"])
    if literal is None:
        raise syntax(option)
    return Token(kind="literal", literal=literal)


def _numeric(text: str) -> Literal | None:
    value = number(text)
    return None if value is None else Literal(type="number", value=value)


def _quoted(prefix: str | None, body: str) -> Literal | None:
    content = body.replace("''", "'")
    if prefix is None:
        return Literal(type="string", value=content)
    if prefix == "guid":
        key = guid(content)
        return None if key is None else Literal(type="guid", value=key)
    if prefix == "datetime":
        date = moment(content)
        return None if date is None else Literal(type="date", value=date)
    return None


def all_tokens(text: str, option: str) -> list[Token]:
    """Tokens of an option other than `$filter`, where a plus is always an error. Raises QueryError."""
    try:
        return list(tokens(text, option))
    except PlusError:
        raise not_allowed() from None
