"""Bytes to columns: two ways to the same result, every digit kept, malformed rows named one by one.

A name that comes twice in a row: the last one wins, in both ways (RELIABILITY C-1), as in every JSON parser.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.onec.decode import concat, decode_json, split_rows
from onec_pipelines.onec.decode_model import WireColumn, WireSection, WireShape
from onec_pipelines.onec.decode_patient import decode_patiently

TYPES = ("Edm.String", "Edm.Guid", "Edm.Boolean", "Edm.Int16", "Edm.Int64", "Edm.Double", "Edm.DateTime")
COLUMNS = tuple(WireColumn(name=t[4:].lower(), wire=t[4:], edm_type=t) for t in TYPES)
LINES = WireSection(name="lines", wire="Строки", columns=COLUMNS[:2])
SHAPE = WireShape(columns=COLUMNS, sections=(LINES,))
NUMBER = WireShape(columns=(WireColumn(name="x", wire="X", edm_type="Edm.Double"),))
WHOLE = WireShape(columns=(WireColumn(name="x", wire="X", edm_type="Edm.Int64"),))
TEXT = WireShape(columns=(WireColumn(name="x", wire="X", edm_type="Edm.String"),))

texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
whole = st.none() | st.integers(-(2**63), 2**63 - 1)
values = {
    "String": texts,
    "Guid": texts,
    "Boolean": st.none() | st.booleans(),
    "Int16": whole,
    "Int64": whole.map(lambda v: v if v is None else str(v)) | st.just(""),
    "Double": whole | st.floats(allow_nan=False, allow_infinity=False),
    "DateTime": texts,
}
anything = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just([1]) | st.just({})
)
good_lines = st.lists(
    st.fixed_dictionaries({"String": texts, "Guid": texts, "LineNumber": st.integers(1, 99).map(str)}),
    max_size=2,
)
good_rows = st.fixed_dictionaries({**values, "Строки": good_lines})
bad_rows = st.fixed_dictionaries(
    {name: strategy | anything for name, strategy in values.items()},
    optional={"Строки": good_lines | anything | st.lists(anything, max_size=2)},
)


def page(*rows):
    return json.dumps({"odata.metadata": "x", "value": rows}, ensure_ascii=False).encode()


def both_ways(body, shape):
    return decode_json(body, shape), decode_patiently(body, shape)


@given(st.lists(good_rows, max_size=4))
def test_both_ways_give_the_same_for_good_pages(rows):
    fast, patient = both_ways(page(*rows), SHAPE)

    assert patient.failures == fast.failures == []
    assert patient.columns == fast.columns
    assert patient.sections == fast.sections
    assert patient.row_count == fast.row_count == len(rows)


@given(good_rows, st.lists(bad_rows, max_size=3))
def test_no_row_can_break_a_page(good, bad):
    """Whatever the others hold, the good row comes through and what is refused is named."""
    body = json.dumps({"value": [good, *bad]}).encode()

    found = decode_json(body, SHAPE)

    (alone,) = [decode_json(page(good), SHAPE)]
    assert {name: cells[0] for name, cells in found.columns.items()} == {
        name: cells[0] for name, cells in alone.columns.items()
    }
    assert not [failure for failure in found.failures if failure.row == 0]
    for name, cells in found.columns.items():
        assert len(cells) == 1 + len(bad), name


def test_a_byte_order_mark_is_no_part_of_the_page():
    assert decode_json(b"\xef\xbb\xbf" + page({"X": 1}), NUMBER).columns == {"x": [Decimal(1)]}


@pytest.mark.parametrize("digits", ["0.1", "1234567890123456789012345.0000000001", "1.10", "-0.5", "1e3"])
def test_numbers_keep_every_digit(digits):
    body = f'{{"value":[{{"X":{digits}}}]}}'.encode()

    for found in both_ways(body, NUMBER):
        assert str(found.columns["x"][0]) == str(Decimal(digits))


@pytest.mark.parametrize(
    ("sent", "expected"), [('"9223372036854775807"', 2**63 - 1), ("17", 17), ('""', None), ("null", None)]
)
def test_whole_numbers_come_as_text_or_number(sent, expected):
    for found in both_ways(f'{{"value":[{{"X":{sent}}}]}}'.encode(), WHOLE):
        assert (found.columns["x"], found.failures) == ([expected], [])


@pytest.mark.parametrize("sent", ["NaN", "Infinity", "-Infinity", '"NaN"', '"дорого"', "true", "[]", "{}"])
def test_what_is_no_number_is_named(sent):
    found = decode_json(f'{{"value":[{{"X":{sent}}},{{"X":2}}]}}'.encode(), NUMBER)

    if (
        sent == '"NaN"' and not found.failures
    ):  # a Decimal to the typed decoder; `steps/convert.py` refuses it
        assert found.columns["x"][0].is_nan()
        return
    assert found.columns["x"] == [None, 2]
    assert [(one.row, one.field, one.rule) for one in found.failures] == [(0, "x", "type")]


@pytest.mark.parametrize("sent", ["1e999999999", "1e400", "1.5", '"1.5"'])
def test_a_huge_or_broken_whole_number_is_refused_in_no_time(sent):
    found = decode_json(f'{{"value":[{{"X":{sent}}}]}}'.encode(), WHOLE)

    assert found.failures or found.columns["x"][0] >= 10**399


def test_the_last_of_two_equal_names_wins():
    for found in both_ways(b'{"value":[{"X":"a","X":"b"}]}', TEXT):
        assert found.columns == {"x": ["b"]}


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"value":[{"X":1}', b'{"value":5}', b"[1]", b"\xff", b"[" * 200_000]
)
def test_what_is_no_page_is_asked_for_again(body):
    with pytest.raises(RetryLater, match="ONEC_BAD_ANSWER"):
        decode_json(body, TEXT)


def test_a_column_that_is_in_no_row_stops():
    with pytest.raises(Stop, match=r"ONEC_COLUMN_MISSING.*X"):
        decode_json(page({"Y": 1}, {"Y": 2}), TEXT)


def test_an_empty_page_lacks_nothing():
    assert decode_json(page(), SHAPE).row_count == 0


def test_a_section_that_one_row_lacks_is_named():
    shape = WireShape(columns=TEXT.columns, sections=(LINES,))

    found = decode_json(page({"X": "a", "Строки": []}, {"X": "b"}), shape)

    assert [(one.row, one.field, one.rule) for one in found.failures] == [(1, "lines", "present")]


@given(st.lists(good_rows, max_size=7), st.integers(1, 4))
def test_a_page_that_was_cut_is_the_whole_one_again(rows, size):
    body = page(*rows)

    parts = [decode_json(part, SHAPE) for part in split_rows(body, size)]

    whole, joined = decode_json(body, SHAPE), concat(parts)
    assert all(part.row_count <= size for part in parts)
    assert (joined.columns, joined.sections, joined.row_count) == (
        whole.columns,
        whole.sections,
        whole.row_count,
    )
    for row in range(len(rows)):
        assert joined.source_row(row) == whole.source_row(row)


def test_joined_pages_say_where_their_failures_are():
    found = concat([decode_json(page({"X": "a"}), TEXT), decode_json(page({"X": 1}, {"X": "c"}), TEXT)])

    assert [one.row for one in found.failures] == [1]
    assert json.loads(found.source_row(1)) == {"X": 1}


def test_a_body_that_does_not_parse_is_not_cut():
    assert list(split_rows(b"<html>", 1)) == [b"<html>"]
