"""Columns of plain values → typed Arrow columns, with every value that cannot be taken named.

Rules over good values are in `contract.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from onec_pipelines.onec.decode import Failure
from onec_pipelines.spec import ColumnType, Field
from onec_pipelines.steps import transforms

_GUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_DATETIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$"
_EMPTY_DATE = "0001-01-01T00:00:00"
_UTC = ZoneInfo("UTC")
# Wide enough for every Число of 1C (31 digits, 10 of them after the point) without loss.
DECIMAL = pa.decimal128(38, 10)
TIMESTAMP = pa.timestamp("s", tz="UTC")
# On the first and the last day of the calendar UTC may lie outside of it, where PostgreSQL does not follow.
_SECOND_DAY = pa.scalar(datetime(1, 1, 2), pa.timestamp("s"))  # noqa: DTZ001 - local time of the base
_LAST_DAY = pa.scalar(datetime(9999, 12, 31), pa.timestamp("s"))  # noqa: DTZ001 - the same


@dataclass(frozen=True, kw_only=True)
class Converted:
    """A typed column and what had to be refused in it (those places are null)."""

    array: pa.Array
    failures: list[Failure]


def convert(values: Sequence[Any], field: Field, zone: ZoneInfo) -> Converted:
    """Type one column: zero GUIDs, the empty date and empty text become null; local time of the base becomes UTC (PROTOCOL §1.5)."""
    return _CONVERTERS[field.type](values, field, zone)


def _text_array(values: Sequence[Any]) -> pa.Array:
    return pa.array(values, pa.string())


def _refused(before: pa.Array, after: pa.Array, field: Field, *, rule: str, reason: str) -> Converted:
    """Name every place that held something and holds nothing now."""
    lost = pc.and_(pc.is_valid(before), pc.is_null(after))
    return Converted(array=after, failures=_failures(lost, before, field, rule=rule, reason=reason))


def _failures(mask: pa.Array, values: pa.Array, field: Field, *, rule: str, reason: str) -> list[Failure]:
    if not pc.any(mask).as_py():
        return []
    rows = pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist()
    return [
        Failure(row=row, field=field.name, rule=rule, reason=reason, value=str(values[row].as_py())[:200])
        for row in rows
    ]


def _guid(values: Sequence[Any], field: Field, _zone: ZoneInfo) -> Converted:
    text = _text_array(values)
    if field.transform in transforms.LENIENT:
        return Converted(array=transforms.apply(field.transform, text), failures=[])
    lowered = pc.utf8_lower(text)
    bad = pc.invert(pc.match_substring_regex(lowered, _GUID))
    failures = _failures(bad, text, field, rule="guid", reason="not a GUID of the form 8-4-4-4-12")
    empty = pc.or_(bad, pc.equal(lowered, transforms.ZERO_GUID))
    return Converted(array=pc.if_else(empty, pa.scalar(None, pa.string()), lowered), failures=failures)


def _text(values: Sequence[Any], field: Field, _zone: ZoneInfo) -> Converted:
    text = _text_array(values)
    converted = _transformed(text, field)
    holds_nul = pc.match_substring(converted.array, "\x00")
    found = _failures(
        holds_nul, text, field, rule="text", reason="holds a NUL character, which PostgreSQL cannot store"
    )
    if not found:
        return converted
    cleared = pc.if_else(holds_nul, pa.scalar(None, pa.string()), converted.array)
    return replace(converted, array=cleared, failures=[*converted.failures, *found])


def _transformed(text: pa.Array, field: Field) -> Converted:
    if field.transform is None:
        return Converted(array=transforms.strip(text), failures=[])
    after = transforms.apply(field.transform, text)
    if field.transform.startswith(("strip", "lower", "clean")) or field.transform in transforms.LENIENT:
        return Converted(array=after, failures=[])
    before = transforms.strip(text)
    before = pc.if_else(pc.equal(before, _EMPTY_DATE), pa.scalar(None, pa.string()), before)
    return _refused(before, after, field, rule="known_value", reason="not a value we know for this field")


def _decimal(values: Sequence[Any], field: Field, _zone: ZoneInfo) -> Converted:
    try:
        array = pa.array(values, DECIMAL)
    except pa.ArrowInvalid:
        return _decimal_by_row(values, field)
    # Arrow makes zero of a number far below its last digit, without an error.
    zeros = pc.indices_nonzero(pc.fill_null(pc.equal(array, Decimal(0)), False)).to_pylist()
    if any(values[row] != 0 for row in zeros):
        return _decimal_by_row(values, field)
    return Converted(array=array, failures=[])


def _decimal_by_row(values: Sequence[Any], field: Field) -> Converted:
    kept: list[Decimal | None] = []
    failures: list[Failure] = []
    for row, value in enumerate(values):
        stored = _stored(value)
        kept.append(stored)
        if stored != value:
            reason = "more digits than a number of 1C can have (31, 10 of them after the point)"
            failures.append(
                Failure(row=row, field=field.name, rule="decimal", reason=reason, value=str(value)[:200])
            )
    return Converted(array=pa.array(kept, DECIMAL), failures=failures)


def _stored(value: Decimal | None) -> Decimal | None:
    """The number as the column will hold it, None when it cannot hold it exactly."""
    try:
        stored: Decimal | None = pa.scalar(value, DECIMAL).as_py()
    except pa.ArrowInvalid:
        return None
    return stored if stored == value else None


def _integer(values: Sequence[Any], field: Field, _zone: ZoneInfo) -> Converted:
    limit = 2**63
    kept = [v if v is None or -limit <= v < limit else None for v in values]
    failures = [
        Failure(
            row=row, field=field.name, rule="integer", reason="does not fit into 64 bits", value=str(v)[:40]
        )
        for row, (v, k) in enumerate(zip(values, kept, strict=True))
        if v is not None and k is None
    ]
    return Converted(array=pa.array(kept, pa.int64()), failures=failures)


def _boolean(values: Sequence[Any], _field: Field, _zone: ZoneInfo) -> Converted:
    return Converted(array=pa.array(values, pa.bool_()), failures=[])


def _timestamp(values: Sequence[Any], field: Field, zone: ZoneInfo) -> Converted:
    if field.transform == "in_utc":
        zone = _UTC
    text = _text_array(values)
    wanted = pc.if_else(pc.equal(text, _EMPTY_DATE), pa.scalar(None, pa.string()), text)
    shaped = pc.if_else(pc.match_substring_regex(wanted, _DATETIME), wanted, pa.scalar(None, pa.string()))
    parsed = pc.strptime(shaped, format="%Y-%m-%dT%H:%M:%S", unit="s", error_is_null=True)
    # strptime lets 30 February roll over into March; writing the date again shows it.
    again = pc.equal(pc.strftime(parsed, format="%Y-%m-%dT%H:%M:%S"), shaped)
    again = pc.and_(again, pc.greater_equal(parsed, _SECOND_DAY))
    if (zone.utcoffset(datetime(9999, 12, 1)) or timedelta()) < timedelta():  # noqa: DTZ001 - local time
        again = pc.and_(again, pc.less(parsed, _LAST_DAY))
    parsed = pc.if_else(again, parsed, pa.scalar(None, parsed.type))
    # A wall clock that was shown twice is the first of the two; one that was skipped is an hour later.
    local = pd.Series(parsed.to_pandas(types_mapper=None)).dt.tz_localize(
        zone, ambiguous=np.ones(len(parsed), dtype=bool), nonexistent="shift_forward"
    )
    utc = pa.array(local.dt.tz_convert("UTC"), type=TIMESTAMP, from_pandas=True)
    return _refused(wanted, utc, field, rule="datetime", reason="not a date and time of the calendar")


_CONVERTERS: dict[ColumnType, Callable[[Sequence[Any], Field, ZoneInfo], Converted]] = {
    ColumnType.GUID: _guid,
    ColumnType.TEXT: _text,
    ColumnType.DECIMAL: _decimal,
    ColumnType.INTEGER: _integer,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.TIMESTAMP: _timestamp,
}
