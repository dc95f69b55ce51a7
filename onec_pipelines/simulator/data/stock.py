"""Stock registers.

Movements of deliveries (and of sales and orders), and the balances they leave (PROTOCOL §11.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from onec_pipelines.simulator.data.plan import NOMENCLATURE, Group, Plan
from onec_pipelines.simulator.data.receipts import RECEIPT, Receipts
from onec_pipelines.simulator.data.tables import EMPTY_DATE, UNDEFINED, ZERO_GUID
from onec_pipelines.simulator.data.variants import Keys
from onec_pipelines.simulator.data.warehouses import WAREHOUSE
from onec_pipelines.simulator.data.words.fixed import WAREHOUSES
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Row

STOCK = "AccumulationRegister_ТоварыНаСкладах"
SUPPLY = "AccumulationRegister_ЗапасыИПотребности"
_NOTHING = Decimal(0)
SHIPPING = "AccumulationRegister_РаспоряженияНаОтгрузку"


class Dimensions:
    """The dimensions of the stock registers for a stock-keeping unit in a warehouse."""

    def __init__(self, world: World) -> None:
        self._goods = world.guids(NOMENCLATURE)
        self._keys = Keys(world)
        self.warehouses = [world.ref(WAREHOUSE, entry[0]) for entry in WAREHOUSES]

    def stock(self, group: Group, item: int, variant: int, place: int) -> Row:
        """Give the dimensions of `ТоварыНаСкладах`."""
        return {
            "Номенклатура_Key": self._goods.make(item),
            "Характеристика_Key": self._keys.key(group, item, variant),
            "Назначение_Key": ZERO_GUID,
            "Склад_Key": self.warehouses[place],
            "Помещение_Key": ZERO_GUID,
            "Серия_Key": ZERO_GUID,
        }

    def supply(self, group: Group, item: int, variant: int, place: int) -> Row:
        """Give the dimensions of `ЗапасыИПотребности` for free stock: no order, no event date."""
        return {
            "Номенклатура_Key": self._goods.make(item),
            "Характеристика_Key": self._keys.key(group, item, variant),
            "Склад": self.warehouses[place],
            "Склад_Type": f"StandardODATA.{WAREHOUSE}",
            "Назначение_Key": ZERO_GUID,
            "Заказ": "",
            "Заказ_Type": UNDEFINED,
            "ДатаСобытия": EMPTY_DATE,
        }


class ReceiptSource:
    """What deliveries write into one register: a receipt per line."""

    recorder = RECEIPT

    def __init__(self, receipts: Receipts, dimensions: Dimensions, register: str) -> None:
        self._receipts = receipts
        self._build = dimensions.stock if register == STOCK else dimensions.supply

    def __len__(self) -> int:
        """Give the number of deliveries."""
        return len(self._receipts)

    def recorder_key(self, at: int) -> str:
        """Give the GUID of a delivery."""
        return self._receipts.guids.make(at)

    def find(self, guid: str) -> int | None:
        """Give the number of a delivery, or None."""
        number = self._receipts.guids.number(guid)
        return number if number is not None and number < len(self) else None

    def before(self, at: int) -> int:
        """Give how many records the deliveries before this one made."""
        return self._receipts.before(at)

    def document_of(self, record: int) -> int:
        """Give the delivery that made a record."""
        return self._receipts.document_of(record)

    def records(self, at: int) -> list[Row]:
        """Give the records of a delivery."""
        period, (_, _, place) = self._receipts.date(at), self._receipts.place(at)
        return [
            {
                "Period": period,
                "RecordType": "Receipt",
                **self._build(line.group, line.item, line.variant, place),
                "ВНаличии": line.quantity,
            }
            for line in self._receipts.lines(at)
        ]


Deltas = dict[tuple[int, int], Decimal]  # (unit, warehouse) → change after the deliveries
Build = Callable[[Group, int, int, int], Row]


class Balances:
    """What the movements leave.

    Computed warehouse by warehouse without reading the movements of deliveries.
    """

    def __init__(self, plan: Plan, receipts: Receipts, dimensions: Dimensions) -> None:
        self._plan = plan
        self._receipts = receipts
        self._dimensions = dimensions

    def stock(self, deltas: Deltas, warehouse: str | None = None) -> Iterator[Row]:
        """Give the balance of `ТоварыНаСкладах`, of one warehouse if it is named."""
        return self._left(self._dimensions.stock, deltas, warehouse)

    def supply(self, deltas: Deltas, demands: Iterator[Row], warehouse: str | None = None) -> Iterator[Row]:
        """Give the balance of `ЗапасыИПотребности`: what is in stock, then the open demands."""
        yield from self._left(self._dimensions.supply, deltas, warehouse)
        for row in demands:
            if warehouse in {None, row["Склад"]}:
                yield row

    def _left(self, build: Build, deltas: Deltas, warehouse: str | None) -> Iterator[Row]:
        changed: list[dict[int, Decimal]] = [{} for _ in WAREHOUSES]
        for (sku, place), quantity in deltas.items():
            changed[place][sku] = quantity
        for place, guid in enumerate(self._dimensions.warehouses):
            if warehouse not in {None, guid}:
                continue
            left = changed[place]
            for line in self._receipts.delivered(place):
                quantity = line.quantity + left.pop(line.sku, _NOTHING) if left else line.quantity
                if quantity:
                    yield {**build(line.group, line.item, line.variant, place), "ВНаличии": quantity}
            for sku, quantity in left.items():
                if quantity:
                    yield {**build(*self._plan.sku(sku), place), "ВНаличии": quantity}
