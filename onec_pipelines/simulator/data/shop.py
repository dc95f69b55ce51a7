"""The generated base as a whole: every table by its entity set name, balances, and the list of broken rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from onec_pipelines.simulator.data import dictionaries, prices
from onec_pipelines.simulator.data.barcodes import Barcodes
from onec_pipelines.simulator.data.defects import Defect
from onec_pipelines.simulator.data.movements import Records, RecordSets
from onec_pipelines.simulator.data.plan import Plan
from onec_pipelines.simulator.data.products import Products
from onec_pipelines.simulator.data.receipts import Receipts
from onec_pipelines.simulator.data.stock import STOCK, SUPPLY, Dimensions, ReceiptSource, stock_balance
from onec_pipelines.simulator.data.tables import ListTable
from onec_pipelines.simulator.data.units import Units
from onec_pipelines.simulator.data.variants import Variants
from onec_pipelines.simulator.data.warehouses import warehouses
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Row, Table


class Shop:
    """A generated base; see `generate`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.plan = Plan(world)
        self._short = self._dictionaries()
        self._products = Products(world, self.plan)
        self._barcodes = Barcodes(world, self.plan)
        self._rounds, price_tables = prices.tables(world, self.plan)
        self._receipts = Receipts(world, self.plan)
        self._dimensions = Dimensions(world)
        computed = [
            self._products,
            self._barcodes,
            Units(world),
            Variants(world, self.plan, pricing=False),
            Variants(world, self.plan, pricing=True),
            *price_tables,
            *self._stock_tables(),
        ]
        self.tables: Mapping[str, Table] = {table.name: table for table in [*self._short, *computed]}

    def _dictionaries(self) -> list[ListTable]:
        makers = (
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
        )
        return [make(self.world) for make in makers]

    def _stock_tables(self) -> list[RecordSets | Records]:
        made: list[RecordSets | Records] = []
        for register in (STOCK, SUPPLY):
            sources = [ReceiptSource(self._receipts, self._dimensions, register)]
            made += [RecordSets(register, sources), Records(f"{register}_RecordType", sources)]
        return made

    def balance(self, register: str) -> Iterable[Row]:
        """Give the balance rows of an accumulation register; an empty one for a register without movements."""
        if register == STOCK:
            return stock_balance(self.plan, self._receipts, self._dimensions, {})
        return ()

    @property
    def broken(self) -> Iterator[Defect]:
        """The rows that are broken on purpose: entity set, position and kind of each; a row may be listed more than once."""
        yield from self._products.defects()
        yield from self._barcodes.defects()
        yield from prices.defects(self.world, self._rounds)
        for name, key, kind in self.world.flags:
            position = self.tables[name].find(key)
            if position is not None:
                yield Defect(table=name, position=position, kind=kind)
