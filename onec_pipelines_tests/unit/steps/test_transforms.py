"""Named transforms: one promise each."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.steps.transforms import TRANSFORMS, apply

GUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


def changed(name, *values):
    return apply(name, pa.array(values, pa.string())).to_pylist()


@pytest.mark.parametrize(
    ("sent", "clean"),
    [
        ("  Чай \t зелёный\r\n", "Чай зелёный"),
        ("a\u00a0\u00a0b\u200b", "a b"),
        ("\u202eabc\x00\ufeff", "abc"),
        (" \u00a0 ", None),
        ("", None),
        (None, None),
        ("a b", "a b"),
    ],
)
def test_one_line_of_text(sent, clean):
    assert changed("clean_text", sent, "other") == [clean, "other"]


def test_text_of_several_lines_keeps_them():
    assert changed("clean_long_text", "a\r\nb\rc\n", "\x07x", None) == ["a\nb\nc", "x", None]


def test_only_a_guid_in_a_composite_value_is_one():
    assert changed(
        "guid_or_null", GUID.upper(), "текст", "12", "00000000-0000-0000-0000-000000000000", None
    ) == [
        GUID,
        None,
        None,
        None,
        None,
    ]


def test_unknown_members_of_a_closed_list_are_nothing():
    assert changed("product_type", "Товар", " Услуга ", "УдалитьКомплект", "") == [
        "goods",
        "service",
        None,
        None,
    ]


def test_unknown_members_of_an_open_list_pass():
    assert changed("warehouse_type", "ОптовыйСклад", "Новый", "") == ["wholesale", "Новый", None]


@given(st.lists(st.none() | st.text(max_size=10), max_size=4))
def test_no_text_breaks_a_transform(values):
    sent = [
        v if v is None or v.isprintable() or v.encode(errors="ignore").decode() == v else None for v in values
    ]
    for name in TRANSFORMS:
        found = changed(name, *sent)
        assert len(found) == len(sent)
        assert "" not in found
