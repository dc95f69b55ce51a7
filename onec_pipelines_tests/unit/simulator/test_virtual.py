"""Virtual tables equal what the records of their register say (PROTOCOL §6)."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest

PRICES = "InformationRegister_ЦеныНоменклатуры25_RecordType"
STOCK = "AccumulationRegister_ТоварыНаСкладах"
DIMENSIONS = ("Номенклатура_Key", "ХарактеристикаЦО_Key", "СерияЦО_Key", "УпаковкаЦО_Key", "ВидЦены_Key")
PERIOD = "2026-03-01T00:00:00"


def latest(rows, until=None):
    best = {}
    for row in rows:
        if until is None or row["Period"] <= until:
            key = tuple(row[name] for name in DIMENSIONS)
            if key not in best or row["Period"] >= best[key]["Period"]:
                best[key] = row
    return {key: row["Цена"] for key, row in best.items()}


def test_slice_last_is_the_latest_record_of_every_combination_of_dimensions(ask):
    rows = ask(PRICES).rows
    found = ask(f"{PRICES}/SliceLast").rows
    assert latest(found) == latest(rows)
    assert len(found) == len(latest(rows))


@pytest.mark.parametrize("call", [f"/SliceLast(Period=datetime'{PERIOD}')", "/SliceLast()"])
def test_a_period_may_be_an_argument_or_a_query_option(ask, call):
    query = "$format=json" if "datetime" in call else f"$format=json&Period=datetime'{PERIOD}'"
    assert latest(ask(f"{PRICES}{call}", query).rows) == latest(ask(PRICES).rows, PERIOD)


@pytest.mark.parametrize("quote", ["'", "''"])
def test_quotes_inside_a_condition_may_be_doubled_or_not(ask, quote):
    kind = ask.first(PRICES)["ВидЦены_Key"]
    condition = f"Condition='ВидЦены_Key eq guid{quote}{kind}{quote}'"
    in_call = ask(f"{PRICES}/SliceLast({condition})").rows
    in_query = ask(f"{PRICES}/SliceLast", f"$format=json&{condition}").rows
    assert in_call == in_query
    assert in_call
    assert {row["ВидЦены_Key"] for row in in_call} == {kind}


def test_slice_first_takes_the_earliest_record_from_a_moment_on(ask):
    rows = ask(f"{PRICES}/SliceFirst(Period=datetime'{PERIOD}')").rows
    assert rows
    assert min(row["Period"] for row in rows) >= PERIOD


def stock(rows, *names):
    out = defaultdict(Decimal)
    for row in rows:
        out[tuple(row[name] for name in names)] += Decimal(str(row["ВНаличииBalance"]))
    return {key: value for key, value in out.items() if value}


def moved(ask, *names, until=None):
    out = defaultdict(Decimal)
    for row in ask(f"{STOCK}_RecordType").rows:
        if until is None or row["Period"] < until:
            sign = -1 if row["RecordType"] == "Expense" else 1
            out[tuple(row[name] for name in names)] += sign * Decimal(str(row["ВНаличии"]))
    return {key: value for key, value in out.items() if value}


def test_the_balance_is_the_sum_of_the_records(ask):
    names = ("Номенклатура_Key", "Характеристика_Key", "Склад_Key")
    assert stock(ask(f"{STOCK}/Balance").rows, *names) == moved(ask, *names)


def test_the_balance_at_a_moment_is_that_of_the_records_before_it(ask):
    rows = ask(f"{STOCK}/Balance(Period=datetime'{PERIOD}')").rows
    assert stock(rows, "Номенклатура_Key") == moved(ask, "Номенклатура_Key", until=PERIOD)


def test_dimensions_group_and_name_what_is_answered(ask):
    rows = ask(f"{STOCK}/Balance(Dimensions='Склад')").rows
    assert set(rows[0]) == {"Склад_Key", "ВНаличииBalance", "КОтгрузкеBalance"}
    assert stock(rows, "Склад_Key") == moved(ask, "Склад_Key")


def test_a_condition_and_a_filter_on_the_result_both_work(ask):
    place = ask.first(f"{STOCK}/Balance")["Склад_Key"]
    condition = f"{STOCK}/Balance(Condition='Склад_Key eq guid''{place}''')"
    rows = ask(
        condition, "$format=json&$filter=ВНаличииBalance gt 1&$orderby=ВНаличииBalance desc&$top=5"
    ).rows
    assert {row["Склад_Key"] for row in rows} == {place}
    amounts = [row["ВНаличииBalance"] for row in rows]
    assert amounts == sorted(amounts, reverse=True)
    assert min(amounts) > 1


def test_turnovers_of_a_month_are_its_records(ask):
    start, end = "2026-02-01T00:00:00", "2026-02-28T23:59:59"
    period = f"StartPeriod=datetime'{start}',EndPeriod=datetime'{end}'"
    rows = ask(f"{STOCK}/Turnovers({period},Dimensions='Склад')").rows
    wanted = defaultdict(Decimal)
    for row in ask(f"{STOCK}_RecordType").rows:
        if start <= row["Period"] <= end and row["RecordType"] == "Receipt":
            wanted[row["Склад_Key"]] += Decimal(str(row["ВНаличии"]))
    assert {
        row["Склад_Key"]: Decimal(str(row["ВНаличииReceipt"])) for row in rows if row["ВНаличииReceipt"]
    } == wanted


def test_balance_and_turnovers_close_where_they_opened_plus_what_moved(ask):
    start = "2026-02-01T00:00:00"
    rows = ask(f"{STOCK}/BalanceAndTurnovers(StartPeriod=datetime'{start}')").rows
    for row in rows:
        opening, closing = (
            Decimal(str(row["ВНаличииOpeningBalance"])),
            Decimal(str(row["ВНаличииClosingBalance"])),
        )
        assert opening + Decimal(str(row["ВНаличииTurnover"])) == closing
    closings = [{**row, "ВНаличииBalance": row["ВНаличииClosingBalance"]} for row in rows]
    assert stock(closings, "Номенклатура_Key") == moved(ask, "Номенклатура_Key")


def test_an_unknown_dimension_is_refused_by_name(ask):
    assert ask(f"{STOCK}/Balance(Dimensions='Нет')").error == (400, "6", "Сегмент пути Нет не найден!")
