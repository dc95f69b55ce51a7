"""The analyses let the server look rows up, and never lose a row that the filter would let through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.simulator.query import (
    Range,
    compile_tree,
    date_range,
    flag,
    key_lookup,
    literals,
    parse_filter,
)

A, B, C = (f"0000000{n}-0000-0000-0000-000000000000" for n in "123")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (f"Ref_Key eq guid'{A}'", [A]),
        (f"guid'{A}' eq Ref_Key", [A]),
        (f"Ref_Key eq guid'{A}' or (Ref_Key eq guid'{B}' or Ref_Key eq guid'{A}')", [A, B]),
        (f"DeletionMark eq false and (Ref_Key eq guid'{A}' or Ref_Key eq guid'{B}')", [A, B]),
        (f"Ref_Key eq guid'{A}' and (Ref_Key eq guid'{B}' or Ref_Key eq guid'{C}')", [A]),
        (f"Ref_Key eq guid'{A}' or DeletionMark eq false", None),
        (f"not (Ref_Key eq guid'{A}')", None),
        (f"Ref_Key ne guid'{A}'", None),
        (f"Владелец/Ref_Key eq guid'{A}'", None),
        (f"Ref_Key eq '{A}'", None),
        ("Ref_Key eq null", None),
        ("IsFolder eq false", None),
    ],
)
def test_key_lookup_gives_the_keys_a_row_must_have(text, keys):
    assert key_lookup(parse_filter(text), "Ref_Key") == keys


def test_literals_gives_constants_of_any_type():
    found = literals(parse_filter("Штрихкод eq '460' or Штрихкод eq '461'"), "Штрихкод")
    assert [literal.value for literal in found] == ["460", "461"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("IsFolder", True),
        ("not IsFolder", False),
        ("IsFolder eq false", False),
        ("IsFolder ne false and Цена gt 5", True),
        ("Цена gt 5 and (not IsFolder)", False),
        ("IsFolder eq false or Цена gt 5", None),
        ("not (IsFolder eq false)", None),
        ("Цена gt 5", None),
    ],
)
def test_flag_gives_the_value_a_boolean_must_have(text, value):
    assert flag(parse_filter(text), "IsFolder") is value


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        (
            "Date ge datetime'2026-01-01T00:00:00' and Date lt datetime'2026-02-01T00:00:00'",
            Range(low="2026-01-01T00:00:00", high="2026-02-01T00:00:00"),
        ),
        (
            "(Date gt datetime'2026-01-01T00:00:00' and Posted) and datetime'2026-01-05T00:00:00' le Date",
            Range(low="2026-01-05T00:00:00"),
        ),
        (
            "Date eq datetime'2026-01-01T00:00:00'",
            Range(low="2026-01-01T00:00:00", high="2026-01-01T00:00:00"),
        ),
        ("Date ge datetime'2026-01-01T00:00:00' or Posted", Range()),
        ("not (Date ge datetime'2026-01-01T00:00:00')", Range()),
        ("Posted", Range()),
    ],
)
def test_date_range_gives_the_bounds(text, bounds):
    assert date_range(parse_filter(text), "Date") == bounds


def test_date_range_reads_a_lambda_over_records():
    inside = "r/Period ge datetime'2026-01-01T00:00:00' and r/Period lt datetime'2026-01-02T00:00:00'"
    text = f"RecordSet/any(r: {inside})"
    bounds = date_range(parse_filter(text), "RecordSet/Period")
    assert bounds == Range(low="2026-01-01T00:00:00", high="2026-01-02T00:00:00")


DAYS = [f"2026-01-0{day}T00:00:00" for day in (1, 2, 3)]
conditions = st.recursive(
    st.one_of(
        st.builds("Ref_Key {} guid'{}'".format, st.sampled_from(["eq", "ne"]), st.sampled_from([A, B, C])),
        st.builds("IsFolder {} {}".format, st.sampled_from(["eq", "ne"]), st.sampled_from(["true", "false"])),
        st.builds(
            "Произведен {} datetime'{}'".format,
            st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]),
            st.sampled_from(DAYS),
        ),
        st.builds("datetime'{}' lt Произведен".format, st.sampled_from(DAYS)),
        st.just("IsFolder"),
    ),
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=6,
)


@given(text=conditions, key=st.sampled_from([A, B, C]), folder=st.booleans(), date=st.sampled_from(DAYS))
def test_a_row_that_passes_lies_within_what_the_analyses_give(base, text, key, folder, date):
    tree = parse_filter(text)
    row = {"Ref_Key": key, "IsFolder": folder, "Произведен": date}
    passes = compile_tree(tree, base.types["Catalog_Товары"], base.resolve)(row)
    keys, bounds = key_lookup(tree, "Ref_Key"), date_range(tree, "Произведен")
    inside = (keys is None or key in keys) and flag(tree, "IsFolder") in (None, folder)
    between = (bounds.low or date) <= date <= (bounds.high or date)
    assert (inside and between) or not passes
