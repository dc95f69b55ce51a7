"""Figures of a whole table compared with those of the last good run: rows, share of filled values, means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from onec_pipelines.monitoring.expectations.model import Expectation, Finding, Form, Severity
from onec_pipelines.monitoring.expectations.tables import Table
from onec_pipelines.spec import ColumnType

DISTRIBUTION = "distribution"
Figures = dict[str, Any]
"""`rows`: number; `filled`: column → share that is not empty; `mean`: column → mean."""

_ROWS_SHARE, _ROWS_FREE = 0.3, 20
_FILLED_POINTS = 0.1
_MEAN_SHARE = 0.5
# A share or a mean of a few rows jumps with each of them.
_FEW_ROWS = 50
_REMEDY = (
    "Look at what changed in 1C since the last good run. If it is right, `onec quality run {entity} --accept`"
    " makes these figures the ones to compare with."
)


def compared(table: Table, last: Figures | None) -> Iterator[Expectation]:
    """Expectations of the figures; without a last good run they only measure, and pass."""
    last = last or {}
    rows = last.get("rows")
    yield _about(
        table,
        Form.ROW_COUNT,
        "",
        "The number of live rows",
        None if rows is None else (rows - _slack(rows), rows + _slack(rows)),
    )
    is_enough = rows is not None and rows >= _FEW_ROWS
    for column in table.target.columns:
        field = table.field_of(column)
        name = column.name
        if column.reference or (field is not None and field.nullable):
            share = last.get("filled", {}).get(name) if is_enough else None
            bounds = None if share is None else (share - _FILLED_POINTS, share + _FILLED_POINTS)
            yield _about(
                table, Form.FILLED, name, f"The share of rows with {name}", bounds, within=(0.0, 1.0)
            )
        if field is not None and field.type is ColumnType.DECIMAL and name not in table.masked:
            mean = last.get("mean", {}).get(name) if is_enough else None
            bounds = (
                None if mean is None else (mean - abs(mean) * _MEAN_SHARE, mean + abs(mean) * _MEAN_SHARE)
            )
            yield _about(table, Form.MEAN, name, f"The mean of {name}", bounds)


def figures_of(findings: Iterable[Finding]) -> Figures:
    """The measured figures of one table, from its findings."""
    figures: Figures = {"filled": {}, "mean": {}}
    for one in findings:
        if one.observed is None:
            continue
        form, columns = one.expectation.form, one.expectation.columns
        if form is Form.ROW_COUNT:
            figures["rows"] = int(one.observed)
        elif form in {Form.FILLED, Form.MEAN}:
            figures[form.value][columns[0]] = one.observed
    return figures


def _slack(rows: int) -> int:
    return max(_ROWS_FREE, int(rows * _ROWS_SHARE))


def _about(
    table: Table,
    form: Form,
    column: str,
    what: str,
    bounds: tuple[float, float] | None,
    *,
    within: tuple[float, float] | None = None,
) -> Expectation:
    low, high = bounds or (None, None)
    if low is not None and high is not None and within is not None:
        low, high = max(low, within[0]), min(high, within[1])
    words = f"{what} is what it was in the last good run"
    return Expectation(
        check=DISTRIBUTION,
        words=f"{words}: {_short(low)} to {_short(high)}." if bounds else f"{words} (none yet: measured).",
        remedy=_REMEDY.format(entity=table.entity.name),
        severity=Severity.WARN,
        form=form,
        columns=(column,) if column else (),
        minimum=low,
        maximum=high,
    )


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
