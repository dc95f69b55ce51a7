"""Writes with 1C's laxness (PROTOCOL §4)."""

from __future__ import annotations

import pytest

from onec_pipelines_tests.unit.simulator.asker import GOODS, ORDER

KEY = "3f0c5f6e-7c1b-5a2e-9d1b-0a6f3c2b1d00"
OTHER = "3f0c5f6e-7c1b-5a2e-9d1b-0a6f3c2b1d01"
BARCODES = "InformationRegister_ШтрихкодыНоменклатуры"
BASE = "http://srv/ut/odata/standard.odata"


def make(ask, name=GOODS, **body):
    answer = ask.post(name, {"Description": "Проба", **body})
    assert answer.status == 201, answer.text
    return answer.json


def test_create_answers_201_with_the_entity_its_code_and_a_location_in_raw_utf_8(fresh):
    answer = fresh.post(GOODS, {"Ref_Key": KEY, "Description": "Проба"})
    assert answer.status == 201
    assert answer.headers["Location"] == f"{BASE}/{GOODS}(guid'{KEY}')"
    found = answer.json
    assert (found["Ref_Key"], found["DataVersion"], found["IsFolder"]) == (KEY, "AAAAAAAAAAA=", False)
    assert found["Code"].strip()
    assert fresh(f"{GOODS}(guid'{KEY}')").json["Description"] == "Проба"


def test_a_key_that_exists_is_refused_with_code_15(fresh):
    make(fresh, Ref_Key=KEY)
    error = fresh.post(GOODS, {"Ref_Key": KEY, "Description": "Ещё"}).error
    assert error == (400, "15", "Сущность с таким ключом уже существует")


def test_a_base_may_ignore_the_client_s_key(start):
    assert make(start(client_keys="ignore"), Ref_Key=KEY)["Ref_Key"] != KEY


def test_codes_of_two_new_goods_differ(fresh):
    assert make(fresh)["Code"] != make(fresh)["Code"]


def test_numbers_of_documents_start_again_every_year(fresh):
    first = make(fresh, ORDER, Date="2031-01-01T00:00:00")["Number"]
    second = make(fresh, ORDER, Date="2031-05-01T00:00:00")["Number"]
    assert int(second[-6:]) == int(first[-6:]) + 1
    assert make(fresh, ORDER, Date="2032-01-01T00:00:00")["Number"] == first


def test_a_patch_answers_200_with_the_whole_object_and_changes_only_what_was_sent(fresh):
    before = make(fresh, Артикул="А-1")
    answer = fresh.patch(f"{GOODS}(guid'{before['Ref_Key']}')", {"Description": "Иная", "Ref_Key": OTHER})
    assert answer.status == 200
    after = answer.json
    assert {name for name in before if before[name] != after[name]} == {"Description", "DataVersion"}


def test_the_version_grows_with_every_write_even_of_nothing(fresh):
    row = make(fresh)
    address = f"{GOODS}(guid'{row['Ref_Key']}')"
    versions = [fresh.patch(address, {}).json["DataVersion"] for _ in range(3)]
    assert versions == ["AAAAAAAAAAE=", "AAAAAAAAAAI=", "AAAAAAAAAAM="]


@pytest.mark.parametrize(
    ("name", "sent", "stored"),
    [
        ("Артикул", "А" * 80, "А" * 50),
        ("НетТакого", "x", None),
        ("СрокГодности", "12", "12"),
        ("СрокГодности", "не число", "0"),
        ("Производитель_Key", KEY, KEY),
        ("ВесЧислитель", 0.35, 0.35),
        ("Description", None, ""),
    ],
)
def test_values_are_cut_ignored_or_accepted(fresh, name, sent, stored):
    row = make(fresh)
    answer = fresh.patch(f"{GOODS}(guid'{row['Ref_Key']}')", {name: sent})
    assert answer.status == 200
    assert answer.json.get(name) == stored


@pytest.mark.parametrize(
    ("name", "sent", "status", "code"),
    [
        ("Марка_Key", "abc", 400, "1"),
        ("ИспользоватьУпаковки", "да", 400, "1"),
        ("Description", ["а"], 500, "-1"),
        ("ДополнительныеРеквизиты", [{"Свойство_Key": KEY}], 500, "-1"),
        ("ДополнительныеРеквизиты", [{"LineNumber": "2"}, {"LineNumber": "3"}], 400, "4"),
        ("ДополнительныеРеквизиты", [{"LineNumber": "1", "Значение": "x"}], 400, "4"),
    ],
)
def test_what_cannot_be_written_is_refused_and_changes_nothing(fresh, name, sent, status, code):
    row = make(fresh)
    address = f"{GOODS}(guid'{row['Ref_Key']}')"
    assert fresh.patch(address, {"Артикул": "Б-2", name: sent}).error[:2] == (status, code)
    assert fresh(address).json == {
        **row,
        **{k: v for k, v in fresh(address).json.items() if k == "odata.metadata"},
    }


def test_broken_json_is_500_with_the_words_of_1c(fresh):
    error = fresh(GOODS, method="POST", body=b"{bad").error
    assert error == (500, "-1", "Непредвиденный символ при чтении JSON")


def test_a_section_is_replaced_whole_and_stays_when_it_is_not_sent(fresh):
    line = {"Свойство_Key": KEY, "Значение": "Красный", "Значение_Type": "Edm.String"}
    row = make(fresh, ДополнительныеРеквизиты=[{"LineNumber": "1", **line}, {"LineNumber": "2", **line}])
    address = f"{GOODS}(guid'{row['Ref_Key']}')"
    assert len(fresh.patch(address, {"Description": "Иная"}).json["ДополнительныеРеквизиты"]) == 2
    after = fresh.patch(address, {"ДополнительныеРеквизиты": [{"LineNumber": "1", **line}]}).json
    assert [one["LineNumber"] for one in after["ДополнительныеРеквизиты"]] == ["1"]
    section = f"{GOODS}_ДополнительныеРеквизиты(Ref_Key=guid'{row['Ref_Key']}',LineNumber=1)"
    assert fresh(section).json["Значение"] == "Красный"


def test_rows_of_sections_cannot_be_created_or_changed_alone(fresh):
    assert fresh.post(f"{GOODS}_ДополнительныеРеквизиты", {"LineNumber": 1}).error[:2] == (400, "13")
    row = fresh.first(f"{GOODS}_ДополнительныеРеквизиты")
    address = f"{GOODS}_ДополнительныеРеквизиты(Ref_Key=guid'{row['Ref_Key']}',LineNumber=1)"
    assert fresh.patch(address, {"Значение": "x"}).error[:2] == (405, "19")


def test_a_reference_can_be_bound_by_an_address(fresh):
    brand = fresh.first("Catalog_Марки")["Ref_Key"]
    for address in (f"Catalog_Марки(guid'{brand}')", f"{BASE}/Catalog_Марки(guid'{brand}')"):
        assert make(fresh, **{"Марка@odata.bind": address})["Марка_Key"] == brand


def test_put_empties_what_was_not_sent(fresh):
    row = make(fresh, Артикул="А-1")
    answer = fresh(f"{GOODS}(guid'{row['Ref_Key']}')", method="PUT", body={"Description": "Одна"})
    assert (answer.status, answer.json["Description"], answer.json["Артикул"]) == (200, "Одна", "")
    assert answer.json["Code"] == row["Code"]


def test_a_deleted_object_is_gone(fresh):
    row = make(fresh)
    address = f"{GOODS}(guid'{row['Ref_Key']}')"
    total = int(fresh(f"{GOODS}/$count", "").text)
    assert fresh(address, method="DELETE").status == 204
    assert fresh(address).error[:2] == (404, "9")
    assert int(fresh(f"{GOODS}/$count", "").text) == total - 1


def test_a_generated_object_can_be_deleted_and_the_others_keep_their_order(fresh):
    before = fresh(GOODS, "$format=json&$select=Ref_Key").rows
    fresh(f"{GOODS}(guid'{before[5]['Ref_Key']}')", method="DELETE")
    assert fresh(GOODS, "$format=json&$select=Ref_Key").rows == before[:5] + before[6:]


def test_records_of_an_independent_register_are_created_changed_and_deleted_by_key(fresh):
    body = {"Штрихкод": "2000000000008", "Номенклатура_Key": KEY}
    assert fresh.post(BARCODES, body).status == 201
    assert fresh.post(BARCODES, body).error[:2] == (400, "15")
    address = f"{BARCODES}(Штрихкод='2000000000008')"
    assert fresh.patch(address, {"Номенклатура_Key": OTHER}).json["Номенклатура_Key"] == OTHER
    assert fresh(address, method="DELETE").status == 204
    assert fresh(address).error[:2] == (404, "9")


def test_a_constant_is_changed_and_cannot_be_deleted(fresh):
    address = "Constant_ИспользоватьНесколькоВидовЦен(guid'00000000-0000-0000-0000-000000000000')"
    value = not fresh(address).json["Value"]
    assert fresh.patch(address, {"Value": value}).json["Value"] is value
    assert fresh(address, method="DELETE").error[:2] == (405, "19")


def test_if_match_is_ignored_as_on_a_live_base_and_can_be_enforced_as_documented(fresh, start):
    stale = {"if_match": "AAAAAAAAAAA="}
    row = fresh.first(GOODS)
    assert fresh.patch(f"{GOODS}(guid'{row['Ref_Key']}')", {}, **stale).status == 200
    strict = start(if_match="enforce")
    address = f"{GOODS}(guid'{row['Ref_Key']}')"
    assert strict.patch(address, {}, **stale).error[0] == 412
    assert strict.patch(address, {}, if_match=row["DataVersion"]).status == 200


def test_an_atom_entry_writes_what_json_writes(fresh):
    body = (
        '<entry xmlns="http://www.w3.org/2005/Atom" xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices" '
        'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"><content type="application/xml">'
        f"<m:properties><d:Ref_Key>{KEY}</d:Ref_Key><d:Description>Проба &amp; Ко</d:Description>"
        '<d:ИспользоватьУпаковки m:type="Edm.Boolean">true</d:ИспользоватьУпаковки><d:СрокГодности>7</d:СрокГодности>'
        '<d:Артикул m:null="true"/><d:ДополнительныеРеквизиты m:type="Collection(StandardODATA.X_RowType)">'
        "<d:element><d:LineNumber>1</d:LineNumber><d:Значение>Красный</d:Значение>"
        "<d:Значение_Type>Edm.String</d:Значение_Type></d:element></d:ДополнительныеРеквизиты>"
        "</m:properties></content></entry>"
    )
    answer = fresh(GOODS, method="POST", body=body.encode(), content_type="application/atom+xml")
    assert answer.status == 201, answer.text
    row = answer.json
    assert (row["Ref_Key"], row["Description"], row["СрокГодности"]) == (KEY, "Проба & Ко", "7")
    assert row["ИспользоватьУпаковки"] is True
    assert row["ДополнительныеРеквизиты"][0]["Значение"] == "Красный"


def test_data_load_mode_gives_no_numbers(fresh):
    loaded = fresh.post(GOODS, {"Description": "Проба"}, **{"1c_odata-dataloadmode": "true"}).json
    assert not loaded["Code"].strip()


def test_a_set_without_rights_is_401_code_20_for_writes_too(start):
    assert start(denied=GOODS).post(GOODS, {"Description": "x"}).error[:2] == (401, "20")


def test_a_record_of_an_independent_register_has_no_mode_of_data_loading(fresh):
    mode = {"1c_odata-dataloadmode": "true"}
    record = {**fresh.first(BARCODES), "Штрихкод": "2000000000008"}
    refusal = (400, "17", "Объект не поддерживает режим загрузки данных")
    assert fresh.post(BARCODES, record, **mode).error == refusal
    address = f"{BARCODES}(Штрихкод='{fresh.first(BARCODES)['Штрихкод']}')"
    assert fresh.patch(address, {"Упаковка_Key": KEY}, **mode).error == refusal
    assert fresh(address, method="DELETE", **mode).error == refusal
    assert fresh.post(BARCODES, record).status == 201


def test_data_loading_skips_the_handlers_that_follow_an_order(fresh):
    states = "InformationRegister_СостоянияЗаказовКлиентов"
    order = next(row for row in fresh(ORDER).rows if row["Posted"] and row["Статус"] == "КОтгрузке")
    address, row = (
        f"{ORDER}(guid'{order['Ref_Key']}')",
        f"{states}(Заказ='{order['Ref_Key']}',Заказ_Type='StandardODATA.{ORDER}')",
    )
    before = fresh(row).json["Состояние"]
    loaded = fresh.patch(address, {"Статус": "Закрыт"}, **{"1c_odata-dataloadmode": "true"})
    assert (loaded.status, loaded.json["Статус"]) == (200, "Закрыт")
    assert fresh(row).json["Состояние"] == before
    fresh.patch(address, {"Статус": "Закрыт"})
    assert fresh(row).json["Состояние"] == "Закрыт"


def test_data_loading_marks_a_posted_document(fresh):
    order = next(row for row in fresh(ORDER).rows if row["Posted"])
    address = f"{ORDER}(guid'{order['Ref_Key']}')"
    assert fresh.patch(address, {"DeletionMark": True}).status == 500
    assert fresh.patch(address, {"DeletionMark": True}, **{"1c_odata-dataloadmode": "true"}).status == 200
