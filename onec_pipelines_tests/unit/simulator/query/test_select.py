"""`$select` and `$expand` name what the answer holds (PROTOCOL §3)."""

import pytest

from onec_pipelines.simulator.query import EVERYTHING, QueryError, Selection, parse_expand, parse_select

GOODS, ORDERS = "Catalog_Товары", "Document_Заказ"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", EVERYTHING),
        ("*", EVERYTHING),
        ("**", Selection(scalars=True)),
        ("Ref_Key, Number", Selection(names=("Ref_Key", "Number"))),
        ("Number,Number", Selection(names=("Number",))),
        ("Товары", Selection(sections={"Товары": None})),
        ("Товары/Цена,Товары/LineNumber", Selection(sections={"Товары": ("Цена", "LineNumber")})),
        ("Товары/Цена,Товары", Selection(sections={"Товары": None})),
        ("Товары/*", Selection(sections={"Товары": None})),
        ("Number,**,*", EVERYTHING),
        ("**,Number,Товары", Selection(scalars=True)),
        ("*,*____Presentation", Selection(all=True, all_presentations=True)),
        ("*, Партнер____Presentation", Selection(all=True, presentations=("Партнер",))),
        ("Ref_Key, Presentation", Selection(names=("Ref_Key",), own_presentation=True)),
        ("Партнер_Key____Presentation", Selection(presentations=("Партнер_Key",))),
        ("Партнер", Selection(nested={"Партнер": EVERYTHING})),
        (
            "Партнер/ИНН,Партнер/Description",
            Selection(nested={"Партнер": Selection(names=("ИНН", "Description"))}),
        ),
        (
            "Партнер/Головной/ИНН",
            Selection(nested={"Партнер": Selection(nested={"Головной": Selection(names=("ИНН",))})}),
        ),
        (
            "Основание/Document_Заказ/Number",
            Selection(nested={"Основание/Document_Заказ": Selection(names=("Number",))}),
        ),
    ],
)
def test_select_says_what_is_wanted(base, text, expected):
    assert parse_select(text, base.types[ORDERS]) == expected


def test_columns_of_record_sets_are_selected(base):
    selection = parse_select("Recorder,RecordSet/Сумма", base.types["AccumulationRegister_Остатки"])
    assert selection == Selection(names=("Recorder",), sections={"RecordSet": ("Сумма",)})


@pytest.mark.parametrize(
    ("text", "segment"),
    [
        ("Owner2", "Owner2"),
        ("*,Owner2", "Owner2"),
        ("Товары/Нет", "Нет"),
        ("Товары/Номенклатура/Description", "Description"),
        ("Партнер/Нет", "Нет"),
        ("Основание/Нет/Number", "Нет"),
        ("Number/X", "Number"),
        ("Товары____Presentation", "Товары____Presentation"),
    ],
)
def test_an_unknown_name_in_select_is_400_code_6_and_echoed(base, text, segment):
    with pytest.raises(QueryError) as caught:
        parse_select(text, base.types[ORDERS])
    assert (caught.value.http, caught.value.code) == (400, "6")
    assert caught.value.message == f"Сегмент пути {segment} не найден!"


@pytest.mark.parametrize(
    "text", ["Ref_Key,", "Ref_Key Number", "*/Number", "Товары//Цена", "Ref_Key+Number", "***"]
)
def test_bad_syntax_in_select_is_400_code_14(base, text):
    with pytest.raises(QueryError) as caught:
        parse_select(text, base.types[ORDERS])
    assert (caught.value.http, caught.value.code) == (400, "14")


def test_expand_joins_paths_with_a_common_beginning(base):
    expansions = parse_expand("Партнер, Партнер/Головной,Партнер/Головной/*", base.types[ORDERS])
    (partner,) = expansions.items
    (head,) = partner.children
    assert (partner.name, partner.target.name, partner.star) == ("Партнер", "Catalog_Партнеры", False)
    assert (head.name, head.target.name, head.star, head.children) == (
        "Головной",
        "Catalog_Партнеры",
        True,
        (),
    )


def test_expand_goes_through_a_composite_by_its_type(base):
    (basis,) = parse_expand("Основание/Document_Заказ/Партнер", base.types[ORDERS]).items
    assert (basis.name, basis.type, basis.target.name) == ("Основание", "Document_Заказ", "Document_Заказ")
    assert [child.name for child in basis.children] == ["Партнер"]


def test_expand_star_means_every_reference(base):
    assert parse_expand("*", base.types[ORDERS]).star is True


def test_a_composite_alone_is_expanded_whatever_it_holds(base):
    (basis,) = parse_expand("Основание", base.types[ORDERS]).items
    assert (basis.type, basis.target, basis.star) == (None, None, False)


@pytest.mark.parametrize(
    ("text", "http", "code"),
    [
        ("Нет", 400, "6"),
        ("Number", 400, "6"),
        ("Партнер/Нет", 400, "6"),
        ("Основание/Document_Нет/X", 400, "6"),
        ("Партнер,", 400, "14"),
        ("Товары", 501, "0"),
        ("Товары/Номенклатура", 501, "0"),
        ("Основание/*", 501, "0"),
    ],
)
def test_what_is_not_expanded(base, text, http, code):
    with pytest.raises(QueryError) as caught:
        parse_expand(text, base.types[ORDERS])
    assert (caught.value.http, caught.value.code) == (http, code)
