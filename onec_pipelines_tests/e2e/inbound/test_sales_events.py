"""What happens to single documents in 1C, and what the shop makes of it: unposted, marked, deleted, renamed, posted anew."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Way
from onec_pipelines.steps.extract import make_plan
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, value
from onec_pipelines_tests.fixtures.proxy import running_proxy
from onec_pipelines_tests.fixtures.sales import (
    OLD_PRICES,
    ORDER,
    PAYMENT,
    PRICES,
    SALE,
    check_price_history,
    read_whole,
)
from onec_pipelines_tests.fixtures.truth import Truth, rows_of


@pytest.fixture
def shop():
    with Simulator.start_thread(products=250, seed=11, pool_size=100) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_fast(environment(shop, database_url, tmp_path, page_rows=200)) as opened:
        yield opened


def by_ref(url, entity, table, columns):
    rows = query(
        url,
        f"SELECT m.external_id::text, {columns} FROM {table} t JOIN integ.external_id_mappings m"  # noqa: S608
        f" ON m.internal_id = t.id AND m.entity_type = '{entity}'",
    )
    return {row[0]: row[1:] for row in rows}


def test_an_unposted_sale_is_no_purchase_and_a_deleted_one_is_marked(runtime, shop, database_url):
    read_whole(runtime, [BY_NAME["shipments"]])
    unposted, marked, gone, *_ = (row["Ref_Key"] for row in rows_of(shop, SALE))
    control(shop, f"unpost/{SALE}/{unposted}", method="POST")
    control(shop, f"unpost/{SALE}/{marked}", method="POST")
    control(shop, f"rows/{SALE}/{marked}", {"DeletionMark": True})
    control(shop, f"rows/{SALE}/{gone}", method="DELETE")

    read_whole(runtime, [BY_NAME["shipments"]])
    read_whole(runtime, [BY_NAME["shipments"]])

    found = by_ref(database_url, "shipments", "shop.purchases", "is_posted, is_deleted, is_purchase")
    assert found[unposted] == (False, False, False)
    assert found[marked] == (False, True, False)
    assert found[gone] == (True, True, False)
    assert [one for *_, one in found.values()].count(False) == 3


def test_a_status_that_nobody_knows_is_kept_and_counted(runtime, shop, database_url):
    key = rows_of(shop, ORDER)[0]["Ref_Key"]
    control(shop, f"rows/{ORDER}/{key}", {"Статус": "НаПаузе"})

    read_whole(runtime, [BY_NAME["orders"]])

    assert by_ref(database_url, "orders", "shop.orders", "status")[key] == ("НаПаузе",)
    counted = query(database_url, "SELECT entity_type, field, value, row_count FROM integ.unknown_codes")
    assert counted == [("orders", "status", "НаПаузе", 1)]


def test_only_money_of_customers_goes_to_the_shop(runtime, shop, database_url):
    other, changed, *_ = (row["Ref_Key"] for row in rows_of(shop, PAYMENT))
    control(shop, f"rows/{PAYMENT}/{other}", {"ХозяйственнаяОперация": "ПоступлениеОтДругойОрганизации"})
    read_whole(runtime, [BY_NAME["payments"]])
    control(shop, f"rows/{PAYMENT}/{changed}", {"ХозяйственнаяОперация": "ПоступлениеОтДругойОрганизации"})

    read_whole(runtime, [BY_NAME["payments"]])

    found = by_ref(database_url, "payments", "shop.payments", "is_deleted")
    assert other not in found
    assert found[changed] == (True,)
    assert len(found) == len(rows_of(shop, PAYMENT)) - 1


def test_what_was_paid_for_an_order_is_told_by_payment(runtime, shop, database_url):
    read_whole(runtime, [BY_NAME["orders"], BY_NAME["shipments"], BY_NAME["payments"]])
    truth = Truth(shop, database_url)

    found = {
        (truth.guids["orders", order], number, amount)
        for order, number, amount in query(
            database_url, "SELECT order_id, number, amount FROM shop.order_payments"
        )
    }

    assert found == {
        (line["ОснованиеПлатежа"], row["Number"], Decimal(str(line["Сумма"])))
        for row in rows_of(shop, PAYMENT)
        for line in row["РасшифровкаПлатежа"]
        if row["Posted"] and not row["DeletionMark"]
    }


PRICED = ("currencies", "units", "product_kinds", "products", "pricing_variants", "variants", "price_types")


def test_posting_a_price_document_anew_changes_no_row(runtime, shop, database_url):
    names = (*PRICED, "price_history")
    read_whole(runtime, [BY_NAME[name] for name in names])
    before = query(
        database_url, "SELECT id, price, valid_from, is_deleted FROM shop.price_history ORDER BY id"
    )
    document = rows_of(shop, PRICES)[0]["Recorder"]
    control(shop, f"unpost/Document_УстановкаЦенНоменклатуры/{document}", method="POST")
    control(shop, f"post/Document_УстановкаЦенНоменклатуры/{document}", method="POST")

    outcome = inbound(BY_NAME["price_history"], runtime, way=Way.SNAPSHOT)

    assert (outcome.shop_new, outcome.shop_changed, outcome.absent) == (0, 0, 0)
    after = query(
        database_url, "SELECT id, price, valid_from, is_deleted FROM shop.price_history ORDER BY id"
    )
    assert after == before
    assert len(before) > 100


def test_prices_of_an_unposted_document_are_no_history(runtime, shop, database_url):
    names = (*PRICED, "price_history")
    read_whole(runtime, [BY_NAME[name] for name in names])
    document = rows_of(shop, PRICES)[-1]["Recorder"]
    control(shop, f"unpost/Document_УстановкаЦенНоменклатуры/{document}", method="POST")

    for _ in range(2):
        inbound(BY_NAME["price_history"], runtime, way=Way.SNAPSHOT, allow_deletes=True)

    check_price_history(Truth(shop, database_url))
    assert value(database_url, "SELECT count(*) FROM shop.price_history WHERE is_deleted") > 0


def only_the_old_register(address, body):
    """As if the base had switched pricing 2.5 off: the new register is empty, the old one is not."""
    if f"/{PRICES}?" in address:
        return b'{"value": []}'
    return b'{"value": [{"LineNumber": "1"}]}' if f"/{OLD_PRICES}?" in address else body


def test_the_history_is_read_from_the_register_that_is_alive(shop, database_url, tmp_path):
    with (
        running_proxy(shop.url) as proxy,
        open_fast(environment(shop, database_url, tmp_path, url=proxy.url)) as runtime,
    ):
        usual = make_plan(BY_NAME["price_history"], runtime.client, runtime.metadata)
        proxy.changes.append(only_the_old_register)
        chosen = make_plan(BY_NAME["price_history"], runtime.client, runtime.metadata)

    assert (usual.resource, chosen.resource) == (PRICES, OLD_PRICES)
