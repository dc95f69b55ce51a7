from __future__ import annotations

import re

import pytest

from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.onec.metadata import parse_metadata

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<edmx:Edmx xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" Version="1.0"><edmx:DataServices>
<Schema xmlns="http://schemas.microsoft.com/ado/2009/11/edm" Namespace="StandardODATA">"""
TAIL = "</Schema></edmx:DataServices></edmx:Edmx>"
PRICES = "InformationRegister_Цены_2_RecordType"


def prop(name, edm_type="Edm.String"):
    return f'<Property Name="{name}" Type="{edm_type}" Nullable="true"/>'


def entity(name, key, *body, opened=False):
    refs = "".join(f'<PropertyRef Name="{part}"/>' for part in key)
    mark = ' OpenType="true"' if opened else ""
    return f'<EntityType Name="{name}"{mark}><Key>{refs}</Key>{"".join(body)}</EntityType>'


def sets(*names):
    return "".join(f'<EntitySet Name="{name}" EntityType="StandardODATA.{name}"/>' for name in names)


PARTS = [
    entity(
        "Document_Заказ_Клиента",
        ["Ref_Key"],
        prop("Ref_Key", "Edm.Guid"),
        prop("Автор"),
        prop("Партнер_Key", "Edm.Guid"),
        prop("Товары", "Collection(StandardODATA.Document_Заказ_Клиента_Товары_RowType)"),
        prop("Данные", "Edm.String"),
        prop("Автор_Type"),
        prop("Данные_Type"),
        prop("Данные_Base64Data"),
        '<NavigationProperty Name="Партнер" Relationship="StandardODATA.Document_Заказ_Клиента_Партнер" '
        'FromRole="Begin" ToRole="End"/>',
        opened=True,
    ),
    entity("Document_Заказ", ["Ref_Key"], prop("Ref_Key", "Edm.Guid")),
    entity("Catalog_Партнеры", ["Ref_Key"], prop("Ref_Key", "Edm.Guid"), prop("ИНН")),
    entity(
        "Document_Заказ_Клиента_Товары",
        ["Ref_Key", "LineNumber"],
        prop("Ref_Key", "Edm.Guid"),
        prop("LineNumber", "Edm.Int64"),
    ),
    entity(
        "InformationRegister_Цены_2",
        ["Recorder", "Recorder_Type"],
        prop("Recorder"),
        prop("Recorder_Type"),
        prop("RecordSet", "Collection(StandardODATA.InformationRegister_Цены_2_RowType)"),
    ),
    entity(PRICES, ["Recorder", "LineNumber"], prop("Recorder"), prop("Цена", "Edm.Double")),
    "<ComplexType Name='Document_Заказ_Клиента_Товары_RowType'>"
    + prop("LineNumber", "Edm.Int64")
    + prop("Цена", "Edm.Double")
    + "</ComplexType>",
    "<ComplexType Name='InformationRegister_Цены_2_RowType'>" + prop("Цена", "Edm.Double") + "</ComplexType>",
    "<Association Name='Document_Заказ_Клиента_Партнер'>",
    "<End Role='Begin' Type='StandardODATA.Document_Заказ_Клиента' Multiplicity='*'/>",
    "<End Role='End' Type='StandardODATA.Catalog_Партнеры' Multiplicity='0..1'/></Association>",
    "<EnumType Name='AllowedLength'><Member Name='Fixed'/><Member Name='Variable'/></EnumType>",
    "<EnumType Name='AllowedLength'><Member Name='Fixed'/><Member Name='Variable'/></EnumType>",
    "<EntityContainer Name='EnterpriseV8'>",
    sets(
        "Document_Заказ_Клиента",
        "Document_Заказ",
        "Catalog_Партнеры",
        "Document_Заказ_Клиента_Товары",
        "InformationRegister_Цены_2",
        PRICES,
    ),
    "<FunctionImport Name='SliceLast' IsBindable='true' IsSideEffecting='false'",
    f" ReturnType='Collection(StandardODATA.{PRICES})'>",
    f"<Parameter Name='bindingParameter' Type='StandardODATA.{PRICES}'/>",
    "<Parameter Name='Condition' Type='Edm.String'/></FunctionImport>",
    "<FunctionImport Name='Post' IsSideEffecting='true'>",
    "<Parameter Name='bindingParameter' Type='StandardODATA.Document_Заказ'/></FunctionImport>",
    "</EntityContainer>",
]
DOCUMENT = HEAD + "".join(PARTS) + TAIL


def parse(text=DOCUMENT):
    return parse_metadata(text.encode())


def test_a_type_says_its_kind_key_properties_sections_references_and_composites():
    order = parse().find_set("Document_Заказ_Клиента")

    assert (order.kind, order.key, order.open_type) == ("document", ("Ref_Key",), True)
    assert order.properties["Партнер_Key"].edm_type == "Edm.Guid"
    assert order.sections == {"Товары": "Document_Заказ_Клиента_Товары_RowType"}
    assert order.navigation == {"Партнер": "Catalog_Партнеры"}
    assert order.composite == {"Автор"}


def test_a_section_is_told_from_an_object_by_what_the_object_declares():
    metadata = parse()

    section = metadata.resolve("Document_Заказ_Клиента_Товары")
    assert (section.entity.name, section.section) == ("Document_Заказ_Клиента", "Товары")
    assert metadata.resolve("Document_Заказ_Клиента").section is None
    assert metadata.resolve(PRICES).section is None
    assert metadata.resolve("Document_Нет") is None


def test_a_subordinate_register_has_its_slices_on_its_rows():
    metadata = parse()

    assert metadata.find_set("InformationRegister_Цены_2").is_recorder_register
    assert not metadata.find_set(PRICES).is_recorder_register
    assert not metadata.functions("InformationRegister_Цены_2")
    slices = metadata.functions(PRICES)
    assert (slices["SliceLast"].parameters, slices["SliceLast"].returns) == (
        {"Condition": "Edm.String"},
        PRICES,
    )
    assert metadata.functions("Document_Заказ")["Post"].side_effecting


def test_an_enumeration_listed_twice_is_one():
    assert parse().enums == {"AllowedLength": ("Fixed", "Variable")}


def test_a_set_that_is_not_published_is_named_with_its_neighbours():
    with pytest.raises(Stop) as caught:
        parse().need_set("Catalog_Партнёры")

    assert caught.value.code == "ONEC_NOT_PUBLISHED"
    assert "Catalog_Партнеры" in caught.value.message


def test_names_are_checked_through_sections_and_references():
    metadata = parse()
    order = metadata.need_set("Document_Заказ_Клиента")

    metadata.need_names(order, ["Ref_Key", "*", "Товары", "Товары/Цена", "Товары/*", "Партнер/ИНН"])
    with pytest.raises(Stop) as caught:
        metadata.need_names(order, ["Ref_Key", "Склад_Key", "Товары/Скидка", "Партнер/КПП", "Автор/Имя"])

    assert caught.value.code == "ONEC_UNKNOWN_NAME"
    for missing in ("Склад_Key", "Товары/Скидка", "Партнер/КПП", "Автор/Имя"):
        assert missing in caught.value.message


def test_the_fingerprint_ignores_order_and_layout():
    shuffled = HEAD + "".join([*PARTS[8:], *reversed(PARTS[:8])]) + TAIL

    assert parse(re.sub(r">\s*<", ">\n\t<", shuffled)).fingerprint() == parse().fingerprint()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Name="ИНН" Type="Edm.String"', 'Name="КПП" Type="Edm.String"'),
        ('Name="ИНН" Type="Edm.String"', 'Name="ИНН" Type="Edm.Double"'),
        ("<Member Name='Variable'/>", "<Member Name='Other'/>"),
        ("<Parameter Name='Condition' Type='Edm.String'/>", ""),
        (
            "Role='End' Type='StandardODATA.Catalog_Партнеры'",
            "Role='End' Type='StandardODATA.Document_Заказ'",
        ),
    ],
)
def test_the_fingerprint_changes_with_the_meaning(old, new):
    assert old in DOCUMENT

    assert parse(DOCUMENT.replace(old, new)).fingerprint() != parse().fingerprint()


def test_the_fingerprint_of_some_sets_does_not_see_the_others():
    changed = parse(DOCUMENT.replace('Name="ИНН"', 'Name="КПП"'))

    assert changed.fingerprint(["Document_Заказ_Клиента"]) == parse().fingerprint(["Document_Заказ_Клиента"])
    assert changed.fingerprint(["Catalog_Партнеры"]) != parse().fingerprint(["Catalog_Партнеры"])
    assert parse().fingerprint(["Catalog_Нет"]) != parse().fingerprint(["Catalog_Партнеры"])


BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(BOMB.encode(), id="entities"),
        pytest.param(DOCUMENT.replace("?>", "?><!DOCTYPE edmx>").encode(), id="DOCTYPE"),
        pytest.param(
            DOCUMENT.replace("?>", '?><!DOCTYPE edmx SYSTEM "file:///etc/passwd">').encode(),
            id="outside DOCTYPE",
        ),
        pytest.param(DOCUMENT.encode("utf-16"), id="UTF-16"),
        pytest.param(DOCUMENT.replace("UTF-8", "windows-1251").encode("cp1251"), id="cp1251"),
        pytest.param(DOCUMENT.encode()[:-30], id="cut"),
        pytest.param(DOCUMENT.encode() + b"<a/>", id="two roots"),
        pytest.param(b"", id="empty"),
        pytest.param(b"<html><body>login</body></html>", id="HTML"),
        pytest.param((HEAD + "<EntityType/>" + TAIL).encode(), id="type without a name"),
        pytest.param((HEAD + prop("A") + TAIL).encode(), id="property without a type"),
        pytest.param(b"<a>" * 200 + b"</a>" * 200, id="deep"),
    ],
)
def test_what_is_not_plain_metadata_is_a_bad_answer(document):
    with pytest.raises(RetryLater) as caught:
        parse_metadata(document)

    assert caught.value.code == "ONEC_BAD_ANSWER"


def test_a_declared_encoding_that_lies_does_no_harm():
    assert parse(DOCUMENT.replace("UTF-8", "windows-1251")).find_set("Catalog_Партнеры")


def test_metadata_above_the_cap_is_refused(tmp_path):
    path = tmp_path / "big.xml"
    path.write_bytes(HEAD.encode() + b" " * (65 * 1024 * 1024))

    with pytest.raises(RetryLater):
        parse_metadata(path)


@pytest.mark.parametrize(
    ("file", "types", "functions"),
    [
        ("ut_11.4.1.254.edmx", 161, 54),
        ("ut_11.5.20.68.edmx", 192, 54),
        ("recordings/msg001_metadata.xml", 38, 19),
    ],
)
def test_genuine_metadata_is_read_whole(genuine, file, types, functions):
    text = (genuine / file).read_text(encoding="utf-8")
    metadata = parse_metadata(genuine / file)

    assert (len(metadata.entity_types), len(metadata.bound_functions)) == (types, functions)
    assert set(metadata.entity_types) == set(re.findall(r'<EntityType\s+Name="([^"]+)"', text))
    assert set(metadata.complex_types) == set(re.findall(r'<ComplexType\s+Name="([^"]+)"', text))
    assert len(metadata.sets) == len(re.findall(r"<EntitySet\s", text))
    structures = [*metadata.entity_types.values(), *metadata.complex_types.values()]
    assert sum(len(item.properties) for item in structures) == len(re.findall(r"<Property\s", text))
    navigation = sum(len(item.navigation) for item in metadata.entity_types.values())
    assert navigation == len(re.findall(r"<NavigationProperty\s", text))


@pytest.mark.parametrize(
    "file", ["ut_11.4.1.254.edmx", "ut_11.5.20.68.edmx", "recordings/msg001_metadata.xml"]
)
def test_genuine_metadata_hangs_together(genuine, file):
    metadata = parse_metadata(genuine / file)

    for entity_type in metadata.entity_types.values():
        assert set(entity_type.key) <= set(entity_type.properties)
        assert entity_type.kind != "other"
        assert set(entity_type.navigation.values()) <= set(metadata.entity_types)
    for row_type in [*metadata.entity_types.values(), *metadata.complex_types.values()]:
        assert all(metadata.row_type(inner) for inner in row_type.sections.values())
    for function in metadata.bound_functions:
        assert function.binding in metadata.entity_types
        assert function.returns is None or metadata.row_type(function.returns)
    sections = [name for name in metadata.sets if metadata.resolve(name).section]
    assert all(
        metadata.entity_types[metadata.sets[name]].key == ("Ref_Key", "LineNumber") for name in sections
    )


def test_genuine_metadata_answers_what_releases_differ_in(genuine):
    old, new = (parse_metadata(genuine / name) for name in ("ut_11.4.1.254.edmx", "ut_11.5.20.68.edmx"))

    assert "AccumulationRegister_СвободныеОстатки" in old.sets
    assert "AccumulationRegister_ЗапасыИПотребности" in new.sets
    assert new.find_set("Catalog_Номенклатура").has_folders
    assert not new.find_set("Catalog_Партнеры").has_folders
    assert "Balance" in new.functions("AccumulationRegister_ТоварыНаСкладах")
    assert "SliceLast" in new.functions("InformationRegister_ЦеныНоменклатуры25_RecordType")
    assert not new.find_set("InformationRegister_ШтрихкодыНоменклатуры").is_recorder_register
    assert old.fingerprint() != new.fingerprint()
