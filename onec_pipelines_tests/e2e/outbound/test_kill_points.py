"""Kill -9 at each named step of a push: the next worker ends it, nothing is lost and nothing doubled."""

from __future__ import annotations

import signal
from decimal import Decimal

import pytest

from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.e2e.outbound.conftest import OPTIONS
from onec_pipelines_tests.fixtures.pipeline import control, environment, query

# An order is the third object that is made: its customer's partner and counterparty come first.
CREATED = ("intended", "before_create", "after_create", "created", "verified")
POSTED = ("before_post", "after_post", "posted", "before_mapping", "after_mapping")
AT_CREATION = [(name, nth) for name in CREATED for nth in (1, 3)] + [(name, 1) for name in POSTED]
WITHOUT_KEYS = [
    ("before_create", 1),
    ("after_create", 1),
    ("before_create", 3),
    ("after_create", 3),
    ("created", 3),
]
AT_CHANGE = ("before_change", "after_change", "changed", "before_post", "after_post")


@pytest.fixture(scope="module")
def simulator():
    with Simulator.start_process(**OPTIONS) as running:
        yield running


@pytest.fixture
def variables(simulator, shop_url, home):
    return {
        **environment(simulator, shop_url, home),
        "ONEC_ORDER_SETTLE_SECONDS": "0.2",
        "ONEC_THROTTLE": "local",
    }


def rows_of(simulator, name, **wanted):
    found = control(simulator, f"rows/{name}?top=100000")["rows"]
    return [row for row in found if all(row[key] == value for key, value in wanted.items())]


def place(shop, number):
    """A new customer (a partner and a counterparty are made first) with an order of two lines."""
    goods = shop.products(2)
    customer = shop.customer(name=f"Клиент {number}", phone=f"+7901{abs(hash(number)) % 10**7:07d}")
    lines = [{"product_id": product, "quantity": 2, "price": price} for product, price in goods]
    total = sum((2 * price for _, price in goods), Decimal(0))
    return shop.order(number, lines, customer_id=customer, total=total), total


@pytest.mark.parametrize(
    ("keys", "name", "nth"),
    [("honour", *at) for at in AT_CREATION] + [("ignore", *at) for at in WITHOUT_KEYS],
)
def test_a_push_killed_while_it_creates(  # noqa: PLR0917 - fixtures
    keys, name, nth, simulator, shop, shop_url, variables, workers
):
    control(simulator, "options", {"client_keys": keys}, method="PATCH")
    number = f"{keys}.{name}.{nth}"
    order, total = place(shop, number)

    killed = workers.say(once=variables, die_at=name, nth=nth)
    ended = workers.say(once=variables)

    assert (killed["code"], ended["code"]) == (-signal.SIGKILL, 0)
    assert query(shop_url, "SELECT subject, last_error FROM integ.retry_queue WHERE state <> 'done'") == []
    (document,) = rows_of(simulator, "Document_ЗаказКлиента", НомерПоДаннымКлиента=f"SITE-{number}")
    assert document["Posted"] is True
    assert Decimal(str(document["СуммаДокумента"])) == total
    (partner,) = rows_of(simulator, "Catalog_Партнеры", Description=f"Клиент {number}")
    (legal,) = rows_of(simulator, "Catalog_Контрагенты", Description=f"Клиент {number}")
    assert (document["Партнер_Key"], document["Контрагент_Key"]) == (partner["Ref_Key"], legal["Ref_Key"])
    assert query(shop_url, "SELECT state, count(*) FROM integ.retry_queue GROUP BY 1") == [("done", 2)]
    mapped = "SELECT external_id::text FROM integ.external_id_mappings WHERE entity_type = 'orders' AND internal_id = %s"
    assert query(shop_url, mapped, order) == [(document["Ref_Key"],)]


@pytest.mark.parametrize("name", AT_CHANGE)
def test_a_push_killed_while_it_changes(  # noqa: PLR0917 - fixtures
    name, simulator, shop, shop_url, variables, workers
):
    control(simulator, "options", {"client_keys": "honour"}, method="PATCH")
    order, _ = place(shop, f"changed.{name}")
    assert workers.say(once=variables)["code"] == 0
    shop.execute("UPDATE shop.web_order_lines SET quantity = 5 WHERE order_id = %s AND line_code = 1", order)
    shop.execute("UPDATE shop.web_orders SET total = NULL, comment = 'Позвонить' WHERE id = %s", order)

    killed = workers.say(once=variables, die_at=name)
    ended = workers.say(once=variables)

    assert (killed["code"], ended["code"]) == (-signal.SIGKILL, 0)
    key = query(shop_url, "SELECT onec_key::text FROM integ.push_objects WHERE outgoing = 'orders'")[0][0]
    (document,) = rows_of(simulator, "Document_ЗаказКлиента", Ref_Key=key)
    assert document["Комментарий"] == "Позвонить"
    assert [Decimal(row["Количество"]) for row in document["Товары"]] == [5, 2]
    assert document["Posted"] is True
    assert query(shop_url, "SELECT DISTINCT state FROM integ.retry_queue") == [("done",)]
    assert query(
        shop_url, "SELECT post_pending, phase FROM integ.push_objects WHERE outgoing = 'orders'"
    ) == [(False, "done")]
