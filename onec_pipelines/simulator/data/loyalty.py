"""Loyalty: programmes, kinds of cards and the cards of customers (PROTOCOL §11.9).

What was earned is in `chain.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal

from onec_pipelines.simulator.data.barcodes import check_digit
from onec_pipelines.simulator.data.customers import CONTRACTOR, PARTNER, Customers
from onec_pipelines.simulator.data.dictionaries import CURRENCY, head
from onec_pipelines.simulator.data.layout import Periodic
from onec_pipelines.simulator.data.tables import (
    FIRST_VERSIONS,
    ZERO_GUID,
    ComputedTable,
    ListTable,
    by_presentation,
)
from onec_pipelines.simulator.data.world import World, stamp
from onec_pipelines.simulator.source import Key, Row

PROGRAM = "Catalog_БонусныеПрограммыЛояльности"
CARD_KIND = "Catalog_ВидыКартЛояльности"
CARD = "Catalog_КартыЛояльности"
_EARNED = Decimal("0.03")


def points_of(amount: Decimal) -> Decimal:
    """Give the points a purchase earns: three percent, whole points."""
    return (amount * _EARNED).quantize(Decimal(1), ROUND_DOWN)


class Cards(ComputedTable):
    """`Catalog_КартыЛояльности`: one customer of ten has a card; numbered by customer."""

    def __init__(self, world: World, customers: Customers) -> None:
        super().__init__(CARD)
        self._world = world
        self._customers = customers
        self._guids = world.guids(CARD)
        self._members = Periodic(total=len(customers), period=10, residues=[0])

    def __len__(self) -> int:
        """Give the number of cards."""
        return len(self._members)

    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        return [self._row(self._members.at(rank)) for rank in range(start, stop)]

    def find(self, key: Key) -> int | None:
        """Give the position of a card."""
        number = self._guids.number(key[0])
        return None if number is None else self._members.rank(number)

    def _row(self, customer: int) -> Row:
        digits = f"2900{customer:08d}"
        legal = self._customers.legal.rank(customer) is not None
        return {
            "Ref_Key": self._guids.make(customer),
            "DataVersion": FIRST_VERSIONS[customer & 3],
            "Description": f"Карта № {customer:08d}",
            "DeletionMark": False,
            "Owner_Key": self._world.ref(CARD_KIND, "Бонусная"),
            "Штрихкод": digits + check_digit(digits),
            "МагнитныйКод": f"{customer:08d}=9912",
            "Статус": "Аннулирована" if customer % 70 == 0 else "Действует",
            "Партнер_Key": self._world.guids(PARTNER).make(customer),
            "Контрагент_Key": self._world.guids(CONTRACTOR).make(customer) if legal else ZERO_GUID,
            "Соглашение_Key": self._world.ref("Catalog_СоглашенияСКлиентами", "Розница"),
        }


def tables(world: World) -> Iterator[ListTable]:
    """Give the short catalogs of loyalty."""
    yield by_presentation(
        PROGRAM,
        [
            {
                **head(world, PROGRAM, "Основная", "Бонусная программа магазина"),
                "КурсКонвертацииБонусовВВалюту": 1,
                "МаксимальныйПроцентОплатыБонусами": 30,
                "ВалютаКонвертацииБонусов_Key": world.ref(CURRENCY, "643"),
                "НеНачислятьБаллыПриОплатеБонусами": True,
                "Комментарий": "",
            }
        ],
    )
    yield by_presentation(
        CARD_KIND,
        [
            {
                **head(world, CARD_KIND, "Бонусная", "Бонусная карта"),
                "Статус": "Действует",
                "ДатаНачалаДействия": stamp(world.days_ago(800)),
                "Персонализирована": True,
                "ТипКарты": "Штриховая",
                "БонуснаяПрограммаЛояльности_Key": world.ref(PROGRAM, "Основная"),
                "Организация_Key": world.ref("Catalog_Организации", "ТД"),
            }
        ],
    )
