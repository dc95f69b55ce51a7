"""`cast(expr, 'Type')` and `isof(expr, 'Type')`, the way into composite values (PROTOCOL §3.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from onec_pipelines.simulator.query.errors import bad_arguments, bad_operands
from onec_pipelines.simulator.query.types import TypeInfo
from onec_pipelines.simulator.query.values import PRIMITIVES, Condition, Get, Value, short_type

_ENTITIES = (
    "Catalog_",
    "Document_",
    "DocumentJournal_",
    "ExchangePlan_",
    "ChartOf",
    "BusinessProcess_",
    "Task_",
    "Constant_",
    "InformationRegister_",
    "AccumulationRegister_",
    "AccountingRegister_",
    "CalculationRegister_",
)


def type_name(text: object, info: TypeInfo, function: str) -> str:
    """The short name of a type: `'StandardODATA.Document_X'` is `Document_X`, `'Edm.Double'` is `Number`.

    Raises QueryError 400/21 when it is not a string, or names an entity that is not published.
    """
    short = short_type(text) if isinstance(text, str) else None
    if not short or (short.startswith(_ENTITIES) and info.entity(short) is None):
        raise bad_arguments(function)
    return short


def cast(value: Value, kind: str) -> Value:
    """The value if it has this type, and NULL otherwise. Raises QueryError 500/-1 when it never can."""
    if value.family == "composite":
        return _as_member(value, kind)
    if kind in PRIMITIVES:
        if value.family != PRIMITIVES[kind]:
            raise bad_operands("ВЫРАЗИТЬ")
        return value
    if value.family == "guid":
        return replace(value, family="reference", target=kind, name=None)
    if value.family == "string" and value.constant:
        return replace(value, family="reference", target=kind)
    if value.family != "reference":
        raise bad_operands("ВЫРАЗИТЬ")
    return value if value.target == kind else Value(get=lambda _row: None, family="reference", target=kind)


def _as_member(value: Value, kind: str) -> Value:
    family = PRIMITIVES.get(kind, "reference")
    target = kind if family == "reference" else None
    return Value(get=_member(value.get, kind), family=family, target=target)


def _member(get: Get, kind: str) -> Get:
    return lambda row: pair[1] if (pair := get(row)) is not None and pair[0] == kind else None


def is_of(value: Value, kind: str) -> Condition:
    """Whether the value has this type; NULL and undefined have none."""
    get = value.get
    if value.family == "composite":
        return Condition(
            true=lambda row: (pair := get(row)) is not None and pair[0] == kind,
            false=lambda row: (pair := get(row)) is None or pair[0] != kind,
        )
    same = kind == value.target if value.target else PRIMITIVES.get(kind) == value.family

    def fits(found: Any) -> bool:
        return same and found is not None

    return Condition(true=lambda row: fits(get(row)), false=lambda row: not fits(get(row)))
