"""The generated books agree with the writing half, and the oracle agrees with both."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from functools import cache

import pytest

from onec_pipelines.simulator import posting
from onec_pipelines.simulator.base import Base
from onec_pipelines.simulator.data import Shop, generate
from onec_pipelines.simulator.data.oracle import Oracle
from onec_pipelines.simulator.shape import shipped

ZERO = "00000000-0000-0000-0000-000000000000"
EMPTY = {None, "", ZERO, "StandardODATA.Undefined", "0001-01-01T00:00:00", 0}
ADDED = {"Period", "LineNumber", "Active", "Recorder", "Recorder_Type"}
STOCK = "AccumulationRegister_ТоварыНаСкладах"


@cache
def shop() -> Shop:
    return generate(seed=3, products=1000)


def all_rows(name: str) -> list[dict]:
    table = shop().tables[name]
    return list(table.rows(0, len(table)))


def meaning(row: dict) -> tuple:
    """What a record says, without empty members and without what the register adds."""
    return tuple(
        sorted(
            (name, f"{value.normalize():f}" if isinstance(value, Decimal) else str(value))
            for name, value in row.items()
            if value not in EMPTY and name not in ADDED
        )
    )


@pytest.mark.parametrize("entity", [posting.RETURN, posting.RECEIPT, posting.PRICES, posting.ORDER])
def test_posting_a_generated_document_again_makes_the_same_records(entity):
    registers = [name for name in shop().tables if f"{name}_RecordType" in shop().tables]
    base = Base(full=shipped(), shape=shipped(), data=shop())
    posted = [row for row in all_rows(entity) if row["Posted"] and row.get("Статус") != "Закрыт"]
    assert posted
    for row in posted:
        posting.check(base, entity, row)
        made = defaultdict(list)
        for record in posting.records(base, entity, base.meta(entity).complete(row)):
            made[record.register].append(meaning(record.values))
        for register in registers:
            table = shop().tables[register]
            at = table.find((row["Ref_Key"], f"StandardODATA.{entity}"))
            found = [] if at is None else table.rows(at, at + 1)[0]["RecordSet"]
            assert [meaning(record) for record in found] == made[register], (register, row["Number"])


def test_the_oracle_knows_the_stock_that_the_balance_tells():
    told = {
        (row["Номенклатура_Key"], row["Характеристика_Key"], row["Склад_Key"]): row["ВНаличии"]
        for row in Oracle(all_rows).tell("stock")
    }
    names = ("Номенклатура_Key", "Характеристика_Key", "Склад_Key")
    assert told == {tuple(row[name] for name in names): row["ВНаличии"] for row in shop().balance(STOCK)}


def test_the_oracle_tells_the_last_price_at_a_moment():
    oracle = Oracle(all_rows)
    records = all_rows("InformationRegister_ЦеныНоменклатуры25_RecordType")
    wanted = records[len(records) // 2]
    told = [
        row
        for row in oracle.prices(wanted["Period"])
        if all(
            row[name] == wanted[name] for name in ("Номенклатура_Key", "ХарактеристикаЦО_Key", "ВидЦены_Key")
        )
    ]
    assert [(row["Period"], row["Цена"]) for row in told] == [(wanted["Period"], wanted["Цена"])]
    assert len(oracle.prices("2000-01-01T00:00:00")) == 0


def test_the_oracle_tells_every_topic_and_no_other():
    oracle = Oracle(all_rows)
    assert all(oracle.tell(topic) for topic in oracle.topics)
    with pytest.raises(ValueError, match="stock"):
        oracle.tell("weather")
