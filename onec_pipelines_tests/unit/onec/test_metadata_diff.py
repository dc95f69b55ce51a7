"""Two schemas compared by meaning: what is found, what is not, and what may only have been renamed."""

from __future__ import annotations

import pytest

from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.onec.metadata_diff import Change, ChangeKind, diff
from onec_pipelines.onec.metadata_document import fingerprint, narrowed, restored, wanted_of
from onec_pipelines_tests.fixtures.schemas import GENUINE, GOODS, WANTED, shipped_document

PRICES = "InformationRegister_ЦеныНоменклатуры25_RecordType"


def type_of(document, resource=GOODS):
    return document[resource]["type"]


def goods(document):
    return type_of(document)["properties"]


def changes(edit):
    """What is found after an edit of the shipped schema."""
    before, after = shipped_document(), shipped_document()
    edit(after)
    return diff(restored(before), restored(after), WANTED)


def test_equal_meanings_have_no_difference_whatever_the_order():
    document = shipped_document()
    turned = {name: document[name] for name in reversed(document)}
    type_of(turned)["properties"] = dict(reversed(goods(turned).items()))

    assert diff(restored(document), restored(turned), WANTED) == ()
    assert fingerprint(turned) == fingerprint(document)


def remove(document):
    del goods(document)["Артикул"]


def rename(document):
    goods(document)["АртикулТовара"] = goods(document).pop("Артикул")


def retype(document):
    goods(document)["Артикул"] = "Edm.Double"


def refuse_null(document):
    goods(document)["Артикул"] += "!"


def add(document):
    goods(document)["МойРеквизит"] = "Edm.Boolean"


def drop_section_column(document):
    (rows,) = [
        rows for name, rows in document[GOODS]["sections"].items() if "ДополнительныеРеквизиты" in name
    ]
    del rows["ТекстоваяСтрока"]


def point_elsewhere(document):
    type_of(document)["navigation"]["Марка"] = "Catalog_Бренды"


def change_key(document):
    type_of(document, "InformationRegister_ШтрихкодыНоменклатуры")["key"].append("Номенклатура_Key")


def drop_set(document):
    document[GOODS]["type"] = None


def drop_table(document):
    document[PRICES]["functions"]["SliceLast"] = None


def change_parameters(document):
    del document[PRICES]["functions"]["SliceLast"]["parameters"]["Period"]


def drop_table_column(document):
    del document[PRICES]["functions"]["SliceLast"]["properties"]["Цена"]


@pytest.mark.parametrize(
    ("edit", "kind", "words"),
    [
        (remove, ChangeKind.REMOVED, "`Артикул` (Edm.String) is gone from Catalog_Номенклатура"),
        (retype, ChangeKind.RETYPED, "Catalog_Номенклатура `Артикул`: type changed, Edm.String → Edm.Double"),
        (refuse_null, ChangeKind.NULLABILITY, "may be empty → never empty"),
        (add, ChangeKind.ADDED, "`МойРеквизит` (Edm.Boolean) is new in Catalog_Номенклатура"),
        (drop_section_column, ChangeKind.REMOVED, "gone from Catalog_Номенклатура/ДополнительныеРеквизиты"),
        (point_elsewhere, ChangeKind.REFERENCE_CHANGED, "Catalog_Марки → Catalog_Бренды"),
        (change_key, ChangeKind.KEY_CHANGED, "ШтрихкодыНоменклатуры `key`: key changed"),
        (drop_set, ChangeKind.SET_REMOVED, "Catalog_Номенклатура is not published any more"),
        (drop_table, ChangeKind.TABLE_REMOVED, "SliceLast is not published any more"),
        (change_parameters, ChangeKind.PARAMETERS_CHANGED, "Period Edm.DateTime"),
        (drop_table_column, ChangeKind.REMOVED, "`Цена` (Edm.Double) is gone from"),
    ],
)
def test_each_kind_of_change_is_found_alone_and_said(edit, kind, words):
    (found,) = changes(edit)

    assert found.kind is kind
    assert words in found.sentence


def test_a_new_name_of_the_same_type_is_offered_for_a_lost_one():
    gone, new = changes(rename)

    assert (gone.kind, gone.renamed_to, new.name) == (ChangeKind.REMOVED, "АртикулТовара", "АртикулТовара")
    assert "perhaps renamed to `АртикулТовара`" in gone.sentence


def test_a_new_name_of_another_type_or_without_likeness_is_not_offered():
    def edit(document):
        rename(document)
        goods(document)["АртикулТовара"] = "Edm.Guid"
        goods(document)["Ъ"] = "Edm.String"

    assert {change.renamed_to for change in changes(edit)} == {None}


def test_two_lost_names_are_not_given_the_same_new_one():
    def edit(document):
        goods(document).pop("ВесЧислитель")
        goods(document).pop("ВесЗнаменатель")
        goods(document)["ВесТовараЧислитель"] = "Edm.Double"

    assert {c.name: c.renamed_to for c in changes(edit) if c.kind is ChangeKind.REMOVED} == {
        "ВесЧислитель": "ВесТовараЧислитель",
        "ВесЗнаменатель": None,
    }


def test_what_came_one_way_went_the_other():
    before, after = shipped_document(), shipped_document()
    rename(after)

    there = diff(restored(before), restored(after), WANTED)
    back = diff(restored(after), restored(before), WANTED)

    assert {(c.kind, c.name) for c in back} == {
        (ChangeKind.REMOVED, "АртикулТовара"),
        (ChangeKind.ADDED, "Артикул"),
    }
    assert len(there) == len(back)


def test_a_set_that_nobody_wants_is_not_compared():
    before, after = shipped_document(), shipped_document()
    remove(after)

    assert diff(restored(before), restored(after), {"Catalog_Марки": frozenset()}) == ()


@pytest.mark.skipif(not GENUINE, reason="no genuine metadata beside this checkout")
@pytest.mark.parametrize("path", GENUINE, ids=lambda path: path.name)
def test_a_genuine_schema_survives_its_document(path):
    metadata = parse_metadata(path)
    document = narrowed(metadata, WANTED)

    assert wanted_of(document) == WANTED
    assert narrowed(restored(document), WANTED) == document
    assert diff(metadata, restored(document), WANTED) == ()


@pytest.mark.skipif(len(GENUINE) < 2, reason="no genuine metadata beside this checkout")
def test_two_genuine_releases_differ_in_what_is_known_of_them():
    older, newer = (parse_metadata(path) for path in GENUINE)

    found = set(diff(older, newer, WANTED))

    assert Change(kind=ChangeKind.SET_ADDED, resource="Catalog_СтавкиНДС") in found
    assert Change(kind=ChangeKind.SET_ADDED, resource=PRICES) in found
    vat = {c.name: c.kind for c in found if c.resource == GOODS and c.name.startswith("СтавкаНДС")}
    assert vat["СтавкаНДС_Key"] is ChangeKind.ADDED
    assert vat["СтавкаНДС"] in {ChangeKind.REMOVED, ChangeKind.REFERENCE_CHANGED}
