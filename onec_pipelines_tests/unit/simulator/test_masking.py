"""Recorded personal data becomes pseudonyms that keep its form (issue B: record and replay)."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.simulator.masking import Masker

MASKER = Masker(salt="s")
PARTNERS = "/Catalog_Партнеры"


@given(st.text(alphabet="АБвг12 -@.xYz", min_size=1, max_size=40))
def test_a_pseudonym_has_the_length_and_kinds_of_what_it_hides(text):
    masked = MASKER.value(text)
    kinds = [("d" if one.isdigit() else "a" if one.isalpha() else one) for one in text]
    assert [("d" if one.isdigit() else "a" if one.isalpha() else one) for one in masked] == kinds
    assert MASKER.value(text) == masked


def test_pseudonyms_of_another_recording_differ():
    assert Masker(salt="other").value("Иванов Иван") != MASKER.value("Иванов Иван")


def test_references_and_empty_dates_stay_and_dates_stay_dates():
    key = "f06588ab-7924-11df-b33a-0011955cba6b"
    assert MASKER.value(key) == key
    assert MASKER.value("0001-01-01T00:00:00") == "0001-01-01T00:00:00"
    assert re.fullmatch(
        r"19\d\d-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T00:00:00", MASKER.value("1985-07-14T00:00:00")
    )


def test_json_and_atom_are_masked_alike_and_stay_readable():
    text = json.dumps(
        {"ИНН": "7705260674", "Description": 'ООО "Альтаир"\n', "Code": "00-1"}, ensure_ascii=False
    )
    masked = json.loads(MASKER.body(text, PARTNERS))
    assert masked["Code"] == "00-1"
    assert masked["ИНН"] != "7705260674"
    assert "Альтаир" not in masked["Description"]
    atom = MASKER.body("<d:ИНН>7705260674</d:ИНН><d:Code>00-1</d:Code>", PARTNERS)
    assert atom == f"<d:ИНН>{masked['ИНН']}</d:ИНН><d:Code>00-1</d:Code>"


def test_names_of_goods_are_not_personal():
    text = '{"Description": "Блендер"}'
    assert MASKER.body(text, "/Catalog_Номенклатура") == text


def test_a_filter_on_a_personal_field_is_masked_as_the_field_is():
    masked = MASKER.value("7705260674")
    query = "$filter=%D0%98%D0%9D%D0%9D%20eq%20'7705260674'&$top=1"
    assert MASKER.address(query, PARTNERS) == f"$filter=%D0%98%D0%9D%D0%9D%20eq%20'{masked}'&$top=1"
    assert MASKER.address("$filter=Code%20eq%20'1'", "/Catalog_Номенклатура") == "$filter=Code%20eq%20'1'"
