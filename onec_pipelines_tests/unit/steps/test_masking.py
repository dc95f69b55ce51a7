"""Personal data never shows: a column is shown only when all that it is made of is known to be plain, and what 1C quotes is taken out."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import Quarantine
from onec_pipelines.ledger.forgetting_web import distinct
from onec_pipelines.steps.masking import MASK, hush, masked_columns, shown


def test_names_and_what_is_made_of_contacts_are_masked():
    masked = masked_columns(BY_NAME["customers"])

    assert {"name", "full_name", "sex", "birth_date", "email", "phone"} <= masked
    assert not masked & {"code", "legal_form", "is_client", "price_type_id", "is_deleted"}


def test_an_entity_without_personal_data_shows_everything():
    assert masked_columns(BY_NAME["products"]) == frozenset()


def test_values_are_masked_cut_and_null_stays_null():
    assert shown("Иванов", is_masked=True) == MASK
    assert shown(None, is_masked=True) is None
    assert len(shown("x" * 500, is_masked=False)) == 121
    assert shown(5, is_masked=False) == "5"


def test_an_error_names_nobody_in_any_of_its_texts():
    error = Quarantine(
        "1C refuses Иванова Мария",
        code="ONEC_REFUSED",
        onec_message='Не записан партнёр "ИВАНОВА МАРИЯ", улица Ленина, 5: не заполнен вид цены',
    )
    hush(error, distinct(["Иванова Мария", "улица Ленина, 5", None, ""]))
    assert error.message == "1C refuses •••"
    assert error.onec_message == 'Не записан партнёр "•••", •••: не заполнен вид цены'
    assert "Иванова" not in f"{error} {error!r} {error.args}"


@pytest.mark.parametrize("text", ["error", "ORDER-17", "12345", "2026-03-01", "message", "Петя"])
def test_what_could_be_a_code_or_a_number_of_ours_is_no_word_for_a_person(text):
    assert distinct([text]) == set()


def test_a_name_is_known_by_each_of_its_longer_words_and_numbers_by_their_whole():
    assert distinct(["Иванова Анна Петровна", "+7 921 555-77-31", "a@example.ru"]) == {
        *("Иванова Анна Петровна", "Иванова", "Петровна", "+7 921 555-77-31", "a@example.ru"),
    }
