"""Garbage: whatever the text, there is a result or a QueryError; no query brings the server down."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from onec_pipelines.simulator.query import (
    QueryError,
    compile_filter,
    compile_orderby,
    parse_condition,
    parse_expand,
    parse_function_call,
    parse_select,
)

GOODS = "Catalog_Товары"
EMPTY = "00000000-0000-0000-0000-000000000000"
ROW = {
    "Ref_Key": EMPTY,
    "Description": "Сыр",
    "Code": "1  ",
    "IsFolder": False,
    "Цена": None,
    "Вес": 5,
    "Остаток": 0,
    "Произведен": "0001-01-01T00:00:00",
    "Производитель_Key": "00000001-0000-0000-0000-000000000000",
    "Значение": "не число",
    "Значение_Type": "Edm.Double",
    "Описание": "",
}
WORDS = """
    and or not eq ne gt lt add sub mul div ( ) , / : - + * = ' '' guid' datetime' null true
    Цена Description Ref_Key IsFolder Товары Значение Описание Произведен Вес Производитель/ Головной/
    any( all( any() d d/ d: cast( isof( substring( like( concat( dateadd( datedifference( round( length(
    'Number' 'String' 'Catalog_Партнеры' 'day' 'year' 'а%' '[а-' 1 0 1.5 1e9 5L
    guid'00000001-0000-0000-0000-000000000000' datetime'2026-01-01T00:00:00'
    Balance( Period= Condition=' asc desc ** ____Presentation """
fragments = st.sampled_from(WORDS.split())
garbage = st.one_of(
    st.text(max_size=60),
    st.lists(fragments, max_size=20).map(" ".join),
    st.lists(fragments, max_size=20).map("".join),
    st.binary(max_size=40).map(lambda data: data.decode("utf-8", "replace")),
)
quick = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def refusal(action, *arguments):
    """The refusal of a call, or None when it succeeds; any other exception fails the test."""
    try:
        action(*arguments)
    except QueryError as error:
        return error
    return None


def is_1c(error):
    return error is None or (
        error.http in (400, 500, 501) and error.code.lstrip("-").isdigit() and bool(error.message)
    )


@pytest.mark.parametrize(
    "name", [GOODS, "Document_Заказ", "AccumulationRegister_Остатки", "Document_Заказ_Товары"]
)
@quick
@given(text=garbage)
@example(text="(" * 5000)
@example(text="-" * 5000 + "1 eq 1")
@example(text="Цена eq 1" + " eq 1" * 5000)
@example(text=" or ".join(["IsFolder"] * 5000))
@example(text="Производитель/" + "Головной/" * 5000 + "ИНН eq '1'")
@example(text="Цена eq 1e999999999999")
@example(text="'" * 4999)
@example(text="concat(" * 5000)
def test_garbage_is_refused_with_an_error_of_1c(base, name, text):
    shape = base.types[name]
    assert is_1c(refusal(compile_filter, text, shape, base.resolve))
    assert is_1c(refusal(compile_orderby, text, shape, base.resolve))
    assert is_1c(refusal(parse_select, text, shape))
    assert is_1c(refusal(parse_expand, text, shape))
    assert is_1c(refusal(parse_condition, text))
    assert is_1c(refusal(parse_function_call, text))


def run(base, text):
    assert compile_filter(text, base.types[GOODS], base.resolve)(ROW) in (True, False)


conditions = st.lists(fragments, max_size=5).map(" ".join)


@quick
@given(text=st.tuples(conditions, st.sampled_from([" eq ", " gt ", " ne "]), conditions).map("".join))
@example(text="IsFolder" + " eq IsFolder" * 6)
@example(text="like(concat('" + "ы" * 999 + "', Description), '" + "%ы" * 50 + "_[аб]')")
@example(text="like(Description, '[]-[^]%') or like(Description, '[я-а]')")
@example(text="dateadd(Произведен, 'year', -99999999999999999999) eq null")
@example(text="round(9e37 mul 9e37 mul 9e37) eq 1")
@example(text="substring(Description, -5, 2) eq ''")
@example(text="cast(Значение, 'Number') gt 5 or Значение eq 5")
@example(text="Производитель/" + "Головной/" * 18 + "ИНН eq '1'")
def test_what_compiles_also_runs(base, text):
    assert is_1c(refusal(run, base, text))


@pytest.mark.parametrize("text", ["IsFolder" + " eq IsFolder" * 60, "Цена" + " eq 1" * 8])
def test_towers_of_comparisons_are_refused_before_they_cost_anything(base, text):
    assert refusal(compile_filter, text, base.types[GOODS], base.resolve).code == "14"
