"""The people of the simulated shop, at work in 1C while the demo runs: they act through the simulator's control endpoint, past OData."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

Row = Mapping[str, Any]

_SALE = "Document_РеализацияТоваровУслуг"
_HEAD = ("Партнер_Key", "Контрагент_Key", "Организация_Key", "Соглашение_Key", "Валюта_Key", "Склад_Key")
_LINE = (
    "LineNumber",
    "Номенклатура_Key",
    "Характеристика_Key",
    "Количество",
    "КоличествоУпаковок",
    "Цена",
    "Сумма",
    "СтавкаНДС_Key",
    "СтавкаНДС",
    "СуммаНДС",
    "СуммаСНДС",
    "КодСтроки",
    "Склад_Key",
)


@dataclass(frozen=True, kw_only=True)
class People:
    """Whoever sits at 1C's own windows."""

    control_url: str

    def ship(self, orders: str, key: str) -> None:
        """Agree to an order and ship all of it: its status moves on, and a posted sale is made for it."""
        order = self._say(f"rows/{orders}/{key}", {"Статус": "КОтгрузке", "Согласован": True})
        self._say(f"post/{orders}/{key}", {})
        of_order = {"ЗаказКлиента": key, "ЗаказКлиента_Type": f"StandardODATA.{orders}"}
        lines = [
            {**{name: line[name] for name in _LINE if name in line}, **of_order}
            for line in order["Товары"]
            if not line.get("Отменено")
        ]
        sale = self._say(
            f"rows/{_SALE}",
            {
                **{name: order[name] for name in _HEAD if name in order},
                **of_order,
                "Date": order["Date"],
                "Статус": "Отгружено",
                "РеализацияПоЗаказам": True,
                "ХозяйственнаяОперация": "РеализацияКлиенту",
                "НалогообложениеНДС": "ПродажаОблагаетсяНДС",
                "ЦенаВключаетНДС": order.get("ЦенаВключаетНДС"),
                "СуммаДокумента": order["СуммаДокумента"],
                "Товары": lines,
            },
        )
        self._say(f"post/{_SALE}/{sale['Ref_Key']}", {})

    def _say(self, path: str, body: Row) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the simulator's own address on this machine
            f"{self.control_url}/{quote(path, safe='/')}", json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            found = json.load(answer)
        return dict(found or {})
