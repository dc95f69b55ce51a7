"""Addresses are understood as 1C understands them (PROTOCOL §1.1-1.2)."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.simulator import urls
from onec_pipelines.simulator.errors import OdataError
from onec_pipelines.simulator.query import QueryError

KEY = "8b9660f6-6332-11ec-ad72-000c29b45b09"


def names(raw):
    return [(one.name, one.key) for one in urls.parse_path(raw).segments]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", []),
        ("/", []),
        ("/Catalog_X", [("Catalog_X", None)]),
        (f"/Catalog_X(guid'{KEY.upper()}')", [("Catalog_X", {"": KEY})]),
        (
            f"/Catalog_X(guid'{KEY}')/Владелец/ИНН",
            [("Catalog_X", {"": KEY}), ("Владелец", None), ("ИНН", None)],
        ),
        (f"/T(Ref_Key=guid'{KEY}',LineNumber=1)", [("T", {"Ref_Key": KEY, "LineNumber": 1})]),
        (
            "/R(Recorder='a', Recorder_Type='StandardODATA.D')",
            [("R", {"Recorder": "a", "Recorder_Type": "StandardODATA.D"})],
        ),
        ("/R(Period=datetime'2026-02-05T00:00:00')", [("R", {"Period": "2026-02-05T00:00:00"})]),
        ("/R(Период=datetime'2026-02-05T00:00')", [("R", {"Период": "2026-02-05T00:00:00"})]),
        ("/B(Штрихкод='a/b''c(d)')", [("B", {"Штрихкод": "a/b'c(d)"})]),
        ("/X/$count", [("X", None), ("$count", None)]),
    ],
)
def test_paths_are_taken_apart(path, expected):
    assert names(path) == expected
    assert names(quote(path)) == expected


def test_functions_may_come_with_arguments_brackets_or_nothing():
    for path in ("/R/Balance", "/R/Balance()", "/R/Balance(Dimensions='Склад')"):
        resource = urls.parse_path(path)
        assert [one.name for one in resource.segments] == ["R"]
        assert resource.call.name == "Balance"
    assert resource.call.arguments == {"Dimensions": "Склад"}


def test_a_condition_may_hold_slashes_brackets_and_quotes_that_are_not_doubled():
    call = urls.parse_path(
        "/R/SliceLast(Condition='like(Имя,'a/b(c)%')',Period=datetime'2026-01-01T00:00:00')"
    ).call
    assert call.name == "SliceLast"
    assert call.arguments["Period"] == "2026-01-01T00:00:00"
    assert "a/b(c)%" in call.arguments["Condition"]


@pytest.mark.parametrize("text", ["guid'x'", "datetime'1-01-01T00:00:00'", "abc"])
def test_bad_literals_are_refused_with_code_1(text):
    with pytest.raises(OdataError) as refusal:
        urls.literal(text)
    assert (refusal.value.status, refusal.value.code) == (400, "1")


def test_a_plus_in_a_query_stays_a_plus_and_percent_20_is_a_space():
    assert urls.parse_query("$filter=a%20eq+1&x=%D0%AF") == {"$filter": "a eq+1", "x": "Я"}


@given(st.text(max_size=60))
def test_no_path_breaks_the_parser(text):
    with suppress(OdataError, QueryError):
        assert urls.parse_path("/" + quote(text, safe="/()'=,$")).segments is not None
