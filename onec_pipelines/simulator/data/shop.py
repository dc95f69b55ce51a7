"""The generated base as a whole: every table by its entity set name, balances, the list of broken rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from onec_pipelines.simulator.data import company, dictionaries, discounts, images, loyalty, prices
from onec_pipelines.simulator.data.barcodes import Barcodes
from onec_pipelines.simulator.data.chain import POINTS, TO_SHIP, Chain
from onec_pipelines.simulator.data.contacts import contact_kinds
from onec_pipelines.simulator.data.customers import Contractors, Customers, Partners
from onec_pipelines.simulator.data.defects import Defect
from onec_pipelines.simulator.data.movements import Records, RecordSets, Source
from onec_pipelines.simulator.data.orders import Orders
from onec_pipelines.simulator.data.plan import Plan
from onec_pipelines.simulator.data.products import Products
from onec_pipelines.simulator.data.receipts import Receipts
from onec_pipelines.simulator.data.sales_rows import SalesRows
from onec_pipelines.simulator.data.slices import PriceSlice
from onec_pipelines.simulator.data.stock import (
    SHIPPING,
    STOCK,
    SUPPLY,
    Balances,
    Dimensions,
    ReceiptSource,
)
from onec_pipelines.simulator.data.units import Units
from onec_pipelines.simulator.data.variants import Variants
from onec_pipelines.simulator.data.warehouses import warehouses
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Row, Table

_SHORT = (
    dictionaries.currencies,
    dictionaries.rates,
    dictionaries.vat_rates,
    dictionaries.countries,
    dictionaries.brands,
    dictionaries.makers,
    dictionaries.kinds,
    dictionaries.categories,
    dictionaries.price_groups,
    dictionaries.properties,
    dictionaries.property_values,
    dictionaries.property_sets,
    prices.price_kinds,
    warehouses,
    contact_kinds,
    images.volumes,
)


class Shop:
    """A generated base; see `generate`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.plan = Plan(world)
        self.customers = customers = Customers(world)
        self._products = Products(world, self.plan)
        self._barcodes = Barcodes(world, self.plan)
        self._units = Units(world)
        self._variants = Variants(world, self.plan, pricing=False)
        self._rounds, price_tables = prices.tables(world, self.plan)
        self._partners = Partners(world, customers)
        self._contractors = Contractors(world, customers)
        pictures = images.Pictures(world)
        self._files = images.Files(world, pictures)
        self.receipts = receipts = Receipts(world, self.plan)
        dimensions = Dimensions(world)
        orders = Orders(world, self.plan, customers, self._rounds[0], receipts)
        sales = SalesRows(world, customers, orders, receipts)
        self._orders, self._order_spoiler = orders, sales.spoiler
        self._chain = Chain(world, orders, sales, dimensions)
        self._dimensions = dimensions
        self._balances = Balances(self.plan, receipts, dimensions)
        tables: Iterable[Table] = chain(
            (make(world) for make in _SHORT),
            company.tables(world, customers),
            discounts.tables(world),
            loyalty.tables(world),
            price_tables,
            self._chain.tables(len(receipts)),
            self._registers(receipts, dimensions),
            (self._products, self._barcodes, self._units, loyalty.Cards(world, customers)),
            (self._variants, Variants(world, self.plan, pricing=True)),
            (self._partners, self._contractors),
            (self._files, images.Stored(world, pictures), images.Binaries(world, pictures)),
        )
        self.tables: Mapping[str, Table] = {table.name: table for table in tables}

    def _registers(self, receipts: Receipts, dimensions: Dimensions) -> Iterator[Table]:
        sources: dict[str, Sequence[Source]] = {
            STOCK: [ReceiptSource(receipts, dimensions, STOCK), *self._chain.stock()],
            SUPPLY: [ReceiptSource(receipts, dimensions, SUPPLY), *self._chain.supply()],
            SHIPPING: self._chain.shipping(),
            TO_SHIP: self._chain.reserves(),
            POINTS: self._chain.points(),
        }
        for register, found in sources.items():
            yield RecordSets(register, found)
            yield Records(f"{register}_RecordType", found)

    def balance(self, register: str, *, warehouse: str | None = None) -> Iterable[Row]:
        """Give the balance rows of an accumulation register; nothing for one without movements.

        `warehouse` (a GUID) computes the rows of one warehouse only, for the registers of stock; others
        ignore it.
        """
        if register == STOCK:
            return self._balances.stock(self._chain.deltas, warehouse)
        if register == SUPPLY:
            return self._balances.supply(self._chain.deltas, self._chain.balance_of_demands(), warehouse)
        if register == TO_SHIP:
            return self._chain.balance_of_reserves()
        return self._chain.balance_of_points() if register == POINTS else ()

    def balance_of_demands(self) -> Iterator[Row]:
        """Give the part of the balance of `ЗапасыИПотребности` that open orders make."""
        return self._chain.balance_of_demands()

    def open_orders(self) -> Iterator[Row]:
        """Give what is ordered and neither shipped nor cancelled, as records of `РаспоряженияНаОтгрузку`."""
        return self._chain.open_orders()

    def supply_of_stock(self) -> Sequence[Source]:
        """Give the sources of `ЗапасыИПотребности` whose every record is about goods in stock."""
        receipts = ReceiptSource(self.receipts, self._dimensions, SUPPLY)
        return [receipts, *self._chain.supply(reserved=True)]

    def balance_part(self, register: str, dimension: str, value: str) -> Iterable[Row] | None:
        """Give the balance rows of one warehouse, or None for other dimensions and registers."""
        if (register, dimension) in {(STOCK, "Склад_Key"), (SUPPLY, "Склад")}:
            return self.balance(register, warehouse=value)
        return None

    def slice_last(self, register: str, dimension: str, value: str, period: str) -> PriceSlice | None:
        """Give the last prices of one price kind, or None for other dimensions and registers."""
        if (register, dimension) != (prices.PRICES, "ВидЦены_Key"):
            return None
        return PriceSlice(self.world, self._rounds, value, period)

    @property
    def broken(self) -> Iterator[Defect]:
        """The rows broken on purpose: entity set, position and kind of each.

        A row may come more than once.
        """
        yield from self._products.defects()
        yield from self._barcodes.defects()
        yield from prices.defects(self.world, self._rounds)
        yield from self._partners.defects()
        yield from self._contractors.defects()
        yield from self._files.defects()
        yield from self._units.defects()
        yield from self._variants.defects()
        yield from self._order_spoiler.defects(len(self._orders))
        for name, key, kind in self.world.flags:
            position = self.tables[name].find(key)
            if position is not None:
                yield Defect(table=name, position=position, kind=kind)
