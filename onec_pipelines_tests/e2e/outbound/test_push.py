"""What one push does to 1C and to the shop: creation, change, conflict, refusal, customers, returns, and the loop back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.dispatch import drain
from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import queue_desk, retry_policy
from onec_pipelines.ledger.queue_desk import Chosen
from onec_pipelines.onec.links import deep_link
from onec_pipelines.outbound import check_order_defaults
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.e2e.outbound.conftest import OPTIONS
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync

ORDER = "Document_ЗаказКлиента"


@pytest.fixture(scope="module")
def simulator():
    with Simulator.start_process(**OPTIONS) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_faults(simulator):
    yield
    control(simulator, "faults", method="DELETE")
    control(simulator, "options", {"client_keys": "honour"}, method="PATCH")


@pytest.fixture
def runtime(simulator, shop_url, home):
    variables = {
        **environment(simulator, shop_url, home),
        "ONEC_ORDER_SETTLE_SECONDS": "0",
        "ONEC_THROTTLE": "local",
    }
    with open_fast(variables) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    monkeypatch.setattr(retry_policy, "FIRST_SECONDS", 0.0)


@pytest.fixture
def push(runtime):
    """Work the queue off until nothing is due."""

    def run(times=4):
        for _ in range(times):
            drain(runtime, kinds=["push"], threads=1)

    return run


@pytest.fixture
def place(shop, request):
    """Place an order of a new customer; gives its id."""
    made = []

    def order(*, lines=None, customer=None, **values):
        made.append(0)
        number = f"{request.node.name[5:30]}.{len(made)}"
        if customer is None:
            customer = shop.customer(name=f"Клиент {number}", phone=f"+7902{abs(hash(number)) % 10**7:07d}")
        goods = shop.products(2)
        given = lines or [{"product_id": product, "quantity": 2, "price": price} for product, price in goods]
        return shop.order(number, given, customer_id=customer, **values)

    return order


def document_of(simulator, url, order):
    key = query(
        url, "SELECT onec_key::text FROM integ.push_objects WHERE outgoing = 'orders' AND subject_id = %s", order
    )
    (row,) = [r for r in control(simulator, f"rows/{ORDER}?top=100000")["rows"] if r["Ref_Key"] == key[0][0]]
    return row


def dead_letter(url, order):
    return query(
        url,
        "SELECT id, last_error FROM integ.retry_queue WHERE state = 'dead' AND ordering_key = %s ORDER BY id",
        f"order:{order}",
    )[0]


def retry(runtime, item):
    """What `onec queue retry ID` does."""
    with runtime.database.transaction() as connection:
        tx = driver_connection(connection)
        assert queue_desk.retry(tx, system_name="test", chosen=Chosen(ids=[item]), by="test") == [item]


def writes(simulator):
    return [line for line in control(simulator, "requests?last=10000") if not line.startswith("GET")]


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


def test_the_order_waits_for_its_customer_and_burns_no_attempt(shop_url, runtime, shop, place):
    order = place()
    customer = "UPDATE integ.retry_queue SET run_at = now() + interval '1 hour' WHERE ordering_key LIKE 'customer:%%'"
    query(shop_url, customer)
    drain(runtime, kinds=["push"], threads=1)
    waiting = "SELECT state, attempts, last_error ->> 'code' FROM integ.retry_queue WHERE ordering_key = %s"
    assert query(shop_url, waiting, f"order:{order}") == [("ready", 0, "PUSH_WAITS")]
    query(shop_url, "UPDATE integ.retry_queue SET run_at = now() WHERE ordering_key LIKE 'customer:%%'")
    drain(runtime, kinds=["push"], threads=1)
    drain(runtime, kinds=["push"], threads=1)
    assert query(shop_url, waiting, f"order:{order}") == [("done", 1, None)]


def test_a_lost_answer_leads_to_no_second_document(simulator, shop_url, push, place):
    fault = {
        "type": "reset_peer",
        "attributes": {"phase": "after"},
        "match": f"POST .*{ORDER}\\?",
        "times": 1,
    }
    control(simulator, "faults", fault)
    before = control(simulator, f"rows/{ORDER}?top=1")["count"]
    order = place()
    push()
    assert control(simulator, f"rows/{ORDER}?top=1")["count"] == before + 1
    assert document_of(simulator, shop_url, order)["Posted"] is True
    sends = "SELECT sends, phase FROM integ.push_objects WHERE outgoing = 'orders'"
    assert query(shop_url, sends) == [(1, "done")]


def test_a_base_that_ignores_our_keys_is_recognised_and_told_of(simulator, shop_url, runtime, push, place):
    control(simulator, "options", {"client_keys": "ignore"}, method="PATCH")
    order = place()
    push()
    own, held = query(
        shop_url, "SELECT own_key, onec_key FROM integ.push_objects WHERE outgoing = 'orders' AND subject_id = %s", order
    )[0]
    assert own != held
    assert any("ignores the keys" in one.message for one in check_order_defaults(runtime))
    mapped = "SELECT external_id FROM integ.external_id_mappings WHERE entity_type = 'orders' AND internal_id = %s"
    assert query(shop_url, mapped, order) == [(held,)]


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
    assert Decimal(str(after["СуммаДокумента"])) == sum(Decimal(str(line["СуммаСНДС"])) for line in after["Товары"])
    assert after["Posted"] is True


def test_a_conflict_goes_to_a_person_with_both_values_and_the_link(simulator, shop_url, runtime, push, place, shop):
    order = place()
    push()
    row = document_of(simulator, shop_url, order)
    lines = [{**line, "Количество": 1} if line["LineNumber"] == 1 else line for line in row["Товары"]]
    control(simulator, f"rows/{ORDER}/{row['Ref_Key']}", {"Товары": lines})
    shop.execute("UPDATE shop.web_order_lines SET quantity = 7 WHERE order_id = %s AND line_code = 1", order)
    push()
    item, error = dead_letter(shop_url, order)
    assert error["code"] == "PUSH_CONFLICT"
    assert "Товары[1].Количество: ours 7, in 1C 1" in error["message"]
    assert deep_link(ORDER, row["Ref_Key"]) in error["remedy"]
    told = query(shop_url, "SELECT push_state, message_ru FROM shop.web_order_status WHERE order_id = %s", order)
    assert told == [("attention", "Изменение заказа проверит сотрудник магазина.")]

    # the person decides for the application's value: in 1C everything is as it was sent, then retry
    control(simulator, f"rows/{ORDER}/{row['Ref_Key']}", {"Товары": row["Товары"]})
    retry(runtime, item)
    push()
    assert Decimal(document_of(simulator, shop_url, order)["Товары"][0]["Количество"]) == 7


def test_a_posting_that_1c_refuses_shows_its_words_and_one_command_ends_it(
    simulator, shop_url, runtime, push, place
):
    words = "Документ не проведен: период закрыт для изменений (дата запрета 31.12.2026)."
    fault = {
        "type": "odata_error",
        "match": "/Post\\?",
        "attributes": {"status": 500, "code": "-1", "message": words},
    }
    control(simulator, "faults", fault)
    order = place()
    push()
    item, error = dead_letter(shop_url, order)
    assert (error["code"], error["kind"]) == ("ONEC_HANDLER", "refused")
    assert error["onec_message"] == words
    assert deep_link(ORDER, document_of(simulator, shop_url, order)["Ref_Key"]) in error["remedy"]
    posts = len([line for line in writes(simulator) if "/Post?" in line])

    control(simulator, "faults", method="DELETE")
    retry(runtime, item)
    push()
    assert document_of(simulator, shop_url, order)["Posted"] is True
    assert len([line for line in writes(simulator) if "/Post?" in line]) == posts + 1


def test_a_lock_in_1c_is_waited_for(simulator, shop_url, push, place):
    control(simulator, "faults", {"type": "lock_conflict", "match": "/Post\\?", "times": 2})
    order = place()
    push(8)
    assert document_of(simulator, shop_url, order)["Posted"] is True


def test_one_bad_order_stops_no_other(simulator, shop_url, push, place):
    bad = place(payment_method="barter")
    good = [place() for _ in range(3)]
    push()
    assert dead_letter(shop_url, bad)[1]["code"] == "PUSH_PREFLIGHT"
    assert all(document_of(simulator, shop_url, order)["Posted"] for order in good)


def test_the_corrected_order_goes_out_by_itself(simulator, shop_url, push, place, shop):
    order = place(payment_method="barter")
    push()
    shop.execute("UPDATE shop.web_orders SET payment_method = 'cash' WHERE id = %s", order)
    push()
    assert document_of(simulator, shop_url, order)["ФормаОплаты"] == "Наличная"
    assert query(shop_url, "SELECT DISTINCT state FROM integ.retry_queue") == [("done",)]


def test_missing_defaults_are_named(shop_url, runtime, push, place, shop):
    shop.store(agreement="Нет такого")
    order = place()
    push()
    held = query(shop_url, "SELECT DISTINCT last_error ->> 'code' FROM integ.retry_queue WHERE state = 'dead'")
    assert held == [("PUSH_DEFAULTS",)]
    bad = [one.message for one in check_order_defaults(runtime) if one.level == "bad"]
    assert bad == ["agreement names agreements by a name that nothing in 1C has (as far as it was synced)"]
    assert query(shop_url, "SELECT push_state FROM shop.web_order_status WHERE order_id = %s", order) == [("attention",)]


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
    one_line = "INSERT INTO shop.web_cancellations (order_id, line_id) SELECT order_id, id FROM shop.web_order_lines WHERE order_id = %s AND line_code = 1"
    shop.execute(one_line, order)
    push()
    row = document_of(simulator, shop_url, order)
    assert [line["Отменено"] for line in row["Товары"]] == [True, False]
    assert Decimal(str(row["СуммаДокумента"])) == Decimal(str(row["Товары"][1]["СуммаСНДС"]))
    shop.execute("INSERT INTO shop.web_cancellations (order_id) VALUES (%s)", order)
    push()
    row = document_of(simulator, shop_url, order)
    assert (row["Статус"], Decimal(row["СуммаДокумента"]), row["Posted"]) == ("Закрыт", 0, True)


def test_a_customer_whom_1c_has_is_taken_and_not_made_again(simulator, shop_url, push, place, shop):
    partners = control(simulator, "rows/Catalog_Партнеры?top=1000")["rows"]
    phones = [line["НомерТелефона"] for row in partners for line in row["КонтактнаяИнформация"] if line["НомерТелефона"]]
    known, phone = next(
        (row, line["НомерТелефона"])
        for row in partners
        for line in row["КонтактнаяИнформация"]
        if not row["DeletionMark"] and phones.count(line["НомерТелефона"]) == 1 and len(line["НомерТелефона"]) == 11
    )
    customer = shop.customer(name="Другое имя", phone=f"8 {phone[1:4]} {phone[4:7]}-{phone[7:]}")
    order = place(customer=customer)
    push()
    after = control(simulator, "rows/Catalog_Партнеры?top=1000")["rows"]
    assert len(after) == len(partners)
    assert next(row for row in after if row["Ref_Key"] == known["Ref_Key"])["Description"] == known["Description"]
    assert document_of(simulator, shop_url, order)["Партнер_Key"] == known["Ref_Key"]
    shared = "SELECT m.internal_id = s.shop_customer_id FROM shop.web_customer_status s JOIN integ.external_id_mappings m ON m.external_id = s.onec_key AND m.entity_type = 'customers' WHERE s.customer_id = %s"
    assert query(shop_url, shared, customer) == [(True,)]


def test_two_customers_with_one_telephone_are_a_persons_decision(simulator, shop_url, push, shop):
    body = {
        "Description": "Двойник",
        "КонтактнаяИнформация": [{"LineNumber": "1", "Тип": "Телефон", "НомерТелефона": "79035550001"}],
    }
    for _ in range(2):
        control(simulator, "rows/Catalog_Партнеры", body)
    shop.customer(phone="+7 903 555-00-01")
    push()
    (error,) = query(shop_url, "SELECT last_error FROM integ.retry_queue WHERE state = 'dead'")[0]
    assert error["code"] == "PUSH_AMBIGUOUS"
    assert error["message"].count("e1cib/data/Справочник.Партнеры?ref=") == 2
    assert "5550001" not in str(error)


def test_a_customers_new_telephone_reaches_1c_beside_the_other_contacts(simulator, push, shop, shop_url):
    customer = shop.customer(name="Петрова", phone="+79045550001", email="petrova@example.ru")
    push()
    shop.execute("UPDATE shop.web_customers SET phone = '+79045550002' WHERE id = %s", customer)
    push()
    rows = control(simulator, "rows/Catalog_Партнеры?top=1000")["rows"]
    (row,) = [one for one in rows if one["Description"] == "Петрова"]
    held = {line["Тип"]: line["НомерТелефона"] or line["АдресЭП"] for line in row["КонтактнаяИнформация"]}
    assert held == {"Телефон": "79045550002", "АдресЭлектроннойПочты": "petrova@example.ru"}


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


def test_a_return_goes_back_on_the_sale_with_its_prices(simulator, shop_url, push, place, shop):
    order = place()
    push()
    row = document_of(simulator, shop_url, order)
    product = shop.products(1)[0][0]
    with shop._connection.transaction():
        request = shop._row("shop.web_returns", {"number": "R-1", "order_id": order, "reason": "Не подошло"})
        shop._row("shop.web_return_lines", {"return_id": request, "product_id": product, "quantity": 1})
    push()
    state = "SELECT state, last_error ->> 'code' FROM integ.retry_queue WHERE ordering_key = %s"
    assert query(shop_url, state, f"return:{request}") == [("ready", "PUSH_WAITS")]

    head = {name: row[name] for name in ("Партнер_Key", "Контрагент_Key", "Организация_Key", "Валюта_Key", "Склад_Key")}
    goods = [{key: line[key] for key in line if key in {"LineNumber", "Номенклатура_Key", "Количество", "Цена", "Сумма", "СуммаНДС", "СуммаСНДС", "СтавкаНДС_Key", "КоличествоУпаковок"}} for line in row["Товары"]]
    sale = control(
        simulator,
        "rows/Document_РеализацияТоваровУслуг",
        {
            **head,
            "ЗаказКлиента": row["Ref_Key"],
            "ЗаказКлиента_Type": f"StandardODATA.{ORDER}",
            "ЦенаВключаетНДС": True,
            "НалогообложениеНДС": "ПродажаОблагаетсяНДС",
            "Posted": True,
            "Товары": goods,
        },
    )
    query(shop_url, "UPDATE integ.retry_queue SET run_at = now() WHERE state = 'ready'")
    push()
    assert query(shop_url, state, f"return:{request}") == [("done", None)]
    (made,) = [
        one
        for one in control(simulator, "rows/Document_ЗаявкаНаВозвратТоваровОтКлиента?top=10000")["rows"]
        if one["ДокументРеализации"] == sale["Ref_Key"]
    ]
    (line,) = made["ВозвращаемыеТовары"]
    assert (made["ПричинаВозврата"], made["СпособКомпенсации"]) == ("Не подошло", "ВернутьДенежныеСредства")
    assert Decimal(str(line["Сумма"])) == Decimal(str(row["Товары"][0]["Цена"]))


def test_more_than_was_sold_cannot_come_back(shop_url, simulator, push, place, shop):
    sold = next(
        one
        for one in control(simulator, "rows/Document_РеализацияТоваровУслуг?top=1000")["rows"]
        if one["Posted"] and one["ЗаказКлиента_Type"].endswith(ORDER)
    )
    query(
        shop_url,
        "INSERT INTO integ.external_id_mappings (system_name, entity_type, internal_id, external_id)"
        " VALUES ('test', 'orders', 99999, %s)",
        sold["ЗаказКлиента"],
    )
    product = query(
        shop_url,
        "SELECT internal_id FROM integ.external_id_mappings WHERE entity_type = 'products' AND external_id = %s",
        sold["Товары"][0]["Номенклатура_Key"],
    )[0][0]
    with shop._connection.transaction():
        request = shop._row("shop.web_returns", {"number": "R-2", "order_id": 99999})
        shop._row("shop.web_return_lines", {"return_id": request, "product_id": product, "quantity": 100000})
    push()
    error = query(shop_url, "SELECT last_error FROM integ.retry_queue WHERE ordering_key = %s", f"return:{request}")
    assert "more come back than were shipped" in error[0][0]["message"]


def test_a_hundred_orders_in_one_run(simulator, shop_url, push, place, shop, runtime):
    customer = shop.customer(name="Оптовик", phone="+79055550001")
    for _ in range(100):
        place(customer=customer)
    before = control(simulator, f"rows/{ORDER}?top=1")["count"]
    drain(runtime, kinds=["push"], threads=1)
    drained = drain(runtime, kinds=["push"])
    assert (drained.dead, drained.later) == (0, 0)
    assert control(simulator, f"rows/{ORDER}?top=1")["count"] == before + 100
