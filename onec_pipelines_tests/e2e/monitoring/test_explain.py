"""`onec explain`: the trace of a value leads from the shop to 1C's property, the page, the job and what it was before."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256

import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Way
from onec_pipelines_tests.fixtures.changes import NODE, PLAN, sync_changes, take_in
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync, value
from onec_pipelines_tests.fixtures.postgres import _database

PRODUCT = "Catalog_Номенклатура"
ORDER_1C = "Document_ЗаказКлиента"
NEEDED = (
    *(
        "currencies",
        "vat_rates",
        "units",
        "categories",
        "product_kinds",
        "brands",
        "manufacturers",
        "products",
        "variants",
    ),
    *(
        "price_types",
        "warehouses",
        "organizations",
        "agreements",
        "cancel_reasons",
        "contact_kinds",
        "customers",
    ),
    *("counterparties", "prices", "reserves", "stock", "orders"),
)


@pytest.fixture(scope="module")
def shop():
    with Simulator.start_thread(products=60, seed=7) as running:
        yield running


@pytest.fixture(scope="module")
def database_url(postgres, postgres_template):
    yield from _database(postgres, postgres_template)


@pytest.fixture(scope="module")
def runtime(shop, database_url, tmp_path_factory):
    variables = environment(shop, database_url, tmp_path_factory.mktemp("home"), page_rows=50)
    variables |= {"ONEC_EXCHANGE_PLAN": PLAN, "ONEC_EXCHANGE_NODE": NODE}
    with pytest.MonkeyPatch.context() as patch, open_fast(variables) as opened:
        for name, held in variables.items():
            patch.setenv(name, held)
        sync(opened, [BY_NAME[name] for name in NEEDED])
        yield opened


def explained(*arguments):
    result = CliRunner().invoke(command_line.cli, ["explain", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_product_is_traced_to_the_page_that_brought_it(shop, runtime, database_url):
    sku, guid, version = query(
        database_url,
        "SELECT sku, ref::text, data_version FROM clean.products WHERE sku IS NOT NULL AND deleted_at IS NULL"
        " AND NOT deletion_mark ORDER BY ref LIMIT 1",
    )[0]
    ((our_id,),) = query(
        database_url, "SELECT internal_id FROM integ.external_id_mappings WHERE external_id = %s", guid
    )
    control(shop, f"rows/{PRODUCT}/{guid}", {"Description": "Стол переименованный"})
    sync(runtime, [BY_NAME["products"]])

    (found,) = explained("product", sku)

    assert (found["key"], found["our_id"]["internal_id"]) == (guid, our_id)
    assert found["data_version"] != version
    name = next(v for v in found["values"] if v["column"] == "shop.products.name")
    assert name["value"] == "Стол переименованный"
    origin = name["from"][0]
    assert found["page"] is not None
    assert (origin["onec"], origin["onec_value"]) == ("Description", "Стол переименованный")
    assert origin["clean"] == "clean.products.name"
    change = found["history"][0]["changes"]
    assert {"Description"} <= {c["onec"] for c in change}
    assert found["job"]["id"] == found["page"]["job_id"]
    body = value(
        database_url, "SELECT body FROM raw.bodies WHERE encode(sha256, 'hex') = %s", found["page"]["sha256"]
    )
    raw = gzip.decompress(body)
    assert sha256(raw).hexdigest() == found["page"]["sha256"]
    assert "Стол переименованный" in raw.decode()


def test_personal_data_is_masked_unless_asked_for_and_asking_is_noted(runtime, database_url):
    our_id, name = query(
        database_url, "SELECT id, name FROM shop.customers WHERE email IS NOT NULL ORDER BY id LIMIT 1"
    )[0]

    masked = json.dumps(explained("customer", f"#{our_id}"), ensure_ascii=False)
    assert name not in masked
    assert query(database_url, "SELECT 1 FROM integ.audit_log WHERE action = 'explain.pii'") == []

    open_ = explained("customer", f"#{our_id}", "--show-pii")
    assert name in json.dumps(open_, ensure_ascii=False)
    assert len(query(database_url, "SELECT 1 FROM integ.audit_log WHERE action = 'explain.pii'")) == 1


def test_an_order_is_traced_by_its_number_and_its_refused_new_version_is_shown(shop, runtime, database_url):
    number, guid, our_id = query(
        database_url,
        "SELECT c.number, c.ref::text, m.internal_id FROM clean.orders c JOIN integ.external_id_mappings m"
        " ON m.external_id = c.ref AND m.entity_type = 'orders' WHERE c.deleted_at IS NULL AND c.is_posted ORDER BY c.ref LIMIT 1",
    )[0]
    (found,) = explained("order", number)
    values = {one["column"]: one for one in found["values"]}
    amount = values["shop.orders.amount"]
    assert (found["key"], found["our_id"]["internal_id"], found["in_shop"]) == (guid, our_id, True)
    assert amount["from"][0]["onec"] == "СуммаДокумента"
    assert float(amount["value"]) == float(amount["from"][0]["onec_value"])
    customer = values["shop.orders.customer_id"]
    assert (customer["made_by"], customer["from"][0]["onec"], customer["called"]) == (
        "our id of: customers",
        "Партнер_Key",
        None,
    )

    control(shop, f"rows/{ORDER_1C}/{guid}", {"Date": "0001-01-01T00:00:00"})
    inbound(BY_NAME["orders"], runtime, only=[guid])
    (found,) = explained("order", f"#{our_id}")
    assert [one["failures"][0]["field"] for one in found["quarantine"]] == ["date"]
    assert {one["column"]: one for one in found["values"]}["shop.orders.amount"]["value"] == amount["value"]
    change = next(c for c in found["history"][0]["changes"] if c["onec"] == "Date")
    assert change["after"] == "0001-01-01T00:00:00"


def test_prices_and_stock_are_traced_row_by_row_to_their_register(runtime, database_url):
    sku, rows = query(
        database_url,
        "SELECT p.sku, count(*) FROM clean.products p JOIN clean.prices r ON r.product_ref = p.ref AND r.deleted_at IS NULL"
        " JOIN clean.stock s ON s.product_ref = p.ref AND s.deleted_at IS NULL WHERE p.sku IS NOT NULL AND p.deleted_at IS NULL"
        " GROUP BY p.sku ORDER BY count(DISTINCT r.row_key) DESC, p.sku LIMIT 1",
    )[0]
    assert rows
    prices = explained("price", sku)
    held = query(
        database_url,
        "SELECT r.price FROM shop.prices r JOIN shop.products p ON p.id = r.product_id WHERE p.sku = %s AND NOT r.is_deleted",
        sku,
    )
    told = [
        next(v for v in one["values"] if v["column"] == "shop.prices.price")
        for one in prices
        if one["in_shop"]
    ]
    assert sorted(float(one["value"]) for one in told) == sorted(float(price) for (price,) in held)
    assert {one["from"][0]["onec"] for one in told} == {"Цена"}
    assert all(float(one["from"][0]["onec_value"]) == float(one["value"]) for one in told)
    assert all("Цен" in one["page"]["request"] for one in prices)
    types = {
        value["called"]
        for one in prices
        for value in one["values"]
        if one["in_shop"] and value["column"] == "shop.prices.price_type_id"
    }
    assert types <= {name for (name,) in query(database_url, "SELECT name FROM shop.price_types")}
    assert types

    stock = explained("stock", sku)
    assert stock
    for one in stock:
        values = {value["column"]: value for value in one["values"]}
        available = values["shop.stock.available"]
        assert available["made_by"].startswith("sql: ")
        assert {"ВНаличииBalance", "КОтгрузкеBalance"} <= {origin["onec"] for origin in available["from"]}
        assert one["page"]["sha256"]


def test_what_a_packet_says_is_shown_before_and_after_it_is_applied(shop, runtime, database_url):
    take_in(runtime)
    sync(runtime, [BY_NAME["brands"]])
    inbound(BY_NAME["products"], runtime, way=Way.SNAPSHOT)
    guid = value(
        database_url,
        "SELECT ref::text FROM clean.products WHERE deleted_at IS NULL AND NOT deletion_mark LIMIT 1",
    )
    control(shop, f"rows/{PRODUCT}/{guid}", {"Description": "Имя из пакета"})
    take_in(runtime)

    (waiting,) = explained("product", guid)
    entry = waiting["packets"][0]
    assert (entry["applied"], entry["kind"]) == (False, "entry")
    assert [(c["onec"], c["after"]) for c in entry["changes"] if c["onec"] == "Description"] == [
        ("Description", "Имя из пакета")
    ]

    sync_changes(runtime, ["products"])
    (applied,) = explained("product", guid)
    assert applied["packets"][0]["applied"] is True
    assert applied["packets"][0]["changes"] == []
    assert f"packet {entry['packet_id']}" in applied["page"]["request"]
    name = next(v for v in applied["values"] if v["column"] == "shop.products.name")
    assert (name["value"], name["from"][0]["onec_value"]) == ("Имя из пакета", "Имя из пакета")


def test_the_job_is_told_by_the_audit_log_when_retention_has_removed_it(runtime, database_url):
    sku, job = query(
        database_url,
        "SELECT sku, changed_in FROM clean.products WHERE sku IS NOT NULL AND deleted_at IS NULL ORDER BY ref DESC LIMIT 1",
    )[0]
    query(database_url, "DELETE FROM integ.sync_jobs WHERE id = %s", job)
    (found,) = explained("product", sku)
    assert (found["job"]["id"], found["job"]["status"]) == (job, "succeeded")


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("Values", "in the shop", "page")), ("ru", ("Значения", "на сайте", "страница"))],
)
def test_people_get_a_page_they_can_read(runtime, database_url, language, words):
    sku = value(
        database_url,
        "SELECT sku FROM shop.products WHERE sku IS NOT NULL AND NOT is_deleted ORDER BY id LIMIT 1",
    )
    result = CliRunner().invoke(command_line.cli, ["explain", "product", sku, "--lang", language])
    assert result.exit_code == 0, result.output
    missing = [
        word
        for word in (*words, "DataVersion", "sha256", "shop.products.sku", "Артикул")
        if word not in result.output
    ]
    assert missing == []
    # Nothing is broken in the middle of a word: what is shown can be searched for and copied.
    assert f"shop.products.sku = {sku}" in result.output


def test_a_name_that_nobody_knows_is_said_so(runtime):
    result = CliRunner().invoke(command_line.cli, ["explain", "product", "нет такого"])
    assert result.exit_code == 1
    assert getattr(result.exception, "code", "") == "NOT_FOUND"


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("in quarantine", "lag", "Base test")), ("ru", ("в карантине", "отставание", "База test"))],
)
def test_the_status_speaks_the_language_of_who_reads_it(runtime, language, words):
    result = CliRunner().invoke(command_line.cli, ["status", "--lang", language])
    assert result.exit_code == 0, result.output
    assert [word for word in words if word not in result.output] == []


def test_the_audit_log_is_shown_without_what_says_nothing(runtime):
    result = CliRunner().invoke(command_line.cli, ["audit", "--action", "page_group_stored", "--limit", "3"])
    told = " ".join(result.output.split())
    assert "rows=" in told
    assert [noise for noise in ("null", "gone=0", '"', "{") if noise in told] == []
