"""Calls of virtual tables, from text to names and values.

`Balance(Period=datetime'…',Condition='…',Dimensions='…')` and the same as query options (PROTOCOL §6).

Only reading the call belongs here; computing the table is the server's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from onec_pipelines.simulator.query import lexer
from onec_pipelines.simulator.query.errors import QueryError, syntax
from onec_pipelines.simulator.query.filter import Test, compile_tree
from onec_pipelines.simulator.query.nodes import Literal, Node
from onec_pipelines.simulator.query.parser import parse_filter
from onec_pipelines.simulator.query.types import QueryOptions, Resolve, TypeInfo

PARAMETERS = frozenset(
    {
        "Period",
        "StartPeriod",
        "EndPeriod",
        "Condition",
        "Dimensions",
        "AccountCondition",
        "ExtraDimensions",
        "Order",
        "Top",
        "PostingModeOperational",
        "RoutePoint",
    }
)
_DATES = frozenset({"Period", "StartPeriod", "EndPeriod"})
_CALL = re.compile(r"([^\W\d]\w*)(?:\((.*)\))?", re.DOTALL)
_ARGUMENT = re.compile(r"(?:^|,)\s*([^\W\d]\w*)\s*=")
_STRICT = re.compile(r"(?:[^',]|'(?:[^']|'')*')*")
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_PREFIXED = re.compile(r"(?:datetime)?'(.*)'", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionCall:
    """A function's name and its arguments.

    Dates as `YYYY-MM-DDTHH:MM:SS`, strings without their outer quotes.
    """

    name: str
    arguments: Mapping[str, str]


def parse_function_call(text: str) -> FunctionCall:
    """Read `Balance`, `Balance()` or `Balance(Name=value,…)`.

    Quotes inside strings may be doubled or not (PROTOCOL §3.2).

    `text` is one percent-decoded path segment. Raises QueryError 400/14 for what is not a call or has a value
    that is not one.
    """
    match = _CALL.fullmatch(text.strip())
    if match is None:
        raise syntax(text.partition("(")[0])
    body = (match[2] or "").strip()
    return FunctionCall(name=match[1], arguments=_arguments(body, match[1]) if body else {})


def _arguments(body: str, function: str) -> dict[str, str]:
    """Split at `Name=`.

    By the rule of doubled quotes first, and by the known names of parameters when that rule is broken.
    """
    pieces = _strict_pieces(body) or _lenient_pieces(body)
    if not pieces:
        raise syntax(function)
    return {name: parse_argument(name, value) for name, value in pieces}


def _strict_pieces(body: str) -> list[tuple[str, str]] | None:
    pieces, position = [], 0
    while position <= len(body):
        match = _STRICT.match(body, position)
        stop = match.end() if match else position
        if stop < len(body) and body[stop] != ",":
            return None
        name, sign, value = body[position:stop].partition("=")
        if not sign or not _is_value(name.strip(), value.strip()):
            return None
        pieces.append((name.strip(), value.strip()))
        position = stop + 1
    return pieces


def _is_value(name: str, value: str) -> bool:
    """Whether a value is one literal; a string that ends early, as with undoubled quotes, is not."""
    return name.isidentifier() and ("'" not in value or re.fullmatch(r"\w*'(?:[^']|'')*'", value) is not None)


def _lenient_pieces(body: str) -> list[tuple[str, str]]:
    starts = [match for match in _ARGUMENT.finditer(body) if match[1] in PARAMETERS]
    if not starts or starts[0].start() != 0:
        return []
    stops = [match.start() for match in starts[1:]] + [len(body)]
    return [(match[1], body[match.end() : stop].strip()) for match, stop in zip(starts, stops, strict=True)]


def parse_argument(name: str, text: str) -> str:
    """The value of one argument, as it stands in a call or in a query option (`?Condition=…`).

    There the quotes may be missing. Dates may be literals or plain strings (PROTOCOL §6). Raises QueryError
    400/14 for a date that is none.
    """
    value = text.strip()
    if name not in _DATES:
        return unquoted(value)
    match = _PREFIXED.fullmatch(value)
    date = lexer.moment(match[1] if match else value)
    if date is None:
        raise syntax(name)
    return date


def unquoted(text: str) -> str:
    """A string without outer quotes.

    By the rule when inner quotes are doubled, as it stands when they are not.
    """
    strict = _QUOTED.fullmatch(text)
    if strict:
        return strict[1].replace("''", "'")
    if len(text) > 1 and text.startswith("'") and text.endswith("'"):
        return text[1:-1]
    return text


def parse_condition(text: str) -> Node:
    """The tree of a `Condition` (without or with outer quotes, inner quotes doubled or not).

    Raises QueryError as `$filter` does.
    """
    first: QueryError | None = None
    inner = unquoted(text)
    for candidate in dict.fromkeys((text, inner, text.replace("''", "'"), inner.replace("''", "'"))):
        try:
            tree = parse_filter(candidate)
        except QueryError as error:
            first = first or error
        else:
            if not isinstance(tree, Literal):  # a condition in quotes parses as a string, too
                return tree
    raise first or syntax("Condition")


def compile_condition(
    text: str, type_info: TypeInfo, resolve: Resolve, options: QueryOptions | None = None
) -> Test:
    """The test of a `Condition` over rows of the virtual table's source.

    Key parts are allowed, for these rows are not entities.
    """
    chosen = options or QueryOptions()
    relaxed = QueryOptions(
        unknown_field=chosen.unknown_field,
        plus=chosen.plus,
        key_parts="allow",
        case_sensitive=chosen.case_sensitive,
    )
    return compile_tree(parse_condition(text), type_info, resolve, relaxed)


def parse_dimensions(text: str) -> tuple[str, ...]:
    """Names of dimensions, without spaces around them; an empty text has none.

    Raises QueryError 400/14 for what is no name.
    """
    names = tuple(part.strip() for part in unquoted(text.strip()).split(","))
    if names == ("",):
        return ()
    check: Callable[[str], bool] = str.isidentifier
    if not all(map(check, names)):
        raise syntax("Dimensions")
    return names
