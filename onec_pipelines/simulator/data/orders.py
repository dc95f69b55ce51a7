"""What customers ordered: the facts of every order, computed from its number.

Wire rows of the documents are in `sales_rows.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

from onec_pipelines.simulator.data.customers import Customers
from onec_pipelines.simulator.data.guids import salt, scramble
from onec_pipelines.simulator.data.plan import Group, Plan
from onec_pipelines.simulator.data.prices import PriceSource
from onec_pipelines.simulator.data.receipts import Receipts
from onec_pipelines.simulator.data.words.fixed import WAREHOUSES
from onec_pipelines.simulator.data.words.goods import OWN
from onec_pipelines.simulator.data.world import World

_MOST = 20_000
_FIRST = 40
_PER_PRODUCTS = 5
_DAYS = 360
_BEFORE = 1200  # orders of the first year that are older than the base remembers
_CENT = Decimal("0.01")
_VAT = {"НДС20": 20, "НДС10": 10}
_REQUESTS = ("Выполнена", "Выполнена", "Выполнена", "КВозврату", "НеСогласована", "Отклонена")
_OVERSOLD = 333  # one order in so many sells far more than the shop has, so that some stock is negative
DRAFT, SUPPLY, READY, PARTLY, SHIPPED, CLOSED, CANCELLED, DELETED = range(8)
_SETTLED = (CLOSED,) * 26 + (CANCELLED,) * 3 + (DELETED, SHIPPED, SHIPPED)
_RECENT = (
    (DRAFT,) * 3
    + (SUPPLY,) * 5
    + (READY,) * 8
    + (PARTLY,) * 3
    + (SHIPPED,) * 6
    + (CLOSED,) * 5
    + (CANCELLED, DELETED)
)
_FRESH = (DRAFT, SUPPLY, READY, READY)
_COMPLAINS = 3  # one closed order of sixteen
_OPEN_DAYS = 21
_FRESH_DAYS = 4  # nothing so young was shipped


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of an order; money in roubles, VAT included."""

    sku: int
    group: Group
    item: int
    variant: int
    quantity: Decimal
    price: Decimal
    discount: Decimal
    amount: Decimal
    tax: Decimal
    cancelled: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The head of an order."""

    number: int
    moment: datetime
    customer: int
    place: int
    stage: int
    chance: int

    @property
    def wholesale(self) -> bool:
        """Whether the order is by the wholesale agreement."""
        return self.chance >> 50 & 7 == 0

    @property
    def posted(self) -> bool:
        """Whether the document is posted."""
        return self.stage not in {DRAFT, DELETED}

    @property
    def active(self) -> bool:
        """Whether its lines are (or were) demands on the stock."""
        return self.stage in {SUPPLY, READY, PARTLY, SHIPPED, CLOSED}

    @property
    def cashless(self) -> bool:
        """Whether it is paid by bank transfer."""
        return self.chance >> 40 & 1 == 1

    @property
    def paid(self) -> bool:
        """Whether it is paid in full."""
        return self.stage == CLOSED or (self.stage in {READY, PARTLY} and self.chance >> 41 & 1 == 1)


class Orders:
    """All orders by number; the number is the position in the order of dates."""

    def __init__(
        self, world: World, plan: Plan, customers: Customers, prices: PriceSource, receipts: Receipts
    ) -> None:
        self._world = world
        self._plan = plan
        self._customers = customers
        self._prices = prices
        self._receipts = receipts
        self._chance = salt(world.seed, "order")
        self._lines = salt(world.seed, "order line")
        self._size = min(_MOST, _FIRST + world.products // _PER_PRODUCTS) if world.products else 0
        self._start = world.days_ago(_DAYS)
        self._step = _DAYS * 86_400 // max(self._size, 1)

    def __len__(self) -> int:
        """Give the number of orders."""
        return self._size

    def get(self, number: int) -> Order:
        """Give the head of an order."""
        chance = scramble(number, self._chance)
        moment = self._start + timedelta(seconds=number * self._step + chance % self._step)
        age = (self._world.now - moment).days
        stages = _FRESH if age < _FRESH_DAYS else _RECENT if age < _OPEN_DAYS else _SETTLED
        return Order(
            number=number,
            moment=moment,
            customer=self._customers.legal.at((chance >> 8) % len(self._customers.legal)),
            place=(chance >> 28) % len(WAREHOUSES),
            stage=stages[(chance >> 34) % len(stages)],
            chance=chance,
        )

    def lines(self, order: Order) -> list[Line]:
        """Give the lines of an order: one to five different units that its warehouse keeps."""
        lines = (self._line(order, at) for at in range(1 + order.chance % 5))
        return list({line.sku: line for line in lines}.values())

    def shipped_lines(self, order: Order) -> list[Line]:
        """Give the lines that were shipped."""
        kept = [line for line in self.lines(order) if not line.cancelled]
        if order.stage == PARTLY:
            return kept[: max(1, len(kept) // 2)]
        return kept if order.stage in {SHIPPED, CLOSED} else []

    def number_in_year(self, number: int) -> int:
        """Give the number within the year of an order: numbering starts anew (PROTOCOL §11.7)."""
        return number - self._new_year + 1 if number >= self._new_year else _BEFORE + number

    @cached_property
    def _new_year(self) -> int:
        return bisect_left(range(self._size), self._world.now.year, key=lambda one: self.get(one).moment.year)

    @cached_property
    def shipped(self) -> list[int]:
        """Numbers of the orders that were shipped at least in part, in the order of shipping dates."""
        found = [
            order for order in map(self.get, range(self._size)) if order.stage in {PARTLY, SHIPPED, CLOSED}
        ]
        return [order.number for order in sorted(found, key=lambda one: (ship_moment(one), one.number))]

    @cached_property
    def active(self) -> list[int]:
        """Numbers of the orders whose lines are demands on the stock, by date."""
        return [order.number for order in map(self.get, range(self._size)) if order.active]

    @cached_property
    def posted(self) -> list[int]:
        """Numbers of the posted orders, by date."""
        return [order.number for order in map(self.get, range(self._size)) if order.posted]

    @cached_property
    def paid(self) -> list[int]:
        """Numbers of the orders paid by bank transfer, in the order of payment dates."""
        found = [order for order in map(self.get, range(self._size)) if order.paid and order.cashless]
        return [order.number for order in sorted(found, key=lambda one: (pay_moment(one), one.number))]

    @cached_property
    def complained(self) -> list[int]:
        """Numbers of the orders that customers asked to return in part, in the order of request dates."""
        found = [self.get(number) for number in self.shipped]
        asked = [
            order
            for order in found
            if order.stage == CLOSED
            and order.chance >> 45 & 15 == _COMPLAINS
            and ask_moment(order) < self._world.now
        ]
        return [order.number for order in sorted(asked, key=lambda one: (ask_moment(one), one.number))]

    @cached_property
    def returned(self) -> list[int]:
        """Numbers of the orders with goods taken back, in the order of return dates."""
        found = [self.get(number) for number in self.complained]
        done = [order for order in found if self.request_status(order) == "Выполнена"]
        return [order.number for order in sorted(done, key=lambda one: (return_moment(one), one.number))]

    def request_status(self, order: Order) -> str:
        """Give the status of the return request of an order."""
        status = _REQUESTS[order.chance % len(_REQUESTS)]
        return "КВозврату" if status == "Выполнена" and return_moment(order) >= self._world.now else status

    def _line(self, order: Order, at: int) -> Line:
        chance = scramble(order.number * 8 + at, self._lines)
        sku = self._receipts.unit(order.place, chance >> 8)
        group, item, variant = self._plan.sku(sku)
        quantity = self._quantity(group, chance)
        if self._world.broken and order.number % _OVERSOLD == 1 and at == 0:
            quantity += 5000
        retail = self._prices.retail(item, group)
        if group.kind.variants == OWN:
            retail = retail * (100 + 15 * variant) // 100
        price = Decimal(retail * 82 // 100 if order.wholesale else retail).scaleb(-2)
        whole = (price * quantity).quantize(_CENT, ROUND_HALF_UP)
        discount = (whole / 10).quantize(_CENT, ROUND_HALF_UP) if order.chance >> 54 & 3 == 0 else Decimal(0)
        amount, percent = whole - discount, _VAT[group.kind.vat]
        return Line(
            sku=sku,
            group=group,
            item=item,
            variant=variant,
            quantity=quantity,
            price=price,
            discount=discount,
            amount=amount,
            tax=(amount * percent / (100 + percent)).quantize(_CENT, ROUND_HALF_UP),
            cancelled=order.stage == CANCELLED
            or (at > 0 and chance >> 56 & 31 == 0 and order.stage != DRAFT),
        )

    @staticmethod
    def _quantity(group: Group, chance: int) -> Decimal:
        if group.kind.unit in {"166", "006", "112"}:
            return Decimal(1 + (chance >> 44) % 4000).scaleb(-3)
        return Decimal(1 + (chance >> 44) % 3)


def ship_moment(order: Order) -> datetime:
    """Give the moment an order was shipped."""
    return order.moment + timedelta(hours=20 + order.chance % 40)


def pay_moment(order: Order) -> datetime:
    """Give the moment an order was paid."""
    return order.moment + timedelta(hours=3 + order.chance % 9)


def ask_moment(order: Order) -> datetime:
    """Give the moment of a return request."""
    return ship_moment(order) + timedelta(days=2 + order.chance % 11)


def return_moment(order: Order) -> datetime:
    """Give the moment the goods came back."""
    return ask_moment(order) + timedelta(days=1 + order.chance % 3)
