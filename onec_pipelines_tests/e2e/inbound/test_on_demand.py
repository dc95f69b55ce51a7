"""Single objects and register rows, read from 1C now: the whole path, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import Stop
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Way
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync, value
from onec_pipelines_tests.fixtures.state import debris_of, state_of

PRODUCTS, STOCK, PRICES, BARCODES = (BY_NAME[name] for name in ("products", "stock", "prices", "barcodes"))
SET = "Catalog_Номенклатура"
REGISTER = "AccumulationRegister_ТоварыНаСкладах"
FOR_STOCK = tuple(BY_NAME[name] for name in ("price_types", "warehouses", "products", "variants", "stock"))


@pytest.fixture
def shop():
    """A base of this test's own, because tests change it."""
    with Simulator.start_thread(products=150, seed=5, pool_size=100) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_fast(environment(shop, database_url, tmp_path)) as opened:
        yield opened


def some_products(database_url, count):
    rows = query(database_url, "SELECT ref::text FROM clean.products ORDER BY 1")
    return [ref for (ref,) in rows][:count]


def test_one_object_is_brought_in_and_the_others_stay(runtime, shop, database_url):
    inbound(PRODUCTS, runtime)
    wanted, other = some_products(database_url, 2)
    for key in (wanted, other):
        control(shop, f"rows/{SET}/{key}", {"Description": "Новое имя"})

    outcome = inbound(PRODUCTS, runtime, only=[wanted.upper(), wanted])

    assert (outcome.rows_read, outcome.clean_changed, outcome.shop_changed, outcome.requests) == (1, 1, 1, 1)
    names = query(database_url, "SELECT ref::text FROM clean.products WHERE name = 'Новое имя'")
    assert names == [(wanted,)]
    assert value(database_url, "SELECT count(*) FROM shop.products WHERE name = 'Новое имя'") == 1


def test_many_keys_go_in_several_requests_and_all_pages_are_kept(runtime, database_url):
    inbound(PRODUCTS, runtime)
    keys = some_products(database_url, 130)
    before = state_of(database_url)

    outcome = inbound(PRODUCTS, runtime, only=keys)

    assert outcome.requests == 3
    assert (outcome.rows_read, outcome.clean_changed) == (len(keys), 0)
    pages = "SELECT count(*), sum(row_count) FROM raw.pages WHERE job_id = %s"
    assert query(database_url, pages, outcome.job_id) == [(3, len(keys))]
    assert state_of(database_url) == before


def test_an_object_that_1c_does_not_answer_with_is_deleted_and_comes_back(runtime, shop, database_url):
    inbound(PRODUCTS, runtime)
    (key,) = some_products(database_url, 1)
    row = control(shop, f"rows/{SET}?top=100000")["rows"]
    kept = next(one for one in row if one["Ref_Key"] == key)
    control(shop, f"rows/{SET}/{key}", method="DELETE")

    outcome = inbound(PRODUCTS, runtime, only=[key])

    assert outcome.deleted == 1
    gone = "SELECT deleted_why FROM clean.products WHERE deleted_at IS NOT NULL"
    assert query(database_url, gone) == [("absent",)]
    assert value(
        database_url, "SELECT count(*) FROM shop.products WHERE is_deleted AND name = %s", kept["Description"]
    )
    control(shop, f"rows/{SET}", kept)
    assert inbound(PRODUCTS, runtime, only=[key]).clean_changed == 1
    assert query(database_url, gone) == []


def test_a_key_that_nobody_knows_changes_nothing(runtime, database_url):
    inbound(PRODUCTS, runtime)
    before = state_of(database_url)

    outcome = inbound(PRODUCTS, runtime, only=["11111111-1111-1111-1111-111111111111"])

    assert (outcome.rows_read, outcome.deleted) == (0, 0)
    assert state_of(database_url) == before


def test_stock_of_one_product_is_complete_for_it_alone(runtime, shop, database_url):
    sync(runtime, FOR_STOCK)
    rows = query(
        database_url,
        "SELECT product_ref::text, count(*) FROM clean.stock GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 2",
    )
    (sold, lines), (other, _) = rows
    for line in control(shop, f"rows/{REGISTER}?top=100000")["rows"]:
        if any(one["Номенклатура_Key"] in {sold, other} for one in line["RecordSet"]):
            document = line["Recorder_Type"].removeprefix("StandardODATA.")
            control(shop, f"unpost/{document}/{line['Recorder']}", {})

    outcome = inbound(STOCK, runtime, only=[sold])

    assert (outcome.deleted, outcome.requests) == (lines, 1)
    left = (
        "SELECT sum(on_hand) FROM shop.stock s JOIN integ.external_id_mappings m ON m.internal_id = s.product_id"
        " AND m.entity_type = 'products' WHERE m.external_id = %s"
    )
    assert value(database_url, left, sold) == Decimal(0)
    assert value(database_url, left, other) > 0


def test_keys_of_registers_give_the_same_as_a_whole_reading(runtime, database_url):
    sync(runtime)
    before = state_of(database_url)
    keys = some_products(database_url, 60)

    outcomes = [inbound(entity, runtime, only=keys) for entity in (STOCK, PRICES, BARCODES)]

    assert all(outcome.rows_read > 0 for outcome in outcomes)
    assert [(one.clean_changed, one.deleted) for one in outcomes] == [(0, 0)] * 3
    assert state_of(database_url) == before
    assert debris_of(database_url) == []


def test_the_brake_holds_when_very_many_asked_rows_are_gone(runtime, shop, database_url):
    inbound(PRODUCTS, runtime)
    keys = some_products(database_url, 40)
    for key in keys:
        control(shop, f"rows/{SET}/{key}", method="DELETE")

    with pytest.raises(Stop, match="DELETION_BRAKE"):
        inbound(PRODUCTS, runtime, only=keys)

    assert value(database_url, "SELECT count(*) FROM clean.products WHERE deleted_at IS NOT NULL") == 0
    assert inbound(PRODUCTS, runtime, only=keys, allow_deletes=True).deleted == 40


@pytest.mark.parametrize(
    ("entity", "values", "code"),
    [
        ("products", {"only": ["not a guid"]}, "ONEC_BAD_QUERY"),
        ("stock", {"way": Way.VERSIONS}, "WAY_NOT_POSSIBLE"),
        ("products", {"only": [], "way": Way.SNAPSHOT}, "WRONG_ASK"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is_done(runtime, database_url, entity, values, code):
    with pytest.raises(Stop) as refused:
        inbound(BY_NAME[entity], runtime, **values)

    assert refused.value.code == code
    assert value(database_url, "SELECT count(*) FROM integ.sync_jobs") == 0


def test_a_register_that_cannot_be_asked_for_keys_says_so(runtime):
    rates = BY_NAME["currency_rates"]
    without = replace(rates, source=replace(rates.source, narrow=None))

    with pytest.raises(Stop, match="NOT_ON_DEMAND"):
        inbound(without, runtime, only=["11111111-1111-1111-1111-111111111111"])


def test_a_web_server_that_takes_short_addresses_gets_fewer_keys_at_once(database_url, tmp_path):
    """An untouched IIS takes 2048 characters (PROTOCOL §1.2)."""
    makers = BY_NAME["manufacturers"]
    with (
        Simulator.start_thread(products=60, seed=5, web_server="iis") as behind_iis,
        open_fast(environment(behind_iis, database_url, tmp_path)) as runtime,
    ):
        inbound(makers, runtime)
        keys = [key for (key,) in query(database_url, "SELECT ref::text FROM clean.manufacturers LIMIT 60")]

        outcome = inbound(makers, runtime, only=keys)

    assert outcome.rows_read == 60
    assert outcome.deleted == 0
    assert outcome.requests > 2
