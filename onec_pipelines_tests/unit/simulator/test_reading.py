"""Reading sets: filters, orders and pages with 1C's habits, and its refusals (PROTOCOL §3, §8)."""

from __future__ import annotations

import pytest

from onec_pipelines_tests.unit.simulator.asker import GOODS, ORDER

SECTION = f"{GOODS}_ДополнительныеРеквизиты"
BARCODES = "InformationRegister_ШтрихкодыНоменклатуры"
STOCK = "AccumulationRegister_ТоварыНаСкладах"


def pages(ask, name, size, query=""):
    """All rows of a set, page by page."""
    out = []
    while True:
        rows = ask(name, f"$format=json&$top={size}&$skip={len(out)}{query}").rows
        out += rows
        if len(rows) < size:
            return out


@pytest.mark.parametrize("name", [GOODS, ORDER])
def test_pages_ordered_by_the_reference_are_complete(ask, name):
    whole = ask(name, "$format=json&$select=Ref_Key").rows
    assert pages(ask, name, 7, "&$select=Ref_Key&$orderby=Ref_Key") == whole
    assert len({row["Ref_Key"] for row in whole}) == len(whole)


def test_the_order_by_reference_is_by_name_and_not_by_guid(ask):
    rows = ask(GOODS, "$format=json&$select=Ref_Key,Description&$orderby=Ref_Key").rows
    names = [row["Description"].casefold() for row in rows]
    assert names == sorted(names)
    keys = [row["Ref_Key"] for row in rows]
    assert keys != sorted(keys)


def test_a_section_ordered_by_its_owner_only_loses_and_doubles_rows_between_pages(ask):
    whole = ask(SECTION, "$format=json&$select=Ref_Key,LineNumber").rows
    read = pages(ask, SECTION, 5, "&$select=Ref_Key,LineNumber&$orderby=Ref_Key")
    keys = [(row["Ref_Key"], row["LineNumber"]) for row in read]
    assert len(keys) == len(whole)
    assert len(set(keys)) < len(whole)


def test_a_section_ordered_by_its_full_key_is_exact(ask):
    whole = ask(SECTION, "$format=json&$select=Ref_Key,LineNumber").rows
    assert pages(ask, SECTION, 5, "&$select=Ref_Key,LineNumber&$orderby=Ref_Key,LineNumber") == whole


def test_an_independent_register_is_really_ordered_by_its_key(ask):
    codes = [row["Штрихкод"] for row in ask(BARCODES, "$format=json&$orderby=Штрихкод desc").rows]
    assert codes == sorted(codes, key=str.casefold, reverse=True)


def test_a_recorder_register_ignores_its_order_even_by_a_field_that_does_not_exist(ask):
    plain = ask(STOCK).rows
    assert ask(STOCK, "$format=json&$orderby=Нет desc").rows == plain
    assert len(ask(STOCK, "$format=json&$top=1").rows) == 1
    assert plain[0]["RecordSet"]


def test_records_in_a_set_do_not_repeat_their_recorder(ask):
    row = ask.first(STOCK)
    assert {"Recorder", "Recorder_Type"} <= set(row)
    assert not {"Recorder", "Recorder_Type"} & set(row["RecordSet"][0])


def test_keys_in_a_filter_are_looked_up_without_a_scan(ask):
    rows = ask(GOODS, "$format=json&$select=Ref_Key&$orderby=Ref_Key").rows
    wanted = [rows[3]["Ref_Key"], rows[1]["Ref_Key"]]
    before = ask.service.odata.reader.scanner.scanned
    text = " or ".join(f"Ref_Key eq guid'{key}'" for key in wanted)
    found = ask(
        GOODS, f"$format=json&$select=Ref_Key&$filter={text}&$orderby=Ref_Key&$inlinecount=allpages"
    ).json
    assert {row["Ref_Key"] for row in found["value"]} == set(wanted)
    assert found["odata.count"] == "2"
    assert ask.service.odata.reader.scanner.scanned == before


def test_a_filter_is_scanned_once_for_all_pages(start):
    ask = start()
    first = pages(ask, GOODS, 5, "&$filter=IsFolder eq false&$select=Ref_Key")
    scanned = ask.service.odata.reader.scanner.scanned
    assert pages(ask, GOODS, 9, "&$filter=IsFolder eq false&$select=Ref_Key") == first
    assert ask.service.odata.reader.scanner.scanned == scanned
    assert len(first) == 40


def test_a_write_is_seen_by_the_next_filtered_page(fresh):
    query = "$format=json&$filter=Артикул eq 'НОВЫЙ-1'"
    assert fresh(GOODS, query).rows == []
    fresh.post(GOODS, {"Description": "Проба", "Артикул": "НОВЫЙ-1"})
    assert [row["Description"] for row in fresh(GOODS, query).rows] == ["Проба"]


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("Catalog_Нет", "$format=json", (404, "8", "Сущность 'Catalog_Нет' не найдена")),
        (GOODS, "$format=json&$select=Owner2", (400, "6", "Сегмент пути Owner2 не найден!")),
        (GOODS, "$format=json&$filter=Нет eq 1", (400, "6", "Сегмент пути Нет не найден!")),
        (GOODS, "$format=json&$orderby=Нет", (400, "6", "Сегмент пути Нет не найден!")),
        (GOODS, "$format=json&$expan=Parent", (501, "0", "Произошла ошибка сервиса")),
        (GOODS, "$format=json&$top=x", (400, "14", "Ошибка разбора опций запроса: $top=x")),
        (
            f"{GOODS}(guid'x')",
            "$format=json",
            (400, "1", "Не удалось разобрать строку 'x' как значение типа Edm.Guid!"),
        ),
        (f"{GOODS}/Нет", "$format=json", (400, "6", "Сегмент пути Нет не найден!")),
        (
            f"{SECTION}(LineNumber=1)",
            "$format=json",
            (400, "7", "Не хватает элемента ключа сущности: Ref_Key"),
        ),
        ("InformationRegister_КурсыВалют/Balance", "$format=json", (400, "6", "Метод не найден")),
    ],
)
def test_what_is_refused_is_refused_with_1c_s_code_and_words(ask, path, query, expected):
    assert ask(path, query).error == expected


@pytest.mark.parametrize(
    ("bom", "count", "error"), [("genuine", 1, 0), ("errors", 1, 1), ("never", 0, 0), ("always", 1, 1)]
)
def test_a_bom_stands_before_counts_and_before_errors_if_the_switch_says_so(start, bom, count, error):
    ask = start(bom=bom)
    assert ask(f"{GOODS}/$count", "").body.startswith(b"\xef\xbb\xbf") is bool(count)
    assert ask("Catalog_Нет").body.startswith(b"\xef\xbb\xbf") is bool(error)


def test_an_unknown_key_is_404_with_code_9(ask):
    status, code, text = ask(f"{GOODS}(guid'11111111-1111-1111-1111-111111111111')").error
    assert (status, code) == (404, "9")
    assert text == 'Экземпляр сущности "Номенклатура" не найден по переданному ключу.'


def test_a_plus_is_not_a_space(ask):
    assert ask(GOODS, "$format=json&$filter=Артикул+eq+'1'").error[:2] == (500, "-1")


def test_keyset_paging_by_reference_is_refused(ask):
    key = ask.first(GOODS)["Ref_Key"]
    assert ask(GOODS, f"$format=json&$filter=Ref_Key gt guid'{key}'").error[:2] == (500, "-1")


def test_errors_are_xml_when_json_was_not_asked_for(ask):
    answer = ask("Catalog_Нет", "")
    assert answer.status == 404
    assert answer.xml.findtext("{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}code") == "8"


def test_expand_puts_the_target_inside_a_set_and_is_refused_for_a_single_entity(ask):
    row = ask.first(GOODS, "&$filter=IsFolder eq false&$expand=ВидНоменклатуры")
    assert row["ВидНоменклатуры"]["Ref_Key"] == row["ВидНоменклатуры_Key"]
    status, code, text = ask(f"{GOODS}(guid'{row['Ref_Key']}')", "$format=json&$expand=ВидНоменклатуры").error
    assert (status, code) == (501, "0")
    assert text == "Опция $expand не поддерживается при запросе одиночных сущностей"


def test_presentations_come_on_request(ask):
    row = ask.first(ORDER, "&$select=*,*____Presentation,Presentation&$filter=Posted eq true")
    assert row["Posted____Presentation"] == "Да"
    assert row["Presentation"].startswith("Заказ клиента ")
    partner = ask(f"Catalog_Партнеры(guid'{row['Партнер_Key']}')").json
    assert row["Партнер_Key____Presentation"] == partner["Description"]


def test_a_path_leads_through_references_to_properties_and_raw_values(ask):
    row = ask.first(ORDER, "&$filter=Posted eq true")
    address = f"{ORDER}(guid'{row['Ref_Key']}')"
    partner = ask(f"{address}/Партнер").json
    assert partner["Ref_Key"] == row["Партнер_Key"]
    assert ask(f"{address}/Партнер/Description").json["value"] == partner["Description"]
    assert ask(f"{address}/Партнер/Description/$value", "").text == partner["Description"]


def test_a_row_of_a_section_has_an_address(ask):
    row = ask.first(SECTION)
    found = ask(f"{SECTION}(Ref_Key=guid'{row['Ref_Key']}',LineNumber={row['LineNumber']})").json
    assert found["Свойство_Key"] == row["Свойство_Key"]


def test_a_record_set_has_an_address_with_a_composite_key(ask):
    row = ask.first(STOCK)
    found = ask(f"{STOCK}(Recorder='{row['Recorder']}',Recorder_Type='{row['Recorder_Type']}')").json
    assert found["RecordSet"] == row["RecordSet"]
    status, code, _ = ask(f"{STOCK}(Recorder='{row['Recorder']}',Recorder_Type='Document_X')").error
    assert (status, code) == (400, "4")


def test_constants_are_addressed_by_an_empty_key(ask):
    found = ask("Constant_ЗаголовокСистемы(guid'00000000-0000-0000-0000-000000000000')").json
    assert "Value" in found


def test_row_level_security_is_401_code_20_unless_only_allowed_rows_are_asked_for(start):
    ask = start(rls=f"{GOODS}:3")
    assert ask(GOODS).error[:2] == (401, "20")
    allowed = ask(GOODS, "$format=json&allowedOnly=true&$select=Ref_Key").rows
    everything = start()(GOODS, "$format=json&$select=Ref_Key").rows
    assert 0 < len(allowed) < len(everything)
    hidden = next(row["Ref_Key"] for row in everything if row not in allowed)
    assert ask(f"{GOODS}(guid'{hidden}')").error[:2] == (401, "20")


def test_an_empty_composition_is_the_standard_symptom(start):
    ask = start(publish="none")
    assert ask("").rows == []
    assert "<atom:title>Default</atom:title>" in ask("", "").text
    assert ask(GOODS).error[:2] == (404, "8")


def test_types_outside_the_composition_have_unavailable_names(start):
    ask = start(publish=f"{ORDER},{GOODS}")
    row = next(row for row in ask(ORDER).rows if row["Автор"])
    assert row["Автор_Type"] == "UnavailableEntities.UnavailableEntity_604931cd-d4a8-48d0-bc59-2ac90e044abb"
    assert "Партнер@navigationLinkUrl" not in row
    assert row["Партнер_Key"]
    assert ask("Catalog_Партнеры").error[:2] == (404, "8")


def test_metadata_is_xml_only(ask):
    assert ask("$metadata", "").headers["Content-Type"] == "application/xml;charset=utf-8"
    assert ask("$metadata", "$format=json").error[:2] == (406, "3")


def test_metadata_can_be_as_large_as_that_of_a_full_publication(start):
    answer = start(padding_mb=2)("$metadata", "")
    assert len(answer.body) > 2_000_000
    assert answer.xml.tag.endswith("Edmx")


def test_batch_does_not_exist(ask):
    assert ask("$batch", "$format=json", method="POST", body={}).error[:2] == (501, "0")
