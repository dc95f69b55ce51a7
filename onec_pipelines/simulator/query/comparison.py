"""`eq ne gt ge lt le`.

Which values 1C compares, which it refuses and which are silently never equal (PROTOCOL §3.1).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from onec_pipelines.simulator.query.errors import not_comparable
from onec_pipelines.simulator.query.nodes import ComparisonOperator
from onec_pipelines.simulator.query.types import Row
from onec_pipelines.simulator.query.values import PRIMITIVES, Condition, Get, Test, Value, folded

_OPERATIONS: dict[ComparisonOperator, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_OPPOSITE: dict[ComparisonOperator, ComparisonOperator] = {
    "eq": "ne",
    "ne": "eq",
    "gt": "le",
    "le": "gt",
    "lt": "ge",
    "ge": "lt",
}
_ORDERED = ("string", "number", "date", "boolean")
_MIXED = ("composite", "reference")


def compare(sign: ComparisonOperator, left: Value, right: Value, *, case_sensitive: bool) -> Condition:
    """The condition of a comparison; with NULL on either side it is unknown.

    Raises QueryError 500/-1 for what 1C does not compare.
    """
    _refuse(sign, left, right)
    if "null" in (left.family, right.family):
        return _null_test(sign, left, right)
    if left.family in _MIXED or right.family in _MIXED:
        left, right = _pair(left), _pair(right)
    elif left.family != right.family:
        return _different(sign, left, right)
    left = _ready(left, case_sensitive=case_sensitive)
    right = _ready(right, case_sensitive=case_sensitive)
    return Condition(true=_test(sign, left, right), false=_test(_OPPOSITE[sign], left, right))


def _refuse(sign: ComparisonOperator, left: Value, right: Value) -> None:
    for value, other in ((left, right), (right, left)):
        if (
            value.unlimited
            or value.family == "storage"
            or (value.name == "Recorder" and _bare_guid(value, other))
        ):
            raise not_comparable()
        if sign not in ("eq", "ne") and value.family not in (*_ORDERED, "null"):
            raise not_comparable()


def _bare_guid(recorder: Value, other: Value) -> bool:
    """A register refuses `Recorder eq guid'…'`, where other composite fields silently find nothing."""
    return recorder.family == "composite" and other.family == "guid"


def _ready(value: Value, *, case_sensitive: bool) -> Value:
    if value.family == "string":
        return folded(value, case_sensitive=case_sensitive, pad=True)
    if value.family == "composite" and not case_sensitive:
        return _folded_pair(value)
    return value


def _folded_pair(value: Value) -> Value:
    def fold(pair: tuple[str, Any] | None) -> tuple[str, Any] | None:
        if pair is None or pair[0] != "String":
            return pair
        return "String", pair[1].lower().rstrip(" ")

    return _mapped(value, fold)


def _mapped(value: Value, function: Callable[[Any], Any]) -> Value:
    get = value.get
    if value.constant:
        ready = function(get({}))
        return replace(value, get=lambda _row: ready)
    return replace(value, get=lambda row: function(get(row)), name=None)


def _pair(value: Value) -> Value:
    """Any value as a pair of type and value, so that it can be compared with a composite.

    A bare guid has a type that nothing has.
    """
    if value.family == "composite":
        return value
    if value.family == "reference":
        kind = value.target
    elif value.family == "guid":
        kind = value.target or "guid"
    else:
        kind = next(name for name, family in PRIMITIVES.items() if family == value.family)
    paired = _mapped(value, lambda plain: None if plain is None else (kind, plain))
    return replace(paired, family="composite")


def _different(sign: ComparisonOperator, left: Value, right: Value) -> Condition:
    """Values of different types: never equal, always unequal, and in no order."""
    one, other = left.get, right.get

    def known(row: Row) -> bool:
        return one(row) is not None and other(row) is not None

    if sign == "eq":
        return Condition(true=_never, false=known)
    if sign == "ne":
        return Condition(true=known, false=_never)
    return Condition(true=_never, false=_never)


def _never(_row: Row) -> bool:
    return False


def _null_test(sign: ComparisonOperator, left: Value, right: Value) -> Condition:
    """`eq null` and `ne null` ask whether there is a value; other comparisons with null are never true."""
    get: Get = right.get if left.family == "null" else left.get

    def absent(row: Row) -> bool:
        return get(row) is None

    def present(row: Row) -> bool:
        return get(row) is not None

    if sign == "eq":
        return Condition(true=absent, false=present)
    if sign == "ne":
        return Condition(true=present, false=absent)
    return Condition(true=_never, false=_never)


def _test(sign: ComparisonOperator, left: Value, right: Value) -> Test:
    if right.constant:
        return _with_constant(sign, left, right.get({}))
    operation, one, other = _OPERATIONS[sign], left.get, right.get

    def test(row: Row) -> bool:
        first, second = one(row), other(row)
        return first is not None and second is not None and bool(operation(first, second))

    return test


def _with_constant(sign: ComparisonOperator, left: Value, limit: Any) -> Test:
    if limit is None:
        return _never
    get, name = left.get, left.name
    if sign == "eq":
        return _equals(name, get, limit)
    operation = _OPERATIONS[sign]
    return lambda row: (found := get(row)) is not None and operation(found, limit)


def _equals(name: str | None, get: Get, limit: Any) -> Test:
    """The commonest test of all, without a call in between when the property belongs to the row itself."""
    if name is not None:
        return lambda row: bool(row.get(name) == limit)
    return lambda row: bool(get(row) == limit)
