"""A day in the shop is reproducible, and what the server then answers equals the oracle's true state."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onec_pipelines.simulator.living import Life
from onec_pipelines.simulator.writing import Manner
from onec_pipelines_tests.unit.simulator.asker import GOODS, ORDER, Asker

PRICE_KEY = ("Номенклатура_Key", "ХарактеристикаЦО_Key", "СерияЦО_Key", "УпаковкаЦО_Key", "ВидЦены_Key")
STOCK_KEY = ("Номенклатура_Key", "Характеристика_Key", "Склад_Key")


def lived(steps):
    ask = Asker(products=60, seed=8)
    life = Life(ask.service.base, ask.service.writes.writer, Manner(now="2026-06-15T12:00:00"))
    return ask, life, life.work(steps)


@pytest.fixture(scope="module")
def day():
    return lived(150)


def amounts(rows, key, name, plain=False):
    wanted = {tuple(row[part] for part in key): Decimal(str(row[name])) for row in rows}
    return {part: value for part, value in wanted.items() if value or plain}


def test_the_same_steps_give_the_same_state(day):
    _, life, steps = day
    _, again, repeated = lived(150)
    assert repeated == steps
    assert {topic: again.oracle.tell(topic) for topic in life.oracle.topics} == {
        topic: life.oracle.tell(topic) for topic in life.oracle.topics
    }


def test_stock_is_what_the_oracle_says(day):
    ask, life, _ = day
    found = amounts(ask("AccumulationRegister_ТоварыНаСкладах/Balance").rows, STOCK_KEY, "ВНаличииBalance")
    assert found == amounts(life.oracle.tell("stock"), STOCK_KEY, "ВНаличии")


def test_prices_are_what_the_oracle_says(day):
    ask, life, _ = day
    found = ask("InformationRegister_ЦеныНоменклатуры25_RecordType/SliceLast").rows
    assert amounts(found, PRICE_KEY, "Цена", True) == amounts(
        life.oracle.tell("prices"), PRICE_KEY, "Цена", True
    )


@pytest.mark.parametrize(
    ("topic", "name"), [("products", GOODS), ("orders", ORDER), ("customers", "Catalog_Партнеры")]
)
def test_objects_are_what_the_oracle_says(day, topic, name):
    ask, life, _ = day
    truth = life.oracle.tell(topic)
    rows = {row["Ref_Key"]: row for row in ask(name).rows}
    assert set(rows) == {row["Ref_Key"] for row in truth}
    for row in truth:
        for field in ("DeletionMark", "Posted", "Статус", "Description", "IsFolder"):
            assert rows[row["Ref_Key"]].get(field) == row.get(field)


def test_work_is_registered_for_exchange(day):
    ask, _, steps = day
    changed = {touch["key"] for step in steps for touch in step["touched"] if touch["entity"] == GOODS}
    queued = {
        key
        for queue in ask.service.writes.exchange._queues.values()
        for name, key in queue.changes
        if name == GOODS
    }
    assert changed
    assert changed == queued


def test_a_kind_can_be_asked_for():
    _, life, _ = lived(0)
    assert {step["kind"] for step in life.work(3, kind="new order")} == {"new order"}
    with pytest.raises(ValueError, match="unknown kind"):
        life.work(1, kind="siesta")
