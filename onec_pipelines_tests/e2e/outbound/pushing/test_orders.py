"""What a push makes of an order: created, changed, cancelled, and the loop back to the shop."""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.dispatch import drain
from onec_pipelines.entities import BY_NAME
from onec_pipelines_tests.fixtures.pipeline import control, query, sync
from onec_pipelines_tests.fixtures.pushing import ORDER, document_of


def test_an_order_arrives_with_everything_it_says(simulator, shop_url, push, place, shop):
    product, price = shop.products(1)[0]
    order = place(
        lines=[{"product_id": product, "quantity": 3, "price": price, "discount_percent": 10}],
        payment_method="bank_transfer",
        delivery_method="courier",
        delivery_address="119019, Москва, Арбат, 1",
        delivery_date="2026-12-24",
        delivery_from="10:00",
        comment='Позвонить "вечером"',
        contact_name="Мария",
    )
    push()
    row = document_of(simulator, shop_url, order)
    whole = price * 3
    amount = whole - (whole * 10 / 100).quantize(Decimal("0.01"), "ROUND_HALF_UP")
    assert row["Posted"] is True
    assert (row["ФормаОплаты"], row["СпособДоставки"]) == ("Безналичная", "ДоКлиентаКурьером")
    assert (row["ДатаОтгрузки"], row["ВремяДоставкиС"]) == ("2026-12-24T00:00:00", "0001-01-01T10:00:00")
    assert row["Комментарий"] == 'Позвонить "вечером"'
    assert row["ДополнительнаяИнформация"] == "Контакт: Мария"
    assert Decimal(str(row["СуммаДокумента"])) == amount
    assert [Decimal(str(row["Товары"][0][name])) for name in ("Количество", "Сумма")] == [3, amount]
    assert row["ЭтапыГрафикаОплаты"][0]["ВариантОплаты"] == "ПредоплатаДоОтгрузки"


def test_the_order_waits_for_its_customer_and_burns_no_attempt(shop_url, runtime, push, place):
    order = place()
    customer = "UPDATE integ.retry_queue SET run_at = now() + interval '1 hour' WHERE ordering_key LIKE 'customer:%%'"
    query(shop_url, customer)
    drain(runtime, kinds=["push"], threads=1)
    waiting = "SELECT state, attempts, last_error ->> 'code' FROM integ.retry_queue WHERE ordering_key = %s"
    assert query(shop_url, waiting, f"order:{order}") == [("ready", 0, "PUSH_WAITS")]
    query(shop_url, "UPDATE integ.retry_queue SET run_at = now() WHERE ordering_key LIKE 'customer:%%'")
    push()
    assert query(shop_url, waiting, f"order:{order}") == [("done", 1, None)]


def test_a_change_keeps_what_was_changed_in_1c(simulator, shop_url, push, place, shop):
    order = place(comment="сначала")
    push()
    row = document_of(simulator, shop_url, order)
    lines = [{**line, "Содержание": "пометка"} for line in row["Товары"]]
    control(simulator, f"rows/{ORDER}/{row['Ref_Key']}", {"Статус": "КОтгрузке", "Товары": lines})
    shop.execute("UPDATE shop.web_order_lines SET quantity = 5 WHERE order_id = %s AND line_code = 2", order)
    push()
    after = document_of(simulator, shop_url, order)
    assert after["Статус"] == "КОтгрузке"
    assert [(Decimal(line["Количество"]), line["Содержание"]) for line in after["Товары"]] == [
        (2, "пометка"),
        (5, "пометка"),
    ]
    assert Decimal(str(after["СуммаДокумента"])) == sum(
        Decimal(str(line["СуммаСНДС"])) for line in after["Товары"]
    )
    assert after["Posted"] is True


def test_an_order_cancelled_before_1c_heard_of_it_is_not_sent(simulator, shop_url, push, place, shop):
    order = place()
    shop.execute("INSERT INTO shop.web_cancellations (order_id) VALUES (%s)", order)
    before = control(simulator, f"rows/{ORDER}?top=1")["count"]
    push()
    assert control(simulator, f"rows/{ORDER}?top=1")["count"] == before
    told = query(shop_url, "SELECT push_state, stage FROM shop.web_order_status WHERE order_id = %s", order)
    assert told == [("not_needed", "cancelled")]


def test_rows_and_orders_are_cancelled_in_1c(simulator, shop_url, push, place, shop):
    order = place()
    push()
    one_line = (
        "INSERT INTO shop.web_cancellations (order_id, line_id)"
        " SELECT order_id, id FROM shop.web_order_lines WHERE order_id = %s AND line_code = 1"
    )
    shop.execute(one_line, order)
    push()
    row = document_of(simulator, shop_url, order)
    assert [line["Отменено"] for line in row["Товары"]] == [True, False]
    assert Decimal(str(row["СуммаДокумента"])) == Decimal(str(row["Товары"][1]["СуммаСНДС"]))
    shop.execute("INSERT INTO shop.web_cancellations (order_id) VALUES (%s)", order)
    push()
    row = document_of(simulator, shop_url, order)
    assert (row["Статус"], Decimal(row["СуммаДокумента"]), row["Posted"]) == ("Закрыт", 0, True)


def test_what_1c_does_with_the_order_appears_on_the_shops_order(simulator, shop_url, runtime, push, place):
    order = place()
    push()
    row = document_of(simulator, shop_url, order)
    control(simulator, f"rows/{ORDER}/{row['Ref_Key']}", {"Статус": "КОтгрузке"})
    sync(runtime, [BY_NAME["orders"], BY_NAME["order_states"]])
    told = query(
        shop_url,
        "SELECT onec_number, is_posted, onec_status, onec_state, stage FROM shop.web_order_status WHERE order_id = %s",
        order,
    )
    assert told == [(row["Number"], True, "to_ship", "ready_to_ship", "ready")]
    assert query(shop_url, "SELECT count(*) FROM shop.orders WHERE id = %s", order) == [(1,)]


def test_a_hundred_orders_in_one_run(simulator, place, shop, shop_url, runtime):
    customer = shop.customer(name="Оптовик", phone="+79055550001")
    for _ in range(100):
        place(customer=customer)
    before = control(simulator, f"rows/{ORDER}?top=1")["count"]
    drain(runtime, kinds=["push"], threads=1)
    query(shop_url, "UPDATE integ.retry_queue SET run_at = now() WHERE state = 'ready'")
    drained = drain(runtime, kinds=["push"])
    assert (drained.dead, drained.later) == (0, 0)
    assert control(simulator, f"rows/{ORDER}?top=1")["count"] == before + 100
