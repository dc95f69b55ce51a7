"""Bytes of an answer → columns of plain values, by a list of what is wanted.

No rules of the business here: those are in `steps/`. Two ways to the same result: a typed decoder (msgspec,
generated from the wanted columns) for pages that are as `$metadata` says, and a patient one for pages where
a row is malformed, which finds out row by row what is wrong. Numbers keep every digit (PROTOCOL §1.5,
§2.2).
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import cache
from itertools import accumulate
from operator import attrgetter
from typing import Any

import msgspec

from onec_pipelines.errors import RetryLater, Stop

_BOM = b"\xef\xbb\xbf"
_TEXTS = frozenset({"Edm.String", "Edm.Guid", "Edm.DateTime", "Edm.Binary", "Edm.Stream"})
_INTEGERS = frozenset({"Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Byte"})


@dataclass(frozen=True, kw_only=True)
class WireColumn:
    """One wanted value: the wire name and Edm type, and the name under which it is returned."""

    name: str
    wire: str
    edm_type: str


@dataclass(frozen=True, kw_only=True)
class WireSection:
    """A wanted tabular section with its wanted columns."""

    name: str
    wire: str
    columns: tuple[WireColumn, ...]


@dataclass(frozen=True, kw_only=True)
class WireShape:
    """Everything wanted from a row."""

    columns: tuple[WireColumn, ...]
    sections: tuple[WireSection, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What is wrong with one field of one row; `value` is as it came, not yet masked."""

    row: int
    field: str
    rule: str
    reason: str
    value: str = ""


@dataclass(kw_only=True)
class SectionRows:
    """Rows of a tabular section of all objects of a page.

    `owners` holds the position of the object within the page.
    """

    owners: list[int] = field(default_factory=list)
    line_numbers: list[int] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(kw_only=True)
class DecodedPage:
    """A page as columns: text → str, numbers → int or Decimal, booleans.

    None for null and for what a failure names. `count` is the total of `$inlinecount` if it was asked for.
    `source_row(i)` gives the row as JSON text, for the quarantine.
    """

    row_count: int
    columns: dict[str, list[Any]]
    sections: dict[str, SectionRows]
    failures: list[Failure]
    count: int | None
    source_row: Callable[[int], str]


def decode_json(body: bytes, shape: WireShape) -> DecodedPage:
    """Decode a JSON answer: a set (`{"value": [...]}`) or one object.

    Raises RetryLater ONEC_BAD_ANSWER when the bytes are no JSON page, Stop ONEC_COLUMN_MISSING when a
    wanted column is in no row.
    """
    text = body[3:] if body.startswith(_BOM) else body
    try:
        page = _decoder(shape).decode(text)
        columns = _columns_of(page.value, shape.columns)
        sections = _sections_of(page.value, shape)
    except (msgspec.DecodeError, ValueError):
        return _decode_patiently(text, shape)
    return DecodedPage(
        row_count=len(page.value),
        columns=columns,
        sections=sections,
        failures=[],
        count=_as_count(page.count),
        source_row=lambda position: _source_row(text, position),
    )


def check_json(body: bytes) -> None:
    """Raise RetryLater ONEC_BAD_ANSWER when the body is no JSON, so that a cut answer is fetched again."""
    text = body[3:] if body.startswith(_BOM) else body
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, ValueError):
        _loads(text)


def split_rows(body: bytes, size: int) -> Iterator[bytes]:
    """Cut a JSON page into pages of at most `size` rows: an answer of a virtual table may hold a whole register.

    A body that does not parse, or is small enough, comes back as it is: the decoder says what is wrong with it.
    """
    text = body[3:] if body.startswith(_BOM) else body
    try:
        rows = msgspec.json.decode(text, type=_RawPage).value
    except (msgspec.DecodeError, ValueError):
        yield text
        return
    if len(rows) <= size:
        yield text
        return
    for start in range(0, len(rows), size):
        yield b'{"value":[' + b",".join(map(bytes, rows[start : start + size])) + b"]}"


def concat(pages: Sequence[DecodedPage]) -> DecodedPage:
    """Several pages of one shape as one, in order."""
    if len(pages) == 1:
        return pages[0]
    starts = [0, *accumulate(page.row_count for page in pages)]
    return DecodedPage(
        row_count=starts[-1],
        columns={name: [v for page in pages for v in page.columns[name]] for name in pages[0].columns},
        sections={
            name: _concat_sections([page.sections[name] for page in pages], starts) for name in pages[0].sections
        },
        failures=[
            replace(failure, row=failure.row + start)
            for page, start in zip(pages, starts, strict=False)
            for failure in page.failures
        ],
        count=pages[0].count,
        source_row=lambda row: _source_of(pages, starts, row),
    )


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


def dump_row(row: Mapping[str, Any]) -> str:
    """Row as ASCII JSON text with numbers as they came: fit for any text column, whatever the row holds."""
    return json.dumps(row, default=str, ensure_ascii=True)


class _RawPage(msgspec.Struct, gc=False):
    value: list[msgspec.Raw]


def _source_of(pages: Sequence[DecodedPage], starts: Sequence[int], row: int) -> str:
    position = bisect_right(starts, row) - 1
    return pages[position].source_row(row - starts[position])


def _concat_sections(parts: Sequence[SectionRows], starts: Sequence[int]) -> SectionRows:
    return SectionRows(
        owners=[owner + start for part, start in zip(parts, starts, strict=False) for owner in part.owners],
        line_numbers=[number for part in parts for number in part.line_numbers],
        columns={name: [v for part in parts for v in part.columns[name]] for name in parts[0].columns},
    )


class _NotANumber:
    """Stands for NaN and Infinity, which are no JSON and no number of 1C."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


@cache
def _decoder(shape: WireShape) -> msgspec.json.Decoder[Any]:
    members: list[tuple[str, Any, Any]] = [
        (f"c{i}", _python_type(wire.edm_type), msgspec.field(name=wire.wire))
        for i, wire in enumerate(_distinct(shape.columns))
    ]
    for i, section in enumerate(shape.sections):
        row = msgspec.defstruct(
            f"Section{i}",
            [
                ("line", int | str, msgspec.field(name="LineNumber")),
                *(
                    (f"c{j}", _python_type(wire.edm_type), msgspec.field(name=wire.wire))
                    for j, wire in enumerate(_distinct(section.columns))
                ),
            ],
            gc=False,
        )
        members.append((f"s{i}", list[row] | None, msgspec.field(name=section.wire)))  # type: ignore[valid-type]
    row_type = msgspec.defstruct("Row", members, gc=False)
    page_type = msgspec.defstruct(
        "Page",
        [
            ("value", list[row_type]),  # type: ignore[valid-type]
            ("count", str | int | None, msgspec.field(name="odata.count", default=None)),
        ],
        gc=False,
    )
    return msgspec.json.Decoder(page_type)


def _python_type(edm_type: str) -> Any:
    if edm_type == "Edm.Boolean":
        return bool | None
    if edm_type in _INTEGERS:
        return int | str | None
    return str | None if edm_type in _TEXTS else Decimal | None


def _distinct(columns: Sequence[WireColumn]) -> list[WireColumn]:
    return list({column.wire: column for column in columns}.values())


def _positions(columns: Sequence[WireColumn]) -> dict[str, int]:
    return {column.wire: i for i, column in enumerate(_distinct(columns))}


def _columns_of(rows: Sequence[Any], columns: Sequence[WireColumn]) -> dict[str, list[Any]]:
    positions = _positions(columns)
    result: dict[str, list[Any]] = {}
    for column in columns:
        attribute = f"c{positions[column.wire]}"
        values = list(map(attrgetter(attribute), rows))
        result[column.name] = [_to_int(v) for v in values] if column.edm_type in _INTEGERS else values
    return result


def _sections_of(rows: Sequence[Any], shape: WireShape) -> dict[str, SectionRows]:
    sections: dict[str, SectionRows] = {}
    for i, section in enumerate(shape.sections):
        lines: list[Any] = []
        owners: list[int] = []
        attribute = f"s{i}"
        for position, row in enumerate(rows):
            found = getattr(row, attribute)
            if found:
                lines.extend(found)
                owners.extend([position] * len(found))
        sections[section.name] = SectionRows(
            owners=owners,
            line_numbers=[int(line.line) for line in lines],
            columns=_columns_of(lines, section.columns),
        )
    return sections


def _to_int(value: str | int | None) -> int | None:
    # Int64 travels as a string, Int16 as a number (PROTOCOL §1.5); an empty string is an empty number.
    return None if value is None or value == "" else int(value)


def _as_count(value: str | int | None) -> int | None:
    return None if value is None else int(value)


def _source_row(text: bytes, position: int) -> str:
    return dump_row(_loads(text)["value"][position])


def _loads(text: bytes) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_NotANumber)
    except (ValueError, RecursionError) as error:
        raise RetryLater(
            f"the answer is not readable JSON: {error}",
            code="ONEC_BAD_ANSWER",
            remedy="Look at the web server in front of 1C; the read is repeated by itself.",
        ) from error


def _decode_patiently(text: bytes, shape: WireShape) -> DecodedPage:
    document = _loads(text)
    rows = document.get("value", [document]) if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise RetryLater(
            f"the answer is JSON but no page of rows: {text[:120]!r}",
            code="ONEC_BAD_ANSWER",
            remedy="Check that ONEC_URL is the root of the standard OData interface.",
        )
    page = decode_rows([row if isinstance(row, dict) else {} for row in rows], shape)
    page.count = _as_count(document.get("odata.count"))
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
    if value is None:
        return None, ""
    if edm_type in _TEXTS:
        return _checked_text(value)
    if edm_type == "Edm.Boolean":
        return (value, "") if isinstance(value, bool) else (None, "expected true or false")
    number = _number(value)
    if number is None:
        return None, "expected a number"
    if edm_type not in _INTEGERS:
        return number, ""
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


def _patient_section(
    rows: Sequence[Mapping[str, Any]], section: WireSection, failures: list[Failure]
) -> SectionRows:
    result = SectionRows(columns={column.name: [] for column in section.columns})
    for position, row in enumerate(rows):
        lines = row.get(section.wire)
        if lines is None:
            continue
        if not isinstance(lines, list):
            failures.append(
                Failure(row=position, field=section.name, rule="type", reason="expected a tabular section")
            )
            continue
        for number, line in enumerate(lines, start=1):
            found: list[Failure] = []
            values = [_accept(line, column, position, found) for column in section.columns]
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
            result.line_numbers.append(number)
            for column, value in zip(section.columns, values, strict=True):
                result.columns[column.name].append(value)
    return result
