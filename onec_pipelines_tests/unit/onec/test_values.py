from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.errors import Quarantine
from onec_pipelines.onec import values
from onec_pipelines.onec.values import Composite

KEY = "8b9660f6-6332-11ec-ad72-000c29b45b09"
MOSCOW = ZoneInfo("Europe/Moscow")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "result"),
    [(KEY, KEY), (KEY.upper(), KEY), (values.ZERO_GUID, None), ("", None), (None, None)],
)
def test_a_guid_is_lower_case_and_zero_is_nothing(value, result):
    assert values.guid(value) == result


@pytest.mark.parametrize(
    "value",
    [
        "{" + KEY + "}",
        "urn:uuid:" + KEY,
        KEY.replace("-", ""),
        KEY[:-1],
        KEY + "\n",
        KEY.replace("8b", "8г"),
        7,
    ],
)
def test_other_spellings_of_a_guid_are_refused(value):
    with pytest.raises(Quarantine) as caught:
        values.guid(value)

    assert caught.value.code == "BAD_GUID"


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("2026-06-02T14:36:52", utc("2026-06-02T11:36:52")),
        ("2026-01-01T00:00:00", utc("2025-12-31T21:00:00")),
        ("2026-06-02T14:36:52.5", utc("2026-06-02T11:36:52.500000")),
        ("3999-11-01T00:00:00", utc("3999-10-31T21:00:00")),
        ("9999-12-31T23:59:59", utc("9999-12-31T20:59:59")),
        ("0001-01-01T00:00:00", None),
        ("", None),
        (None, None),
    ],
)
def test_a_date_is_a_moment_and_the_empty_date_is_nothing(value, result):
    assert values.moment(value, MOSCOW) == result


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30T00:00:00",
        "10000-01-01T00:00:00",
        "2026-06-02",
        "2026-06-02T14:36:52Z",
        "2026-06-02T14:36:52+03:00",
        "2026-06-02T25:00:00",
        "0001-01-01T10:30:00",
        "2026-06-02 14:36:52",
        "٢٠٢٦-06-02T14:36:52",
        20260602,
    ],
)
def test_a_date_that_cannot_be_is_refused_without_repeating_it(value):
    with pytest.raises(Quarantine) as caught:
        values.moment(value, MOSCOW)

    assert caught.value.code == "BAD_DATE"
    assert str(value) not in str(caught.value)


def test_a_moment_before_the_calendar_is_refused():
    with pytest.raises(Quarantine):
        values.moment("9999-12-31T23:59:59", ZoneInfo("America/New_York"))


@given(
    st.datetimes(
        min_value=datetime.fromisoformat("1930-01-01"), max_value=datetime.fromisoformat("2200-01-01")
    )
)
def test_a_moment_goes_back_to_the_wall_clock_it_came_from(local):
    text = local.replace(microsecond=0).isoformat()
    moment = values.moment(text, MOSCOW)

    again = moment.astimezone(MOSCOW).replace(tzinfo=None).isoformat()
    # an hour that never was on the clock comes back as the same moment
    assert again == text or values.moment(again, MOSCOW) == moment


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("1", 1),
        ("-9223372036854775808", -(2**63)),
        (5, 5),
        (Decimal("3.0"), 3),
        (Decimal("1E+2"), 100),
        ("", None),
    ],
)
def test_integers_come_as_numbers_or_texts(value, result):
    assert values.integer(value) == result


@pytest.mark.parametrize(
    "value", ["9223372036854775808", "1.5", "1e3", "٣", True, Decimal("1.5"), Decimal("NaN"), 1.0, "x"]
)
def test_what_is_not_a_whole_number_of_64_bits_is_refused(value):
    with pytest.raises(Quarantine) as caught:
        values.integer(value)

    assert caught.value.code == "BAD_INTEGER"


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (Decimal("12345678901234567.89"), Decimal("12345678901234567.89")),
        ("0.10", Decimal("0.10")),
        (7, Decimal(7)),
        ("", None),
        (None, None),
    ],
)
def test_numbers_keep_every_digit(value, result):
    assert values.decimal(value) == result


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", Decimal("-Infinity"), "1,5", 1.5, True, "1e400", Decimal("9" * 40)]
)
def test_what_is_not_a_number_of_1c_is_refused(value):
    with pytest.raises(Quarantine) as caught:
        values.decimal(value)

    assert caught.value.code == "BAD_NUMBER"


@pytest.mark.parametrize(("value", "result"), [(True, True), (None, None), ("true", True), ("False", False)])
def test_booleans_come_as_such_or_as_texts(value, result):
    assert values.boolean(value) is result


@pytest.mark.parametrize("value", ["да", 1, ""])
def test_what_is_not_a_boolean_is_refused(value):
    with pytest.raises(Quarantine):
        values.boolean(value)


@pytest.mark.parametrize(("value", "result"), [("QUJD\r\nREVG", b"ABCDEF"), ("", None), (None, None)])
def test_base64_may_hold_line_breaks(value, result):
    assert values.binary(value) == result


@pytest.mark.parametrize("value", ["QUJ", "QU*D", 5, "ы"])
def test_what_is_not_base64_is_refused(value):
    with pytest.raises(Quarantine):
        values.binary(value)


@pytest.mark.parametrize(
    ("value", "type_name", "result"),
    [
        ("", "StandardODATA.Undefined", None),
        (None, None, None),
        (KEY, "StandardODATA.Catalog_Y", Composite(kind="reference", type_name="Catalog_Y", value=KEY)),
        (values.ZERO_GUID, "StandardODATA.Catalog_Y", None),
        (
            KEY,
            "UnavailableEntities.UnavailableEntity_604931cd-0000-0000-0000-000000000001",
            Composite(
                kind="unpublished",
                type_name="UnavailableEntities.UnavailableEntity_604931cd-0000-0000-0000-000000000001",
                value=KEY,
            ),
        ),
        (
            "Закрыт",
            "UnavailableEnums.Состояния",
            Composite(kind="enum", type_name="Состояния", value="Закрыт"),
        ),
        ("Закрыт", "StandardODATA.Состояния", Composite(kind="enum", type_name="Состояния", value="Закрыт")),
        ("4", "Edm.Double", Composite(kind="number", type_name="Edm.Double", value=Decimal(4))),
        ("Красный", "Edm.String", Composite(kind="string", type_name="Edm.String", value="Красный")),
        ("true", "Edm.Boolean", Composite(kind="boolean", type_name="Edm.Boolean", value=True)),
        (
            "2026-06-02T14:36:52",
            "Edm.DateTime",
            Composite(kind="date", type_name="Edm.DateTime", value=utc("2026-06-02T11:36:52")),
        ),
        ("0001-01-01T00:00:00", "Edm.DateTime", None),
    ],
)
def test_a_composite_value_is_read_by_its_type(value, type_name, result):
    assert values.composite(value, type_name, MOSCOW) == result


@pytest.mark.parametrize(
    ("value", "type_name"), [(5, "Edm.Double"), ("x", "Edm.Double"), ("x", 5), ("x", "UnavailableEntities.U")]
)
def test_a_composite_value_that_does_not_fit_its_type_is_refused(value, type_name):
    with pytest.raises(Quarantine):
        values.composite(value, type_name, MOSCOW)
