"""Named transforms of contact information and dates of life: one promise each."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from onec_pipelines.spec import Field
from onec_pipelines.steps.convert import convert
from onec_pipelines.steps.transforms import apply

ZONE = ZoneInfo("Asia/Vladivostok")


def changed(name, *values):
    return apply(name, pa.array(values, pa.string())).to_pylist()


def test_addresses_and_numbers_of_a_text_stand_in_one_text():
    assert changed("emails", "B@c.ru; a@c.ru", "нет", None) == ["b@c.ru a@c.ru", None, None]
    assert changed("phones", "89031234567, 89031234568", "нет", None) == [
        "+79031234567 +79031234568",
        None,
        None,
    ]
    assert changed("phone_extension", "8 903 123-45-67 доб. 5", "89031234567", None) == ["5", None, None]


def test_an_address_is_json_again_with_our_names():
    (made, nothing) = changed("address_parts", '{"type": "Адрес", "city": "Самара", "cityType": "г"}', "{}")

    assert json.loads(made) == {"city": "Самара г"}
    assert nothing is None


def test_an_empty_page_is_no_mistake():
    assert changed("phones") == []


@pytest.mark.parametrize(
    ("sent", "kept", "refused"),
    [
        ("1990-05-31T00:00:00", "1990-05-31", False),
        ("1899-12-30T00:00:00", "1899-12-30", False),
        ("0001-01-01T00:00:00", None, False),
        ("", None, False),
        (None, None, False),
        ("1990-02-30T00:00:00", None, True),
        ("31.05.1990", None, True),
    ],
)
def test_a_day_is_the_same_in_every_zone_and_a_false_one_is_refused(sent, kept, refused):
    field = Field(name="birth_date", source=("ДатаРождения",), transform="date_only")

    converted = convert([sent], field, ZONE)

    assert converted.array.to_pylist() == [kept]
    assert [failure.rule for failure in converted.failures] == (["known_value"] if refused else [])


def test_what_nobody_understands_is_no_reject():
    field = Field(name="phones", source=("Представление",), transform="phones")

    assert convert(["позвонить вечером"], field, ZONE).failures == []


def test_names_of_enumerations_are_ours_and_new_ones_pass():
    assert changed("partner_form", "Компания", "ЧастноеЛицо", "", "Новое") == [
        "company",
        "person",
        None,
        "Новое",
    ]
    assert changed("card_status", "Действует", "Аннулирована") == ["active", "cancelled"]
    assert changed("discount_method", "Процент", "СуммаДляКаждойСтроки") == ["percent", "amount_per_line"]
