"""Calls of virtual tables are read in every spelling that clients use (PROTOCOL §3.2, §6)."""

import pytest

from onec_pipelines.simulator.query import (
    QueryError,
    parse_argument,
    parse_condition,
    parse_dimensions,
    parse_filter,
    parse_function_call,
)
from onec_pipelines.simulator.query.arguments import compile_condition

A = "00000001-0000-0000-0000-000000000000"


@pytest.mark.parametrize("text", ["Balance", "Balance()", " Balance( ) "])
def test_a_call_may_have_no_arguments(text):
    call = parse_function_call(text)
    assert (call.name, call.arguments) == ("Balance", {})


@pytest.mark.parametrize(
    "condition",
    [f"Склад_Key eq guid''{A}''", f"Склад_Key eq guid'{A}'"],
    ids=["doubled", "undoubled"],
)
@pytest.mark.parametrize(
    "template",
    [
        "Balance(Period=datetime'2026-06-02T23:59:59',Condition='{}',Dimensions='Номенклатура,Склад')",
        "Balance(Condition='{}', Dimensions='Номенклатура,Склад', Period='2026-06-02T23:59:59')",
    ],
)
def test_quotes_inside_a_condition_may_be_doubled_or_not(template, condition):
    assert parse_function_call(template.format(condition)).arguments == {
        "Period": "2026-06-02T23:59:59",
        "Condition": f"Склад_Key eq guid'{A}'",
        "Dimensions": "Номенклатура,Склад",
    }


def test_commas_and_equal_signs_inside_strings_do_not_split():
    call = parse_function_call("SliceLast(Condition='like(Имя, ''a=b,c%'')')")
    assert call.arguments == {"Condition": "like(Имя, 'a=b,c%')"}


@pytest.mark.parametrize(
    "text",
    [
        f"Касса_Key eq guid'{A}'",
        f"Касса_Key eq guid''{A}''",
        f"'Касса_Key eq guid'{A}''",
        f"'Касса_Key eq guid''{A}'''",
    ],
)
def test_a_condition_is_understood_with_any_quotes(text):
    assert parse_condition(text) == parse_filter(f"Касса_Key eq guid'{A}'")


def test_a_condition_keeps_an_empty_string_and_a_quote_in_a_name():
    assert parse_condition("Имя eq '' or Имя eq 'O''Neil'") == parse_filter("Имя eq '' or Имя eq 'O''Neil'")


def test_a_condition_may_name_parts_of_the_key(base):
    test = compile_condition("LineNumber eq 1", base.types["Document_Заказ_Товары"], base.resolve)
    assert test({"LineNumber": 1}) is True


@pytest.mark.parametrize(
    ("text", "names"), [("", ()), ("А", ("А",)), ("А, Б", ("А", "Б")), ("'А,Б'", ("А", "Б"))]
)
def test_dimensions_are_a_list_of_names(text, names):
    assert parse_dimensions(text) == names


@pytest.mark.parametrize(
    "text", ["datetime'2026-06-02T23:59:59'", "'2026-06-02T23:59:59'", "2026-06-02T23:59:59"]
)
def test_a_period_may_be_a_literal_or_a_plain_string(text):
    assert parse_argument("Period", text) == "2026-06-02T23:59:59"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(",
        "Balance(",
        "Balance(Period)",
        "Balance(Period=datetime'26-06-02T00:00:00')",
        "Balance(Нет='a'b')",
    ],
)
def test_what_is_no_call_is_400_code_14(text):
    with pytest.raises(QueryError) as caught:
        parse_function_call(text)
    assert (caught.value.http, caught.value.code) == (400, "14")


def test_a_condition_with_bad_syntax_is_400_code_14():
    with pytest.raises(QueryError) as caught:
        parse_condition("'Склад_Key eq'")
    assert (caught.value.http, caught.value.code) == (400, "14")


def test_dimensions_that_are_no_names_are_400_code_14():
    with pytest.raises(QueryError) as caught:
        parse_dimensions("А,,Б")
    assert (caught.value.http, caught.value.code) == (400, "14")
