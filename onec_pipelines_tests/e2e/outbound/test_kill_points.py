"""Kill -9 at each named step of a push: the next worker ends it, nothing is lost and nothing doubled."""

from __future__ import annotations

import itertools
import signal
from decimal import Decimal

import pytest

from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.e2e.outbound.conftest import OPTIONS
from onec_pipelines_tests.fixtures.pipeline import control, environment, query
from onec_pipelines_tests.fixtures.pushing import ORDER, document_of, shipped

# An order is the third object that is made: its customer's partner and counterparty come first.
CREATED = ("intended", "before_create", "after_create", "created", "verified")
POSTED = ("before_post", "after_post", "posted", "before_mapping", "after_mapping")
AT_CREATION = [(name, nth) for name in CREATED for nth in (1, 3)] + [(name, 1) for name in POSTED]
WITHOUT_KEYS = [
    ("intended", 1),
    ("before_create", 1),
    ("after_create", 1),
    ("before_create", 3),
    ("after_create", 3),
    ("created", 3),
]
AT_CHANGE = ("before_change", "after_change", "changed", "before_post", "after_post")
AT_RETURN = [
    *(("honour", name) for name in ("intended", "before_create", "after_create", "created", "verified")),
    *(("honour", name) for name in ("before_mapping", "after_mapping")),
    *(("ignore", name) for name in ("before_create", "after_create", "created")),
]
_serial = itertools.count(1)
REQUEST = "Document_ЗаявкаНаВозвратТоваровОтКлиента"


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
    number = f"{keys}.{name}.{nth}.{next(_serial)}"
    order, total = place(shop, number)

    killed = workers.say(once=variables, die_at=name, nth=nth)
    ended = workers.say(once=variables)

    assert (killed["code"], ended["code"]) == (-signal.SIGKILL, 0)
    assert query(shop_url, "SELECT subject, last_error FROM integ.retry_queue WHERE state <> 'done'") == []
    (document,) = rows_of(simulator, ORDER, НомерПоДаннымКлиента=f"SITE-{number}")
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
    (document,) = rows_of(simulator, ORDER, Ref_Key=key)
    assert document["Комментарий"] == "Позвонить"
    assert [Decimal(row["Количество"]) for row in document["Товары"]] == [5, 2]
    assert document["Posted"] is True
    assert query(shop_url, "SELECT DISTINCT state FROM integ.retry_queue") == [("done",)]
    assert query(
        shop_url, "SELECT post_pending, phase FROM integ.push_objects WHERE outgoing = 'orders'"
    ) == [(False, "done")]


@pytest.mark.parametrize("nth", [1, 2])
def test_a_push_killed_when_it_has_taken_a_customer_of_1c(  # noqa: PLR0917 - fixtures
    nth, simulator, shop, shop_url, variables, workers
):
    """The first thing that is linked is the partner, the second its counterparty: neither is made anew, whenever the worker dies."""
    phone = f"7906555000{nth}"
    contact = {"LineNumber": "1", "Тип": "Телефон", "НомерТелефона": phone}
    body = {"Description": f"Давний клиент {nth}", "КонтактнаяИнформация": [contact]}
    partner = control(simulator, "rows/Catalog_Партнеры", body)
    legal = {"Description": f"Давний клиент {nth}", "Партнер_Key": partner["Ref_Key"]}
    counterparty = control(simulator, "rows/Catalog_Контрагенты", legal)
    customer = shop.customer(name=f"Новое имя {nth}", phone=f"+{phone}")

    killed = workers.say(once=variables, die_at="linked", nth=nth)
    ended = workers.say(once=variables)

    assert (killed["code"], ended["code"]) == (-signal.SIGKILL, 0)
    assert query(shop_url, "SELECT subject, last_error FROM integ.retry_queue WHERE state <> 'done'") == []
    assert rows_of(simulator, "Catalog_Партнеры", Description=f"Новое имя {nth}") == []
    (held,) = rows_of(simulator, "Catalog_Партнеры", Description=f"Давний клиент {nth}")
    (owned,) = rows_of(simulator, "Catalog_Контрагенты", Партнер_Key=held["Ref_Key"])
    linked = "SELECT outgoing, onec_key::text, phase FROM integ.push_objects WHERE subject_id = %s ORDER BY 1"
    assert query(shop_url, linked, customer) == [
        ("counterparties", counterparty["Ref_Key"], "done"),
        ("customers", partner["Ref_Key"], "done"),
    ]
    assert owned["Ref_Key"] == counterparty["Ref_Key"]


@pytest.mark.parametrize("name", AT_CHANGE)
def test_a_push_killed_while_it_cancels(  # noqa: PLR0917 - fixtures
    name, simulator, shop, shop_url, variables, workers
):
    control(simulator, "options", {"client_keys": "honour"}, method="PATCH")
    order, _ = place(shop, f"cancelled.{name}")
    assert workers.say(once=variables)["code"] == 0
    shop.execute("INSERT INTO shop.web_cancellations (order_id) VALUES (%s)", order)

    killed = workers.say(once=variables, die_at=name)
    ended = workers.say(once=variables)

    assert (killed["code"], ended["code"]) == (-signal.SIGKILL, 0)
    document = document_of(simulator, shop_url, order)
    assert (document["Статус"], Decimal(document["СуммаДокумента"]), document["Posted"]) == (
        "Закрыт",
        0,
        True,
    )
    assert [line["Отменено"] for line in document["Товары"]] == [True, True]
    told = "SELECT push_state, stage FROM shop.web_order_status WHERE order_id = %s"
    assert query(shop_url, told, order) == [("done", "cancelled")]


@pytest.mark.parametrize(("keys", "name"), AT_RETURN)
def test_a_push_killed_while_it_asks_for_a_return(  # noqa: PLR0917 - fixtures
    keys, name, simulator, shop, shop_url, variables, workers
):
    control(simulator, "options", {"client_keys": keys}, method="PATCH")
    order, _ = place(shop, f"returned.{keys}.{name}")
    assert workers.say(once=variables)["code"] == 0
    sale = shipped(simulator, document_of(simulator, shop_url, order))
    product = shop.products(1)[0][0]
    with shop._connection.transaction():
        request = shop._row("shop.web_returns", {"number": "R", "order_id": order})
        shop._row("shop.web_return_lines", {"return_id": request, "product_id": product, "quantity": 1})

    killed = workers.say(once=variables, die_at=name)
    ended = workers.say(once=variables)

    assert (killed["code"], ended["code"]) == (-signal.SIGKILL, 0)
    assert query(shop_url, "SELECT subject, last_error FROM integ.retry_queue WHERE state <> 'done'") == []
    (made,) = rows_of(simulator, REQUEST, ДокументРеализации=sale["Ref_Key"])
    told = "SELECT push_state, onec_key::text FROM shop.web_return_status WHERE return_id = %s"
    assert query(shop_url, told, request) == [("done", made["Ref_Key"])]
