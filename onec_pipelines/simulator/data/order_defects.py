"""How single orders are broken: only the papers, never the movements, because 1C posts what it can count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from onec_pipelines.simulator.data.defects import Defect, Places
from onec_pipelines.simulator.data.tables import EMPTY_DATE
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Row


def _wrong_total(row: Row) -> None:
    row["СуммаДокумента"] += Decimal("0.07")


def _wrong_tax(row: Row) -> None:
    row["Товары"][0]["СуммаНДС"] = row["Товары"][0]["Сумма"]


class OrderSpoiler:
    """Spoils order rows by number; `entity` is the set that the rows belong to."""

    def __init__(self, world: World, entity: str) -> None:
        self._entity = entity
        self._ways: dict[str, Callable[[Row], None]] = {
            "total differs from the lines": _wrong_total,
            "tax is the whole amount": _wrong_tax,
            "client's number comes twice": lambda row: row.update(НомерПоДаннымКлиента="WEB-100001"),
            "shipping in year 3999": lambda row: row.update(ДатаОтгрузки="3999-12-31T00:00:00"),
            "no shipping date": lambda row: row.update(ДатаОтгрузки=EMPTY_DATE),
            "dangling manager": lambda row: row.update(Менеджер_Key=world.gone(4)),
            "control characters in the comment": lambda row: row.update(
                Комментарий="звонить\tпосле 18:00\r\n\r\n!!!"
            ),
        }
        self._places = Places(tuple(self._ways), on=world.broken)

    def spoil(self, row: Row, number: int) -> None:
        """Break a row if its number is one of the unlucky ones."""
        kind = self._places.kind(number)
        if kind is not None:
            self._ways[kind](row)

    def defects(self, total: int) -> Iterator[Defect]:
        """Give the broken rows; the position of an order is its number."""
        for number, kind in self._places.walk(total):
            yield Defect(table=self._entity, position=number, kind=kind)
