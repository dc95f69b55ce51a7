"""The documented functions (PROTOCOL §3.1).

What they take, what they give, how 1C names them when it refuses their operands.

`cast` and `isof` need to know types and are compiled in casts.py; the predicates over strings ignore case as
comparisons do.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from onec_pipelines.simulator.query.values import Family

_REFUSED = "length indexof replace tolower toupper trim years days hours seconds floor ceiling"
UNSUPPORTED = frozenset(_REFUSED.split())
UNITS = ("second", "minute", "hour", "day", "month", "quarter", "year")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A function: families of its arguments and result, and its name in 1C's query text.

    The last `optional` arguments may be left out. `folds` tells that its strings are compared; `unit` is the
    position of the argument that names a unit of
    time.
    """

    apply: Callable[..., Any]
    arguments: tuple[Family, ...]
    result: Family
    russian: str
    optional: int = 0
    folds: bool = False
    unit: int | None = None


def substring(text: str, start: int | Decimal, length: int | Decimal | None = None) -> str:
    """Characters from position `start`, which counts from 1, as the query language does."""
    begin = int(start)
    end = None if length is None else max(begin + int(length) - 1, 0)
    return text[max(begin - 1, 0) : end]


def like(text: str, template: str) -> bool:
    """`ПОДОБНО`: % any characters, _ one, [а-я] one of, [^а-я] none of; everything else is itself."""
    return _matcher(template)(text)


@lru_cache(maxsize=256)
def _matcher(template: str) -> Callable[[str], bool]:
    core = template.strip("%")
    if not any(mark in core for mark in "%_["):
        return _plain_matcher(core, before=template.startswith("%"), after=template.endswith("%"))
    pattern = re.compile(_expression(template), re.DOTALL)
    return lambda text: pattern.fullmatch(text) is not None


def _plain_matcher(core: str, *, before: bool, after: bool) -> Callable[[str], bool]:
    if before and after:
        return lambda text: core in text
    if before:
        return lambda text: text.endswith(core)
    if after:
        return lambda text: text.startswith(core)
    return lambda text: text == core


_TEMPLATE = re.compile(r"(?P<many>%+)|(?P<one>_)|\[(?P<not>\^?)(?P<set>[^\]]+)\]|(?P<plain>.)", re.DOTALL)


def _expression(template: str) -> str:
    """The template as a regular expression: between the %s each piece is taken where it first fits.

    Pieces have a fixed length, so that the first fit is as good as any; atomic groups spare the search for
    others, which would take forever in a template of many %s.
    """
    pieces = [""]
    for match in _TEMPLATE.finditer(template):
        if match["many"]:
            pieces.append("")
        elif match["one"]:
            pieces[-1] += "."
        elif match["set"]:
            pieces[-1] += _one_of(match["set"], negated=bool(match["not"]))
        else:
            pieces[-1] += re.escape(match["plain"])
    first, *middle = pieces[:-1] or pieces
    found = "".join(f"(?>.*?{piece})" for piece in middle)
    return first if len(pieces) == 1 else f"{first}{found}.*{pieces[-1]}"


def _one_of(characters: str, *, negated: bool) -> str:
    """A set of characters and ranges; a range that runs backwards holds nothing."""
    members = []
    for match in re.finditer(r"(.)-(.)|(.)", characters, re.DOTALL):
        low, high = match[1] or match[3], match[2] or match[3]
        if low <= high:
            members.append(f"{re.escape(low)}-{re.escape(high)}")
    if not members:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{''.join(members)}]"


def _part(start: int, stop: int) -> Callable[[str], int]:
    return lambda date: int(date[start:stop])


def _quarter(date: str) -> int:
    return (int(date[5:7]) + 2) // 3


def _day_of_week(date: str) -> int:
    return datetime.fromisoformat(date).isoweekday()


def _day_of_year(date: str) -> int:
    return datetime.fromisoformat(date).timetuple().tm_yday


def dateadd(date: str, unit: str, count: int | Decimal) -> str | None:
    """The date moved by whole units; the day of a month is cut to the month's length.

    NULL outside the years 1 to 9999.
    """
    whole, start = int(count), datetime.fromisoformat(date)
    try:
        moved = (
            _plus_months(start, whole * _MONTHS[unit])
            if unit in _MONTHS
            else _plus(start, whole * _SECONDS[unit])
        )
    except (OverflowError, ValueError):
        return None
    return moved.isoformat()


def _plus(start: datetime, seconds: int) -> datetime:
    return start + timedelta(seconds=seconds)


def _plus_months(start: datetime, months: int) -> datetime:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return start.replace(year=year, month=month + 1, day=min(start.day, last))


def datedifference(first: str, second: str, unit: str) -> int:
    """How many borders of the unit lie between the dates, as `РАЗНОСТЬДАТ` counts.

    From 23:59 to 00:01 it is one day.
    """
    return _ordinal(second, unit) - _ordinal(first, unit)


def _ordinal(date: str, unit: str) -> int:
    moment = datetime.fromisoformat(date)
    if unit in _MONTHS:
        return (moment.year * 12 + moment.month - 1) // _MONTHS[unit]
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return (moment.toordinal() * 86400 + seconds) // _SECONDS[unit]


def rounded(number: int | Decimal) -> int:
    """The nearest whole number, halves away from zero."""
    return number if isinstance(number, int) else int(number.to_integral_value(ROUND_HALF_UP))


def _date(apply: Callable[[str], int], russian: str) -> Function:
    return Function(apply=apply, arguments=("date",), result="number", russian=russian)


def _predicate(apply: Callable[[str, str], bool]) -> Function:
    return Function(
        apply=apply, arguments=("string", "string"), result="boolean", russian="ПОДОБНО", folds=True
    )


FUNCTIONS: dict[str, Function] = {
    "concat": Function(
        apply=lambda one, two: one + two, arguments=("string", "string"), result="string", russian="+"
    ),
    "endswith": _predicate(lambda text, end: text.endswith(end)),
    "startswith": _predicate(lambda text, start: text.startswith(start)),
    "substringof": _predicate(lambda needle, text: needle in text),
    "like": _predicate(like),
    "substring": Function(
        apply=substring,
        arguments=("string", "number", "number"),
        result="string",
        russian="ПОДСТРОКА",
        optional=1,
    ),
    "year": _date(_part(0, 4), "ГОД"),
    "quarter": _date(_quarter, "КВАРТАЛ"),
    "month": _date(_part(5, 7), "МЕСЯЦ"),
    "day": _date(_part(8, 10), "ДЕНЬ"),
    "hour": _date(_part(11, 13), "ЧАС"),
    "minute": _date(_part(14, 16), "МИНУТА"),
    "second": _date(_part(17, 19), "СЕКУНДА"),
    "dayofweek": _date(_day_of_week, "ДЕНЬНЕДЕЛИ"),
    "dayofyear": _date(_day_of_year, "ДЕНЬГОДА"),
    "dateadd": Function(
        apply=dateadd, arguments=("date", "string", "number"), result="date", russian="ДОБАВИТЬКДАТЕ", unit=1
    ),
    "datedifference": Function(
        apply=datedifference,
        arguments=("date", "date", "string"),
        result="number",
        russian="РАЗНОСТЬДАТ",
        unit=2,
    ),
    "round": Function(apply=rounded, arguments=("number",), result="number", russian="ОКР"),
}
