"""Customers that 1C has or has not, and goods that come back."""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines_tests.fixtures.pipeline import control, query
from onec_pipelines_tests.fixtures.pushing import ORDER, document_of, shipped


def test_a_customer_whom_1c_has_is_taken_and_not_made_again(simulator, shop_url, push, place, shop):
    partners = control(simulator, "rows/Catalog_Партнеры?top=1000")["rows"]
    phones = [
        line["НомерТелефона"]
        for row in partners
        for line in row["КонтактнаяИнформация"]
        if line["НомерТелефона"]
    ]
    known, phone = next(
        (row, line["НомерТелефона"])
        for row in partners
        for line in row["КонтактнаяИнформация"]
        if not row["DeletionMark"]
        and phones.count(line["НомерТелефона"]) == 1
        and len(line["НомерТелефона"]) == 11
    )
    customer = shop.customer(name="Другое имя", phone=f"8 {phone[1:4]} {phone[4:7]}-{phone[7:]}")
    order = place(customer=customer)
    push()
    after = control(simulator, "rows/Catalog_Партнеры?top=1000")["rows"]
    assert query(shop_url, "SELECT subject, last_error FROM integ.retry_queue WHERE state <> 'done'") == []
    assert len(after) == len(partners)
    assert (
        next(row for row in after if row["Ref_Key"] == known["Ref_Key"])["Description"]
        == known["Description"]
    )
    assert document_of(simulator, shop_url, order)["Партнер_Key"] == known["Ref_Key"]
    shared = (
        "SELECT m.internal_id = s.shop_customer_id FROM shop.web_customer_status s"
        " JOIN integ.external_id_mappings m ON m.external_id = s.onec_key AND m.entity_type = 'customers' WHERE s.customer_id = %s"
    )
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

    sale = shipped(simulator, row)
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
    error = query(
        shop_url, "SELECT last_error FROM integ.retry_queue WHERE ordering_key = %s", f"return:{request}"
    )
    assert "more come back than were shipped" in error[0][0]["message"]
