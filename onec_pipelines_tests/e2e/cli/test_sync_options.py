"""`onec sync` for single things, ways and times: what people type, and what they are told when it cannot be."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import control, environment, query, value

SET = "Catalog_Номенклатура"


@pytest.fixture
def shop():
    with Simulator.start_thread(products=60, seed=5) as running:
        yield running


@pytest.fixture
def onec(shop, database_url, tmp_path, monkeypatch):
    """Runs `onec` and gives its exit code and JSON document."""
    for name, held in environment(shop, database_url, tmp_path, page_rows=500).items():
        monkeypatch.setenv(name, held)

    def run(*arguments):
        result = CliRunner().invoke(command_line.cli, [*arguments, "--json"])
        return result.exit_code, json.loads(result.stdout) if result.stdout.startswith("{") else result

    return run


def test_a_product_is_synced_by_its_sku_even_with_a_quote_in_it(onec, shop, database_url):
    onec("sync", "products")
    key = value(database_url, "SELECT ref::text FROM clean.products LIMIT 1")
    control(shop, f"rows/{SET}/{key}", {"Артикул": "O'Neill 5\"", "Description": "Новинка"})

    code, document = onec("sync", "products", "--sku", "O'Neill 5\"")

    assert code == 0
    assert document["entities"]["products"]["rows_read"] == 1
    assert query(database_url, "SELECT ref::text FROM clean.products WHERE name = 'Новинка'") == [(key,)]


def test_the_stock_of_a_product_is_synced_by_its_sku(onec, database_url):
    for name in ("price_types", "warehouses", "products", "stock"):
        onec("sync", name)
    key, sku = query(
        database_url,
        "SELECT p.ref::text, p.sku FROM clean.products p JOIN clean.stock s ON s.product_ref = p.ref"
        " WHERE p.sku IS NOT NULL LIMIT 1",
    )[0]

    code, document = onec("sync", "stock", "--sku", sku)

    assert code == 0
    rows = value(database_url, "SELECT count(*) FROM clean.stock WHERE product_ref = %s", key)
    assert document["entities"]["stock"]["rows_read"] >= rows > 0


def test_an_order_is_synced_by_its_number(onec, shop, database_url):
    onec("sync", "orders")
    key, number = query(database_url, "SELECT ref::text, number FROM clean.orders LIMIT 1")[0]
    control(shop, f"rows/Document_ЗаказКлиента/{key}", {"Комментарий": "правка"})

    code, document = onec("sync", "orders", "--number", number)

    assert code == 0
    assert document["entities"]["orders"]["clean_changed"] == 1


def test_what_1c_does_not_know_is_said(onec):
    code, document = onec("sync", "products", "--sku", "no such thing")

    assert code == 1
    assert document["errors"]["products"]["code"] == "NOT_FOUND"


def test_full_reads_everything_although_the_own_way_is_versions(onec):
    onec("sync", "products")

    _, own = onec("sync", "products")
    _, full = onec("sync", "products", "--full")

    assert (own["entities"]["products"]["way"], own["entities"]["products"]["rows_read"]) == ("versions", 0)
    assert full["entities"]["products"]["way"] == "snapshot"
    assert full["entities"]["products"]["rows_read"] > 0


def test_a_setting_chooses_the_way(onec, monkeypatch):
    onec("sync", "products")
    monkeypatch.setenv("ONEC_READING", "products=snapshot, stock=snapshot")

    _, document = onec("sync", "products")

    assert document["entities"]["products"]["way"] == "snapshot"


@pytest.mark.parametrize("reading", ["produkts=versions", "stock=versions"])
def test_a_setting_that_cannot_be_is_refused(onec, monkeypatch, reading):
    monkeypatch.setenv("ONEC_READING", reading)

    code, result = onec("sync", "currencies")

    assert code != 0
    assert result.exception.code in {"SETTINGS", "WAY_NOT_POSSIBLE"}


def test_documents_of_a_time_are_read(onec, database_url):
    code, document = onec("sync", "orders", "--from", "2026-03-01", "--to", "2026-04-01")

    assert code == 0
    assert document["entities"]["orders"]["way"] == "windows"
    outside = (
        "SELECT count(*) FROM clean.orders WHERE date < '2026-02-28T21:00Z' OR date >= '2026-03-31T21:00Z'"
    )
    assert value(database_url, outside) == 0
    assert value(database_url, "SELECT count(*) FROM clean.orders") > 0


def test_stored_pages_of_a_time_are_replayed(onec, shop):
    onec("sync", "currencies")
    control(shop, "faults", {"type": "reset_peer"})

    code, document = onec("sync", "currencies", "--layer", "clean", "--from", "2026-01-01")

    assert code == 0
    assert document["entities"]["currencies"]["rows_read"] > 0
    assert document["entities"]["currencies"]["requests"] == 0
