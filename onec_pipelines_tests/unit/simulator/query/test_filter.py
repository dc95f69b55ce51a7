"""What `$filter` finds in a base of a few rows (PROTOCOL §3.1)."""

from decimal import Decimal

import pytest

A, B = "00000001-0000-0000-0000-000000000000", "00000002-0000-0000-0000-000000000000"
EMPTY = "00000000-0000-0000-0000-000000000000"
GOODS, ORDERS = "Catalog_Товары", "Document_Заказ"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Цена eq 90", ["Молоко"]),
        ("Цена ne 90", ["Сыр"]),
        ("Цена gt 90", ["Сыр"]),
        ("Цена ge 90", ["Молоко", "Сыр"]),
        ("Цена lt 900", ["Молоко"]),
        ("Цена le 900.0", ["Молоко", "Сыр"]),
        ("90 eq Цена", ["Молоко"]),
        ("Цена add 5 gt 100 and IsFolder eq false", ["Сыр"]),
        ("Цена sub 5 eq 85", ["Молоко"]),
        ("Цена mul 5 eq 450", ["Молоко"]),
        ("Цена div 4 eq 22.5", ["Молоко"]),
        ("2 add 3 mul 2 eq 8 and Цена eq 90", ["Молоко"]),
        ("(2 add 3) mul 2 eq 10 and Цена eq 90", ["Молоко"]),
        ("-Цена eq -90", ["Молоко"]),
        ("IsFolder", ["Папка"]),
        ("not IsFolder", ["Молоко", "Сыр"]),
        ("not IsFolder eq true", ["Молоко", "Сыр"]),
        ("not (Цена eq 90)", ["Сыр"]),
        ("Цена eq 90 or Цена eq 900 and IsFolder eq true", ["Молоко"]),
        ("Остаток eq 5", ["Молоко"]),
    ],
)
def test_operators_select_what_they_say(base, text, found):
    assert base.find(GOODS, text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Цена eq null", ["Папка"]),
        ("Цена ne null", ["Молоко", "Сыр"]),
        ("not (Цена gt 100)", ["Молоко"]),
        ("not (Цена gt 100 and IsFolder eq true)", ["Молоко", "Сыр"]),
        ("Цена gt 100 or IsFolder eq true", ["Папка", "Сыр"]),
        ("Цена add 1 ne 5", ["Молоко", "Сыр"]),
        ("Производитель/ИНН ne '1'", ["Молоко", "Сыр"]),
        ("Цена gt null", []),
    ],
)
def test_a_comparison_with_nothing_is_unknown_not_false(base, text, found):
    """A folder has no price: it is found neither by a condition on the price nor by its negation."""
    assert base.find(GOODS, text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Description eq 'молоко'", ["Молоко"]),
        ("Description gt 'МОЛОКО'", ["Папка", "Сыр"]),
        ("Code eq 'М-1'", ["Молоко"]),
        ("startswith(Description, 'мол')", ["Молоко"]),
        ("startswith(Description, 'мол') eq true", ["Молоко"]),
        ("startswith(Description, 'мол') eq false", ["Папка", "Сыр"]),
        ("endswith(Description,'КО')", ["Молоко"]),
        ("substringof('ыр', Description)", ["Сыр"]),
        ("not substringof('ыр', Description)", ["Папка", "Молоко"]),
        ("concat(concat(Description, ', '), Description) eq 'Сыр, Сыр'", ["Сыр"]),
        ("substring(Description, 1, 2) eq 'Мо'", ["Молоко"]),
        ("substring(Description, 2) eq 'ыр'", ["Сыр"]),
        ("like(Description, 'м%о')", ["Молоко"]),
        ("like(Description, '_ы_')", ["Сыр"]),
        ("like(Description, '[^м]%')", ["Папка", "Сыр"]),
        ("like(Description, '[л-н]%') eq true", ["Молоко"]),
        ("like(Description, '%о%_о')", ["Молоко"]),
        ("like(Description, '%о_о%л%')", []),
        ("like(Description, 'молоко')", ["Молоко"]),
        ("like(Description, '[я-а]%')", []),
        ("substringof('еж', Описание)", ["Молоко"]),
    ],
)
def test_strings_are_compared_without_case_and_padding(base, text, found):
    assert base.find(GOODS, text) == found


def test_case_matters_when_the_switch_says_so(base):
    assert (
        base.find(GOODS, "Description eq 'молоко' or startswith(Description, 'СЫ')", case_sensitive=True)
        == []
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("year(Произведен) eq 2026", ["Молоко", "Сыр"]),
        ("quarter(ГоденДо) eq 1 and month(ГоденДо) eq 2 and day(ГоденДо) eq 28", ["Молоко"]),
        ("hour(Произведен) eq 23 and minute(Произведен) eq 59 and second(Произведен) eq 0", ["Молоко"]),
        ("dayofweek(Произведен) eq 6", ["Молоко"]),
        ("dayofweek(Произведен) eq 7", ["Сыр"]),
        ("dayofyear(Произведен) eq 32", ["Сыр"]),
        ("dateadd(Произведен, 'month', 1) eq ГоденДо", ["Молоко"]),
        ("dateadd(Произведен, 'day', -31) lt datetime'2026-01-01T00:00:00' and not IsFolder", ["Молоко"]),
        ("datedifference(Произведен, datetime'2026-02-01T00:00:00', 'day') eq 1", ["Молоко"]),
        ("datedifference(Произведен, ГоденДо, 'month') eq 1", ["Молоко"]),
        ("Произведен ge datetime'2026-02-01T00:00' and Произведен lt datetime'2026-02-02T00:00:00'", ["Сыр"]),
        ("round(Цена div 200) eq 5", ["Сыр"]),
        ("round(Цена div 180) eq 1", ["Молоко"]),
    ],
)
def test_dates_and_numbers_are_computed_as_the_query_language_does(base, text, found):
    assert base.find(GOODS, text) == found


@pytest.mark.parametrize("month", range(1, 13))
def test_every_month_is_in_its_quarter(base, month):
    quarter = (1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4)[month - 1]
    test = base.test(GOODS, f"quarter(datetime'2026-{month:02}-01T00:00:00') eq {quarter}")
    assert test({}) is True


@pytest.mark.parametrize(
    ("start", "step", "expected"),
    [
        ("2024-01-31T10:00:00", "'month', 1", "2024-02-29T10:00:00"),
        ("2024-02-29T10:00:00", "'year', 1", "2025-02-28T10:00:00"),
        ("2025-11-30T10:00:00", "'quarter', 1", "2026-02-28T10:00:00"),
        ("2026-01-01T00:00:00", "'month', -1", "2025-12-01T00:00:00"),
        ("9999-11-30T00:00:00", "'month', 1", "9999-12-30T00:00:00"),
        ("2026-12-31T23:59:59", "'second', 1", "2027-01-01T00:00:00"),
    ],
)
def test_a_date_moves_by_months_to_the_last_day_there_is(base, start, step, expected):
    test = base.test(GOODS, f"dateadd(datetime'{start}', {step}) eq datetime'{expected}'")
    assert test({}) is True


def test_a_date_beyond_the_calendar_is_nothing(base):
    assert base.find(GOODS, "dateadd(ГоденДо, 'year', -1) ne null") == ["Молоко"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"Ref_Key eq guid'{A}'", ["Молоко"]),
        (f"Ref_Key eq guid'{A.upper()}' or Ref_Key eq guid'{B}'", ["Молоко", "Сыр"]),
        (f"not (Ref_Key eq guid'{A}' or Ref_Key eq guid'{B}')", ["Папка"]),
        (f"Производитель_Key eq guid'{EMPTY}'", []),
        (f"Идентификатор eq guid'{A}'", ["Молоко"]),
        ("Производитель/ИНН eq '7701'", ["Сыр"]),
        ("Производитель/Головной/ИНН eq '5002'", ["Сыр"]),
        (f"Производитель eq cast(guid'{A}', 'Catalog_Партнеры')", ["Сыр"]),
        (f"Производитель_Key eq cast(guid'{A}', 'Catalog_Партнеры')", ["Сыр"]),
        (f"Производитель_Key eq cast(guid'{A}', 'Document_Заказ')", []),
        (f"Ref_Key eq '{A}'", []),
        ("Description eq datetime'2026-01-01T00:00:00'", []),
        ("Остаток eq '5'", []),
    ],
)
def test_references_are_found_by_guid_and_through_the_dot(base, text, found):
    assert base.find(GOODS, text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"Значение eq guid'{A}'", []),
        (f"Значение eq '{A}'", []),
        (f"Значение eq cast(guid'{A}', 'Catalog_Партнеры')", ["Сыр"]),
        (f"Значение eq cast(guid'{A}', 'StandardODATA.Catalog_Партнеры')", ["Сыр"]),
        (f"Значение eq cast(guid'{A}', 'Catalog_Товары')", []),
        ("Значение eq 4", ["Молоко"]),
        ("cast(Значение, 'Number') le 12", ["Молоко"]),
        ("isof(Значение, 'Catalog_Партнеры')", ["Сыр"]),
        ("isof(Значение, 'Edm.Double')", ["Молоко"]),
        ("not isof(Значение, 'Number')", ["Папка", "Сыр"]),
        ("isof(Цена, 'Number')", ["Молоко", "Сыр"]),
        ("isof(Производитель, 'Catalog_Партнеры')", ["Молоко", "Сыр"]),
        ("cast(Значение, 'Catalog_Партнеры')/ИНН eq '7701'", ["Сыр"]),
        ("cast(cast(Значение, 'Catalog_Партнеры')/Головной, 'Catalog_Партнеры')/ИНН eq '5002'", ["Сыр"]),
        ("Значение_Type eq 'StandardODATA.Catalog_Партнеры'", ["Сыр"]),
        ("Значение eq null", ["Папка"]),
    ],
)
def test_composite_values_need_a_cast(base, text, found):
    """A bare guid silently finds nothing in a composite field: the trap that 1C documents."""
    assert base.find(GOODS, text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Товары/any(d: d/Цена gt 10000)", ["1"]),
        ("Товары/all(d: d/Цена gt 10000)", ["2"]),
        ("Товары/any()", ["1"]),
        ("not Товары/any()", ["2"]),
        ("Товары/any(d: d/Цена mul d/Количество eq 100 and d/LineNumber eq 1)", ["1"]),
        ("Товары/any(d: d/Номенклатура/Description eq 'Молоко') and Posted", ["1"]),
        ("Товары/any(d: d/Цена gt 10000) or Скидки/any()", ["1"]),
        ("Товары/any(d: d/Цена gt 10000) eq false", ["2"]),
    ],
)
def test_lambdas_look_into_sections(base, text, found):
    assert base.find(ORDERS, text) == found


def test_a_register_is_found_by_the_period_of_its_records(base):
    inside = "r/Period ge datetime'2026-01-01T00:00:00' and r/Period lt datetime'2026-01-02T00:00:00'"
    test = base.test("AccumulationRegister_Остатки", f"RecordSet/any(r: {inside})")
    assert list(map(test, base.sets["AccumulationRegister_Остатки"])) == [True]


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        (f"Recorder eq '{A}'", False),
        (f"Recorder eq cast(guid'{A}', 'Document_Заказ')", True),
    ],
)
def test_a_recorder_is_found_by_cast_only_and_a_string_silently_finds_nothing(base, text, matched):
    test = base.test("AccumulationRegister_Остатки", text)
    assert test(base.sets["AccumulationRegister_Остатки"][0]) is matched


def test_numbers_are_exact(base):
    test = base.test(GOODS, "Цена add 0.2 eq 0.3")
    assert test({"Цена": Decimal("0.1")}) is True


def test_a_quote_is_doubled_inside_a_string(base):
    test = base.test(GOODS, "Description eq 'Rock''n''roll'")
    assert test({"Description": "Rock'n'roll"}) is True
