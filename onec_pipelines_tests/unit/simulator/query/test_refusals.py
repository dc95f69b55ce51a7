"""Every refusal comes with 1C's status, code and words (PROTOCOL §3.1, §8.2, §12)."""

import pytest

from onec_pipelines.simulator.query import QueryError, parse_filter

A = "00000001-0000-0000-0000-000000000000"
GOODS, ORDERS = "Catalog_Товары", "Document_Заказ"
REGISTER = "AccumulationRegister_Остатки"


def refusal(base, name, text, **options):
    with pytest.raises(QueryError) as caught:
        base.test(name, text, **options)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "eq",
        "Цена",
        "5",
        "Цена eq",
        "Цена eq 5 5",
        "(Цена eq 5",
        "Цена = 5",
        "Цена in (1, 2)",
        "Description like '%а%'",
        "Description eq 'а",
        "Description eq а'б'",
        "Ref_Key eq guid'123'",
        "Произведен ge datetime'1-01-01T00:00:00'",
        "Произведен ge datetime'2026-02-30T00:00:00'",
        "Произведен ge datetime'2026-02-03'",
        "Произведен ge datetime'2026-02-03T00:00:00Z'",
        "Цена eq 5x",
        "Цена eq " + "9" * 39,
        "not " * 1000 + "IsFolder",
        "(" * 1000 + "IsFolder" + ")" * 1000,
        "Цена eq 1" + " add 1" * 1000,
        "Товары/any(d d/Цена gt 1)",
        "Товары/all()",
        "not Цена eq 10",
    ],
)
def test_bad_syntax_is_400_code_14_without_the_literals(base, text):
    error = refusal(base, GOODS, text)
    assert (error.http, error.code, error.message) == (400, "14", "Ошибка при разборе опции запроса $filter")


@pytest.mark.parametrize(
    ("name", "text", "segment"),
    [
        (GOODS, "НетПоля eq 'секрет'", "НетПоля"),
        (GOODS, "description eq 'x'", "description"),
        (GOODS, "Цена eq ZZMARKER7391", "ZZMARKER7391"),
        (GOODS, "Производитель/НетПоля eq 1", "НетПоля"),
        (GOODS, "Скрытый/Description eq 'x'", "Скрытый"),
        (GOODS, "Значение/ИНН eq 'x'", "Значение"),
        (ORDERS, "Товары/Цена gt 5", "Товары"),
        (ORDERS, "Нет/any(d: d/Цена gt 5)", "Нет"),
        (ORDERS, "Товары/any(d: d/Нет gt 5)", "Нет"),
        (ORDERS, "Товары/any(d: Цена gt 5)", "Цена"),
        (REGISTER, "LineNumber eq 1", "LineNumber"),
    ],
)
def test_an_unknown_name_is_400_code_6_and_echoed(base, name, text, segment):
    error = refusal(base, name, text)
    assert (error.http, error.code, error.message) == (400, "6", f"Сегмент пути {segment} не найден!")


def test_an_unknown_name_finds_nothing_when_the_switch_says_so(base):
    assert base.find(GOODS, "НетПоля eq 'x' or IsFolder eq true", unknown_field="empty") == []


@pytest.mark.parametrize(
    "function",
    [
        "length",
        "indexof",
        "replace",
        "tolower",
        "toupper",
        "trim",
        "years",
        "days",
        "hours",
        "seconds",
        "floor",
        "ceiling",
    ],
)
def test_documented_gaps_are_501_code_21(base, function):
    error = refusal(base, GOODS, f"{function}(Description) eq 'x'")
    assert (error.http, error.code) == (501, "21")
    assert function in error.message


@pytest.mark.parametrize(
    "text",
    [
        "contains(Description, 'x')",
        "startswith(Description)",
        "round(Цена, 1, 2) eq 1",
        "dateadd(Произведен, 'week', 1) eq ГоденДо",
        "dateadd(Произведен, Description, 1) eq ГоденДо",
        "isof(Значение)",
        "isof(Значение, 5)",
        "isof(Значение, 'Catalog_НеОпубликован')",
        f"Значение eq cast(guid'{A}', 'Document_НеОпубликован')",
    ],
)
def test_unknown_functions_and_wrong_arguments_are_400_code_21(base, text):
    error = refusal(base, GOODS, text)
    assert (error.http, error.code) == (400, "21")


@pytest.mark.parametrize("text", ["Description+eq+'x'", "Description eq 'x'+or+IsFolder", "Цена gt +5"])
def test_a_plus_is_not_a_space(base, text):
    error = refusal(base, GOODS, text)
    assert (error.http, error.code, error.message) == (500, "-1", 'Операция не разрешена в предложении "ГДЕ"')


def test_a_plus_makes_the_filter_ignored_when_the_switch_says_so(base):
    assert base.find(GOODS, "Description+eq+'x'", plus="ignore") == ["Папка", "Молоко", "Сыр"]


def test_a_plus_inside_quotes_is_just_a_plus(base):
    assert base.find(GOODS, "Description eq 'a+b'") == []


@pytest.mark.parametrize("sign", ["gt", "ge", "lt", "le"])
@pytest.mark.parametrize("name", ["Ref_Key", "Производитель_Key", "Идентификатор", "Значение"])
def test_references_have_no_order(base, name, sign):
    error = refusal(base, GOODS, f"{name} {sign} guid'{A}'")
    assert (error.http, error.code) == (500, "-1")
    assert "Неверные параметры в операции сравнения" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "Описание eq 'x'",
        "Описание ne null",
        "'x' lt Описание",
        "concat(Описание, 'x') eq 'x'",
        "Файл_Base64Data eq 'x'",
        "Файл eq null",
    ],
)
def test_unlimited_strings_and_storages_are_not_compared(base, text):
    error = refusal(base, GOODS, text)
    assert (error.http, error.code) == (500, "-1")
    assert "Нельзя сравнивать поля неограниченной длины" in error.message


def test_a_recorder_is_not_compared_with_a_guid(base):
    error = refusal(base, REGISTER, f"Recorder eq guid'{A}'")
    assert (error.http, error.code) == (500, "-1")
    assert "Нельзя сравнивать поля неограниченной длины" in error.message


def test_two_lambdas_are_not_joined_with_and(base):
    error = refusal(base, ORDERS, "Posted and (Товары/any(d: d/Цена gt 1) and Скидки/any(d: d/Цена gt 1))")
    assert (error.http, error.code) == (500, "-1")


def test_two_conditions_in_one_lambda_are_fine(base):
    assert base.find(ORDERS, "Posted and Товары/any(d: d/Цена gt 1 and d/Цена lt 200)") == ["1"]


@pytest.mark.parametrize(
    "text", ["LineNumber eq 1", f"Ref_Key eq guid'{A}'", "Цена gt 5 and LineNumber lt 3"]
)
def test_parts_of_a_composite_key_are_not_allowed(base, text):
    error = refusal(base, "Document_Заказ_Товары", text)
    assert (error.http, error.code, error.message) == (500, "-1", 'Операция не разрешена в предложении "ГДЕ"')


def test_the_key_switch_narrows_the_refusal_to_the_line_number(base):
    test = base.test("Document_Заказ_Товары", f"Ref_Key eq guid'{A}'", key_parts="line_number")
    assert test({"Ref_Key": A}) is True
    assert refusal(base, "Document_Заказ_Товары", "LineNumber eq 1", key_parts="line_number").http == 500


def test_dimensions_of_an_independent_register_are_filtered(base):
    test = base.test(
        "InformationRegister_Цены",
        f"Номенклатура_Key eq guid'{A}' and Period ge datetime'2026-01-01T00:00:00'",
    )
    assert test({"Номенклатура_Key": A, "Period": "2026-01-01T00:00:00"}) is True


@pytest.mark.parametrize(
    "text",
    [
        "year(Description) eq 2026",
        "startswith(Цена, 'x')",
        "substringof('x', Значение)",
        "Description add 1 eq 5",
        "-Description eq 5",
        "cast(Цена, 'String') eq '5'",
    ],
)
def test_operands_of_another_type_are_500(base, text):
    error = refusal(base, GOODS, text)
    assert (error.http, error.code) == (500, "-1")
    assert "Неверные параметры" in error.message


@pytest.mark.parametrize("text", ["Цена div 0 eq 1", "Цена div Остаток eq 1"])
def test_division_by_zero_fails_when_a_row_is_tested(base, text):
    test = base.test(GOODS, text)
    with pytest.raises(QueryError) as caught:
        test({"Цена": 5, "Остаток": 0})
    assert (caught.value.http, caught.value.code) == (500, "-1")


def test_the_error_prints_what_1c_would_answer():
    with pytest.raises(QueryError, match=r"400/14 Ошибка при разборе опции запроса \$filter"):
        parse_filter("(")
