"""The pandera contract of an entity, made from its declaration: what a good row is once its values have types."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import pandas as pd
import pandera.pandas as pa

from onec_pipelines.spec import ColumnType, Entity, Field
from onec_pipelines.steps.rules import RULES

_REASONS = {
    "not_nullable": "must not be empty",
    "str_length": "longer than 1C's own limit for this field",
    "greater_than_or_equal_to": "below the least allowed value",
    "less_than_or_equal_to": "above the greatest allowed value",
    "isin": "not one of the allowed values",
    "scale": "more decimal places than the field has",
}


@cache
def contract(entity: Entity) -> pa.DataFrameSchema:
    """Schema for frames of this entity: one Arrow-backed column per field, all failures collected when validated lazily."""
    return pa.DataFrameSchema(
        {field.name: pa.Column(checks=_checks(field), nullable=field.nullable) for field in entity.fields},
        checks=[
            pa.Check(RULES[rule.function], name=rule.name, error=rule.name, ignore_na=False)
            for rule in entity.rules
        ],
        name=entity.name,
    )


def reason_of(rule: str, entity: Entity) -> str:
    """The sentence for people that belongs to a failed rule."""
    for row_rule in entity.rules:
        if row_rule.name == rule:
            return row_rule.reason
    return _REASONS.get(rule, rule)


def _checks(field: Field) -> list[pa.Check]:
    checks: list[pa.Check] = []
    if field.max_length is not None:
        checks.append(pa.Check.str_length(max_value=field.max_length, error="str_length"))
    if field.minimum is not None:
        checks.append(pa.Check.ge(_bound(field, field.minimum), error="greater_than_or_equal_to"))
    if field.maximum is not None:
        checks.append(pa.Check.le(_bound(field, field.maximum), error="less_than_or_equal_to"))
    if field.choices:
        checks.append(pa.Check.isin(list(field.choices), error="isin"))
    if field.scale is not None and field.type is ColumnType.DECIMAL:
        checks.append(pa.Check(_has_scale(field.scale), name="scale", error="scale"))
    return checks


def _bound(field: Field, value: Decimal) -> Decimal | int:
    return int(value) if field.type is ColumnType.INTEGER else value


def _has_scale(scale: int):  # type: ignore[no-untyped-def]  # noqa: ANN202 - pandera's own callable type is not exported
    def check(series: pd.Series) -> pd.Series:
        return series == series.round(scale)

    return check
