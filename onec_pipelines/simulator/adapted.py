"""The generated shop in the tables of another release: the same rows, said by `dialect.py` (PROTOCOL §11.1).

Only what a shape keeps elsewhere or otherwise is wrapped; everything else is the shop's own table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from onec_pipelines.simulator.data.barcodes import BARCODES
from onec_pipelines.simulator.data.dictionaries import VAT
from onec_pipelines.simulator.data.documents import LazySource
from onec_pipelines.simulator.data.images import BINARY, STORE
from onec_pipelines.simulator.data.movements import Records, RecordSets, Source
from onec_pipelines.simulator.data.prices import PRICE_DOCUMENT, PRICES
from onec_pipelines.simulator.data.shop import Shop
from onec_pipelines.simulator.data.slices import Said
from onec_pipelines.simulator.data.stock import SHIPPING, STOCK, SUPPLY
from onec_pipelines.simulator.data.tables import by_presentation
from onec_pipelines.simulator.dialect import (
    FREE_STOCK,
    OLD_PRICES,
    ORDERS,
    SHIPPING_AND_RETURN,
    Dialect,
    barcode_key,
)
from onec_pipelines.simulator.shape import Shape
from onec_pipelines.simulator.source import Key, Row, Slice, Table

FILE_BYTES = "InformationRegister_ДвоичныеДанныеФайлов"
_NEW_RATES = (("НДС22", "22%", 22, False), ("НДС22_122", "22/122", 18.03, True))


class Mapped:
    """A table whose rows are said otherwise, one by one."""

    def __init__(
        self,
        name: str,
        table: Table,
        row: Callable[[Row], Row],
        *,
        key: Callable[[Key], Key] = lambda key: key,
        full_key: Callable[[Row], Key] | None = None,
    ) -> None:
        self.name = name
        self._table = table
        self._row = row
        self._key = key
        self._full_key = full_key

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self._table)

    def rows(self, start: int, stop: int) -> Sequence[Row]:
        """Give the rows of these positions."""
        return [self._row(row) for row in self._table.rows(start, stop)]

    def find(self, key: Key) -> int | None:
        """Give the position of the row with this key, or None."""
        position = self._table.find(self._key(key))
        if position is None or self._full_key is None:
            return position
        return position if self._full_key(self.rows(position, position + 1)[0]) == key else None


class FileBytes:
    """`ДвоичныеДанныеФайлов`: the bytes beside the file, where newer releases lead to a catalog (PROTOCOL §11.3)."""

    def __init__(self, stored: Table, binaries: Table) -> None:
        self.name = FILE_BYTES
        self._stored = stored
        self._binaries = binaries

    def __len__(self) -> int:
        """Give the number of files."""
        return len(self._stored)

    def find(self, key: Key) -> int | None:
        """Give the position of the bytes of a file."""
        return self._stored.find(key)

    def rows(self, start: int, stop: int) -> Sequence[Row]:
        """Give the rows of these positions; both tables stand in the order of the pictures."""
        pairs = zip(self._stored.rows(start, stop), self._binaries.rows(start, stop), strict=True)
        return [self._row(stored, binary) for stored, binary in pairs]

    @staticmethod
    def _row(stored: Row, binary: Row) -> Row:
        lost = stored["ХранилищеДвоичныхДанных_Key"] != binary["Ref_Key"]
        return {
            "Файл": stored["Файл"],
            "Файл_Type": stored["Файл_Type"],
            "ДвоичныеДанныеФайла_Base64Data": "" if lost else binary["ДвоичныеДанные_Base64Data"],
            "ДвоичныеДанныеФайла_Type": binary["ДвоичныеДанные_Type"],
        }


class Translated(LazySource):
    """A source of records that another register has in this shape; every record has exactly one there."""

    def __init__(self, source: Source, register: str, dialect: Dialect) -> None:
        super().__init__(source.recorder, lambda: source)
        self._register = register
        self._dialect = dialect

    def records(self, at: int) -> list[Row]:
        """Give the records of a document."""
        return [
            said for row in self._source.records(at) for _, said in self._dialect.records(self._register, row)
        ]


class Adapted:
    """The data of a shop for another shape."""

    def __init__(self, shop: Shop, shape: Shape, dialect: Dialect) -> None:
        self.shop = shop
        self._dialect = dialect
        self._sets = shape.sets
        tables: dict[str, Table] = {name: self._objects(name, table) for name, table in shop.tables.items()}
        tables.update((table.name, table) for table in self._moved(shop.tables))
        self.tables: Mapping[str, Table] = tables

    def _objects(self, name: str, table: Table) -> Table:
        dialect = self._dialect
        prices = name == PRICE_DOCUMENT and dialect.old_prices
        if name.startswith(("Catalog_", "Document_")) and (dialect.rate_names or prices):
            return Mapped(name, table, lambda row: dialect.row(name, row))
        if name == VAT and dialect.rates:
            return self._rates(table)
        if name == BARCODES and dialect.long_barcode_keys:
            return Mapped(name, table, lambda row: row, key=lambda key: key[:1], full_key=barcode_key)
        return table

    def _rates(self, table: Table) -> Table:
        """The catalog of rates with those that the release knows."""
        world, known = self.shop.world, self._dialect.rates
        rows = [row for row in table.rows(0, len(table)) if row["ПеречислениеСтавкаНДС"] in known]
        model = next((row for row in rows if row["ПеречислениеСтавкаНДС"] == "НДС20"), {})
        names = {row["ПеречислениеСтавкаНДС"] for row in rows}
        for name, title, percent, computed in _NEW_RATES:
            if name in known - names and model:
                own = {"Ref_Key": world.ref(VAT, name), "Description": title, "Основная": False}
                rate = {"ПеречислениеСтавкаНДС": name, "Ставка": percent, "РасчетнаяСтавка": computed}
                rows.append({**model, **own, **rate, "НачалоПериода": "2026-01-01T00:00:00"})
        return by_presentation(VAT, rows)

    def _moved(self, tables: Mapping[str, Table]) -> Iterator[Table]:
        """The tables that this shape has and the shop keeps under another name, or with other records."""
        dialect, sets = self._dialect, self._sets
        if dialect.old_prices:
            yield from self._register(PRICES, OLD_PRICES, record_key=dialect.price_key)
        elif dialect.price_rates:
            yield from self._register(PRICES, PRICES)
        if SHIPPING not in sets:
            for register in (ORDERS, SHIPPING_AND_RETURN):
                if register in sets:
                    yield from self._register(SHIPPING, register)
        if SUPPLY not in sets and FREE_STOCK in sets:
            sources = [Translated(source, SUPPLY, dialect) for source in self.shop.supply_of_stock()]
            yield RecordSets(FREE_STOCK, sources)
            yield Records(f"{FREE_STOCK}_RecordType", sources)
        if FILE_BYTES in sets and STORE not in sets:
            yield FileBytes(tables[STORE], tables[BINARY])

    def _register(
        self, register: str, name: str, *, record_key: Callable[[Key], Key] = lambda key: key
    ) -> Iterator[Table]:
        def said(row: Row) -> Row:
            return self._dialect.records(register, row)[0][1]

        def said_set(row: Row) -> Row:
            return {**row, "RecordSet": [said(record) for record in row["RecordSet"]]}

        records = f"{register}_RecordType"
        yield Mapped(name, self.shop.tables[register], said_set)
        yield Mapped(f"{name}_RecordType", self.shop.tables[records], said, key=record_key)

    def balance(self, register: str) -> Iterable[Row]:
        """Give the balance rows of an accumulation register."""
        if register == FREE_STOCK:
            return self._free_stock()
        if register == ORDERS:
            return self._orders()
        return self.shop.balance(register)

    def _free_stock(self) -> Iterator[Row]:
        reserved: dict[tuple[str, ...], Row] = {}
        for row in self.shop.balance_of_demands():
            for _, said in self._dialect.records(SUPPLY, row):
                key = tuple(said[name] for name in _FREE)
                known = reserved.setdefault(key, {**said, "ВРезервеСоСклада": 0})
                known["ВРезервеСоСклада"] += said["ВРезервеСоСклада"]
        for row in self.shop.balance(STOCK):
            dimensions = {name: row[name] for name in _FREE}
            more = reserved.pop(tuple(dimensions.values()), {})
            yield {
                **dimensions,
                "ВНаличии": row["ВНаличии"],
                "ВРезервеСоСклада": more.get("ВРезервеСоСклада", 0),
            }
        yield from reserved.values()

    def _orders(self) -> Iterator[Row]:
        for row in self.shop.open_orders():
            said = self._dialect.records(SHIPPING, row)[0][1]
            yield {name: value for name, value in said.items() if name not in {"RecordType", "Period"}}

    def balance_part(self, register: str, dimension: str, value: str) -> Iterable[Row] | None:
        """Give the balance rows of one value of a dimension, or None if they cannot be told apart cheaply."""
        return self.shop.balance_part(register, dimension, value)

    def slice_last(self, register: str, dimension: str, value: str, period: str) -> Slice | None:
        """Give the last records of one value of a dimension, or None if they cannot be told apart cheaply."""
        dialect = self._dialect
        if register == OLD_PRICES and dialect.old_prices:
            found = self.shop.slice_last(PRICES, dimension, value, period)
            return None if found is None else Said(found, dialect.price, dialect.new_price)
        found = self.shop.slice_last(register, dimension, value, period)
        if found is None or not dialect.price_rates:
            return found
        return Said(found, lambda row: dialect.records(PRICES, row)[0][1])


_FREE = ("Номенклатура_Key", "Характеристика_Key", "Склад_Key")
__all__ = ["FILE_BYTES", "Adapted"]
