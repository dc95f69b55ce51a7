"""What expressions compile to: a typed value or a condition, both plain closures over a row.

Their making is in the neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias
from typing import Literal as OneOf

from onec_pipelines.simulator.query.types import Row

Get: TypeAlias = Callable[[Row], Any]
Test: TypeAlias = Callable[[Row], bool]
Family: TypeAlias = OneOf[
    "string", "number", "boolean", "date", "guid", "reference", "composite", "storage", "null"
]

FAMILIES: dict[str, Family] = {
    "Edm.String": "string",
    "Edm.Guid": "guid",
    "Edm.DateTime": "date",
    "Edm.Boolean": "boolean",
    "Edm.Int16": "number",
    "Edm.Int32": "number",
    "Edm.Int64": "number",
    "Edm.Double": "number",
    "Edm.Decimal": "number",
}

_SHORT = {
    "Edm.String": "String",
    "Edm.Guid": "UUID",
    "Edm.DateTime": "Date",
    "Edm.Boolean": "Boolean",
    "Edm.Int16": "Number",
    "Edm.Int32": "Number",
    "Edm.Int64": "Number",
    "Edm.Double": "Number",
    "Edm.Decimal": "Number",
    "Undefined": None,
}

PRIMITIVES: dict[str, Family] = {
    "String": "string",
    "Number": "number",
    "Date": "date",
    "Boolean": "boolean",
    "UUID": "guid",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A compiled expression: `get(row)` gives str, int, Decimal, bool or None (SQL's NULL).

    A composite gives a pair (short type name, value) or None when undefined; a reference gives its guid and
    has its type in `target`. `constant` tells that `get` ignores the row; `name` is the property when it is
    one of the row itself.
    """

    get: Get
    family: Family
    constant: bool = False
    name: str | None = None
    target: str | None = None
    unlimited: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """A compiled condition in SQL's three-valued logic.

    `true` and `false` are both False for rows where the answer is unknown.
    """

    true: Test
    false: Test

    def negated(self) -> Condition:
        """The condition after `not`."""
        return Condition(true=self.false, false=self.true)


def short_type(name: str) -> str | None:
    """`StandardODATA.Catalog_X` → `Catalog_X`, `Edm.Double` → `Number`, `UnavailableEnums.X` → `X`.

    None for undefined.
    """
    bare = name.removeprefix("StandardODATA.").removeprefix("UnavailableEnums.")
    return _SHORT.get(bare, bare)


def constant(value: Any, family: Family) -> Value:
    """A value that is the same for every row."""
    return Value(get=lambda _row: value, family=family, constant=True)


def folded(value: Value, *, case_sensitive: bool, pad: bool) -> Value:
    """A string value made ready for comparing.

    Lower case unless case matters, and with `pad` without trailing spaces.

    Trailing spaces do not matter in comparisons, so that fixed-length strings, which come padded (PROTOCOL
    §1.5), can be found.
    """
    fold = _FOLDS[case_sensitive, pad]
    if value.constant:
        ready = _apply(fold, value.get({}))
        return replace(value, get=lambda _row: ready)
    get, name = value.get, value.name
    if name is not None:
        return replace(
            value, get=lambda row: None if (text := row.get(name)) is None else fold(text), name=None
        )
    return replace(value, get=lambda row: None if (text := get(row)) is None else fold(text))


def _apply(function: Callable[[str], str], text: str | None) -> str | None:
    return None if text is None else function(text)


_FOLDS: dict[tuple[bool, bool], Callable[[str], str]] = {
    (False, False): str.lower,
    (False, True): lambda text: text.lower().rstrip(" "),
    (True, False): lambda text: text,
    (True, True): lambda text: text.rstrip(" "),
}


def typed(kind: str | None, value: Any) -> tuple[str, Any] | None:
    """The pair of a composite value from its two properties.

    Values are strings on the wire even when they are numbers (§1.5).
    """
    if kind is None or value is None:
        return None
    short = short_type(kind)
    if short is None:
        return None
    if short == "Number":
        return short, _number(value)
    if short == "Boolean":
        return short, value is True or value == "true"
    return short, str(value)


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError, TypeError):
        return None
    return number if number.is_finite() else None


def as_condition(value: Value) -> Condition:
    """The condition that a boolean value is true."""
    get = value.get
    return Condition(true=lambda row: get(row) is True, false=lambda row: get(row) is False)


def as_value(condition: Condition) -> Value:
    """The boolean value of a condition, NULL when unknown."""
    true, false = condition.true, condition.false

    def get(row: Row) -> bool | None:
        if true(row):
            return True
        return False if false(row) else None

    return Value(get=get, family="boolean")
