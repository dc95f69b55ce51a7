"""Sums of a line, to the kopeck."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.steps.push.money import line_sums

PLAIN = {
    "quantity": Decimal(2),
    "price": Decimal("995.00"),
    "numerator": Decimal(1),
    "denominator": Decimal(1),
    "discount_percent": Decimal(0),
    "discount_amount": None,
    "bonus_amount": Decimal(0),
    "vat_percent": Decimal(20),
    "price_includes_vat": True,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("2", "0", "1990.00", "331.67", "1990.00")),
        ({"price_includes_vat": False}, ("2", "0", "1990.00", "398.00", "2388.00")),
        ({"vat_percent": None}, ("2", "0", "1990.00", "0", "1990.00")),
        ({"vat_percent": Decimal(10)}, ("2", "0", "1990.00", "180.91", "1990.00")),
        ({"discount_percent": Decimal(15)}, ("2", "298.50", "1691.50", "281.92", "1691.50")),
        (
            {"discount_percent": Decimal(15), "discount_amount": Decimal(90)},
            ("2", "90", "1900.00", "316.67", "1900.00"),
        ),
        ({"bonus_amount": Decimal("100.50")}, ("2", "0", "1889.50", "314.92", "1889.50")),
        ({"numerator": Decimal(12)}, ("24", "0", "1990.00", "331.67", "1990.00")),
        (
            {"numerator": Decimal(1), "denominator": Decimal(3)},
            ("0.667", "0", "1990.00", "331.67", "1990.00"),
        ),
        ({"quantity": Decimal("0.333"), "price": Decimal("9.99")}, ("0.333", "0", "3.33", "0.56", "3.33")),
    ],
)
def test_a_line_comes_to(changes, expected):
    sums = line_sums(**{**PLAIN, **changes})
    assert (sums.base_quantity, sums.discount, sums.amount, sums.vat, sums.amount_with_vat) == tuple(
        map(Decimal, expected)
    )


@given(
    quantity=st.decimals("0.001", "9999", places=3),
    price=st.decimals("0", "99999", places=2),
    percent=st.sampled_from([None, Decimal(0), Decimal(5), Decimal(10), Decimal(20), Decimal(22)]),
    discount=st.decimals("0", "100", places=2),
    includes=st.booleans(),
)
def test_sums_always_add_up(quantity, price, percent, discount, includes):
    sums = line_sums(
        **{
            **PLAIN,
            "quantity": quantity,
            "price": price,
            "vat_percent": percent,
            "discount_percent": discount,
            "price_includes_vat": includes,
        }
    )
    net = sums.amount_with_vat - sums.vat
    assert all(
        part == round(part, 2) for part in (sums.amount, sums.vat, sums.amount_with_vat, sums.discount)
    )
    assert abs(net * (percent or 0) / 100 - sums.vat) <= Decimal("0.01")
    assert sums.amount + sums.discount == round(quantity * price, 2) or abs(
        sums.amount + sums.discount - quantity * price
    ) <= Decimal("0.005")
    assert sums.amount >= 0
