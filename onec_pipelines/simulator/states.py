"""`СостоянияЗаказовКлиентов`: the state of each order, recomputed some time after what changed it.

See PROTOCOL §11.7.
"""

from __future__ import annotations

import time
from collections import defaultdict
from decimal import Decimal

from onec_pipelines.simulator.base import Base, decimal
from onec_pipelines.simulator.kinds import EMPTY_DATE
from onec_pipelines.simulator.posting import ORDER, SALE, order_of
from onec_pipelines.simulator.shape import NAMESPACE
from onec_pipelines.simulator.source import Key, Row

STATES = "InformationRegister_СостоянияЗаказовКлиентов"
PAYMENT = "Document_ПоступлениеБезналичныхДенежныхСредств"
_ENUM = "СостоянияЗаказовКлиентов"
_TYPE = f"{NAMESPACE}.{ORDER}"


class States:
    """Keeps the register of order states. Hears of writes; `settle` applies what is due."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._due: dict[str, float] = {}
        self._shipped: dict[str, dict[str, Decimal]] = defaultdict(dict)
        self._paid: dict[str, dict[str, Decimal]] = defaultdict(dict)
        self._known: dict[str, Row] = {}
        self.lag_ms = 0.0
        known = {name for name, _ in base.shape.enums}
        self._state_type = f"{NAMESPACE if _ENUM in known else 'UnavailableEnums'}.{_ENUM}"

    def changed(self, name: str, key: Key, row: Row | None) -> None:
        """Note which orders a write concerns."""
        if STATES not in self._base.shape.sets:
            return
        if name == ORDER:
            self._touch(key[0])
        elif name == SALE:
            order = self._linked(self._shipped, key[0], order_of(row or {}), row)
            self._touch(order)
        elif name == PAYMENT:
            order = self._linked(self._paid, key[0], _paid_order(row or {}), row)
            self._touch(order)

    def _linked(
        self, amounts: dict[str, dict[str, Decimal]], document: str, order: str, row: Row | None
    ) -> str:
        if row is None:
            order = next((one for one, parts in amounts.items() if document in parts), "")
        if order:
            posted = row is not None and row.get("Posted")
            amounts[order][document] = decimal(row.get("СуммаДокумента")) if posted and row else Decimal(0)
        return order

    def _touch(self, order: str) -> None:
        if order:
            self._due[order] = time.monotonic() + self.lag_ms / 1000

    def settle(self, now: str) -> None:
        """Recompute the states that are due."""
        if not self._due:
            return
        moment = time.monotonic()
        for order in [one for one, due in self._due.items() if due <= moment]:
            del self._due[order]
            self._recompute(order, now)

    def _recompute(self, order: str, now: str) -> None:
        table = self._base.stored(STATES)
        key = (order, _TYPE)
        old = self._known.setdefault(order, table.get(key) or {})
        row = self._base.resolve(ORDER, order)
        if row is None or not row.get("Posted"):
            table.delete(key)
            return
        total = decimal(row.get("СуммаДокумента"))
        shipped = decimal(old.get("СуммаОтгрузки")) + sum(self._shipped[order].values(), Decimal(0))
        paid = decimal(old.get("СуммаОплаты")) + sum(self._paid[order].values(), Decimal(0))
        table.put(
            {
                **old,
                "Заказ": order,
                "Заказ_Type": _TYPE,
                "Состояние": _state(str(row.get("Статус")), total=total, shipped=shipped, paid=paid),
                "Состояние_Type": self._state_type,
                "ДатаСобытия": now or EMPTY_DATE,
                "СуммаОплаты": paid,
                "ПроцентОплаты": _percent(paid, total),
                "СуммаОтгрузки": shipped,
                "ПроцентОтгрузки": _percent(shipped, total),
                "СуммаДолга": max(shipped - paid, Decimal(0)),
                "ПроцентДолга": _percent(max(shipped - paid, Decimal(0)), total),
            }
        )


def _paid_order(row: Row) -> str:
    for line in row.get("РасшифровкаПлатежа") or ():
        if str(line.get("ОснованиеПлатежа_Type", "")).endswith(ORDER):
            return str(line.get("ОснованиеПлатежа", ""))
    return (
        str(row.get("ДокументОснование", ""))
        if str(row.get("ДокументОснование_Type", "")).endswith(ORDER)
        else ""
    )


def _percent(part: Decimal, total: Decimal) -> int:
    return min(int(part * 100 / total), 999) if total else 0


def _state(status: str, *, total: Decimal, shipped: Decimal, paid: Decimal) -> str:
    if status == "Закрыт":
        return "Закрыт"
    if status == "НеСогласован":
        return "ОжидаетсяСогласование"
    if shipped and shipped >= total:
        return "ГотовКЗакрытию" if paid >= total else "ОжидаетсяОплатаПослеОтгрузки"
    if shipped:
        return "ВПроцессеОтгрузки"
    return "ГотовКОтгрузке" if status == "КОтгрузке" else "ОжидаетсяОбеспечение"
