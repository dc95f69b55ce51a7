"""How compiled parts become one closure: chains of conditions, lambdas over sections, functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onec_pipelines.simulator.query.types import Row
from onec_pipelines.simulator.query.values import Condition, Get, Test, Value


def application(apply: Callable[..., Any], values: list[Value]) -> Get:
    """The function over its arguments, NULL when one of them is; one and two arguments without a loop."""
    if len(values) == 1:
        only = values[0].get
        return lambda row: None if (found := only(row)) is None else apply(found)
    if len(values) == 2:  # noqa: PLR2004 - as the docstring says
        return _application_of_two(apply, *values)
    gets = [value.get for value in values]

    def get(row: Row) -> Any:
        found = [part(row) for part in gets]
        return None if any(one is None for one in found) else apply(*found)

    return get


def _application_of_two(apply: Callable[..., Any], left: Value, right: Value) -> Get:
    one, other = left.get, right.get
    if right.constant and (second := other({})) is not None:
        return lambda row: None if (found := one(row)) is None else apply(found, second)
    if left.constant and (first := one({})) is not None:
        return lambda row: None if (found := other(row)) is None else apply(first, found)
    return lambda row: None if (a := one(row)) is None or (b := other(row)) is None else apply(a, b)


def every(tests: list[Test]) -> Test:
    """Whether all tests pass."""
    if len(tests) == 2:  # noqa: PLR2004 - the commonest length, and without a loop twice as fast
        first, second = tests
        return lambda row: first(row) and second(row)

    def all_of(row: Row) -> bool:
        return all(test(row) for test in tests)

    return all_of


def some(tests: list[Test]) -> Test:
    """Whether at least one test passes."""
    if len(tests) == 2:  # noqa: PLR2004 - as above
        first, second = tests
        return lambda row: first(row) or second(row)

    def any_of(row: Row) -> bool:
        return any(test(row) for test in tests)

    return any_of


def quantified(name: str, is_any: bool, test: Test) -> Condition:  # noqa: FBT001 - one of two quantifiers
    """Over the rows of a section; like SQL's EXISTS it is never unknown."""
    if is_any:
        return Condition(
            true=lambda row: any(map(test, row.get(name) or ())),
            false=lambda row: not any(map(test, row.get(name) or ())),
        )
    return Condition(
        true=lambda row: all(map(test, row.get(name) or ())),
        false=lambda row: not all(map(test, row.get(name) or ())),
    )
