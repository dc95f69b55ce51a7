"""A return that a customer asked for → the facts of the request in 1C, with prices and VAT of the sale it goes back on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from onec_pipelines.errors import Quarantine, RetryLater
from onec_pipelines.ledger.web_orders import WebReturn, WebReturnLine
from onec_pipelines.onec.values import ZERO_GUID
from onec_pipelines.steps.push.defaults import Defaults
from onec_pipelines.steps.push.money import cents

Row = Mapping[str, Any]
SALE = "Document_РеализацияТоваровУслуг"
_HEAD = {
    "partner": "Партнер_Key",
    "counterparty": "Контрагент_Key",
    "organization": "Организация_Key",
    "agreement": "Соглашение_Key",
    "contract": "Договор_Key",
    "currency": "Валюта_Key",
    "warehouse": "Склад_Key",
    "taxation": "НалогообложениеНДС",
    "settlement": "ПорядокРасчетов",
}


def return_facts(request: WebReturn, sales: Sequence[Row], defaults: Defaults) -> dict[str, Any]:
    """All facts of a return request. RetryLater PUSH_WAITS until the order is shipped, Quarantine when more comes back than was sold."""
    if not sales:
        raise RetryLater(
            "nothing of the order is shipped in 1C yet, so there is nothing to take back",
            code="PUSH_WAITS",
            remedy="It goes on by itself when the shipment is posted in 1C.",
            retry_after=600.0,
        )
    problems: list[str] = []
    lines = [part for line in request.lines for part in _parts(line, sales, problems)]
    if problems or not lines:
        raise Quarantine(
            "it cannot go to 1C as it is: " + ("; ".join(problems) or "it has no lines"),
            code="PUSH_PREFLIGHT",
            remedy="Correct the return in the application.",
        )
    sale = sales[0]
    head = {fact: _filled(sale.get(name)) for fact, name in _HEAD.items()}
    return {
        **head,
        "date": request.requested_at,
        "price_includes_vat": bool(sale.get("ЦенаВключаетНДС")),
        "status": "Отклонена" if request.is_cancelled else defaults.words["return_status"],
        "closed_status": "Отклонена" if request.is_cancelled else None,
        "operation": defaults.words["return_operation"],
        "compensation": request.compensation,
        "reason": request.reason,
        "comment": f"{defaults.words['prefix']}{request.number}"
        + (f"\n{request.comment}" if request.comment else ""),
        "sale": (SALE, str(sale["Ref_Key"])),
        "total": sum((line["amount_with_vat"] for line in lines), Decimal(0)),
        "max_line_code": len(lines),
        "lines": [{**line, "code": number} for number, line in enumerate(lines, start=1)],
    }


def _parts(line: WebReturnLine, sales: Sequence[Row], problems: list[str]) -> Iterator[dict[str, Any]]:
    """What of a line goes back on which sale: the newest sales first."""
    if line.product_ref is None:
        problems.append(f"line {line.line_code}: its product is not known in this 1C")
        return
    left = line.quantity
    for sale in sales:
        for sold in sale.get("Товары") or ():
            if left <= 0 or not _is_of(line, sold):
                continue
            quantity = min(left, Decimal(str(sold.get("Количество") or 0)))
            if quantity > 0:
                left -= quantity
                yield _part(sale, sold, quantity)
    if left > 0:
        problems.append(f"line {line.line_code}: {left:f} more come back than were shipped")


def _is_of(line: WebReturnLine, sold: Row) -> bool:
    variant = str(line.variant_ref) if line.variant_ref else ZERO_GUID
    return str(sold.get("Номенклатура_Key")) == str(line.product_ref) and (
        str(sold.get("Характеристика_Key") or ZERO_GUID) == variant
    )


def _part(sale: Row, sold: Row, quantity: Decimal) -> dict[str, Any]:
    share = quantity / Decimal(str(sold["Количество"]))
    return {
        "product": str(sold["Номенклатура_Key"]),
        "variant": _filled(sold.get("Характеристика_Key")),
        "package": _filled(sold.get("Упаковка_Key")),
        "packages": (Decimal(str(sold.get("КоличествоУпаковок") or 0)) * share).quantize(Decimal("0.001")),
        "quantity": quantity,
        "price": Decimal(str(sold.get("Цена") or 0)),
        "amount": cents(Decimal(str(sold.get("Сумма") or 0)) * share),
        "vat_rate": _filled(sold.get("СтавкаНДС_Key")),
        "vat_name": _filled(sold.get("СтавкаНДС")),
        "vat": cents(Decimal(str(sold.get("СуммаНДС") or 0)) * share),
        "amount_with_vat": cents(Decimal(str(sold.get("СуммаСНДС") or 0)) * share),
        "sale": (SALE, str(sale["Ref_Key"])),
    }


def _filled(value: object) -> str | None:
    return str(value) if value not in {None, "", ZERO_GUID} else None
