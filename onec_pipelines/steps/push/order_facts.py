"""An order of the application → the facts that `entities/outgoing/orders.py` puts into attributes of 1C. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from onec_pipelines.ledger.web_orders import WebLine, WebOrder
from onec_pipelines.steps.push.defaults import Defaults
from onec_pipelines.steps.push.money import LineSums, line_sums
from onec_pipelines.steps.push.payload import refused

CLOSED = "Закрыт"


@dataclass(frozen=True, kw_only=True)
class Parties:
    """Who buys, as GUID texts."""

    partner: str
    counterparty: str | None


def order_facts(
    order: WebOrder, defaults: Defaults, parties: Parties, *, includes_vat: bool
) -> dict[str, Any]:
    """All facts of an order. Quarantine PUSH_PREFLIGHT when a thing it names is not known in 1C or its sums do not add up."""
    problems = [*_unresolved(order), *_missing_reason(order, defaults)]
    if problems:
        raise refused(problems)
    sums = {line.line_code: sums_of(line, includes_vat=includes_vat) for line in order.lines}
    total = sum(
        (sums[line.line_code].amount_with_vat for line in order.lines if not line.is_cancelled), Decimal(0)
    )
    _check_sums(order, sums, total)
    ship_date = order.delivery_date or (order.placed_at + timedelta(days=1)).date()
    common = {
        "warehouse": text(order.warehouse_ref) or defaults.refs.get("warehouse"),
        "price_type": text(order.price_type_ref) or defaults.refs.get("price_type"),
        "ship_date": ship_date,
        "supply": defaults.words["supply"],
    }
    return {
        "date": order.placed_at,
        "partner": parties.partner,
        "counterparty": parties.counterparty,
        "organization": defaults.refs.get("organization"),
        "agreement": defaults.refs.get("agreement"),
        "contract": defaults.refs.get("contract"),
        "currency": text(order.currency_ref),
        "warehouse": common["warehouse"],
        "manager": defaults.refs.get("manager"),
        "priority": defaults.refs.get("priority"),
        "price_includes_vat": includes_vat,
        "status": CLOSED if order.status == "cancelled" else defaults.words["status"],
        "closed_status": CLOSED if order.status == "cancelled" else None,
        "taxation": defaults.words["taxation"],
        "operation": defaults.words["operation"],
        "settlement": defaults.words["settlement"],
        "payment_method": order.payment_method,
        "delivery_method": order.delivery_method,
        "delivery_address": order.delivery_address,
        "delivery_from": order.delivery_from,
        "delivery_to": order.delivery_to,
        "delivery_comment": order.delivery_comment,
        "ship_date": ship_date,
        "external_number": defaults.words["prefix"] + order.number,
        "external_date": order.placed_at,
        "total": total,
        "discounts_counted": True,
        "comment": order.comment,
        "contact": contact(order),
        "loyalty_card": text(order.loyalty_card_ref),
        "max_line_code": max((line.line_code for line in order.lines), default=0),
        "lines": [_line_facts(line, sums[line.line_code], defaults, common) for line in order.lines],
        "stages": [
            {"variant": order.payment_method, "date": ship_date, "percent": Decimal(100), "amount": total}
        ]
        if total
        else [],
    }


def sums_of(line: WebLine, *, includes_vat: bool) -> LineSums:
    """The sums of a line."""
    return line_sums(
        quantity=line.quantity,
        price=line.price,
        numerator=line.numerator,
        denominator=line.denominator,
        discount_percent=line.discount_percent,
        discount_amount=line.discount_amount,
        bonus_amount=line.bonus_amount,
        vat_percent=line.vat_percent,
        price_includes_vat=includes_vat,
    )


def contact(order: WebOrder) -> str:
    """Who is to be called about the order, and what was paid: for the people in 1C."""
    who = ", ".join(filter(None, (order.contact_name, order.contact_phone, order.contact_email)))
    paid = (
        f"Оплачено на сайте: {payment.amount:f} ({payment.method}"
        + (f", {payment.reference}" if payment.reference else "")
        + ")"
        for payment in order.payments
    )
    return "\n".join(filter(None, (f"Контакт: {who}" if who else "", *paid)))


def text(key: UUID | None) -> str | None:
    """A key as the body holds it."""
    return None if key is None else str(key)


def _line_facts(
    line: WebLine, sums: LineSums, defaults: Defaults, common: Mapping[str, object]
) -> dict[str, Any]:
    return {
        **common,
        "code": line.line_code,
        "link": line.line_code,
        "product": text(line.product_ref),
        "variant": text(line.variant_ref),
        "package": text(line.package_ref),
        "packages": line.quantity,
        "quantity": sums.base_quantity,
        "price": line.price,
        "discount_percent": line.discount_percent,
        "discount": sums.discount,
        "bonus_points": line.bonus_points,
        "bonus_amount": line.bonus_amount,
        "amount": sums.amount,
        "vat_rate": text(line.vat_ref),
        "vat_name": line.vat_code,
        "vat": sums.vat,
        "amount_with_vat": sums.amount_with_vat,
        "cancelled": line.is_cancelled,
        "cancel_reason": defaults.reason(line.cancel_reason) if line.is_cancelled else None,
        "warehouse": text(line.warehouse_ref) or common["warehouse"],
    }


def _unresolved(order: WebOrder) -> Iterable[str]:
    """Things that the order names by our ids and 1C does not have."""
    if not order.lines:
        yield "it has no lines"
    given = (
        ("warehouse", order.warehouse_id, order.warehouse_ref),
        ("price type", order.price_type_id, order.price_type_ref),
        ("loyalty card", order.loyalty_card_id, order.loyalty_card_ref),
        ("counterparty", order.counterparty_id, order.counterparty_ref),
    )
    yield from (
        f"{what} {number} is not known in this 1C" for what, number, key in given if number and not key
    )
    if order.currency_ref is None:
        yield f"the currency {order.currency} is not known in this 1C"
    for line in order.lines:
        yield from (f"line {line.line_code}: {problem}" for problem in _unresolved_line(line))


def _unresolved_line(line: WebLine) -> Iterable[str]:
    given = (
        ("product", line.product_id, line.product_ref),
        ("variant", line.variant_id, line.variant_ref),
        ("package", line.package_id, line.package_ref),
        ("warehouse", line.warehouse_id, line.warehouse_ref),
    )
    yield from (
        f"{what} {number} is not known in this 1C" for what, number, key in given if number and not key
    )
    if line.product_gone and not line.is_cancelled:
        yield f"product {line.product_id} is no longer sold in 1C"
    if not line.denominator:
        yield f"package {line.package_id} holds nothing"


def _missing_reason(order: WebOrder, defaults: Defaults) -> Iterable[str]:
    for line in order.lines:
        if line.is_cancelled and defaults.reason(line.cancel_reason) is None:
            yield f"line {line.line_code}: no reason of cancellation is set (ONEC_ORDER_CANCEL_REASON)"
            return


def _check_sums(order: WebOrder, sums: dict[int, LineSums], total: Decimal) -> None:
    problems = [
        f"line {code}: its discounts are more than its price" for code, one in sums.items() if one.amount < 0
    ]
    if (
        order.total is not None
        and order.status != "cancelled"
        and not _partly_cancelled(order)
        and order.total != total
    ):
        problems.append(f"the customer saw the sum {order.total:f}, 1C comes to {total:f}")
    if problems:
        raise refused(problems)


def _partly_cancelled(order: WebOrder) -> bool:
    return any(line.is_cancelled for line in order.lines)
