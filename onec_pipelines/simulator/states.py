"""`СостоянияЗаказовКлиентов`: the state of each order, recomputed after what changed it (PROTOCOL §11.7)."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
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


Amounts = defaultdict[str, dict[str, Decimal]]
OrderOf = Callable[[Row], str]


class States:
    """Keeps the register of order states. Hears of writes; `settle` applies what is due."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._due: dict[str, float] = {}
        self._shipped: Amounts = defaultdict(dict)
        self._paid: Amounts = defaultdict(dict)
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
            self._link(self._shipped, name, key, row, order_of)
        elif name == PAYMENT:
            self._link(self._paid, name, key, row, _paid_order)

    def _link(self, amounts: Amounts, name: str, key: Key, row: Row | None, order_of_row: OrderOf) -> None:
        """Note what a document now adds to its order, against what it added when the base was generated."""
        first = self._base.stored(name).original(key)
        order = order_of_row(row or first or {})
        if order:
            known = _posted_sum(first) if first is not None and order_of_row(first) == order else Decimal(0)
            amounts[order][key[0]] = _posted_sum(row) - known
            self._touch(order)

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


def _posted_sum(row: Row | None) -> Decimal:
    return decimal(row.get("СуммаДокумента")) if row is not None and row.get("Posted") else Decimal(0)


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
