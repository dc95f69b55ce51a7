"""How the generated shop, which speaks UT 11.5.20, is said in the words of the served shape (PROTOCOL §11.1).

The one place that knows where releases keep the same thing: rows, keys and register records go through here,
whether they were generated (`adapted.py`), posted (`posting.py`) or written by the shop's day (`living.py`).
Chosen by the shape alone, so it serves a user's own `$metadata` too.
"""

from __future__ import annotations

from collections.abc import Mapping

from onec_pipelines.simulator.data.barcodes import BARCODES
from onec_pipelines.simulator.data.dictionaries import VAT
from onec_pipelines.simulator.data.plan import NOMENCLATURE
from onec_pipelines.simulator.data.prices import PRICE_DOCUMENT, PRICES
from onec_pipelines.simulator.data.shop import Shop
from onec_pipelines.simulator.data.stock import SHIPPING, SUPPLY
from onec_pipelines.simulator.data.tables import ZERO_GUID
from onec_pipelines.simulator.data.variants import PRICE_VARIANT, VARIANT
from onec_pipelines.simulator.data.words.fixed import VAT_RATES
from onec_pipelines.simulator.shape import Shape
from onec_pipelines.simulator.source import Key, Row

OLD_PRICES = "InformationRegister_ЦеныНоменклатуры"
FREE_STOCK = "AccumulationRegister_СвободныеОстатки"
ORDERS = "AccumulationRegister_ЗаказыКлиентов"
SHIPPING_AND_RETURN = "AccumulationRegister_РаспоряженияНаОтгрузкуИВозврат"
RATE = "СтавкаНДС_Key"
_RATE_NAME = "СтавкаНДС"
_FIVE_KEYS = 5
# Releases before the rate of 2019 name the rate of their time (PROTOCOL §11.1).
_BEFORE = {"НДС20": "НДС18", "НДС20_120": "НДС18_118"}


class Dialect:
    """Says rows of the shop in the words of one shape; without a shop nothing is translated."""

    def __init__(self, shape: Shape, shop: Shop | None) -> None:
        self._shop = shop
        self._sets = shape.sets
        members = dict(shape.enums).get("СтавкиНДС", ())
        self.rates = frozenset(members)
        types = [*shape.entities.values(), *shape.complexes.values()]
        self.rate_names = any(_RATE_NAME in one.properties for one in types) and not any(
            RATE in one.properties for one in types
        )
        self.old_prices = PRICES not in shape.sets and OLD_PRICES in shape.sets
        self.price_rates = (
            PRICES in shape.sets and RATE in shape.complexes.get(f"{PRICES}_RowType", _NONE).properties
        )
        barcodes = shape.entities.get(shape.sets.get(BARCODES, ""))
        self.long_barcode_keys = barcodes is not None and len(barcodes.key) == _FIVE_KEYS
        world = shop.world if shop is not None else None
        self._rate_of = (
            {} if world is None else {world.ref(VAT, entry[0]): self._rate(entry[0]) for entry in VAT_RATES}
        )

    def _rate(self, name: str) -> str:
        return _BEFORE.get(name, name) if self.rates and name not in self.rates else name

    def row(self, entity: str, row: Row) -> Row:
        """An object as this shape has it; the row given may be changed."""
        if self.rate_names:
            self._name_rates(row)
        if entity == PRICE_DOCUMENT and self.old_prices and "Товары2_5" in row:
            row["Товары"] = [self.price(line) for line in row.pop("Товары2_5")]
        return row

    def _name_rates(self, row: Row) -> None:
        if RATE in row:
            rate = row.pop(RATE)
            row[_RATE_NAME] = None if rate is None else self._rate_of.get(rate, "")
        for value in row.values():
            if isinstance(value, list):
                for line in value:
                    self._name_rates(line)

    def key(self, entity: str, key: Key) -> Key:
        """The key of a generated row as this shape has it."""
        if entity != BARCODES or not self.long_barcode_keys or self._shop is None or len(key) > 1:
            return key
        table = self._shop.tables[BARCODES]
        position = table.find(key)
        if position is None:
            return (*key, *[ZERO_GUID] * (_FIVE_KEYS - 1))
        return barcode_key(table.rows(position, position + 1)[0])

    def records(self, register: str, values: Row) -> list[tuple[str, Row]]:
        """Where this shape keeps a register record, and how; nowhere is no entry."""
        if register == PRICES and self.old_prices:
            return [(OLD_PRICES, self.price(values))]
        if register == PRICES and self.price_rates:
            return [(PRICES, {**values, RATE: self._rate_of_goods(values["Номенклатура_Key"])})]
        if register in self._sets:
            return [(register, values)]
        return self._elsewhere(register, values)

    def _elsewhere(self, register: str, values: Row) -> list[tuple[str, Row]]:
        if register == SUPPLY and FREE_STOCK in self._sets:
            return _free_stock(values)
        if register == SHIPPING and ORDERS in self._sets:
            return [(ORDERS, _ordered(values))]
        if register == SHIPPING and SHIPPING_AND_RETURN in self._sets:
            kind = "Заказано" if values.get("Заказано") else "КОформлению"
            return [(SHIPPING_AND_RETURN, {**values, "Показатель": kind})]
        return []

    def price(self, values: Row) -> Row:
        """A price of pricing 2.5 as the older register has it: by the variant itself."""
        row = {name: value for name, value in values.items() if name not in _NEW_DIMENSIONS}
        twin = values.get("ХарактеристикаЦО_Key", ZERO_GUID)
        row["Характеристика_Key"] = self._other_variant(twin, PRICE_VARIANT, VARIANT)
        return row

    def price_key(self, key: Key) -> Key:
        """The key of a price in the older register as the newer one has it."""
        period, goods, variant, kind = key
        return period, goods, self._other_variant(variant, VARIANT, PRICE_VARIANT), ZERO_GUID, ZERO_GUID, kind

    def new_price(self, values: Row) -> Row:
        """A price of the older register as pricing 2.5 has it."""
        row = {name: value for name, value in values.items() if name != "Характеристика_Key"}
        variant = values.get("Характеристика_Key", ZERO_GUID)
        return {**row, "ХарактеристикаЦО_Key": self._other_variant(variant, VARIANT, PRICE_VARIANT)}

    def _other_variant(self, guid: str, here: str, there: str) -> str:
        if self._shop is None or guid == ZERO_GUID:
            return guid
        number = self._shop.world.guids(here).number(guid)
        return guid if number is None else self._shop.world.guids(there).make(number)

    def _rate_of_goods(self, guid: str) -> str:
        if self._shop is None:
            return ZERO_GUID
        world = self._shop.world
        item = world.guids(NOMENCLATURE).number(guid)
        known = item is not None and item < world.products
        return (
            world.ref(VAT, self._shop.plan.group(item).kind.vat) if item is not None and known else ZERO_GUID
        )


class _None:
    """A type without properties."""

    properties: Mapping[str, object] = {}


_NONE = _None()
_NEW_DIMENSIONS = frozenset(("ХарактеристикаЦО_Key", "СерияЦО_Key", "УпаковкаЦО_Key"))
# Where records of postings may go besides the registers of 11.5.20.
TRANSLATED = frozenset((OLD_PRICES, FREE_STOCK, ORDERS, SHIPPING_AND_RETURN))


def barcode_key(row: Row) -> Key:
    """The key of five members that a barcode has since 11.5.27."""
    names = ("Штрихкод", "Номенклатура_Key", "Характеристика_Key", "Серия_Key", "Упаковка_Key")
    return tuple(str(row.get(name, ZERO_GUID)) for name in names)


def _free_stock(values: Row) -> list[tuple[str, Row]]:
    """A record of `ЗапасыИПотребности` in `СвободныеОстатки`: what is there, and what is reserved of it."""
    amounts = {
        name: values[source]
        for source, name in (("ВНаличии", "ВНаличии"), ("РезервироватьНаСкладе", "ВРезервеСоСклада"))
        if values.get(source)
    }
    kept = ("Period", "RecordType", "Номенклатура_Key", "Характеристика_Key")
    row = {name: values[name] for name in kept if name in values}
    return [(FREE_STOCK, {**row, "Склад_Key": values["Склад"], **amounts})] if amounts else []


def _ordered(values: Row) -> Row:
    """A turnover of `РаспоряженияНаОтгрузку` in the balance register `ЗаказыКлиентов`: ordered, or shipped."""
    quantity = values.get("Заказано") or -values["КОформлению"]
    skipped = {"Распоряжение", "Распоряжение_Type", "Заказано", "КОформлению"}
    return {
        **{name: value for name, value in values.items() if name not in skipped},
        "RecordType": "Receipt" if values.get("Заказано") else "Expense",
        "ЗаказКлиента": values["Распоряжение"],
        "ЗаказКлиента_Type": values["Распоряжение_Type"],
        "Заказано": quantity,
        "КОформлению": quantity,
    }
