"""Business steps work upon the real writing half of the simulator and are the same for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest

from onec_pipelines.simulator.base import Base, Movements
from onec_pipelines.simulator.data import generate
from onec_pipelines.simulator.data.activity import KINDS, Activity, Refused
from onec_pipelines.simulator.errors import OdataError
from onec_pipelines.simulator.shape import shipped
from onec_pipelines.simulator.writing import Manner, Writer

GOODS = "Catalog_Номенклатура"


class Living:
    """The writing half of the simulator behind the interface of the steps."""

    def __init__(self, products: int = 400, seed: int = 5) -> None:
        self.shop = generate(seed=seed, products=products)
        self.base = Base(full=shipped(), shape=shipped(), data=self.shop)
        self.writer = Writer(self.base, Movements(self.base))
        self.written: list[tuple] = []
        self.writer.listeners.append(lambda name, key, row: self.written.append((name, key, str(row))))

    def get(self, entity, key):
        return self.base.table(entity).get(key)

    def create(self, entity, row):
        self.writer.create(entity, row, Manner())

    def change(self, entity, key, changes):
        self.writer.update(entity, key, changes, Manner())

    def delete(self, entity, key):
        self.writer.delete(entity, key, Manner())

    def post(self, entity, key):
        try:
            self.writer.post(entity, key, Manner())
        except OdataError as error:
            raise Refused(error.message) from error


def test_every_kind_of_step_can_be_done_and_touches_something():
    living = Living()
    activity = Activity(living.shop)
    numbers = iter(range(10_000))
    for kind in KINDS:
        steps = [activity.perform(living, next(numbers), kind=kind) for _ in range(12)]
        assert any(step.touched for step in steps), kind
        assert {step.kind for step in steps} == {kind}


def test_the_same_seed_does_the_same_day():
    first, second = Living(), Living()
    days = [list(Activity(one.shop).day(one, steps=120)) for one in (first, second)]
    assert days[0] == days[1]
    assert first.written == second.written
    assert first.written


def test_another_seed_does_another_day():
    kinds = [
        [Activity(one.shop).kind_of(number) for number in range(50)] for one in (Living(), Living(seed=6))
    ]
    assert kinds[0] != kinds[1]


def test_a_long_day_has_all_kinds_of_steps():
    living = Living()
    met = Counter(step.kind for step in Activity(living.shop).day(living, steps=600))
    assert set(met) == set(KINDS)


def test_a_physical_deletion_leaves_dangling_prices_behind():
    living = Living()
    step = Activity(living.shop).perform(living, 7, kind="physical deletion")
    (touch,) = step.touched
    assert (touch.entity, touch.action) == (GOODS, "delete")
    assert living.get(GOODS, touch.key) is None
    prices = living.base.table("InformationRegister_ЦеныНоменклатуры25_RecordType")
    assert any(row["Номенклатура_Key"] == touch.key[0] for row in prices.rows(0, len(prices)))


def test_an_empty_save_changes_the_version_only():
    living = Living()
    activity = Activity(living.shop)
    before = Living()
    (touch,) = activity.perform(living, 3, kind="no-op save").touched
    old, new = before.get(touch.entity, touch.key), living.get(touch.entity, touch.key)
    assert old.pop("DataVersion") != new.pop("DataVersion")
    assert old == new


def test_a_back_dated_document_is_older_than_the_opening_of_the_base():
    living = Living()
    step = Activity(living.shop).perform(living, 3, kind="back-dated price change")
    document = living.get(step.touched[0].entity, step.touched[0].key)
    assert document["Date"] < living.shop.world.now.isoformat()
    assert document["Posted"] is True


def test_posted_prices_reach_the_register():
    living = Living()
    step = Activity(living.shop).perform(living, 11, kind="price change")
    document = living.get(step.touched[0].entity, step.touched[0].key)
    key = (document["Ref_Key"], "StandardODATA.Document_УстановкаЦенНоменклатуры")
    records = living.get("InformationRegister_ЦеныНоменклатуры25", key)["RecordSet"]
    assert [row["Цена"] for row in records] == [line["Цена"] for line in document["Товары2_5"]]


def test_an_unknown_kind_of_step_is_refused_with_the_list_of_known_ones():
    living = Living(products=50)
    with pytest.raises(ValueError, match="price change"):
        Activity(living.shop).perform(living, 0, kind="party")
