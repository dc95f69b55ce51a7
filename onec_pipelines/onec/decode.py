"""Bytes of an answer → columns of plain values, by a list of what is wanted.

No rules of the business here: those are in `steps/`. Two ways to the same result: a typed decoder (msgspec,
generated from the wanted columns) for pages that are as `$metadata` says, and a patient one for pages where
a row is malformed, which finds out row by row what is wrong. Numbers keep every digit (PROTOCOL §1.5,
§2.2).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import accumulate
from operator import attrgetter
from typing import Any

import msgspec

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
from onec_pipelines.onec.decode_patient import decode_patiently, decode_rows, load_json

__all__ = [
    "DecodedPage",
    "Failure",
    "SectionRows",
    "WireColumn",
    "WireSection",
    "WireShape",
    "check_json",
    "concat",
    "decode_json",
    "decode_rows",
    "dump_row",
    "split_rows",
]

_BOM = b"\xef\xbb\xbf"


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
        return decode_patiently(text, shape)
    return DecodedPage(
        row_count=len(page.value),
        columns=columns,
        sections=sections,
        failures=[],
        count=as_count(page.count),
        source_row=_rows_on_demand(text),
    )


def check_json(body: bytes) -> None:
    """Raise RetryLater ONEC_BAD_ANSWER when the body is no JSON, so that a cut answer is fetched again."""
    text = body[3:] if body.startswith(_BOM) else body
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, ValueError):
        load_json(text)


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
            name: _concat_sections([page.sections[name] for page in pages], starts)
            for name in pages[0].sections
        },
        failures=[
            replace(failure, row=failure.row + start)
            for page, start in zip(pages, starts, strict=False)
            for failure in page.failures
        ],
        count=pages[0].count,
        source_row=lambda row: _source_of(pages, starts, row),
    )


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
    if edm_type in INTEGERS:
        return int | str | None
    return str | None if edm_type in TEXTS else Decimal | None


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
        result[column.name] = [_to_int(v) for v in values] if column.edm_type in INTEGERS else values
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


def _rows_on_demand(text: bytes) -> Callable[[int], str]:
    """Rows of a page as JSON text; the page is cut into rows at the first question only, and only asked rows are read."""

    @cache
    def rows() -> list[msgspec.Raw]:
        return msgspec.json.decode(text, type=_RawPage).value

    return lambda position: dump_row(load_json(bytes(rows()[position])))
