"""The patient decoder: finds out row by row what is wrong with a page that is not as `$metadata` says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.onec.decode_model import (
    INTEGERS,
    TEXTS,
    DecodedPage,
    Failure,
    SectionRows,
    WireColumn,
    WireSection,
    WireShape,
    as_count,
    dump_row,
)

_MOST_DIGITS = 400


class _NotANumber:
    """Stands for NaN and Infinity, which are no JSON and no number of 1C."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def load_json(text: bytes) -> Any:
    """Any JSON with every digit kept. Raises RetryLater ONEC_BAD_ANSWER when the bytes are none."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_NotANumber)
    except (ValueError, RecursionError) as error:
        raise RetryLater(
            f"the answer is not readable JSON: {error}",
            code="ONEC_BAD_ANSWER",
            remedy="Look at the web server in front of 1C; the read is repeated by itself.",
        ) from error


def decode_patiently(text: bytes, shape: WireShape) -> DecodedPage:
    """A JSON page row by row. Raises what `decode_json` does."""
    document = load_json(text)
    rows = document.get("value", [document]) if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise RetryLater(
            f"the answer is JSON but no page of rows: {text[:120]!r}",
            code="ONEC_BAD_ANSWER",
            remedy="Check that ONEC_URL is the root of the standard OData interface.",
        )
    page = decode_rows([row if isinstance(row, dict) else {} for row in rows], shape)
    page.count = as_count(document.get("odata.count"))
    return page


def decode_rows(rows: Sequence[Mapping[str, Any]], shape: WireShape) -> DecodedPage:
    """Decode rows that are already plain dicts (the Atom reader's), by the patient way."""
    page = DecodedPage(
        row_count=len(rows),
        columns={column.name: [] for column in shape.columns},
        sections={},
        failures=[],
        count=None,
        source_row=lambda position: dump_row(rows[position]),
    )
    _refuse_missing_columns(rows, shape)
    for position, row in enumerate(rows):
        for column in shape.columns:
            page.columns[column.name].append(_accept(row, column, position, page.failures))
    for section in shape.sections:
        page.sections[section.name] = _patient_section(rows, section, page.failures)
    return page


def _refuse_missing_columns(rows: Sequence[Mapping[str, Any]], shape: WireShape) -> None:
    wanted = [c.wire for c in shape.columns] + [s.wire for s in shape.sections]
    missing = [wire for wire in wanted if rows and all(wire not in row for row in rows)]
    if missing:
        raise Stop(
            f"1C no longer sends {', '.join(sorted(set(missing)))}",
            code="ONEC_COLUMN_MISSING",
            remedy=(
                "The configuration was changed: run `onec doctor` and adapt the entity's field alternatives."
            ),
        )


def _accept(row: Mapping[str, Any], column: WireColumn, position: int, failures: list[Failure]) -> Any:
    if column.wire not in row:
        failures.append(
            Failure(row=position, field=column.name, rule="present", reason=f"the row has no {column.wire}")
        )
        return None
    value = row[column.wire]
    accepted, reason = _checked(value, column.edm_type)
    if reason:
        failures.append(
            Failure(row=position, field=column.name, rule="type", reason=reason, value=str(value)[:200])
        )
    return accepted


def _checked(value: Any, edm_type: str) -> tuple[Any, str]:
    if value is None or (value == "" and edm_type in INTEGERS):
        return None, ""
    if edm_type in TEXTS:
        return _checked_text(value)
    if edm_type == "Edm.Boolean":
        return (value, "") if isinstance(value, bool) else (None, "expected true or false")
    return _checked_number(value, whole=edm_type in INTEGERS)


def _checked_number(value: Any, *, whole: bool) -> tuple[Any, str]:
    number = _number(value)
    if number is None:
        return None, "expected a number"
    if not whole:
        return number, ""
    if number.adjusted() > _MOST_DIGITS:
        return None, "more digits than any number has"  # to write 1e999999999 out takes all memory
    return (int(number), "") if number == int(number) else (None, "expected a whole number")


def _checked_text(value: Any) -> tuple[Any, str]:
    if not isinstance(value, str):
        return None, "expected text"
    try:
        value.encode()
    except UnicodeEncodeError:
        return None, "holds half of a surrogate pair"
    return value, ""


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _line_number(given: Any, position: int) -> int:
    """The number that 1C gave the line; its position where 1C gave none."""
    number, _ = _checked(given, "Edm.Int64")
    return position if number is None else number


def _patient_section(
    rows: Sequence[Mapping[str, Any]], section: WireSection, failures: list[Failure]
) -> SectionRows:
    result = SectionRows(columns={column.name: [] for column in section.columns})
    for position, row in enumerate(rows):
        if section.wire not in row:
            failures.append(
                Failure(
                    row=position, field=section.name, rule="present", reason=f"the row has no {section.wire}"
                )
            )
            continue
        lines = row[section.wire]
        if lines is None:
            continue
        if not isinstance(lines, list):
            failures.append(
                Failure(row=position, field=section.name, rule="type", reason="expected a tabular section")
            )
            continue
        for number, line in enumerate(lines, start=1):
            found: list[Failure] = []
            cells = line if isinstance(line, dict) else {}
            values = [_accept(cells, column, position, found) for column in section.columns]
            failures.extend(
                Failure(
                    row=f.row,
                    field=f"{section.name}[{number}].{f.field}",
                    rule=f.rule,
                    reason=f.reason,
                    value=f.value,
                )
                for f in found
            )
            result.owners.append(position)
            result.line_numbers.append(_line_number(cells.get("LineNumber"), number))
            for column, value in zip(section.columns, values, strict=True):
                result.columns[column.name].append(value)
    return result
