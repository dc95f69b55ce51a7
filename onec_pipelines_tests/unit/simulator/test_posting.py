"""Posting moves stock, reserves, prices and the states of orders, and fails in Russian (PROTOCOL §4.6, §11.7)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onec_pipelines.simulator import posting
from onec_pipelines.simulator.releases import RELEASES
from onec_pipelines_tests.unit.simulator.asker import GOODS, ORDER

SALE = "Document_РеализацияТоваровУслуг"
RETURN = "Document_ВозвратТоваровОтКлиента"
RECEIPT = "Document_ПриобретениеТоваровУслуг"
STOCK = "AccumulationRegister_ТоварыНаСкладах"
SUPPLY = "AccumulationRegister_ЗапасыИПотребности"
STATES = "InformationRegister_СостоянияЗаказовКлиентов"
PRICES = "InformationRegister_ЦеныНоменклатуры25_RecordType"


def create(ask, name, body):
    answer = ask.post(name, body)
    assert answer.status == 201, answer.text
    return f"{name}(guid'{answer.json['Ref_Key']}')", answer.json["Ref_Key"]


def in_stock(ask):
    """A product with at least 3 pieces in one place, with its dimensions."""
    return next(row for row in ask(f"{STOCK}/Balance").rows if row["ВНаличииBalance"] >= 3)


def left(ask, row):
    condition = (
        f"Номенклатура_Key eq guid'{row['Номенклатура_Key']}' and Склад_Key eq guid'{row['Склад_Key']}'"
    )
    condition += f" and Характеристика_Key eq guid'{row['Характеристика_Key']}'"
    found = ask(f"{STOCK}/Balance", f"$format=json&Condition='{condition}'").rows
    return Decimal(str(found[0]["ВНаличииBalance"])) if found else Decimal(0)


def goods(row, quantity):
    return {
        "LineNumber": "1",
        "Номенклатура_Key": row["Номенклатура_Key"],
        "Характеристика_Key": row["Характеристика_Key"],
        "Количество": quantity,
        "Цена": 10,
        "Сумма": 10 * quantity,
    }


def sale(ask, row, quantity, **more):
    order = ask.order()
    head = {name: order[name] for name in ("Партнер_Key", "Контрагент_Key", "Организация_Key", "Валюта_Key")}
    lines = [goods(row, quantity)]
    return {"Date": "2026-06-15T09:00:00", **head, "Склад_Key": row["Склад_Key"], "Товары": lines, **more}


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_sale_takes_goods_from_stock_and_unposting_gives_them_back(fresh, method):
    row = in_stock(fresh)
    before = left(fresh, row)
    address, _ = create(fresh, SALE, sale(fresh, row, 2))
    assert left(fresh, row) == before
    answer = fresh(f"{address}/Post", "PostingModeOperational=false", method=method)
    assert (answer.status, answer.body) == (200, b"")
    assert fresh(address).json["Posted"] is True
    assert left(fresh, row) == before - 2
    assert fresh(f"{address}/Unpost", "", method=method).status == 200
    assert left(fresh, row) == before
    assert fresh(address).json["Posted"] is False


def test_posting_twice_moves_once(fresh):
    row = in_stock(fresh)
    before = left(fresh, row)
    address, _ = create(fresh, SALE, sale(fresh, row, 1))
    for _ in range(2):
        assert fresh(f"{address}/Post()", "", method="POST").status == 200
    assert left(fresh, row) == before - 1


def test_more_than_there_is_cannot_be_sold_and_the_document_stays_as_it_was(fresh):
    row = in_stock(fresh)
    before = left(fresh, row)
    address, _ = create(fresh, SALE, sale(fresh, row, 1_000_000))
    status, code, text = fresh(f"{address}/Post", method="POST").error
    assert (status, code) == (500, "-1")
    assert "Превышен остаток товара на складе" in text
    assert fresh(address).json["Posted"] is False
    assert left(fresh, row) == before


def test_a_base_may_let_stock_go_below_zero(start):
    ask = start(stock_control=False)
    row = in_stock(ask)
    address, _ = create(ask, SALE, sale(ask, row, 1_000_000))
    assert ask(f"{address}/Post", method="POST").status == 200
    assert left(ask, row) < 0


def test_a_return_brings_goods_back(fresh):
    row = in_stock(fresh)
    before = left(fresh, row)
    address, _ = create(fresh, RETURN, sale(fresh, row, 1))
    assert fresh(f"{address}/Post", method="POST").status == 200
    assert left(fresh, row) == before + 1


def test_what_is_not_filled_is_refused_at_posting_only(fresh):
    address, _ = create(fresh, ORDER, fresh.order(Партнер_Key="00000000-0000-0000-0000-000000000000"))
    status, code, text = fresh(f"{address}/Post", method="POST").error
    assert (status, code) == (500, "-1")
    assert text.endswith('Поле "Партнер" не заполнено.')


def test_a_marked_document_cannot_be_posted_nor_a_posted_one_marked(fresh):
    address, _ = create(fresh, ORDER, fresh.order())
    fresh.patch(address, {"DeletionMark": True})
    assert fresh(f"{address}/Post", method="POST").error[:2] == (500, "-1")
    fresh.patch(address, {"DeletionMark": False})
    assert fresh(f"{address}/Post", method="POST").status == 200
    assert fresh.patch(address, {"DeletionMark": True}).error[:2] == (500, "-1")


def test_unposting_what_is_not_posted_changes_the_version_only(fresh):
    address, _ = create(fresh, ORDER, fresh.order())
    before = fresh(address).json
    fresh(f"{address}/Unpost", "", method="POST")
    after = fresh(address).json
    assert {name for name in before if before[name] != after[name]} == {"DataVersion"}


def state(ask, order):
    rows = ask(STATES).rows
    return next((row for row in rows if row["Заказ"] == order), None)


def test_an_order_gets_a_state_and_its_shipment_moves_it(fresh):
    row = in_stock(fresh)
    body = fresh.order(Статус="КОтгрузке", СуммаДокумента=10, Товары=[goods(row, 1)])
    address, order = create(fresh, ORDER, body)
    assert state(fresh, order) is None
    fresh(f"{address}/Post", method="POST")
    found = state(fresh, order)
    assert (found["Состояние"], found["ПроцентОтгрузки"]) == ("ГотовКОтгрузке", 0)
    assert found["Состояние_Type"] == "StandardODATA.СостоянияЗаказовКлиентов"
    link = {"ЗаказКлиента": order, "ЗаказКлиента_Type": f"StandardODATA.{ORDER}", "СуммаДокумента": 10}
    shipped, _ = create(fresh, SALE, sale(fresh, row, 1, **link))
    fresh(f"{shipped}/Post", method="POST")
    found = state(fresh, order)
    assert (found["Состояние"], found["ПроцентОтгрузки"]) == ("ОжидаетсяОплатаПослеОтгрузки", 100)


def test_states_may_lag_behind(start):
    ask = start(state_lag_ms=60_000)
    address, order = create(ask, ORDER, ask.order())
    ask(f"{address}/Post", method="POST")
    assert state(ask, order) is None


def test_an_order_reserves_and_its_cancellation_frees(fresh):
    row = in_stock(fresh)
    line = {**goods(row, 2), "ВариантОбеспечения": "СоСклада"}
    address, order = create(fresh, ORDER, fresh.order(Товары=[line]))
    fresh(f"{address}/Post", method="POST")
    condition = f"Condition='Заказ eq cast(guid''{order}'',''{ORDER}'')'"
    found = fresh(f"{SUPPLY}/Balance", f"$format=json&{condition}").rows
    assert [(one["ЗаказаноBalance"], one["РезервироватьНаСкладеBalance"]) for one in found] == [(2, 2)]
    fresh(f"{address}/Unpost", "", method="POST")
    assert fresh(f"{SUPPLY}/Balance", f"$format=json&{condition}").rows == []


def test_a_price_document_changes_the_slice(fresh):
    old = fresh.first(f"{PRICES}/SliceLast")
    names = (
        "Номенклатура_Key",
        "ХарактеристикаЦО_Key",
        "СерияЦО_Key",
        "УпаковкаЦО_Key",
        "ВидЦены_Key",
        "Валюта_Key",
    )
    line = {"LineNumber": "1", "Цена": 12345.67, **{name: old[name] for name in names}}
    body = {"Date": "2026-06-15T11:00:00", "Статус": "Согласован", "Товары2_5": [line]}
    address, _ = create(fresh, "Document_УстановкаЦенНоменклатуры", body)
    assert fresh(f"{address}/Post", method="POST").status == 200
    condition = f"Condition='Номенклатура_Key eq guid''{old['Номенклатура_Key']}'''"
    rows = fresh(f"{PRICES}/SliceLast", f"$format=json&{condition}").rows
    mine = [row for row in rows if all(row[name] == old[name] for name in names)]
    assert [row["Цена"] for row in mine] == [12345.67]


def test_deleting_a_posted_document_deletes_its_movements(fresh):
    row = in_stock(fresh)
    before = left(fresh, row)
    address, _ = create(fresh, SALE, sale(fresh, row, 1))
    fresh(f"{address}/Post", method="POST")
    assert fresh(address, method="DELETE").status == 204
    assert left(fresh, row) == before


def test_reposting_a_generated_receipt_keeps_the_balance(fresh):
    document = next(row for row in fresh(RECEIPT).rows if row["Posted"])
    before = fresh(f"{STOCK}/Balance(Dimensions='Номенклатура')").rows
    assert fresh(f"{RECEIPT}(guid'{document['Ref_Key']}')/Unpost", "", method="POST").status == 200
    between = fresh(f"{STOCK}/Balance(Dimensions='Номенклатура')").rows
    assert fresh(f"{RECEIPT}(guid'{document['Ref_Key']}')/Post", "", method="POST").status == 200
    after = fresh(f"{STOCK}/Balance(Dimensions='Номенклатура')").rows

    def key(row):
        return row["Номенклатура_Key"]

    assert sorted(after, key=key) == sorted(before, key=key)
    assert sorted(between, key=key) != sorted(before, key=key)


def test_a_product_has_no_action_to_post(fresh):
    row = fresh.first(GOODS)
    assert fresh(f"{GOODS}(guid'{row['Ref_Key']}')/Post", method="POST").error == (
        400,
        "6",
        "Метод не найден",
    )


def meaningful(records):
    """Records without what numbers and names them, and without empty values."""
    service = {"LineNumber", "Active", "Period", "Recorder", "Recorder_Type"}
    empty = {"", "0", "None", "False", "StandardODATA.Undefined", "0001-01-01T00:00:00"}
    empty.add("00000000-0000-0000-0000-000000000000")
    return sorted(
        sorted(
            (name, str(value))
            for name, value in row.items()
            if name not in service and str(value) not in empty
        )
        for row in records
    )


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", [ORDER, SALE, RETURN, RECEIPT, "Document_УстановкаЦенНоменклатуры"])
def test_posting_a_generated_document_makes_the_records_that_were_generated(start, name, release):
    base = start(products=120, release=release).service.base
    compared = 0
    table = base.table(name)
    for row in table.rows(0, len(table)):
        if not row.get("Posted"):
            continue
        made = posting.records(base, name, base.meta(name).complete(row))
        for register in posting.MODELLED & set(base.shape.sets):
            found = base.table(register).get((row["Ref_Key"], f"StandardODATA.{name}")) or {"RecordSet": []}
            mine = [one.values for one in made if one.register == register]
            assert meaningful(mine) == meaningful(found["RecordSet"])
            compared += len(mine)
    assert compared


def test_reposting_a_generated_sale_leaves_the_state_of_its_order(start):
    ask = start(stock_control=False)
    document = next(row for row in ask(SALE).rows if row["Posted"] and state(ask, row["ЗаказКлиента"]))
    address, order = f"{SALE}(guid'{document['Ref_Key']}')", document["ЗаказКлиента"]
    before = state(ask, order)
    ask(f"{address}/Unpost", "", method="POST")
    assert state(ask, order)["СуммаОтгрузки"] < before["СуммаОтгрузки"]
    assert ask(f"{address}/Post", "", method="POST").status == 200
    after = state(ask, order)
    assert {name for name in before if before[name] != after[name]} <= {"ДатаСобытия"}


def points(ask, card):
    partner = ask(f"Catalog_КартыЛояльности(guid'{card}')").json["Партнер_Key"]
    rows = ask("AccumulationRegister_БонусныеБаллы/Balance").rows
    return sum(row["НачисленоBalance"] for row in rows if row["Партнер_Key"] == partner)


def test_a_sale_with_a_loyalty_card_earns_points_until_it_is_unposted(start):
    ask = start(stock_control=False)
    card = ask.first("Catalog_КартыЛояльности")["Ref_Key"]
    before = points(ask, card)
    line = {**ask.order()["Товары"][0], "Количество": 1, "Цена": 1990, "Сумма": 1990}
    body = ask.order(Статус="Отгружено", КартаЛояльности_Key=card, Товары=[line])
    sale = ask.post(SALE, body).json["Ref_Key"]
    assert ask(f"{SALE}(guid'{sale}')/Post", "", method="POST").status == 200
    assert points(ask, card) == before + 59
    assert ask(f"{SALE}(guid'{sale}')/Unpost", "", method="POST").status == 200
    assert points(ask, card) == before


def test_a_sale_without_a_card_earns_nothing(start):
    ask = start(stock_control=False)
    before = ask("AccumulationRegister_БонусныеБаллы/Balance").rows
    sale = ask.post(SALE, ask.order(Статус="Отгружено")).json["Ref_Key"]
    assert ask(f"{SALE}(guid'{sale}')/Post", "", method="POST").status == 200
    assert ask("AccumulationRegister_БонусныеБаллы/Balance").rows == before


def test_unposting_takes_the_single_records_of_a_generated_document_away(start):
    ask = start()
    document = next(row for row in ask(RECEIPT).rows if row["Posted"])["Ref_Key"]
    register = "AccumulationRegister_ТоварыНаСкладах_RecordType"
    query = f"$format=json&$filter=Recorder eq cast(guid'{document}','{RECEIPT}')"
    assert ask(register, query).rows
    ask(f"{RECEIPT}(guid'{document}')/Unpost", "", method="POST")
    assert ask(register, query).rows == []
