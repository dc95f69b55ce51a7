"""The comparison with 1C: silent on a healthy base even while it changes, loud about what a sync does not bring, which --repair mends."""

from __future__ import annotations

import importlib
from random import Random

import pytest

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.inbound import inbound
from onec_pipelines.ledger import approvals, jobs
from onec_pipelines.reconcile import reconcile
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines_tests.fixtures.goods import Business, stock_of_1c, stock_of_shop
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync, value

reconcile_module = importlib.import_module("onec_pipelines.reconcile")
PRODUCTS, STOCK, BRANDS = BY_NAME["products"], BY_NAME["stock"], BY_NAME["brands"]
PRICE_REGISTER = "InformationRegister_ЦеныНоменклатуры25"
GOODS = tuple(
    BY_NAME[name]
    for name in (
        "currencies",
        "categories",
        "units",
        "products",
        "pricing_variants",
        "variants",
        "price_types",
        "warehouses",
        "prices",
        "reserves",
        "stock",
    )
)


@pytest.fixture
def shop():
    with Simulator.start_thread(products=60, seed=5, pool_size=100) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    """The simulated business stands in June 2026: all of it is in the window."""
    variables = environment(shop, database_url, tmp_path, page_rows=200)
    with open_fast({**variables, "ONEC_RECONCILE_DAYS": "3650", "ONEC_OPEN_DAYS": "3650"}) as opened:
        yield opened


def test_a_healthy_base_has_no_drift_anywhere(runtime, database_url):
    sync(runtime)

    found = {entity.name: reconcile(entity, runtime) for entity in ENTITIES}

    assert {name: one.status for name, one in found.items() if one.status not in {"same", "skipped"}} == {}
    assert {name: one.rows_late for name, one in found.items() if one.rows_late} == {}
    silent = [name for name, one in found.items() if one.status == "same" and not one.rows_compared]
    assert [name for name in silent if value(database_url, f"SELECT count(*) FROM clean.{name}")] == []  # noqa: S608
    assert len(silent) < 5
    assert sum(one.rows_asked for one in found.values()) > 500
    stored = query(database_url, "SELECT entity_type, rows_left FROM integ.drift ORDER BY 1")
    assert stored == sorted((name, 0) for name, one in found.items() if one.status == "same")


def test_what_changes_in_1c_meanwhile_is_late_and_no_drift(runtime, shop):
    sync(runtime)
    control(shop, "day", {"steps": 40})

    found = [reconcile(entity, runtime) for entity in ENTITIES]

    assert {one.entity: (one.rows_drift, one.differences) for one in found if one.rows_drift} == {}
    assert sum(one.rows_late for one in found) > 10


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        ("UPDATE shop.products SET name = 'Tampered' WHERE id = %s", "name"),
        ("DELETE FROM shop.product_attributes WHERE owner_id = %s", "shop.product_attributes"),
    ],
)
def test_a_tampered_shop_row_is_drift_and_repaired(runtime, database_url, statement, column):
    sync(runtime)
    victim = value(database_url, "SELECT min(owner_id) FROM shop.product_attributes")
    query(database_url, statement, victim)

    seen = reconcile(PRODUCTS, runtime)

    assert (seen.status, seen.rows_drift, seen.rows_left) == ("drift", 1, 1)
    (row,) = seen.differences
    assert (row.where, row.what, row.columns) == ("shop", "differs", (column,))

    mended = reconcile(PRODUCTS, runtime, repair=True)

    assert (mended.status, mended.rows_repaired, mended.rows_left) == ("repaired", 1, 0)
    assert reconcile(PRODUCTS, runtime).status == "same"


def tamper(database_url, entity, column, change, *, where="TRUE"):
    """A row of clean and of the shop that both say the same wrong thing, as if what 1C said had been lost on the way."""
    key = value(
        database_url,
        f"UPDATE clean.{entity} SET {column} = {change} WHERE row_key = (SELECT row_key FROM clean.{entity}"  # noqa: S608
        f" WHERE deleted_at IS NULL AND {where} ORDER BY row_key LIMIT 1) RETURNING row_key::text",
    )
    return str(key)


def test_what_a_version_scan_cannot_see_is_drift_and_fetched_anew(runtime, database_url):
    """The version is 1C's and the row is not: only a look at the row itself tells."""
    sync(runtime, GOODS)
    key = tamper(database_url, "products", "name", "'Tampered'")
    inbound(PRODUCTS, runtime, layers=[Layer.SHOP])

    finding = reconcile(PRODUCTS, runtime, rows=1000, repair=True)

    assert (finding.status, finding.rows_drift, finding.rows_left) == ("repaired", 1, 0)
    (row,) = finding.differences
    assert (row.row_key, row.where, row.columns) == (key, "clean", ("name",))
    wrong = "SELECT count(*) FROM shop.products WHERE name = 'Tampered'"
    assert value(database_url, wrong) == 0


@pytest.mark.parametrize(
    "spot",
    [
        ("orders", "amount", "amount + 1", "amount > 0"),
        ("price_history", "price", "price + 1", "price > 0"),
        ("stock", "on_hand", "on_hand + 1", "on_hand > 0"),
        ("prices", "price", "price + 1", "series_ref IS NULL"),
        ("products", "deleted_at", "now()", "TRUE"),
        ("barcodes", "deleted_at", "now()", "TRUE"),
    ],
)
def test_a_total_leads_to_the_very_row(runtime, database_url, spot):
    entity, column, change, where = spot
    sync(runtime, (*GOODS, BY_NAME[entity]))
    key = tamper(database_url, entity, column, change, where=where)

    look = reconcile_module._look(BY_NAME[entity], runtime, size=0)

    found = {(one.row_key, one.what) for one in look.wrong.values() if one.where == "clean"}
    assert found == {(key, "missing" if column == "deleted_at" else "differs")}
    assert len(look.totals) == 1
    # Few keys were asked for one by one.
    assert look.asked < 20


@pytest.mark.parametrize(
    ("name", "column", "change"),
    [
        ("currency_rates", "rate", "rate + 1"),
        ("discount_scopes", "status", "'Tampered'"),
        ("order_states", "state", "'Tampered'"),
        ("loyalty_balances", "accrued", "accrued + 1"),
    ],
)
def test_rows_of_registers_are_compared_and_not_only_counted(runtime, database_url, name, column, change):
    entity = BY_NAME[name]
    inbound(entity, runtime)
    key = tamper(database_url, name, column, change)

    finding = reconcile_module._look(entity, runtime, size=2000)

    assert {(one.row_key, one.columns) for one in finding.wrong.values() if one.where == "clean"} == {
        (key, (column,))
    }


def test_a_load_that_a_limit_holds_is_told_and_never_repaired_around_it(shop, database_url, tmp_path):
    """The shop differs from 1C by a person's wish: reconciliation says so and writes nothing, until it is granted."""
    control(shop, "options", {"stock_control": False}, method="PATCH")
    variables = environment(shop, database_url, tmp_path, page_rows=200)
    with open_fast({**variables, "ONEC_LIMITS": "price_fall=50%:2"}) as runtime:
        sync(runtime, GOODS)
        before = query(database_url, "SELECT onec_key, price FROM shop.prices ORDER BY 1")
        for row in control(shop, f"rows/{PRICE_REGISTER}?top=3")["rows"]:
            lines = [{**line, "Цена": "0.01"} for line in row["RecordSet"]]
            control(
                shop, f"rows/{PRICE_REGISTER}/{row['Recorder']}/{row['Recorder_Type']}", {"RecordSet": lines}
            )

        told = reconcile(BY_NAME["prices"], runtime, rows=1000, repair=True)

        assert (told.status, told.rows_repaired) == ("drift", 0)
        assert told.rows_left == told.rows_drift > 2
        assert {one.where for one in told.differences} == {"shop"}
        assert "onec approve" in str(told.message)
        assert query(database_url, "SELECT onec_key, price FROM shop.prices ORDER BY 1") == before
        held = value(database_url, "SELECT id FROM integ.approvals WHERE state = 'pending'")
        approvals.decide(
            runtime.database, held, "granted", system_name=runtime.system_name, by="test", reason="meant"
        )

        done = reconcile(BY_NAME["prices"], runtime, rows=1000)

    assert (done.status, done.message) == ("same", None)
    assert done.rows_late == told.rows_drift
    assert query(database_url, "SELECT onec_key, price FROM shop.prices ORDER BY 1") != before


def test_a_lost_webhook_is_made_good(runtime, shop, database_url):
    """Stock went down in 1C and nobody told us."""
    sync(runtime, GOODS)
    business = Business(shop, Random(3))  # noqa: S311 - goods, not secrets
    for _ in range(10):
        business.step()
    assert stock_of_shop(database_url) != stock_of_1c(shop)

    finding = reconcile(STOCK, runtime, repair=True)

    assert (finding.rows_drift, finding.rows_left) == (0, 0)
    assert finding.rows_late > 0
    # A product that is in quarantine is not sold.
    known = {key for (key,) in query(database_url, "SELECT row_key::text FROM clean.products")}
    sold = {key: number for key, number in stock_of_1c(shop).items() if key[1] in known}
    assert stock_of_shop(database_url) == sold


def test_what_the_sync_has_missed_once_is_no_drift(runtime, shop, database_url):
    """It is believed gone when it is missed twice."""
    sync(runtime, (BY_NAME["manufacturers"], BRANDS))
    key = value(database_url, "SELECT ref::text FROM clean.brands ORDER BY ref LIMIT 1")
    control(shop, f"rows/Catalog_Марки/{key}", method="DELETE")

    finding = reconcile(BRANDS, runtime)

    assert (finding.status, finding.rows_late, finding.rows_drift) == ("same", 1, 0)
    assert value(database_url, "SELECT absent_sweeps FROM clean.brands WHERE row_key = %s", key) == 1


def test_rows_that_1c_never_sent_are_told_and_left_to_a_person(runtime, database_url):
    """They claim to come from 1C; nothing is deleted by guess."""
    sync(runtime, (BY_NAME["manufacturers"], BRANDS))
    query(
        database_url,
        "WITH made AS (INSERT INTO shop.brands (name) VALUES ('Nobody''s') RETURNING id)"
        " INSERT INTO integ.external_id_mappings (entity_type, internal_id, external_id, system_name)"
        " SELECT 'brands', id, gen_random_uuid(), %s FROM made",
        runtime.system_name,
    )
    query(database_url, "DELETE FROM shop.brands WHERE id = (SELECT max(id) - 1 FROM shop.brands)")

    finding = reconcile(BRANDS, runtime, repair=True)

    assert sorted(one.what for one in finding.differences) == ["extra", "missing"]
    assert (finding.status, finding.rows_repaired, finding.rows_left) == ("drift", 1, 1)


def test_what_was_never_read_or_is_being_synced_is_skipped_with_words(runtime, database_url):
    never = reconcile(PRODUCTS, runtime)
    assert (never.status, never.rows_compared) == ("skipped", 0)
    assert "never been read" in str(never.message)

    inbound(PRODUCTS, runtime)
    with jobs.entity_lock(runtime.database, runtime.system_name, "products"):
        busy = reconcile(PRODUCTS, runtime)
    assert busy.status == "skipped"
    assert "ALREADY_RUNNING" in str(busy.message)
    assert query(database_url, "SELECT * FROM integ.drift") == []
