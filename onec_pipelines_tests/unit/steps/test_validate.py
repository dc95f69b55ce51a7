"""Pages to good rows and rejects: every failure of a row is named, duplicates and tabular rows included."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import quarantine
from onec_pipelines.onec.decode import decode_json
from onec_pipelines.steps.contract import contract
from onec_pipelines.steps.resolve import from_document
from onec_pipelines.steps.validate import validate

ZONE = ZoneInfo("Europe/Moscow")
EDM = {"uuid": "Edm.Guid", "text": "Edm.String", "numeric": "Edm.Double", "bigint": "Edm.Int64",
       "boolean": "Edm.Boolean", "timestamptz": "Edm.DateTime"}  # fmt: skip
ZERO = "00000000-0000-0000-0000-000000000000"


def guid(number):
    return f"aaaaaaaa-bbbb-cccc-dddd-{number:012}"


def plan_of(entity):
    """A plan in which the base has every field by its first name."""
    return from_document(
        entity,
        {
            "resource": entity.source.resources[0],
            "key": [],
            "columns": {f.source[0]: EDM[f.type.value] for f in entity.fields},
            "sections": {
                s.source: {f.source[0]: EDM[f.type.value] for f in s.fields} for s in entity.sections
            },
        },
    )


def checked(name, *rows):
    entity = BY_NAME[name]
    empty = {f.source[0]: None for f in entity.fields} | {s.source: [] for s in entity.sections}
    body = json.dumps({"value": [{**empty, **row} for row in rows]}).encode()
    plan = plan_of(entity)
    return validate(decode_json(body, plan.shape), plan, ZONE)


def brand(number, **cells):
    return {
        "Ref_Key": guid(number),
        "DataVersion": "A",
        "DeletionMark": False,
        "Description": f"Б{number}",
        **cells,
    }


def rate(**cells):
    return {"Period": "2024-01-01T00:00:00", "Валюта_Key": guid(1), "Курс": 90, "Кратность": "1", **cells}


def named(reject):
    return [(one.field, one.rule) for one in reject.failures]


def test_good_rows_pass():
    found = checked("brands", brand(1), brand(2))

    assert found.table["name"].to_pylist() == ["Б1", "Б2"]
    assert (found.rejects, found.rows_in, found.duplicates) == ([], 2, 0)


def test_all_that_is_wrong_with_a_row_is_named():
    (reject,) = checked("brands", brand(1, Description="", DeletionMark="x", Производитель_Key="?")).rejects

    assert sorted(named(reject)) == [
        ("deletion_mark", "type"),
        ("manufacturer_ref", "guid"),
        ("name", "not_nullable"),
    ]
    assert reject.external_key == guid(1)
    assert json.loads(reject.source_row)["Производитель_Key"] == "?"
    assert all(one.reason for one in reject.failures)


def test_of_rows_with_one_key_the_last_is_kept():
    found = checked("brands", brand(1), brand(2), brand(1, Description="Новая"))

    assert found.table["name"].to_pylist() == ["Б2", "Новая"]
    assert found.duplicates == 1


def test_a_rejected_row_is_no_duplicate():
    found = checked("brands", brand(1), brand(1, Description=""))

    assert (found.table.num_rows, len(found.rejects), found.duplicates) == (1, 1, 0)


def test_every_row_is_good_or_rejected_or_a_duplicate():
    found = checked("brands", *(brand(n % 4, Description="" if n % 3 == 0 else "x") for n in range(20)))

    assert found.table.num_rows + len(found.rejects) + found.duplicates == found.rows_in == 20


def test_the_key_of_a_rejected_record_is_that_of_the_good_one():
    (reject,) = checked("currency_rates", rate(Курс=-1)).rejects

    assert reject.external_key == f"2023-12-31 21:00:00+00|{guid(1)}"


def test_an_empty_dimension_is_nothing_in_the_key():
    (reject,) = checked(
        "stock",
        {
            "Склад_Key": guid(1),
            "Номенклатура_Key": guid(2),
            "Характеристика_Key": ZERO,
            "ВНаличииBalance": 0.0001,
        },
    ).rejects

    assert reject.external_key == f"{guid(1)}|{guid(2)}|"


def test_rows_without_any_key_are_told_apart():
    found = checked("brands", brand(1, Ref_Key=None), brand(2, Ref_Key=None))

    keys = {reject.external_key for reject in found.rejects}
    assert len(keys) == 2
    assert len({quarantine.row_key(key) for key in keys}) == 2


def test_a_broken_line_rejects_its_object_whole():
    line = {
        "LineNumber": "2",
        "Свойство_Key": "?",
        "Значение": "",
        "Значение_Type": "",
        "ТекстоваяСтрока": "",
    }
    good = {**line, "LineNumber": "1", "Свойство_Key": guid(9)}
    product = {**brand(1), "ТипНоменклатуры": "Товар", "ДополнительныеРеквизиты": [good, line]}
    other = {**brand(2), "ТипНоменклатуры": "Товар", "ДополнительныеРеквизиты": [good]}

    found = checked("products", product, other)

    assert named(found.rejects[0]) == [("attributes[2].attribute_ref", "guid")]
    assert found.sections["attributes"]["owner"].to_pylist() == [guid(2)]


@pytest.mark.parametrize("name", ["я" * 101, ""])
def test_personal_data_does_not_reach_the_quarantine(name):
    row = {**brand(1), "Description": name, "ИНН": "7" * 13, "НаименованиеПолное": "Иван"}
    (reject,) = checked("counterparties", row).rejects

    assert {one.value for one in reject.failures} == {"***"}
    assert reject.source_row == "{}"


def test_personal_data_of_tabular_rows_does_not_either():
    line = {"LineNumber": "1", "Тип": "Телефон", "Вид_Key": guid(3), "Представление": ["+79031234567"]}
    row = {**brand(1), "Description": "Имя", "КонтактнаяИнформация": [line]}

    (reject,) = checked("counterparties", row).rejects

    assert "+7903" not in repr(reject)


def test_what_postgresql_cannot_hold_is_written_out():
    (reject,) = checked("brands", brand(1, Производитель_Key="a\x00b", DataVersion="\ud800")).rejects

    assert {one.value for one in reject.failures} == {"a\\x00b", "\\ud800"}


def test_the_contract_has_a_column_for_each_field():
    for entity in BY_NAME.values():
        assert list(contract(entity).columns) == [field.name for field in entity.fields]
