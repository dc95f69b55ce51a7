"""What 1C holds against what we want: a three-way merge that undoes nobody's work."""

from __future__ import annotations

import copy
from dataclasses import replace
from decimal import Decimal

import pytest

from onec_pipelines.entities.outgoing import OUTGOING
from onec_pipelines.steps.push import compare
from onec_pipelines.steps.push.payload import build
from onec_pipelines_tests.unit.steps.push.conftest import KEYS, LINE, ORDER, SECRET, ZONE

SECOND = replace(LINE, line_code=2, product_ref=KEYS[11])


@pytest.fixture
def make(release, facts_of):
    def payload(**changes):
        changes.setdefault("lines", (LINE, SECOND))
        changes.setdefault("total", None)
        return build(OUTGOING["orders"], facts_of(**changes), release, ZONE, secret=SECRET)

    return payload


@pytest.fixture
def sent(make):
    """What was sent and agreed on, and what 1C holds of it."""
    payload = make()
    held = {**payload.body(str(KEYS[10])), "Posted": True, "DataVersion": "AAAAAAAAAAI="}
    return compare.prints(payload), copy.deepcopy(held)


def test_nothing_changed_is_nothing_to_write(make, sent):
    base, held = sent
    assert compare.merge(make(), base, held) == compare.Merge()
    assert compare.not_as_sent(make(), held) == ()


def test_our_change_is_written_alone(make, sent):
    base, held = sent
    assert compare.merge(make(comment="Иначе"), base, held).body == {"Комментарий": "Иначе"}


def test_a_change_in_1c_of_what_we_did_not_touch_stays(make, sent):
    base, held = sent
    held["Комментарий"] = "Дописал менеджер"
    held["Статус"] = "КОтгрузке"
    held["Товары"][0]["Количество"] = 1
    merged = compare.merge(make(delivery_comment="Домофон 5"), base, held)
    assert merged == compare.Merge(body={"ДополнительнаяИнформацияПоДоставке": "Домофон 5"})


def test_both_changed_to_different_values_is_a_conflict_without_personal_data(make, sent):
    base, held = sent
    held["Комментарий"] = "Тайна менеджера"
    (conflict,) = compare.merge(make(comment="Тайна покупателя"), base, held).conflicts
    assert conflict == compare.Difference(name="Комментарий", ours="(hidden)", theirs="(hidden)")


def test_both_changed_to_the_same_value_is_no_conflict(make, sent):
    base, held = sent
    held["Комментарий"] = "Одно и то же"
    assert compare.merge(make(comment="Одно и то же"), base, held) == compare.Merge()


def test_a_conflict_in_a_row_names_the_row_and_both_values(make, sent):
    base, held = sent
    held["Товары"][0]["Количество"] = 1
    more = replace(LINE, quantity=Decimal(3))
    conflicts = compare.merge(make(lines=(more, SECOND)), base, held).conflicts
    assert compare.Difference(name="Товары[1].Количество", ours="3", theirs="1") in conflicts


def test_a_changed_row_sends_the_section_whole_with_the_rows_of_1c_and_the_new_sum(make, sent):
    base, held = sent
    theirs = {
        **held["Товары"][1],
        "LineNumber": "3",
        "КодСтроки": "3",
        "СуммаСНДС": Decimal(100),
        "Содержание": "своя",
    }
    held["Товары"].append({**theirs, "Ref_Key": str(KEYS[10])})
    held["Товары"][1]["Содержание"] = "пометка склада"
    more = replace(LINE, quantity=Decimal(3))

    body = compare.merge(make(lines=(more, SECOND)), base, held).body

    assert [row["LineNumber"] for row in body["Товары"]] == ["1", "2", "3"]
    assert [row.get("Содержание") for row in body["Товары"]] == [None, "пометка склада", "своя"]
    assert "Ref_Key" not in body["Товары"][2]
    assert body["СуммаДокумента"] == Decimal("2985.00") + Decimal("1990.00") + Decimal(100)


def test_a_row_that_the_application_dropped_is_cancelled(make, sent):
    base, held = sent
    body = compare.merge(make(lines=(LINE,)), base, held).body
    assert [row["Отменено"] for row in body["Товары"]] == [False, True]
    assert body["СуммаДокумента"] == Decimal("1990.00")


def test_a_row_that_1c_removed_and_we_changed_is_a_conflict(make, sent):
    base, held = sent
    del held["Товары"][1]
    (conflict,) = compare.merge(make(), base, held).conflicts
    assert (conflict.name, conflict.theirs) == ("Товары[2]", "removed in 1C")


def test_a_new_row_with_the_code_of_a_row_added_in_1c_is_a_conflict(make, sent):
    base, held = sent
    held["Товары"].append({**held["Товары"][1], "КодСтроки": "3", "Количество": 7})
    third = replace(SECOND, line_code=3)
    merged = compare.merge(make(lines=(LINE, SECOND, third)), base, held)
    assert [one.theirs for one in merged.conflicts if one.name == "Товары[3]"] == ["another row of that code"]


def test_a_closed_order_is_left_to_people(make, sent):
    base, held = sent
    held["Статус"] = "Закрыт"
    (conflict,) = compare.merge(make(comment="Иначе"), base, held).conflicts
    assert (conflict.name, conflict.theirs) == ("Статус", "Закрыт")


def test_a_cancellation_closes_the_order_whatever_its_status(make, sent):
    base, held = sent
    held["Статус"] = "КОтгрузке"
    lines = tuple(replace(line, is_cancelled=True) for line in (LINE, SECOND))
    body = compare.merge(make(lines=lines, status="cancelled"), base, held).body
    assert (body["Статус"], body["СуммаДокумента"]) == ("Закрыт", Decimal(0))
    assert all(row["Отменено"] for row in body["Товары"])


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("СуммаДокумента", Decimal(1), "СуммаДокумента"),
        ("НомерПоДаннымКлиента", "SITE-100", "НомерПоДаннымКлиента"),
        ("Комментарий", "", "Комментарий"),
        ("Товары", [], "Товары"),
    ],
)
def test_what_1c_dropped_or_cut_is_seen(name, value, shown, make, sent):
    _, held = sent
    held[name] = value
    assert [one.name for one in compare.not_as_sent(make(), held)] == [shown]


def test_padding_line_ends_and_forms_of_numbers_are_no_differences(make, sent):
    _, held = sent
    held["НомерПоДаннымКлиента"] = "SITE-1001      "
    held["СуммаДокумента"] = Decimal("3980.0")
    held["Организация_Key"] = held["Организация_Key"].upper()
    assert compare.not_as_sent(make(), held) == ()


def test_an_object_found_by_number_is_ours_only_with_our_customer_and_date(make, sent):
    _, held = sent
    assert compare.is_ours(make(), held)
    assert not compare.is_ours(make(), {**held, "Партнер_Key": str(KEYS[20])})
    assert not compare.is_ours(make(), {**held, "ДатаПоДаннымКлиента": "2025-01-01T00:00:00"})


def test_prints_hold_no_personal_value(make):
    prints = str(compare.prints(make(comment="Секрет", delivery_address="Тайная, 1")))
    assert "Секрет" not in prints
    assert "Тайная" not in prints
    assert ORDER.number not in prints
