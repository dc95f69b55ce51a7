"""The true state of a base, told straight from its rows: what a shop database must equal after a sync.

It shares no code with the query language, the virtual tables or the balances of the protocol half, so that
a mistake there cannot hide here. It reads every row it needs; ask it at the end of a test, not in a loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from onec_pipelines.simulator.data.barcodes import BARCODES
from onec_pipelines.simulator.data.customers import PARTNER
from onec_pipelines.simulator.data.plan import NOMENCLATURE
from onec_pipelines.simulator.data.prices import PRICES
from onec_pipelines.simulator.data.sales_rows import ORDER
from onec_pipelines.simulator.data.stock import STOCK
from onec_pipelines.simulator.source import Row

Rows = Callable[[str], Iterable[Row]]
_PRICE_KEY = ("Номенклатура_Key", "ХарактеристикаЦО_Key", "СерияЦО_Key", "УпаковкаЦО_Key", "ВидЦены_Key")
_STOCK_KEY = ("Номенклатура_Key", "Характеристика_Key", "Склад_Key")
_PRODUCT = (
    "Ref_Key",
    "Code",
    "Description",
    "Артикул",
    "Parent_Key",
    "IsFolder",
    "DeletionMark",
    "ВидНоменклатуры_Key",
)
_ORDER = ("Ref_Key", "Number", "Date", "Posted", "DeletionMark", "Статус", "СуммаДокумента", "Партнер_Key")
_CUSTOMER = ("Ref_Key", "Code", "Description", "DeletionMark", "ЮрФизЛицо")
_BARCODE = ("Штрихкод", "Номенклатура_Key", "Характеристика_Key", "Упаковка_Key")
_LAST_DAY = "9999-12-31T23:59:59"


class Oracle:
    """Tells the true state of a base; `rows` gives all rows of an entity set as they stand now.

    `prices` and `price_key` name the register of prices and its dimensions.
    """

    def __init__(self, rows: Rows, *, prices: str = PRICES, price_key: tuple[str, ...] = _PRICE_KEY) -> None:
        self._rows = rows
        self._prices = prices
        self._price_key = price_key
        self._parts: dict[str, Callable[[], list[dict[str, Any]]]] = {
            "products": lambda: self._plain(NOMENCLATURE, _PRODUCT),
            "prices": self.prices,
            "stock": self.stock,
            "orders": lambda: self._plain(ORDER, _ORDER),
            "customers": lambda: self._plain(PARTNER, _CUSTOMER),
            "barcodes": lambda: self._plain(BARCODES, _BARCODE),
        }

    @property
    def topics(self) -> tuple[str, ...]:
        """What can be asked."""
        return tuple(self._parts)

    def tell(self, topic: str) -> list[dict[str, Any]]:
        """Give the true rows of a topic, ordered by their keys; raises ValueError for an unknown topic."""
        part = self._parts.get(topic)
        if part is None:
            raise ValueError(f"unknown topic {topic!r}; known are: {', '.join(self._parts)}")
        return part()

    def prices(self, moment: str = _LAST_DAY) -> list[dict[str, Any]]:
        """Give the prices in force at a moment: the latest record of each product, variant and price kind."""
        last: dict[tuple[str, ...], Row] = {}
        for record_set in self._rows(self._prices):
            for row in record_set["RecordSet"]:
                if row.get("Active", True) and row["Period"] <= moment:
                    key = tuple(row[name] for name in self._price_key)
                    if key not in last or row["Period"] > last[key]["Period"]:
                        last[key] = row
        wanted = ("Period", *self._price_key, "Цена", "Валюта_Key")
        return [{name: last[key][name] for name in wanted} for key in sorted(last)]

    def stock(self) -> list[dict[str, Any]]:
        """Give what is in stock by product, variant and warehouse; what is zero is left out."""
        sums: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
        for record_set in self._rows(STOCK):
            for row in record_set["RecordSet"]:
                if row.get("Active", True):
                    sign = -1 if row["RecordType"] == "Expense" else 1
                    sums[tuple(row[name] for name in _STOCK_KEY)] += sign * row["ВНаличии"]
        return [
            {**dict(zip(_STOCK_KEY, key, strict=True)), "ВНаличии": sums[key]}
            for key in sorted(sums)
            if sums[key]
        ]

    def _plain(self, entity: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
        found = [{name: row.get(name) for name in names} for row in self._rows(entity)]
        return sorted(found, key=lambda row: str(row[names[0]]))
