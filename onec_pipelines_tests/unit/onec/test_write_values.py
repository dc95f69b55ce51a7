"""Values on their way into a body: no digit lost, no type guessed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.errors import Stop
from onec_pipelines.onec.write_values import dumps, wire

ZONE = ZoneInfo("Europe/Moscow")


@pytest.mark.parametrize(
    ("value", "edm_type", "expected"),
    [
        (datetime(2026, 6, 2, 22, 0, 1, tzinfo=UTC), "Edm.DateTime", "2026-06-03T01:00:01"),
        (date(2026, 6, 2), "Edm.DateTime", "2026-06-02T00:00:00"),
        (time(9, 5), "Edm.DateTime", "0001-01-01T09:05:00"),
        (None, "Edm.DateTime", "0001-01-01T00:00:00"),
        (7, "Edm.Int64", "7"),
        (7, "Edm.Int16", 7),
        (Decimal("1.10"), "Edm.Double", Decimal("1.10")),
        (None, "Edm.Guid", "00000000-0000-0000-0000-000000000000"),
        (None, "Edm.Boolean", False),
        ("да", "Edm.String", "да"),
    ],
)
def test_a_value_becomes_what_its_type_wants(value, edm_type, expected):
    assert wire(value, edm_type, ZONE) == expected


@pytest.mark.parametrize(
    ("value", "edm_type"),
    [
        (datetime(2026, 6, 2), "Edm.DateTime"),  # noqa: DTZ001 - naive is what is refused
        (1.5, "Edm.Double"),
        (True, "Edm.Int64"),
        ("7", "Edm.Int64"),
        (1, "Edm.Boolean"),
        (5, "Edm.String"),
        (True, "Edm.Double"),
    ],
)
def test_a_value_that_does_not_fit_its_type_stops(value, edm_type):
    with pytest.raises(Stop, match="cannot be written"):
        wire(value, edm_type, ZONE)


def test_a_float_never_reaches_a_body():
    with pytest.raises(TypeError):
        dumps({"Цена": 0.1})


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.decimals(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=15,
    )
)
def test_a_body_reads_back_with_every_digit(value):
    def plain(one):
        if isinstance(one, dict):
            return {key: plain(part) for key, part in one.items()}
        if isinstance(one, list):
            return [plain(part) for part in one]
        return Decimal(one) if isinstance(one, int) and not isinstance(one, bool) else one

    read = json.loads(dumps(value), parse_float=Decimal, parse_int=Decimal)
    assert read == plain(value)
