from __future__ import annotations

import json
from decimal import Decimal

import pytest

from onec_pipelines.errors import RetryLater
from onec_pipelines.onec.atom import iter_entries, read_feed
from onec_pipelines.onec.metadata import parse_metadata

KEY = "8b9660f6-6332-11ec-ad72-000c29b45b09"
METADATA = parse_metadata(
    b"""<edmx:Edmx xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><Schema>
<EntityType Name="Catalog_X"><Key><PropertyRef Name="Ref_Key"/></Key>
<Property Name="Ref_Key" Type="Edm.Guid"/><Property Name="Flag" Type="Edm.Boolean"/>
<Property Name="Days" Type="Edm.Int64"/><Property Name="Small" Type="Edm.Int16"/>
<Property Name="Sum" Type="Edm.Double"/>
<Property Name="Text" Type="Edm.String"/><Property Name="Date" Type="Edm.DateTime"/>
<Property Name="Rows" Type="Collection(StandardODATA.Catalog_X_Rows_RowType)"/>
<Property Name="Kind" Type="StandardODATA.TypeDescription"/></EntityType>
<EntityType Name="Register_X"><Key><PropertyRef Name="Recorder"/></Key>
<Property Name="Recorder" Type="Edm.String"/>
<Property Name="Recorder_Type" Type="Edm.String"/>
<Property Name="RecordSet" Type="Collection(StandardODATA.Register_X_RowType)"/></EntityType>
<ComplexType Name="Catalog_X_Rows_RowType"><Property Name="LineNumber" Type="Edm.Int64"/>
<Property Name="Price" Type="Edm.Double"/></ComplexType>
<ComplexType Name="Register_X_RowType"><Property Name="LineNumber" Type="Edm.Int64"/>
<Property Name="Active" Type="Edm.Boolean"/></ComplexType>
<ComplexType Name="TypeDescription"><Property Name="Types" Type="Collection(Edm.String)"/></ComplexType>
</Schema></edmx:Edmx>"""
)
NAMESPACES = (
    'xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0" '
    'xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices" '
    'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
)


def entry(body, *, type_name="Catalog_X", key=f"guid'{KEY}'", namespaces=""):
    return (
        f"<entry {namespaces}><id>http://h/o/{type_name}({key})</id>"
        f'<category term="StandardODATA.{type_name}" scheme="s"/><title type="text"/>'
        "<updated>2026-06-15T09:47:42</updated>"
        f'<content type="application/xml"><m:properties>{body}</m:properties></content></entry>'
    )


def feed(*parts):
    return f'<?xml version="1.0" encoding="UTF-8"?><feed {NAMESPACES}>{"".join(parts)}</feed>'.encode()


BODY = f"""<d:Ref_Key>{KEY}</d:Ref_Key><d:Flag>true</d:Flag><d:Days>7</d:Days><d:Small>3</d:Small>
<d:Sum>3333.33</d:Sum><d:Text>a &amp; б</d:Text><d:Date>0001-01-01T00:00:00</d:Date>
<d:Rows m:type="Collection(StandardODATA.Catalog_X_Rows_RowType)">
 <d:element m:type="StandardODATA.Catalog_X_Rows_RowType">
  <d:LineNumber>1</d:LineNumber><d:Price>20000</d:Price></d:element>
 <d:element m:type="StandardODATA.Catalog_X_Rows_RowType">
  <d:LineNumber>2</d:LineNumber><d:Price m:null="true"/></d:element>
</d:Rows>
<d:Kind m:type="StandardODATA.TypeDescription"><d:Types m:type="Collection(Edm.String)">
<d:element>xs:string</d:element></d:Types></d:Kind>"""
JSON = f"""{{"Ref_Key": "{KEY}", "Flag": true, "Days": "7", "Small": 3, "Sum": 3333.33, "Text": "a & б",
"Date": "0001-01-01T00:00:00",
"Rows": [{{"LineNumber": "1", "Price": 20000.0}}, {{"LineNumber": "2", "Price": null}}],
"Kind": {{"Types": ["xs:string"]}}}}"""


def test_an_entry_gives_the_row_that_json_gives():
    (only,) = read_feed(feed(entry(BODY)), METADATA).entries

    assert only.row == json.loads(JSON, parse_float=Decimal)
    assert isinstance(only.row["Rows"][0]["Price"], Decimal)
    assert (only.kind, only.type_name, only.key) == ("entry", "Catalog_X", f"guid'{KEY}'")


def test_a_single_entity_is_read_too():
    document = entry("<d:Flag>false</d:Flag>", namespaces=NAMESPACES).encode()

    assert read_feed(document, METADATA).entries[0].row == {"Flag": False}


def test_empty_null_and_absent_are_three_things():
    body = (
        '<d:Text/><d:Sum m:null="true"/><d:Rows m:type="Collection(StandardODATA.Catalog_X_Rows_RowType)"/>'
    )

    assert read_feed(feed(entry(body)), METADATA).entries[0].row == {"Text": "", "Sum": None, "Rows": []}


def test_values_that_do_not_fit_and_unknown_properties_stay_texts():
    body = "<d:Sum>много</d:Sum><d:Small>x</d:Small><d:Flag>да</d:Flag><d:Новое>5</d:Новое>"

    row = read_feed(feed(entry(body)), METADATA).entries[0].row

    assert row == {"Sum": "много", "Small": "x", "Flag": "да", "Новое": "5"}


def test_a_record_set_comes_with_its_rows_and_may_be_empty():
    full = (
        f"<d:Recorder>{KEY}</d:Recorder><d:RecordSet m:type='Collection(StandardODATA.Register_X_RowType)'>"
        "<d:element m:type='StandardODATA.Register_X_RowType'><d:LineNumber>1</d:LineNumber>"
        "<d:Active>true</d:Active></d:element></d:RecordSet>"
    )
    empty = "<d:RecordSet m:type='Collection(StandardODATA.Register_X_RowType)'/>"
    key = f"Recorder='{KEY}', Recorder_Type='StandardODATA.Document_Y'"

    entries = (entry(body, type_name="Register_X", key=key) for body in (full, empty))
    first, second = read_feed(feed(*entries), METADATA).entries

    assert first.row["RecordSet"] == [{"LineNumber": "1", "Active": True}]
    assert first.key == key
    assert second.row == {"RecordSet": []}


def test_a_tombstone_names_what_is_gone():
    gone = f'<at:deleted-entry ref="http://h/o/Catalog_%D0%A5(guid\'{KEY}\')" when="2026-06-15T09:47:42"/>'

    first, second = read_feed(feed(gone, entry("<d:Text>a</d:Text>")), METADATA).entries

    assert (first.kind, first.type_name, first.key, first.row) == ("deleted", "Catalog_Х", f"guid'{KEY}'", {})
    assert second.row == {"Text": "a"}


def test_the_total_is_read_and_an_empty_feed_is_empty():
    read = read_feed(feed("<m:count>1103</m:count>"), METADATA)

    assert (read.entries, read.count) == ((), 1103)
    assert read_feed(feed(), METADATA).count is None


def test_entries_come_before_the_document_ends():
    def pieces():
        yield feed(entry("<d:Text>1</d:Text>"), entry("<d:Text>2</d:Text>")).removesuffix(b"</feed>")
        while True:
            yield b" "

    entries = iter_entries(pieces(), METADATA)

    assert [next(entries).row, next(entries).row] == [{"Text": "1"}, {"Text": "2"}]
    entries.close()


@pytest.mark.parametrize(
    "document",
    [
        feed(entry(BODY))[:-10],
        feed(entry("<d:Text>\x0b</d:Text>")),
        feed(entry("<d:Text>&a;</d:Text>")).replace(b"?>", b'?><!DOCTYPE feed [<!ENTITY a "b">]>'),
        b"",
    ],
)
def test_what_is_not_whole_plain_xml_is_a_bad_answer(document):
    with pytest.raises(RetryLater) as caught:
        read_feed(document, METADATA)

    assert caught.value.code == "ONEC_BAD_ANSWER"


@pytest.fixture(scope="session")
def demo(genuine):
    return parse_metadata(genuine / "recordings" / "msg001_metadata.xml")


@pytest.mark.parametrize(
    ("file", "types"),
    [
        ("msg002_nomenklatura.xml", {"Catalog_Номенклатура": 5}),
        (
            "msg003_zakaz_klienta.xml",
            {
                "Document_ЗаказКлиента": 3,
                "InformationRegister_СуммыДокументовВВалютахУчета": 3,
                "AccumulationRegister_ЗаказыКлиентов": 3,
            },
        ),
        ("msg004_kontragenti.xml", {"Catalog_Контрагенты": 5}),
    ],
)
def test_genuine_packets_fill_every_property_of_their_types(genuine, demo, file, types):
    entries = read_feed(genuine / "recordings" / file, demo).entries

    found = [item.type_name for item in entries]
    assert {name: found.count(name) for name in found} == types
    for item in entries:
        declared = demo.row_type(item.type_name).properties
        assert set(item.row) == set(declared)
        for name, value in item.row.items():
            assert value is None or fits(value, declared[name].edm_type), (name, value)


def fits(value, edm_type):
    expected = {"Edm.Boolean": bool, "Edm.Int16": int, "Edm.Int32": int, "Edm.Double": Decimal}
    return isinstance(value, list if edm_type.startswith("Collection(") else expected.get(edm_type, str))


def test_a_genuine_product_reads_as_json_would_give_it(genuine, demo):
    first = read_feed(genuine / "recordings" / "msg002_nomenklatura.xml", demo).entries[0]

    assert first.key == "guid'c3314aea-6899-11e8-8780-b06ebf2faaf6'"
    assert first.row["ДлинаЧислитель"] == Decimal(0)
    assert first.row["Описание"] == ""
    assert first.row["ОбъемИспользовать"] is False
    assert isinstance(first.row["СрокГодности"], str)


def test_a_genuine_order_has_its_rows_without_the_owner_key(genuine, demo):
    order = read_feed(genuine / "recordings" / "msg003_zakaz_klienta.xml", demo).entries[0]

    row = order.row["Товары"][0]
    assert row["LineNumber"] == "1"
    assert isinstance(row["Цена"], Decimal)
    assert "Ref_Key" not in row


def test_genuine_record_sets_repeat_the_recorder_in_their_rows(genuine, demo):
    entries = read_feed(genuine / "recordings" / "msg003_zakaz_klienta.xml", demo).entries

    registers = [item for item in entries if "RecordSet" in item.row]
    assert len(registers) == 6
    assert all(row["Recorder"] == item.row["Recorder"] for item in registers for row in item.row["RecordSet"])
