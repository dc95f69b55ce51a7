"""Cases of the sales chain that the simulated shop does not play: written into clean by hand, merged, looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import shop_rows
from onec_pipelines_tests.fixtures.tables import SYSTEM, guid, store, thing

ORDERS, SHIPMENTS, PAYMENTS = BY_NAME["orders"], BY_NAME["shipments"], BY_NAME["payments"]
STATES, HISTORY = BY_NAME["order_states"], BY_NAME["price_history"]
ORDER_TYPE, SALE_TYPE = "StandardODATA.Document_ЗаказКлиента", "StandardODATA.Document_РеализацияТоваровУслуг"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def merge(tx, entity):
    with tx.transaction():
        return shop_rows.merge(tx, entity, system_name=SYSTEM, everything=False)


def document(name, **cells):
    return thing(name, date=NOON, is_posted=True, **cells)


def payment(tx, **line):
    paid = document("pay", payment_form="bank_transfer", amount=Decimal(100))
    store(tx, PAYMENTS, [paid], lines=[{"owner": "pay", "line_number": 1, "amount": Decimal(100), **line}])
    merge(tx, PAYMENTS)


def order(tx, name="o", **cells):
    store(tx, ORDERS, [document(name, **cells)], lines=[])
    merge(tx, ORDERS)
    return tx.execute(
        "SELECT internal_id FROM integ.external_id_mappings WHERE external_id = %s", (guid(name),)
    ).fetchone()[0]


def paid_orders(tx):
    return tx.execute("SELECT order_id, amount FROM shop.order_payments").fetchall()


@pytest.mark.parametrize(
    "line",
    [
        {"basis_ref": guid("o"), "basis_type": ORDER_TYPE},
        # Up to 11.4 the basis is a contract or empty, and the order stands beside it.
        {"order_ref": guid("o"), "order_type": ORDER_TYPE},
    ],
)
def test_a_payment_names_its_order_in_either_place(tx, line):
    internal = order(tx)

    payment(tx, **line)

    assert paid_orders(tx) == [(internal, Decimal(100))]


def test_a_payment_for_a_shipment_counts_for_its_order(tx):
    internal = order(tx)
    store(tx, SHIPMENTS, [document("s", order_ref=guid("o"), order_type=ORDER_TYPE)], lines=[])
    merge(tx, SHIPMENTS)

    payment(tx, basis_ref=guid("s"), basis_type=SALE_TYPE)

    assert paid_orders(tx) == [(internal, Decimal(100))]


def test_a_basis_of_another_kind_is_no_order_even_with_the_same_guid(tx):
    order(tx)

    payment(tx, basis_ref=guid("o"), basis_type="StandardODATA.Catalog_ДоговорыКонтрагентов")

    assert paid_orders(tx) == []


def test_the_state_of_a_return_request_is_no_state_of_an_order(tx):
    order(tx)
    request = "StandardODATA.Document_ЗаявкаНаВозвратТоваровОтКлиента"
    rows = [
        {"order_ref": guid("o"), "order_type": ORDER_TYPE, "state": "shipping"},
        {"order_ref": guid("r"), "order_type": request, "state": "КВозврату"},
    ]
    store(tx, STATES, rows)

    merged = merge(tx, STATES)

    assert (merged.new, merged.held) == (1, 0)
    assert tx.execute("SELECT state FROM shop.order_states").fetchall() == [("shipping",)]


def test_an_order_that_the_application_pushed_keeps_its_id(tx):
    """Push takes the id from the sequence and notes it before 1C tells of the order; a shipment may come in between."""
    (internal,) = tx.execute("SELECT nextval(pg_get_serial_sequence('shop.orders', 'id'))").fetchone()
    tx.execute(
        "INSERT INTO integ.external_id_mappings (entity_type, internal_id, external_id, system_name)"
        " VALUES ('orders', %s, %s, %s)",
        (internal, guid("o"), SYSTEM),
    )
    store(tx, SHIPMENTS, [document("s", order_ref=guid("o"), order_type=ORDER_TYPE)], lines=[])
    merge(tx, SHIPMENTS)

    assert order(tx) == internal

    assert tx.execute("SELECT id FROM shop.orders").fetchall() == [(internal,)]
    assert tx.execute("SELECT order_id FROM shop.purchases").fetchall() == [(internal,)]


def test_numbers_are_exact_and_without_padding(tx):
    order(tx, amount=Decimal("2739.5000000000"))

    assert tx.execute("SELECT amount::text FROM shop.orders").fetchall() == [("2739.5",)]


def test_a_price_is_valid_until_the_next_one(tx):
    store(tx, BY_NAME["price_types"], [thing("retail", name="Retail")])
    store(tx, BY_NAME["products"], [thing("p", name="P", product_type="goods")])
    merge(tx, BY_NAME["price_types"])
    merge(tx, BY_NAME["products"])
    later = NOON.replace(day=2)
    cells = {"price_type_ref": guid("retail"), "product_ref": guid("p")}
    rows = [
        {**cells, "recorder_ref": guid("a"), "valid_from": NOON, "price": Decimal(10), "is_active": True},
        {**cells, "recorder_ref": guid("b"), "valid_from": later, "price": Decimal(12), "is_active": True},
        {**cells, "recorder_ref": guid("c"), "valid_from": later, "price": Decimal(99), "is_active": False},
    ]
    store(tx, HISTORY, rows)
    merge(tx, HISTORY)

    found = tx.execute("SELECT price, valid_from, valid_until FROM shop.price_periods ORDER BY valid_from")

    assert found.fetchall() == [(Decimal(10), NOON, later), (Decimal(12), later, None)]
