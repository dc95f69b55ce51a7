"""The tables of the sales chain, and the register movements its documents made (PROTOCOL §11.5, §11.7).

Everything is lazy: nothing about the orders is computed until somebody reads one of these tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import cached_property

from onec_pipelines.simulator.data.documents import Documents, LazySource, States
from onec_pipelines.simulator.data.loyalty import PROGRAM, points_of
from onec_pipelines.simulator.data.movements import ListedSource, Source
from onec_pipelines.simulator.data.orders import SUPPLY as WAITING
from onec_pipelines.simulator.data.orders import Line, Order, Orders, return_moment, ship_moment
from onec_pipelines.simulator.data.receipts import RECEIPT
from onec_pipelines.simulator.data.sales_rows import ORDER, PAYMENT, REQUEST, RETURN, SALE, SalesRows
from onec_pipelines.simulator.data.stock import Deltas, Dimensions
from onec_pipelines.simulator.data.tables import ZERO_GUID, ComputedTable
from onec_pipelines.simulator.data.world import World, stamp
from onec_pipelines.simulator.source import Row

STATES = "InformationRegister_СостоянияЗаказовКлиентов"
POINTS = "AccumulationRegister_БонусныеБаллы"
TO_SHIP = "AccumulationRegister_ТоварыКОтгрузке"


class Chain:
    """The sales chain of a base."""

    def __init__(self, world: World, orders: Orders, rows: SalesRows, dimensions: Dimensions) -> None:
        self._world = world
        self._orders = orders
        self._rows = rows
        self._dimensions = dimensions

    def tables(self, deliveries: int) -> list[ComputedTable]:
        """Give the documents and the register of order states."""
        orders, rows, guids = self._orders, self._rows, self._world.guids
        return [
            Documents(ORDER, guids(ORDER), lambda: range(len(orders)), rows.order),
            Documents(SALE, guids(SALE), lambda: orders.shipped, rows.sale),
            Documents(PAYMENT, guids(PAYMENT), lambda: orders.paid, rows.payment),
            Documents(REQUEST, guids(REQUEST), lambda: orders.complained, rows.request),
            Documents(RETURN, guids(RETURN), lambda: orders.returned, rows.taken_back),
            Documents(RECEIPT, guids(RECEIPT), lambda: range(deliveries), rows.receipt),
            States(STATES, guids(ORDER), lambda: orders.posted, rows.state),
        ]

    def stock(self) -> list[Source]:
        """Give the sources of `ТоварыНаСкладах`: what sales took and returns brought."""
        return [
            self._source(SALE, lambda: self._orders.shipped, self._sold, self._sale_stock),
            self._source(RETURN, lambda: self._orders.returned, self._one, self._return_stock),
        ]

    def supply(self, *, reserved: bool = False) -> list[Source]:
        """Give the sources of `ЗапасыИПотребности`: demands of orders, and what sales and returns changed.

        `reserved`: without the demands that wait for supply.
        """
        wanting = (lambda: self._reserved) if reserved else (lambda: self._orders.active)
        return [
            self._source(ORDER, wanting, self._wanted, self._order_supply),
            self._source(SALE, lambda: self._orders.shipped, self._sold, self._sale_supply, factor=2),
            self._source(RETURN, lambda: self._orders.returned, self._one, self._return_supply),
        ]

    def shipping(self) -> list[Source]:
        """Give the sources of `РаспоряженияНаОтгрузку` (turnovers): ordered lines, and shipped ones."""
        return [
            self._source(ORDER, lambda: self._orders.active, self._wanted, self._order_shipping),
            self._source(SALE, lambda: self._orders.shipped, self._sold, self._sale_shipping),
        ]

    def reserves(self) -> list[Source]:
        """Give the sources of `ТоварыКОтгрузке`: what orders reserve until it is shipped."""
        return [
            self._source(ORDER, lambda: self._reserved, self._wanted, self._order_reserve),
            self._source(SALE, lambda: self._orders.shipped, self._sold, self._sale_reserve),
        ]

    def points(self) -> list[Source]:
        """Give the sources of `БонусныеБаллы`: what sales with a card earned."""
        return [self._source(SALE, lambda: self._with_card, self._one_point, self._sale_points)]

    @cached_property
    def _reserved(self) -> list[int]:
        """Numbers of the orders that reserve goods; one that waits for supply reserves nothing."""
        return [number for number in self._orders.active if self._orders.get(number).stage != WAITING]

    @cached_property
    def _with_card(self) -> list[int]:
        return [number for number in self._orders.shipped if self._rows.has_card(self._orders.get(number))]

    @cached_property
    def deltas(self) -> Deltas:
        """What sales and returns changed in the stock, by unit and warehouse."""
        found: Deltas = {}
        for number in self._orders.shipped:
            order = self._orders.get(number)
            for line in self._orders.shipped_lines(order):
                at = (line.sku, order.place)
                found[at] = found.get(at, Decimal(0)) - line.quantity
        for number in self._orders.returned:
            order = self._orders.get(number)
            line = self._rows.returned_line(order)
            at = (line.sku, order.place)
            found[at] = found.get(at, Decimal(0)) + line.quantity
        return found

    def open_demands(self) -> Iterator[tuple[Order, Line]]:
        """Give the lines that are ordered and neither shipped nor cancelled."""
        for number in self._orders.active:
            order = self._orders.get(number)
            shipped = {line.sku for line in self._orders.shipped_lines(order)}
            for line in self._ordered(order):
                if line.sku not in shipped:
                    yield order, line

    def balance_of_reserves(self) -> Iterator[Row]:
        """Give the balance of `ТоварыКОтгрузке`."""
        for order, line in self.open_demands():
            if order.stage != WAITING:
                yield {**self._reserve(order, line), "ВРезерве": line.quantity}

    def open_orders(self) -> Iterator[Row]:
        """Give the open demands with their line codes, as orders wrote them into `РаспоряженияНаОтгрузку`."""
        for number in self._orders.active:
            order = self._orders.get(number)
            shipped = {line.sku for line in self._orders.shipped_lines(order)}
            for code, line in enumerate(self._orders.lines(order), 1):
                if not line.cancelled and line.sku not in shipped:
                    yield {**self._shipping(order, line, code), "Заказано": line.quantity}

    def balance_of_demands(self) -> Iterator[Row]:
        """Give the part of the balance of `ЗапасыИПотребности` that open orders make."""
        for order, line in self.open_demands():
            yield {**self._demand(order, line), **self._amounts(order, line)}

    def balance_of_points(self) -> Iterator[Row]:
        """Give the balance of `БонусныеБаллы` by customer."""
        totals: dict[int, Decimal] = {}
        for number in self._with_card:
            order = self._orders.get(number)
            totals[order.customer] = totals.get(order.customer, Decimal(0)) + self._earned(order)
        for customer, total in totals.items():
            if total:
                yield {**self._account(customer), "Начислено": total, "КСписанию": 0, "Зарезервировано": 0}

    def _source(
        self,
        recorder: str,
        numbers: Callable[[], Sequence[int]],
        size: Callable[[Order], int],
        records: Callable[[Order], list[Row]],
        *,
        factor: int = 1,
    ) -> LazySource:
        guids = self._world.guids(recorder)

        def prepare() -> ListedSource:
            documents = numbers()
            return ListedSource(
                recorder,
                documents=documents,
                sizes=[size(self._orders.get(number)) * factor for number in documents],
                key=guids.make,
                number=guids.number,
                records=lambda number: records(self._orders.get(number)),
            )

        return LazySource(recorder, prepare)

    def _ordered(self, order: Order) -> list[Line]:
        return [line for line in self._orders.lines(order) if not line.cancelled]

    def _wanted(self, order: Order) -> int:
        return len(self._ordered(order))

    def _sold(self, order: Order) -> int:
        return len(self._orders.shipped_lines(order))

    @staticmethod
    def _one(_: Order) -> int:
        return 1

    _one_point = _one

    def _move(self, order: Order, line: Line, moment: str, kind: str) -> Row:
        dimensions = self._dimensions.stock(line.group, line.item, line.variant, order.place)
        return {"Period": moment, "RecordType": kind, **dimensions, "ВНаличии": line.quantity}

    def _free(self, order: Order, line: Line, moment: str, kind: str) -> Row:
        dimensions = self._dimensions.supply(line.group, line.item, line.variant, order.place)
        return {"Period": moment, "RecordType": kind, **dimensions, "ВНаличии": line.quantity}

    def _sale_stock(self, order: Order) -> list[Row]:
        moment = stamp(ship_moment(order))
        return [self._move(order, line, moment, "Expense") for line in self._orders.shipped_lines(order)]

    def _return_stock(self, order: Order) -> list[Row]:
        return [self._move(order, self._rows.returned_line(order), stamp(return_moment(order)), "Receipt")]

    def _return_supply(self, order: Order) -> list[Row]:
        return [self._free(order, self._rows.returned_line(order), stamp(return_moment(order)), "Receipt")]

    def _demand(self, order: Order, line: Line) -> Row:
        dimensions = self._dimensions.supply(line.group, line.item, line.variant, order.place)
        key = self._rows.key(ORDER, order.number)
        return {**dimensions, "Заказ": key, "Заказ_Type": f"StandardODATA.{ORDER}"}

    @staticmethod
    def _amounts(order: Order, line: Line) -> Row:
        if order.stage == WAITING:
            return {"Заказано": line.quantity, "КОбеспечению": line.quantity}
        return {"Заказано": line.quantity, "РезервироватьНаСкладе": line.quantity}

    def _demand_record(self, order: Order, line: Line, moment: str, kind: str) -> Row:
        return {
            "Period": moment,
            "RecordType": kind,
            **self._demand(order, line),
            **self._amounts(order, line),
        }

    def _order_supply(self, order: Order) -> list[Row]:
        moment = stamp(order.moment)
        return [self._demand_record(order, line, moment, "Receipt") for line in self._ordered(order)]

    def _sale_supply(self, order: Order) -> list[Row]:
        moment = stamp(ship_moment(order))
        return [
            record
            for line in self._orders.shipped_lines(order)
            for record in (
                self._free(order, line, moment, "Expense"),
                self._demand_record(order, line, moment, "Expense"),
            )
        ]

    def _shipping(self, order: Order, line: Line, code: int) -> Row:
        return {
            "Распоряжение": self._rows.key(ORDER, order.number),
            "Распоряжение_Type": f"StandardODATA.{ORDER}",
            **{
                name: value
                for name, value in self._dimensions.stock(
                    line.group, line.item, line.variant, order.place
                ).items()
                if name not in {"Назначение_Key", "Помещение_Key"}
            },
            "КодСтроки": code,
        }

    def _order_shipping(self, order: Order) -> list[Row]:
        return [
            {
                "Period": stamp(order.moment),
                **self._shipping(order, line, code),
                "Заказано": line.quantity,
            }
            for code, line in enumerate(self._orders.lines(order), 1)
            if not line.cancelled
        ]

    def _sale_shipping(self, order: Order) -> list[Row]:
        codes = {line.sku: code for code, line in enumerate(self._orders.lines(order), 1)}
        return [
            {
                "Period": stamp(ship_moment(order)),
                **self._shipping(order, line, codes[line.sku]),
                "КОформлению": -line.quantity,
            }
            for line in self._orders.shipped_lines(order)
        ]

    def _reserve(self, order: Order, line: Line) -> Row:
        stock = self._dimensions.stock(line.group, line.item, line.variant, order.place)
        return {
            **{name: value for name, value in stock.items() if name != "Помещение_Key"},
            "ДокументОтгрузки": self._rows.key(ORDER, order.number),
            "ДокументОтгрузки_Type": f"StandardODATA.{ORDER}",
            "Получатель": self._rows.key("Catalog_Партнеры", order.customer),
            "Получатель_Type": "StandardODATA.Catalog_Партнеры",
            "ЗаданиеНаПеревозку_Key": ZERO_GUID,
        }

    def _reserve_record(self, order: Order, line: Line, moment: str, kind: str) -> Row:
        return {
            "Period": moment,
            "RecordType": kind,
            **self._reserve(order, line),
            "ВРезерве": line.quantity,
        }

    def _order_reserve(self, order: Order) -> list[Row]:
        moment = stamp(order.moment)
        return [self._reserve_record(order, line, moment, "Receipt") for line in self._ordered(order)]

    def _sale_reserve(self, order: Order) -> list[Row]:
        moment = stamp(ship_moment(order))
        return [
            self._reserve_record(order, line, moment, "Expense") for line in self._orders.shipped_lines(order)
        ]

    def _earned(self, order: Order) -> Decimal:
        return points_of(sum((line.amount for line in self._orders.shipped_lines(order)), Decimal(0)))

    def _account(self, customer: int) -> Row:
        return {
            "БонуснаяПрограммаЛояльности_Key": self._world.ref(PROGRAM, "Основная"),
            "Партнер_Key": self._rows.key("Catalog_Партнеры", customer),
        }

    def _sale_points(self, order: Order) -> list[Row]:
        moment = stamp(ship_moment(order))
        return [
            {
                "Period": moment,
                "RecordType": "Receipt",
                **self._account(order.customer),
                "Начислено": self._earned(order),
                "ДатаНачалаДействия": moment,
            }
        ]
