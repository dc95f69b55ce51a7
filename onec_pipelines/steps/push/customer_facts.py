"""A customer of the application → the facts of its partner and counterparty in 1C, and how an existing one is searched for. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from onec_pipelines.ledger.web_orders import WebCustomer
from onec_pipelines.onec import query
from onec_pipelines.steps.push.defaults import Defaults

_NAME_LENGTH = 100
_LOCAL = 7
_NATIONAL = 10
_WITH_COUNTRY = 11
CONTACT_KINDS = {
    "customers": {"phone": "ТелефонПартнера", "email": "EmailПартнера", "address": "АдресПартнера"},
    "counterparties": {
        "phone": "ТелефонКонтрагента",
        "email": "EmailКонтрагента",
        "address": "ЮрАдресКонтрагента",
    },
}
"""Predefined kinds of contact information by what they hold (PROTOCOL §11.6)."""
_TYPES = {"phone": "Телефон", "email": "АдресЭлектроннойПочты", "address": "Адрес"}
Row = Mapping[str, Any]


def digits(phone: str | None) -> str:
    """A telephone number as 1C stores it: digits with the country, 8 of Russia as 7; empty for none."""
    found = re.sub(r"\D", "", phone or "")
    if len(found) == _WITH_COUNTRY and found.startswith("8"):
        return "7" + found[1:]
    return "7" + found if len(found) == _NATIONAL else found


def partner_facts(customer: WebCustomer, defaults: Defaults, kinds: Mapping[str, str]) -> dict[str, Any]:
    """The facts of the partner (Партнеры). `kinds` are keys of kinds of contact information by predefined name."""
    return {
        "name": customer.name[:_NAME_LENGTH],
        "full_name": customer.full_name or customer.name,
        "kind": customer.kind,
        "is_client": True,
        "gender": customer.gender,
        "birth_date": customer.birth_date,
        "registered": customer.created_at.date(),
        "access_group": defaults.refs.get("access_group"),
        "manager": defaults.refs.get("manager"),
        "comment": customer.comment,
        "contacts": _contacts(customer, kinds, CONTACT_KINDS["customers"]),
    }


def counterparty_facts(customer: WebCustomer, partner: str, kinds: Mapping[str, str]) -> dict[str, Any]:
    """The facts of the counterparty (Контрагенты): the legal side of the partner."""
    return {
        "name": customer.name[:_NAME_LENGTH],
        "full_name": customer.full_name or customer.name,
        "kind": customer.kind,
        "legal_side": customer.kind,
        "partner": partner,
        "inn": customer.inn,
        "kpp": customer.kpp,
        "contacts": _contacts(customer, kinds, CONTACT_KINDS["counterparties"]),
    }


def partner_condition(customer: WebCustomer) -> str | None:
    """The condition that finds partners with this telephone or e-mail; None without either.

    Wider than needed, because telephones are typed in many ways: `is_same_person` decides.
    """
    phone = digits(customer.phone)
    conditions = []
    if len(phone) >= _LOCAL:
        tail = query.string(phone[-_LOCAL:])
        conditions += [f"k/НомерТелефона eq {query.string(phone)}", f"k/НомерТелефонаБезКодов eq {tail}"]
    if customer.email:
        conditions.append(f"k/АдресЭП eq {query.string(customer.email.strip())}")
        if customer.email.strip() != customer.email.strip().lower():
            conditions.append(f"k/АдресЭП eq {query.string(customer.email.strip().lower())}")
    inside = query.any_of(*conditions)
    return f"КонтактнаяИнформация/any(k: {inside})" if inside else None


def is_same_person(customer: WebCustomer, partner: Row) -> bool:
    """Whether a found partner has this very telephone or e-mail."""
    phone, email = digits(customer.phone), (customer.email or "").strip().casefold()
    for line in partner.get("КонтактнаяИнформация") or ():
        typed = (str(line.get("НомерТелефона") or ""), str(line.get("Представление") or ""))
        if phone and line.get("Тип") == _TYPES["phone"] and phone in {digits(one) for one in typed}:
            return True
        if email and str(line.get("АдресЭП") or "").strip().casefold() == email:
            return True
    return False


def _contacts(
    customer: WebCustomer, kinds: Mapping[str, str], names: Mapping[str, str]
) -> Sequence[dict[str, Any]]:
    found = []
    for what, value in (("phone", customer.phone), ("email", customer.email), ("address", customer.address)):
        kind = kinds.get(names[what])
        if value and kind:
            found.append(_contact(what, value.strip(), kind))
    return found


def _contact(what: str, value: str, kind: str) -> dict[str, Any]:
    number = digits(value) if what == "phone" else ""
    document: dict[str, Any] = {"version": 4, "value": value, "type": _TYPES[what], "comment": ""}
    if len(number) == _WITH_COUNTRY:
        document |= {
            "countryCode": number[:-_NATIONAL],
            "areaCode": number[-_NATIONAL:-_LOCAL],
            "number": number[-_LOCAL:],
            "extNumber": "",
        }
    return {
        "type": _TYPES[what],
        "kind": kind,
        "list_kind": kind,
        "presentation": value,
        "value": json.dumps(document, ensure_ascii=False),
        "email": value if what == "email" else None,
        "domain": value.rpartition("@")[2] if what == "email" else None,
        "phone": number or None,
        "phone_local": number[-_LOCAL:] or None,
    }
