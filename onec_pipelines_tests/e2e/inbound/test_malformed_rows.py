"""Malformed rows of each kind end in quarantine with a reason, and the rest is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import environment, open_fast, query, sync, value
from onec_pipelines_tests.fixtures.proxy import running_proxy

MANUFACTURERS = "Catalog_Производители"
RATES = "InformationRegister_КурсыВалют"
GUID = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
BEFORE_PRICES = ("currencies", "price_types")

# What is put into a row of manufacturers, and the field and rule that must be named.
OBJECTS = {
    "no name": ({"Description": ""}, "name", "not_nullable"),
    "null name": ({"Description": None}, "name", "not_nullable"),
    "number for a name": ({"Description": 17}, "name", "type"),
    "list for a name": ({"Description": ["a"]}, "name", "type"),
    "too long": ({"Description": "я" * 151}, "name", "str_length"),
    "half a surrogate pair": ({"Description": "a\ud800b"}, "name", "type"),
    "NUL in a text that is kept": ({"DataVersion": "AAA\x00"}, "data_version", "text"),
    "text for a boolean": ({"DeletionMark": "yes"}, "deletion_mark", "type"),
    "null for a boolean": ({"DeletionMark": None}, "deletion_mark", "not_nullable"),
    "bad GUID": ({"Parent_Key": "{" + GUID + "}"}, "parent_ref", "guid"),
    "NUL in a GUID": ({"Parent_Key": "a\x00"}, "parent_ref", "guid"),
    "bad key": ({"Ref_Key": "no key"}, "ref", "guid"),
    "zero key": ({"Ref_Key": "00000000-0000-0000-0000-000000000000"}, "ref", "not_nullable"),
    "surrogate in the key": ({"Ref_Key": "\udfff"}, "ref", "type"),
}
# The same for rows of currency rates.
RECORDS = {
    "text for a number": ({"Курс": "дорого"}, "rate", "type"),
    "NaN": ({"Курс": float("nan")}, "rate", "type"),
    "infinity": ({"Курс": float("inf")}, "rate", "type"),
    "NaN as text": ({"Курс": "NaN"}, "rate", "type"),
    "negative": ({"Курс": -1}, "rate", "greater_than_or_equal_to"),
    "too many places": ({"Курс": 1.00001}, "rate", "scale"),
    "more digits than 1C has": ({"Курс": 1e40}, "rate", "decimal"),
    "too large for the shop": ({"Курс": 1e15}, "rate", "less_than_or_equal_to"),
    "half a unit": ({"Кратность": "1.5"}, "multiplicity", "type"),
    "more than 64 bits": ({"Кратность": str(2**63)}, "multiplicity", "integer"),
    "zero": ({"Кратность": "0"}, "multiplicity", "greater_than_or_equal_to"),
    "30 February": ({"Period": "2024-02-30T00:00:00"}, "period", "datetime"),
    "an offset": ({"Period": "2024-02-01T00:00:00+03:00"}, "period", "datetime"),
    "no date": ({"Period": "0001-01-01T00:00:00"}, "period", "not_nullable"),
    "before the first year": ({"Period": "0001-01-01T00:30:00"}, "period", "datetime"),
}


@pytest.fixture(scope="module")
def shop():
    with Simulator.start_thread(products=60, seed=5, broken=False) as running:
        yield running


@pytest.fixture
def proxy(shop):
    with running_proxy(shop.url) as running:
        yield running


@pytest.fixture
def runtime(shop, proxy, database_url, tmp_path):
    with open_fast(environment(shop, database_url, tmp_path, url=proxy.url, page_rows=5000)) as opened:
        yield opened


def spoil(kinds, rows, start=0):
    """Break one row for each kind, from row `start` on; gives what is wrong with which row."""
    for position, (change, _, _) in enumerate(kinds.values(), start=start):
        rows[position].update(change)


def failures_of(database_url, entity):
    rows = query(
        database_url,
        "SELECT failures FROM clean.quarantine WHERE entity_type = %s AND resolved_at IS NULL",
        entity,
    )
    return [[(one["field"], one["rule"]) for one in failures] for (failures,) in rows]


@dataclass(frozen=True, kw_only=True)
class Case:
    """An entity, where its rows come from, and what is done to them."""

    entity: str
    resource: str
    kinds: dict[str, tuple[dict[str, object], str, str]]


CASES = pytest.mark.parametrize(
    "case",
    [
        Case(entity="manufacturers", resource=MANUFACTURERS, kinds=OBJECTS),
        Case(entity="currency_rates", resource=RATES, kinds=RECORDS),
    ],
    ids=lambda case: case.entity,
)


@CASES
def test_each_malformed_row_is_named_and_the_rest_is_loaded(case, runtime, proxy, database_url):
    proxy.replace_rows(case.resource, lambda rows: spoil(case.kinds, rows) if rows else None)

    outcome = inbound(BY_NAME[case.entity], runtime)

    expected = sorted([(field, rule)] for _, field, rule in case.kinds.values())
    assert sorted(failures_of(database_url, case.entity)) == expected
    assert outcome.quarantined == len(case.kinds)
    loaded = value(database_url, f"SELECT count(*) FROM clean.{case.entity}")  # noqa: S608
    assert loaded == outcome.rows_read - outcome.duplicates - len(case.kinds)
    assert value(database_url, "SELECT items_failed FROM integ.sync_jobs") == len(case.kinds)


@CASES
def test_rows_that_are_mended_leave_the_quarantine(case, runtime, proxy, database_url):
    """Those whose key was malformed too: no complete reading shows a row of that key any more."""
    proxy.replace_rows(case.resource, lambda rows: spoil(case.kinds, rows) if rows else None)
    inbound(BY_NAME[case.entity], runtime)
    proxy.changes.clear()

    inbound(BY_NAME[case.entity], runtime)

    assert failures_of(database_url, case.entity) == []


def test_a_row_that_becomes_malformed_keeps_its_last_good_state(runtime, proxy, database_url):
    """It is still there in 1C, so it is neither deleted nor counted as missed."""
    rates = BY_NAME["currency_rates"]
    inbound(rates, runtime)
    before = query(database_url, "SELECT row_key, rate FROM clean.currency_rates ORDER BY 1")
    proxy.replace_rows(RATES, lambda rows: [row.update({"Курс": -1}) for row in rows[:20]])

    for _ in range(2):
        outcome = inbound(rates, runtime)

    assert outcome.complete
    assert outcome.absent == 0
    assert query(database_url, "SELECT row_key, rate FROM clean.currency_rates ORDER BY 1") == before


def test_a_malformed_price_is_quarantined_under_the_key_it_has_when_it_is_good(runtime, proxy, database_url):
    """Empty dimensions are zero GUIDs on the wire and nothing in the key."""
    sync(runtime, [BY_NAME[name] for name in BEFORE_PRICES])
    prices = BY_NAME["prices"]
    inbound(prices, runtime)
    before = value(database_url, "SELECT count(*) FROM clean.prices WHERE deleted_at IS NULL")
    proxy.replace_table("SliceLast", lambda rows: [row.update({"Цена": -5}) for row in rows[:1]])

    outcome = inbound(prices, runtime)

    assert outcome.quarantined > 0
    assert outcome.absent == 0
    assert value(database_url, "SELECT count(*) FROM clean.prices WHERE deleted_at IS NULL") == before
    proxy.changes.clear()
    inbound(prices, runtime)
    assert failures_of(database_url, "prices") == []


def test_a_property_that_1c_no_longer_sends_stops_the_entity(runtime, proxy, database_url):
    """Rather a stop than a column of NULL over good values."""
    inbound(BY_NAME["manufacturers"], runtime)
    proxy.replace_rows(MANUFACTURERS, lambda rows: [row.pop("Description", None) for row in rows])

    with pytest.raises(Exception, match=r"ONEC_COLUMN_MISSING.*Description"):
        inbound(BY_NAME["manufacturers"], runtime)

    assert value(database_url, "SELECT count(*) FROM clean.manufacturers WHERE name IS NULL") == 0


def test_text_that_looks_like_sql_or_copy_is_only_text(runtime, proxy, database_url):
    hard = [
        "\\.",
        "\\N",
        "'; DROP TABLE clean.brands; --",
        'a"b',
        "a,b",
        "a\\nb",
        "\u202eabc",
        "NULL",
        "%s %(x)s",
    ]

    def change(rows):
        for row, text in zip(rows, hard, strict=False):
            row["Description"] = text

    proxy.replace_rows(MANUFACTURERS, change)
    inbound(BY_NAME["manufacturers"], runtime)

    found = {name for (name,) in query(database_url, "SELECT name FROM shop.manufacturers")}
    assert {"abc" if text.startswith("\u202e") else text for text in hard} <= found


def test_the_row_is_kept_as_1c_sent_it(runtime, proxy, database_url):
    proxy.replace_rows(MANUFACTURERS, lambda rows: rows and rows[0].update({"Description": ""}))

    inbound(BY_NAME["manufacturers"], runtime)

    source = value(database_url, "SELECT source_row FROM clean.quarantine")
    assert json.loads(source)["Description"] == ""
    assert "Ref_Key" in source
