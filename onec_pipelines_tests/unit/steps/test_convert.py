"""Plain values to typed columns: what 1C means by empty, and every value that cannot be taken."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.spec import ColumnType, Field
from onec_pipelines.steps.convert import convert

MOSCOW = ZoneInfo("Europe/Moscow")
ZERO = "00000000-0000-0000-0000-000000000000"
GUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


def converted(kind, *values, zone=MOSCOW, **rules):
    field = Field(name="x", source=("X",), type=kind, **rules)
    found = convert(list(values), field, zone)
    return found.array, [failure.row for failure in found.failures]


@pytest.mark.parametrize(
    "sent", ["{" + GUID + "}", "urn:uuid:" + GUID, GUID + "\n", "", "x", GUID.replace("-", "")]
)
def test_only_the_plain_form_of_a_guid_is_one(sent):
    array, failed = converted(ColumnType.GUID, sent, GUID.upper())

    assert (array.to_pylist(), failed) == ([None, GUID], [0])


def test_the_zero_guid_and_null_are_no_reference():
    array, failed = converted(ColumnType.GUID, ZERO, None)

    assert (array.to_pylist(), failed) == ([None, None], [])


def test_text_is_trimmed_and_empty_text_is_nothing():
    array, failed = converted(ColumnType.TEXT, " 796  ", "", "   ", None)

    assert (array.to_pylist(), failed) == (["796", None, None, None], [])


def test_a_nul_is_refused_where_it_is_not_cleaned_away():
    assert converted(ColumnType.TEXT, "a\x00b")[1] == [0]
    array, failed = converted(ColumnType.TEXT, "a\x00b", transform="clean_text")
    assert (array.to_pylist(), failed) == (["ab"], [])


@pytest.mark.parametrize(
    ("sent", "utc"),
    [
        ("2024-06-15T12:00:00", datetime(2024, 6, 15, 9, tzinfo=UTC)),
        ("2010-10-31T02:30:00", datetime(2010, 10, 30, 22, 30, tzinfo=UTC)),  # shown twice: the first
        ("2010-03-28T02:30:00", datetime(2010, 3, 27, 23, tzinfo=UTC)),  # never shown: what came next
        ("9999-12-31T23:59:59", datetime(9999, 12, 31, 20, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
    ],
)
def test_local_time_becomes_utc(sent, utc):
    array, failed = converted(ColumnType.TIMESTAMP, sent)

    assert (array.to_pylist(), failed) == ([utc], [])


@pytest.mark.parametrize(
    "sent",
    ["2024-02-30T00:00:00", "2024-01-01T24:00:00", "10000-01-01T00:00:00", "0001-01-01T00:30:00", "", "2024-01-01",
     "2024-01-01T00:00:00Z", "2024-01-01T00:00:00+03:00", "2024-13-01T00:00:00"],
)  # fmt: skip
def test_what_is_no_moment_is_refused(sent):
    array, failed = converted(ColumnType.TIMESTAMP, sent, "2024-01-01T00:00:00")

    assert failed == [0]
    assert array[0].as_py() is None
    assert array[1].is_valid


@given(
    st.datetimes(),
    st.sampled_from(["Asia/Kamchatka", "America/Nome"]),
)
def test_no_date_of_the_calendar_breaks_a_column(moment, zone):
    text = moment.replace(microsecond=0).isoformat()

    array, failed = converted(ColumnType.TIMESTAMP, text, zone=ZoneInfo(zone))

    found = array[0].as_py()
    assert (found is None) == (failed == [0] or text == "0001-01-01T00:00:00")


@given(st.lists(st.none() | st.decimals(allow_nan=True, allow_infinity=True), max_size=5))
def test_a_number_comes_through_exactly_or_is_refused(numbers):
    array, failed = converted(ColumnType.DECIMAL, *numbers)

    for row, (number, found) in enumerate(zip(numbers, array.to_pylist(), strict=True)):
        assert found == (None if row in failed else number)


def test_more_digits_than_a_number_of_1c_has_are_refused():
    array, failed = converted(
        ColumnType.DECIMAL, Decimal("0.12345678901"), Decimal("1E+400"), Decimal("1.50")
    )

    assert (array.to_pylist(), failed) == ([None, None, Decimal("1.5")], [0, 1])


def test_whole_numbers_fit_into_64_bits_or_are_refused():
    array, failed = converted(ColumnType.INTEGER, 2**63, -(2**63), None)

    assert (array.to_pylist(), failed) == ([None, -(2**63), None], [0])


@pytest.mark.parametrize("kind", ColumnType)
def test_an_empty_column_is_one(kind):
    array, failed = converted(kind)

    assert (len(array), failed) == (0, [])
