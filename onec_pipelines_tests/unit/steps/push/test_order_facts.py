"""What an order may not go out with, and what its facts are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from onec_pipelines.errors import Quarantine
from onec_pipelines.ledger.web_orders import WebPayment
from onec_pipelines.steps.push.defaults import Defaults
from onec_pipelines.steps.push.order_facts import Parties, order_facts
from onec_pipelines_tests.unit.steps.push.conftest import LINE, ORDER


@pytest.mark.parametrize(
    ("line", "header", "problem"),
    [
        ({"product_ref": None}, {}, "line 1: product 5 is not known in this 1C"),
        ({"variant_id": 9}, {}, "line 1: variant 9 is not known"),
        ({"package_id": 9}, {}, "line 1: package 9 is not known"),
        ({"product_gone": True}, {}, "product 5 is no longer sold"),
        ({"denominator": Decimal(0)}, {}, "holds nothing"),
        ({"bonus_amount": Decimal(9999)}, {"total": None}, "discounts are more than its price"),
        (None, {"total": Decimal("1990.01")}, "the customer saw the sum 1990.01, 1C comes to 1990.00"),
        (None, {"currency_ref": None}, "the currency RUB is not known"),
        (None, {"lines": ()}, "it has no lines"),
        (None, {"loyalty_card_id": 4}, "loyalty card 4 is not known"),
        (None, {"warehouse_id": 4}, "warehouse 4 is not known"),
    ],
)
def test_an_order_is_refused_before_anything_is_sent(line, header, problem, facts_of):
    with pytest.raises(Quarantine, match=problem) as refused:
        facts_of(line=line, **header)
    assert refused.value.code == "PUSH_PREFLIGHT"


def test_cancelled_lines_count_for_nothing_and_say_why(facts_of, defaults):
    second = replace(LINE, line_code=2, is_cancelled=True, cancel_reason="customer")
    facts = facts_of(lines=(LINE, second))
    assert facts["total"] == Decimal("1990.00")
    assert [line["cancelled"] for line in facts["lines"]] == [False, True]
    assert facts["lines"][1]["cancel_reason"] == defaults.refs["cancel_reason"]


def test_a_reason_of_its_own_wins_over_the_general_one(defaults):
    own = Defaults(
        refs={**defaults.refs, "cancel_reason.stock": "11111111-1111-4111-8111-111111111111"},
        words=defaults.words,
    )
    assert own.reason("stock") != own.reason("customer") == defaults.refs["cancel_reason"]


def test_a_cancellation_without_any_reason_set_is_refused(defaults):
    bare = Defaults(refs={"organization": "x", "agreement": "y"}, words=defaults.words)
    cancelled = replace(ORDER, status="cancelled", lines=(replace(LINE, is_cancelled=True),))
    with pytest.raises(Quarantine, match="ONEC_ORDER_CANCEL_REASON"):
        order_facts(cancelled, bare, Parties(partner="p", counterparty="c"), includes_vat=True)


def test_a_cancelled_order_is_closed(facts_of):
    facts = facts_of(line={"is_cancelled": True}, status="cancelled")
    assert (facts["status"], facts["closed_status"], facts["total"]) == ("Закрыт", "Закрыт", Decimal(0))


def test_what_was_paid_and_whom_to_call_reach_the_people_in_1c(facts_of):
    paid = WebPayment(
        method="card_online", amount=Decimal("1990.00"), paid_at=ORDER.placed_at, reference="T-77"
    )
    facts = facts_of(contact_name="Мария", contact_phone="+79001112233", payments=(paid,))
    assert facts["contact"] == "Контакт: Мария, +79001112233\nОплачено на сайте: 1990.00 (card_online, T-77)"


def test_the_shipping_date_is_the_wished_one_or_the_next_day(facts_of):
    assert facts_of(delivery_date=date(2026, 6, 9))["ship_date"] == date(2026, 6, 9)
    assert facts_of()["ship_date"] == date(2026, 6, 3)
