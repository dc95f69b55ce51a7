"""Sums of an order's line as UT 11 counts them: Decimal, kopecks, half up (PROTOCOL §11.7: 1C stores what it is given).

Pure. Whether the price holds the VAT is said by the price list.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
_THOUSANDTH = Decimal("0.001")
_HUNDRED = Decimal(100)


@dataclass(frozen=True, kw_only=True)
class LineSums:
    """Everything 1C wants to know of a line; `amount` is Сумма, `vat` СуммаНДС, `amount_with_vat` СуммаСНДС."""

    base_quantity: Decimal
    discount: Decimal
    amount: Decimal
    vat: Decimal
    amount_with_vat: Decimal


def cents(value: Decimal) -> Decimal:
    """Rounded to kopecks, half up."""
    return value.quantize(CENT, ROUND_HALF_UP)


def line_sums(
    *,
    quantity: Decimal,
    price: Decimal,
    numerator: Decimal,
    denominator: Decimal,
    discount_percent: Decimal,
    discount_amount: Decimal | None,
    bonus_amount: Decimal,
    vat_percent: Decimal | None,
    price_includes_vat: bool,
) -> LineSums:
    """Sums of a line.

    `quantity` and `price` are of the package, of which one holds numerator/denominator of the base unit. A discount given as an
    amount wins over the percent. What points pay for lowers the amount like a discount. Without a VAT percent (БезНДС)
    the tax is zero.
    """
    whole = cents(quantity * price)
    discount = (
        cents(whole * discount_percent / _HUNDRED) if discount_amount is None else cents(discount_amount)
    )
    amount = whole - discount - cents(bonus_amount)
    percent = vat_percent or Decimal(0)
    if price_includes_vat:
        vat = cents(amount * percent / (_HUNDRED + percent))
        with_vat = amount
    else:
        vat = cents(amount * percent / _HUNDRED)
        with_vat = amount + vat
    return LineSums(
        base_quantity=(quantity * numerator / denominator).quantize(_THOUSANDTH, ROUND_HALF_UP),
        discount=discount,
        amount=amount,
        vat=vat,
        amount_with_vat=with_vat,
    )
