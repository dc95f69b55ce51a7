"""All entities from the simulated 1C to the shop: equal to what 1C holds, and nothing to do the second time."""

from __future__ import annotations

import threading
from decimal import Decimal

import psycopg
import pytest

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.errors import PipelineError, Stop
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync, value
from onec_pipelines_tests.fixtures.proxy import running_proxy
from onec_pipelines_tests.fixtures.state import debris_of, state_of

MAKERS = BY_NAME["manufacturers"]
PRODUCT = "Catalog_Номенклатура"
ZERO = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def shop():
    with Simulator.start_thread(products=60, seed=5, pool_size=100) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_fast(environment(shop, database_url, tmp_path)) as opened:
        yield opened


def truth(simulator, name):
    """Rows of a table as the base truly holds them."""
    answer = control(simulator, f"rows/{name}?top=100000")
    assert len(answer["rows"]) == answer["count"]
    return answer["rows"]


def by_ref(url, table, columns, entity):
    rows = query(
        url,
        f"SELECT m.external_id::text, {columns} FROM {table} t JOIN integ.external_id_mappings m"  # noqa: S608
        f" ON m.internal_id = t.id AND m.entity_type = '{entity}'",
    )
    return {row[0]: row[1:] for row in rows}


def test_the_shop_is_what_1c_holds_and_a_second_run_writes_nothing(runtime, shop, database_url):
    first = sync(runtime)
    check_products(shop, database_url)
    check_prices(shop, database_url)
    check_stock(shop, database_url)
    check_nothing_lost(database_url, first)
    before = state_of(database_url)

    second = sync(runtime)

    assert all(outcome.complete for outcome in (*first.values(), *second.values()))
    written = {
        name: (one.clean_changed, one.shop_changed, one.ids_new, one.absent) for name, one in second.items()
    }
    assert written == dict.fromkeys(written, (0, 0, 0, 0))
    assert state_of(database_url) == before
    assert debris_of(database_url) == []


def check_products(shop, url):
    rejected = {
        key
        for (key,) in query(url, "SELECT external_key FROM clean.quarantine WHERE entity_type = 'products'")
    }
    expected = {
        row["Ref_Key"]: (" ".join(row["Description"].replace("\u200b", "").split()), row["DeletionMark"])
        for row in truth(shop, PRODUCT)
        if not row["IsFolder"] and row["Ref_Key"] not in rejected
    }
    assert by_ref(url, "shop.products", "t.name, t.is_deleted", "products") == expected
    assert len(expected) > 50


def check_prices(shop, url):
    """The last active price of each product and pricing variant in each price list."""
    newest = {}
    lists = dict(
        query(
            url,
            "SELECT external_id::text, true FROM integ.external_id_mappings WHERE entity_type = 'price_types'",
        )
    )
    known = dict(
        query(
            url,
            "SELECT external_id::text, true FROM integ.external_id_mappings WHERE entity_type = 'products'",
        )
    )
    for row in truth(shop, "InformationRegister_ЦеныНоменклатуры25_RecordType"):
        key = tuple(
            row[f"{name}_Key"] for name in ("ВидЦены", "Номенклатура", "ХарактеристикаЦО", "УпаковкаЦО")
        )
        if (
            row.get("Active", True)
            and row["СерияЦО_Key"] == ZERO
            and (key not in newest or row["Period"] > newest[key]["Period"])
        ):
            newest[key] = row
    expected = sorted(
        (key[0], key[1], Decimal(str(row["Цена"])))
        for key, row in newest.items()
        if key[0] in lists and key[1] in known
    )
    found = query(
        url,
        "SELECT l.external_id::text, g.external_id::text, p.price FROM shop.prices p"
        " JOIN integ.external_id_mappings l ON l.internal_id = p.price_type_id AND l.entity_type = 'price_types'"
        " JOIN integ.external_id_mappings g ON g.internal_id = p.product_id AND g.entity_type = 'products'",
    )
    assert sorted(found) == expected
    assert len(expected) > 50


def check_stock(shop, url):
    """What was received less what was shipped, by warehouse and product."""
    sums = {}
    for row in truth(shop, "AccumulationRegister_ТоварыНаСкладах_RecordType"):
        if row["Active"]:
            sign = 1 if row["RecordType"] == "Receipt" else -1
            key = (row["Склад_Key"], row["Номенклатура_Key"])
            sums[key] = sums.get(key, 0) + sign * Decimal(str(row["ВНаличии"]))
    found = query(
        url,
        "SELECT w.external_id::text, g.external_id::text, sum(s.on_hand) FROM shop.stock s"
        " JOIN integ.external_id_mappings w ON w.internal_id = s.warehouse_id AND w.entity_type = 'warehouses'"
        " JOIN integ.external_id_mappings g ON g.internal_id = s.product_id AND g.entity_type = 'products'"
        " GROUP BY 1, 2",
    )
    loaded = {(warehouse, product): total for warehouse, product, total in found}
    held = {
        str(key)
        for (key,) in query(url, "SELECT missing_id FROM integ.unresolved_refs WHERE entity_type = 'stock'")
    }
    live = {
        ref
        for (ref,) in query(
            url, "SELECT ref::text FROM clean.warehouses WHERE NOT deletion_mark AND is_folder IS NOT TRUE"
        )
    }
    expected = {key: total for key, total in sums.items() if total and key[0] in live and not {*key} & held}
    assert {key: total for key, total in loaded.items() if total} == expected
    assert len(expected) > 50


def check_nothing_lost(url, outcomes):
    """Every different row that was read is in clean or in quarantine."""
    for entity in ENTITIES:
        distinct = value(
            url,
            "SELECT (state ->> 'distinct')::int FROM integ.sync_state WHERE entity_type = %s AND kind = 'complete'",
            entity.name,
        )
        clean = value(url, f"SELECT count(*) FROM {entity.clean_table}")  # noqa: S608
        rejected = value(url, "SELECT count(*) FROM clean.quarantine WHERE entity_type = %s", entity.name)
        assert clean + rejected == distinct, entity.name
        assert outcomes[entity.name].status == "succeeded"


def test_a_replay_restores_clean_without_1c(runtime, database_url, shop):
    inbound(MAKERS, runtime)
    before = state_of(database_url)["clean.manufacturers"]
    query(database_url, "UPDATE clean.manufacturers SET name = 'spoiled'")
    control(shop, "stats", method="DELETE")

    outcome = inbound(MAKERS, runtime, layers=[Layer.CLEAN])

    assert outcome.requests == 0
    # Every row that comes is written, those that pages repeat too.
    assert outcome.clean_changed == outcome.rows_read - outcome.duplicates - outcome.quarantined
    assert state_of(database_url)["clean.manufacturers"] == before


def test_without_a_reading_there_is_nothing_to_replay(runtime):
    with pytest.raises(Stop, match="NOTHING_TO_REPLAY"):
        inbound(MAKERS, runtime, layers=[Layer.CLEAN])


def test_prices_need_price_lists(runtime, database_url):
    with pytest.raises(Stop, match=r"NOTHING_TO_SPLIT_BY.*price_types"):
        inbound(BY_NAME["prices"], runtime)

    assert value(database_url, "SELECT status FROM integ.sync_jobs") == "failed"


@pytest.fixture
def proxied(shop, database_url, tmp_path):
    """A runtime behind a proxy that tests may tell to lie, and the proxy."""
    with (
        running_proxy(shop.url) as proxy,
        open_fast(environment(shop, database_url, tmp_path, url=proxy.url)) as opened,
    ):
        yield opened, proxy


def hide_most(address, body):
    """As if most rows were hidden from the user: fewer rows, and a count to match."""
    if "Catalog_Производители/$count" in address:
        return b"5"
    return body


def test_the_brake_keeps_rows_that_vanished_in_masses(proxied, database_url):
    runtime, proxy = proxied
    inbound(MAKERS, runtime)
    proxy.changes.append(hide_most)
    proxy.replace_rows("Catalog_Производители", lambda rows: rows.__delitem__(slice(5, None)))

    with pytest.raises(Stop, match="DELETION_BRAKE"):
        inbound(MAKERS, runtime)

    assert value(database_url, "SELECT count(*) FROM clean.manufacturers WHERE absent_sweeps > 0") == 0


def test_after_the_brake_the_next_run_asks_1c_again(proxied, database_url):
    runtime, proxy = proxied
    inbound(MAKERS, runtime)
    proxy.changes.append(hide_most)
    proxy.replace_rows("Catalog_Производители", lambda rows: rows.__delitem__(slice(5, None)))
    with pytest.raises(Stop, match="DELETION_BRAKE"):
        inbound(MAKERS, runtime)
    assert debris_of(database_url) == []
    proxy.changes.clear()

    outcome = inbound(MAKERS, runtime)

    assert outcome.complete
    assert outcome.rows_read > 5


def test_for_one_run_an_operator_may_let_the_rows_go(proxied, database_url):
    runtime, proxy = proxied
    inbound(MAKERS, runtime)
    proxy.changes.append(hide_most)
    proxy.replace_rows("Catalog_Производители", lambda rows: rows.__delitem__(slice(5, None)))

    outcome = inbound(MAKERS, runtime, allow_deletes=True)

    assert outcome.absent > 10
    missed = "SELECT count(*) FROM clean.manufacturers WHERE absent_sweeps = 1"
    assert value(database_url, missed) == outcome.absent


def test_a_replay_applies_a_mapping_fix_inside_a_tabular_section(runtime, database_url):
    inbound(BY_NAME["products"], runtime)
    lines = "SELECT count(*) FROM clean.products_attributes WHERE value_type = 'spoiled'"
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE clean.products_attributes SET value_type = 'spoiled'")
    assert value(database_url, lines) > 0

    inbound(BY_NAME["products"], runtime, layers=[Layer.CLEAN])

    assert value(database_url, lines) == 0


def test_an_error_leaves_no_thread_behind_while_it_is_held(runtime, database_url, monkeypatch):
    """`onec sync --all` keeps the errors until its end."""

    def fail(*_args, **_values):
        raise Stop("the disk is full", code="TEST")

    monkeypatch.setattr("onec_pipelines.steps.grouping.GROUP_ROWS", 20)
    monkeypatch.setattr("onec_pipelines.ledger.quarantine.put", fail)

    with pytest.raises(PipelineError) as held:
        inbound(MAKERS, runtime)

    assert held.value.code == "TEST"
    assert "onec-ahead" not in {thread.name for thread in threading.enumerate()}


def test_a_release_without_an_optional_object_is_told_and_skipped(shop, database_url, tmp_path):
    with (
        Simulator.start_thread(products=10, seed=5, publish="Catalog_Валюты,Catalog_Производители") as small,
        open_fast(environment(small, database_url, tmp_path)) as runtime,
    ):
        outcome = inbound(BY_NAME["attributes"], runtime)
        with pytest.raises(Stop, match=r"ONEC_NOT_PUBLISHED.*Catalog_Марки"):
            inbound(BY_NAME["brands"], runtime)

    assert outcome.status == "skipped"
    assert "ДополнительныеРеквизитыИСведения" in outcome.message
    assert query(database_url, "SELECT status FROM integ.sync_jobs ORDER BY id") == [
        ("skipped",),
        ("failed",),
    ]
