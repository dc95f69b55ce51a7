"""Telephones as 1C stores them, and who counts as the same person."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from onec_pipelines.ledger.web_orders import WebCustomer
from onec_pipelines.steps.push.customer_facts import (
    counterparty_facts,
    digits,
    is_same_person,
    partner_condition,
    partner_facts,
)

KINDS = {"ТелефонПартнера": "kind-phone", "EmailПартнера": "kind-mail", "АдресПартнера": "kind-address"}
MARIA = WebCustomer(
    id=1,
    version=1,
    store="main",
    kind="person",
    name="Иванова Мария",
    full_name=None,
    phone="+7 (900) 111-22-33",
    email="Maria@Example.ru",
    address=None,
    inn=None,
    kpp=None,
    birth_date=None,
    gender="female",
    comment=None,
    created_at=datetime(2026, 6, 2, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("+7 (900) 111-22-33", "79001112233"),
        ("8 900 111 22 33", "79001112233"),
        ("9001112233", "79001112233"),
        ("+375 29 123-45-67", "375291234567"),
        (None, ""),
    ],
)
def test_a_telephone_is_stored_as_digits_with_its_country(typed, stored):
    assert digits(typed) == stored


def test_the_search_asks_for_the_telephone_and_both_spellings_of_the_e_mail():
    condition = partner_condition(MARIA)
    assert condition == (
        "КонтактнаяИнформация/any(k: (k/НомерТелефона eq '79001112233') or (k/НомерТелефонаБезКодов eq '1112233')"
        " or (k/АдресЭП eq 'Maria@Example.ru') or (k/АдресЭП eq 'maria@example.ru'))"
    )


@pytest.mark.parametrize(
    ("row", "same"),
    [
        ({"Тип": "Телефон", "НомерТелефона": "79001112233"}, True),
        ({"Тип": "Телефон", "НомерТелефона": "", "Представление": "8(900)111-22-33"}, True),
        ({"Тип": "Телефон", "НомерТелефона": "74951112233", "НомерТелефонаБезКодов": "1112233"}, False),
        ({"Тип": "Факс", "НомерТелефона": "79001112233"}, False),
        ({"Тип": "АдресЭлектроннойПочты", "АдресЭП": "MARIA@example.ru"}, True),
        ({"Тип": "АдресЭлектроннойПочты", "АдресЭП": "other@example.ru"}, False),
    ],
)
def test_a_found_partner_is_the_same_person_only_with_the_very_same_contact(row, same):
    assert is_same_person(MARIA, {"КонтактнаяИнформация": [row]}) is same


def test_contacts_carry_what_1c_searches_by_and_what_it_shows(defaults):
    phone, mail = partner_facts(MARIA, defaults, KINDS)["contacts"]
    assert (phone["kind"], phone["phone"], phone["phone_local"]) == ("kind-phone", "79001112233", "1112233")
    assert json.loads(phone["value"])["areaCode"] == "900"
    assert (mail["email"], mail["domain"]) == ("Maria@Example.ru", "Example.ru")


def test_a_kind_of_contact_that_the_base_lacks_is_left_out(defaults):
    assert [row["type"] for row in partner_facts(MARIA, defaults, {"EmailПартнера": "k"})["contacts"]] == [
        "АдресЭлектроннойПочты"
    ]


def test_the_legal_side_belongs_to_the_partner():
    facts = counterparty_facts(MARIA, "partner-key", {})
    assert (facts["partner"], facts["kind"], facts["contacts"]) == ("partner-key", "person", [])
