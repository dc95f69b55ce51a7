"""JSON on the wire is laid out as 1C lays it out (PROTOCOL §2.1-2.2)."""

from __future__ import annotations

import json

from onec_pipelines.simulator.columns import every
from onec_pipelines.simulator.json_format import RowPrinter, number
from onec_pipelines.simulator.kinds import Kinds
from onec_pipelines.simulator.shape import shipped
from onec_pipelines_tests.unit.simulator.asker import GOODS, ORDER

KEY = "f06588ab-7924-11df-b33a-0011955cba6b"


def test_a_set_has_a_line_per_member_and_no_indentation(ask):
    text = ask(GOODS, "$format=json&$select=Ref_Key,IsFolder&$top=2").text
    first, second = ask(GOODS, "$format=json&$select=Ref_Key,IsFolder&$top=2").rows
    assert text == (
        "{\n"
        f'"odata.metadata": "http://srv/ut/odata/standard.odata/$metadata#{GOODS}",\n'
        '"value": [{\n'
        f'"Ref_Key": "{first["Ref_Key"]}",\n"IsFolder": {str(first["IsFolder"]).lower()}\n'
        "},{\n"
        f'"Ref_Key": "{second["Ref_Key"]}",\n"IsFolder": {str(second["IsFolder"]).lower()}\n'
        "}]\n}"
    )


def test_the_service_document_names_the_bare_root(ask):
    answer = ask("")
    assert answer.text.startswith(
        '{\n"odata.metadata": "http://srv/ut/odata/standard.odata",\n"value": [\n{\n"name": '
    )
    assert {"name": GOODS, "url": GOODS} in answer.rows


def test_a_single_entity_is_a_bare_object_whose_address_ends_with_element(ask):
    row = ask.first(GOODS)
    found = ask(f"{GOODS}(guid'{row['Ref_Key']}')").json
    assert found["odata.metadata"].endswith(f"#{GOODS}/@Element")
    assert found["Description"] == row["Description"]


def test_rows_of_sections_repeat_the_key_in_sets_only(ask):
    row = next(row for row in ask(ORDER).rows if row["Товары"])
    assert row["Товары"][0]["Ref_Key"] == row["Ref_Key"]
    single = ask(f"{ORDER}(guid'{row['Ref_Key']}')").json
    assert "Ref_Key" not in single["Товары"][0]
    assert single["Товары"][0]["LineNumber"] == "1"


def test_every_property_of_the_type_is_there_and_typed(ask):
    meta = Kinds(shipped()).entity(GOODS)
    row = ask.first(GOODS, "&$filter=IsFolder eq false")
    wanted = {name for name, one in meta.properties.items() if one.type != "Edm.Stream"}
    assert wanted <= set(row)
    assert {name.partition("@")[2] for name in set(row) - wanted} <= {"navigationLinkUrl"}
    for name in wanted:
        if meta.properties[name].type == "Edm.Int64":
            assert isinstance(row[name], str)


def test_folders_have_nulls_where_a_property_is_for_items_only(ask):
    row = ask.first(GOODS, "&$filter=IsFolder eq true")
    assert row["Артикул"] is None
    assert row["ЕдиницаИзмерения_Key"] is None
    assert row["Description"]


def test_links_are_given_for_references_that_are_not_empty(ask):
    row = next(row for row in ask(ORDER).rows if row["Партнер_Key"] != "00000000-0000-0000-0000-000000000000")
    assert row["Партнер@navigationLinkUrl"] == f"{ORDER}(guid'{row['Ref_Key']}')/Партнер"
    assert "Сделка@navigationLinkUrl" not in row


def test_nometadata_has_neither_addresses_nor_links(ask):
    found = ask(ORDER, "$format=application/json;odata=nometadata&$top=1").json
    assert "odata.metadata" not in found
    assert not [name for name in found["value"][0] if "@" in name]


def test_fullmetadata_names_types(ask):
    found = ask(ORDER, "$format=application/json;odata=fullmetadata&$top=1").rows[0]
    assert found["odata.type"] == f"StandardODATA.{ORDER}"


def test_an_empty_row_has_the_empty_value_of_every_type():
    meta = Kinds(shipped()).entity(ORDER)
    printed = json.loads("{" + RowPrinter(every(meta, single=True)).members({"Ref_Key": KEY}) + "}")
    assert printed["Товары"] == []
    assert printed["Автор"] == ""
    assert printed["Автор_Type"] == "StandardODATA.Undefined"
    assert printed["ДатаОтгрузки"] == "0001-01-01T00:00:00"
    assert printed["Склад_Key"] == "00000000-0000-0000-0000-000000000000"
    assert printed["СуммаДокумента"] == 0
    assert printed["Posted"] is False
    assert printed["МаксимальныйКодСтроки"] == "0"


def test_numbers_have_neither_exponents_nor_trailing_zeros():
    assert [number(1), number(20000.5), number(1e-7)] == ["1", "20000.5", "0.0000001"]


def test_count_is_a_number_behind_a_bom(ask):
    answer = ask(f"{GOODS}/$count", "")
    assert answer.body.startswith(b"\xef\xbb\xbf")
    assert int(answer.text) == len(ask(GOODS, "$format=json&$select=Ref_Key").rows)


def test_inlinecount_is_text_and_counts_what_the_filter_passes(ask):
    found = ask(GOODS, "$format=json&$filter=IsFolder eq false&$inlinecount=allpages&$top=0").json
    assert found["odata.count"] == "40"
    assert found["value"] == []


def test_the_charset_may_lie_about_a_body_that_is_utf_8(start):
    answer = start(charset="windows-1251")(GOODS)
    assert answer.headers["Content-Type"] == "application/json;charset=windows-1251"
    assert answer.rows
