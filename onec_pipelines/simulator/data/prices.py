"""Prices: kinds of prices, the documents that set them over the last year.

And the registers they wrote (PROTOCOL §11.4).

Every document sets the prices of a batch of consecutive products. The first round covers nearly all
products, later rounds parts of them, so the last slice of a product may come from any round. Own variants
of goods get prices in a round of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from onec_pipelines.simulator.data.defects import PERIOD, Defect
from onec_pipelines.simulator.data.dictionaries import CURRENCY, folder, head
from onec_pipelines.simulator.data.guids import salt, scramble
from onec_pipelines.simulator.data.layout import Periodic, Runs
from onec_pipelines.simulator.data.movements import Records, RecordSets
from onec_pipelines.simulator.data.plan import NOMENCLATURE, OWN_VARIANTS, Group, Plan
from onec_pipelines.simulator.data.tables import (
    FIRST_VERSIONS,
    ZERO_GUID,
    ComputedTable,
    ListTable,
    by_presentation,
    numbered,
)
from onec_pipelines.simulator.data.variants import PRICE_VARIANT
from onec_pipelines.simulator.data.words.fixed import PRICE_KINDS
from onec_pipelines.simulator.data.words.goods import OWN
from onec_pipelines.simulator.data.world import World, stamp
from onec_pipelines.simulator.source import Key, Row

PRICE_KIND = "Catalog_ВидыЦен"
PRICE_DOCUMENT = "Document_УстановкаЦенНоменклатуры"
PRICES = "InformationRegister_ЦеныНоменклатуры25"
BATCH = 240
_UNPRICED = 11  # the product at this place of each batch has no price at all
_CHEAP = 100  # below this many roubles prices are not rounded to 9
_CENTS = Decimal("0.01")
PriceKind = tuple[str, str, str]  # name, key, key of the currency
_RETAIL, _WHOLESALE, _PURCHASE = "Розничная", "Оптовая", "Закупочная"
_DEFECTS = {
    51: "zero price",
    155: "dangling price kind",
    255: "price of a deleted product",
    355: "negative price",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """One wave of repricing: when (days ago, from and to), which products of a batch, which price kinds."""

    started: int
    ended: int
    residues: tuple[int, ...]
    kinds: tuple[str, ...]
    variants: bool = False


ROUNDS = (
    Round(
        started=364,
        ended=300,
        residues=tuple(at for at in range(BATCH) if at != _UNPRICED),
        kinds=(_PURCHASE, _WHOLESALE, _RETAIL),
    ),
    Round(started=290, ended=250, residues=tuple(range(BATCH)), kinds=(_RETAIL,), variants=True),
    Round(started=240, ended=200, residues=tuple(range(0, BATCH, 3)), kinds=(_WHOLESALE, _RETAIL)),
    Round(started=120, ended=90, residues=tuple(range(5, BATCH, 8)), kinds=(_RETAIL,)),
    Round(started=30, ended=1, residues=tuple(range(7, BATCH, 12)), kinds=(_PURCHASE, _WHOLESALE, _RETAIL)),
)


def price_kinds(world: World) -> ListTable:
    """Give `Catalog_ВидыЦен`: two folders and five kinds, one of them out of use.

    One computed (without records).
    """
    rows = [folder(world, PRICE_KIND, name, name) for name in sorted({entry[1] for entry in PRICE_KINDS})]
    for name, parent, currency, with_vat, status, identifier, way, markup in PRICE_KINDS:
        retail = name.startswith(_RETAIL)
        rows.append(
            {
                **head(world, PRICE_KIND, name, name),
                "IsFolder": False,
                "Parent_Key": world.ref(PRICE_KIND, parent),
                "ВалютаЦены_Key": world.ref(CURRENCY, currency),
                "ЦенаВключаетНДС": with_vat,
                "Статус": status,
                "Идентификатор": identifier,
                "СпособЗаданияЦены": way,
                "Наценка": markup,
                "БазовыйВидЦены_Key": world.ref(PRICE_KIND, _WHOLESALE) if markup else ZERO_GUID,
                "ИспользоватьПриПродаже": name != _PURCHASE,
                "ИспользоватьПриОптовойПродаже": name != _PURCHASE and not retail,
                "ИспользоватьПриРозничнойПродаже": retail,
                "Округлять": True,
                "ТочностьОкругления": _CENTS,
            }
        )
    return by_presentation(PRICE_KIND, rows)


class PriceSource:
    """The records of one round: for every batch a document, for every product of it that takes part.

    Its price kinds.
    """

    recorder = PRICE_DOCUMENT

    def __init__(self, world: World, plan: Plan, number: int, first: int) -> None:
        self.round = ROUNDS[number]
        self.number = number
        self._first = first
        self._world = world
        self._plan = plan
        self._guids = world.guids(PRICE_DOCUMENT)
        self._goods = world.guids(NOMENCLATURE)
        self._variants = world.guids(PRICE_VARIANT)
        self._chance = salt(world.seed, "price")
        self._own: Runs[Group] = Runs(
            [(group, group.size * OWN_VARIANTS) for group in plan.groups if group.kind.variants == OWN]
        )
        self.total = len(self._own) if self.round.variants else world.products
        self._near: tuple[int, int, Group] = (0, 0, plan.groups[0])
        self._members = Periodic(total=self.total, period=BATCH, residues=self.round.residues)
        self._kinds = [(name, world.ref(PRICE_KIND, name), self._currency(name)) for name in self.round.kinds]

    def _currency(self, kind: str) -> str:
        return self._world.ref(CURRENCY, next(entry[2] for entry in PRICE_KINDS if entry[0] == kind))

    def __len__(self) -> int:
        """Give the number of documents: batches with at least one product that takes part."""
        count = -(-self.total // BATCH)
        return count - 1 if count and self.before(count) == self.before(count - 1) else count

    def recorder_key(self, at: int) -> str:
        """Give the GUID of the document of a batch."""
        return self._guids.make(self._first + at)

    def find(self, guid: str) -> int | None:
        """Give the batch of a document of this round, or None."""
        number = self._guids.number(guid)
        return number - self._first if number is not None and 0 <= number - self._first < len(self) else None

    def before(self, at: int) -> int:
        """Give how many records the batches before this one have."""
        return self._members.below(min(at * BATCH, self.total)) * len(self.round.kinds)

    def document_of(self, record: int) -> int:
        """Give the batch of a record."""
        return self._members.at(record // len(self.round.kinds)) // BATCH

    def period(self, at: int) -> str:
        """Give the date of a document; batches of a round follow each other evenly."""
        span = (self.round.started - self.round.ended) * 86_400
        offset = timedelta(seconds=span * at // max(len(self), 1))
        return stamp(self._world.days_ago(self.round.started) + offset)

    def lines(self, at: int) -> list[Row]:
        """Give the prices of a batch: product, variant for pricing, price kind, price, currency."""
        rows: list[Row] = []
        for rank in self._members.between(at * BATCH, min((at + 1) * BATCH, self.total)):
            rows += self.prices_of(self._members.at(rank), self._kinds)
        return rows

    def prices_of(self, member: int, kinds: Sequence[PriceKind]) -> list[Row]:
        """Give the prices of one member of the round, of these price kinds."""
        item, variant, group = self._target(member)
        retail = self.retail(item, group) * (100 + 15 * variant) // 100
        twin = self._variants.make(item * OWN_VARIANTS + variant) if self.round.variants else ZERO_GUID
        goods = self._goods.make(item)
        defect = self._defect(item)
        rows: list[Row] = []
        for name, kind, currency in kinds:
            row = {
                "Номенклатура_Key": goods,
                "ХарактеристикаЦО_Key": twin,
                "СерияЦО_Key": ZERO_GUID,
                "УпаковкаЦО_Key": ZERO_GUID,
                "ВидЦены_Key": kind,
                "Цена": _priced(name, retail),
                "Упаковка_Key": ZERO_GUID,
                "Валюта_Key": currency,
            }
            if defect is not None and name == _RETAIL:
                self._spoil(row, item, defect)
            rows.append(row)
        return rows

    def kind(self, guid: str) -> tuple[int, PriceKind] | None:
        """Give the place of a price kind among those of the round, and the kind; None if it has none."""
        return next(((at, one) for at, one in enumerate(self._kinds) if one[1] == guid), None)

    def rank(self, member: int) -> int:
        """Give how many members that take part are before this one, which does."""
        return self._members.below(member)

    def records(self, at: int) -> list[Row]:
        """Give the register records of a batch."""
        period = self.period(at)
        return [{"Period": period, **line} for line in self.lines(at)]

    def line_of(self, item: int, variant: int, kind: str) -> tuple[int, int] | None:
        """Give (batch, line from 0) of a record by product.

        Variant (-1 = the product's own price) and price kind.
        """
        keys = [key for _, key, _ in self._kinds]
        member = self.member(item, variant)
        rank = None if member is None else self._members.rank(member)
        if rank is None or member is None or kind not in keys:
            return None
        batch = member // BATCH
        return batch, rank * len(keys) + keys.index(kind) - self.before(batch)

    def retail(self, item: int, group: Group) -> int:
        """Give the retail price of a product after this round, in kopecks.

        It drifts by a few percent a round.
        """
        low, high = group.kind.price
        chance = scramble(item, self._chance)
        skew = (chance & 0xFFFF) * (chance >> 16 & 0xFFFF) >> 16  # most goods of a kind are the cheaper ones
        roubles = low + (high - low) * skew // 0x10000
        moved = roubles * (100 + self.number * (1 + (chance >> 40) % 4)) // 100
        return (moved // 10 * 10 + 9) * 100 if moved >= _CHEAP else moved * 100 + (chance >> 44) % 10 * 10

    def _target(self, member: int) -> tuple[int, int, Group]:
        if not self.round.variants:
            low, high, group = self._near
            if not low <= member < high:  # members are asked for in order: the group is mostly the last one
                group = self._plan.group(member)
                self._near = (group.first, group.first + group.size, group)
            return member, 0, group
        run, offset = self._own.locate(member)
        group = self._own.values[run]
        return group.first + offset // OWN_VARIANTS, offset % OWN_VARIANTS, group

    def member(self, item: int, variant: int) -> int | None:
        """Give the member that a product (variant -1) or one of its own variants is; None for another sort."""
        if self.round.variants != (variant >= 0):
            return None
        if variant < 0:
            return item
        group = self._plan.group(item)
        if group not in self._own.values:
            return None
        return self._own.starts[self._own.values.index(group)] + (item - group.first) * OWN_VARIANTS + variant

    def names(self, item: int, kind: str) -> tuple[str, str]:
        """Give the keys of the product and of the price kind as a record about them spells them."""
        row: Row = {"Номенклатура_Key": self._goods.make(item), "ВидЦены_Key": kind}
        defect = self._defect(item)
        if defect is not None and kind == self._world.ref(PRICE_KIND, _RETAIL):
            self._spoil(row, item, defect)
        return row["Номенклатура_Key"], row["ВидЦены_Key"]

    def defects_of(self, kind: str) -> Iterator[tuple[int, str]]:
        """Give (member, defect) of the records of this price kind that are spoiled."""
        if self._world.broken and self.number == 0 and kind == self._world.ref(PRICE_KIND, _RETAIL):
            for start in range(0, self.total, PERIOD):
                for remainder, defect in _DEFECTS.items():
                    if self._members.rank(start + remainder) is not None:
                        yield start + remainder, defect

    def _defect(self, item: int) -> str | None:
        return _DEFECTS.get(item % PERIOD) if self._world.broken and self.number == 0 else None

    def _spoil(self, row: Row, item: int, defect: str) -> None:
        changes: dict[str, Row] = {
            "zero price": {"Цена": 0},
            "dangling price kind": {"ВидЦены_Key": self._world.gone(item)},
            "price of a deleted product": {"Номенклатура_Key": self._world.gone(item)},
            "negative price": {"Цена": Decimal("-1.00")},
        }
        row.update(changes[defect])


def _priced(kind: str, retail: int) -> Decimal:
    if kind == _WHOLESALE:
        return Decimal(retail * 82 // 100).scaleb(-2)
    if kind == _PURCHASE:
        return Decimal(retail * 60 // 8200).scaleb(-2)
    return Decimal(retail).scaleb(-2)


class PriceDocuments(ComputedTable):
    """`Document_УстановкаЦенНоменклатуры` by date: round after round, batch after batch."""

    def __init__(self, world: World, sources: list[PriceSource]) -> None:
        super().__init__(PRICE_DOCUMENT)
        self._world = world
        self._runs: Runs[PriceSource] = Runs([(source, len(source)) for source in sources])
        self._guids = world.guids(PRICE_DOCUMENT)

    def __len__(self) -> int:
        """Give the number of documents."""
        return len(self._runs)

    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        return [
            self._document(cut.value, at, self._runs.starts[cut.run] + at)
            for cut in self._runs.cut(start, stop)
            for at in range(cut.low, cut.high)
        ]

    def find(self, key: Key) -> int | None:
        """Give the position of a document."""
        number = self._guids.number(key[0])
        return number if number is not None and number < len(self) else None

    def _document(self, source: PriceSource, at: int, number: int) -> Row:
        kinds = [{"ВидЦены_Key": self._world.ref(PRICE_KIND, name)} for name in source.round.kinds]
        return {
            "Ref_Key": self._guids.make(number),
            "DataVersion": FIRST_VERSIONS[number % 4],
            "Number": f"ТД{number // 1_000_000:02d}-{number % 1_000_000:06d}",
            "Date": source.period(at),
            "DeletionMark": False,
            "Posted": True,
            "Статус": "Согласован",
            "Согласован": True,
            "Комментарий": "Переоценка" if source.number > 1 else "",
            "Ответственный_Key": self._world.ref("Catalog_Пользователи", "Администратор"),
            "Товары2_5": numbered(source.lines(at)),
            "ВидыЦен": numbered(kinds),
        }


class PriceRecords(Records):
    """The records of prices; their key is the period and the dimensions, not the recorder."""

    def __init__(self, world: World, sources: list[PriceSource]) -> None:
        super().__init__(f"{PRICES}_RecordType", sources)
        self._rounds = sources
        self._goods = world.guids(NOMENCLATURE)
        self._gone = world.guids("physically deleted")
        self._variants = world.guids(PRICE_VARIANT)
        self._products = world.products
        self._retail = world.ref(PRICE_KIND, _RETAIL)

    def find(self, key: Key) -> int | None:
        """Give the position of a record by (Period, product, variant, series, package, price kind)."""
        period, goods, variant, _, _, kind = key
        item = self._goods.number(goods)
        if item is None:
            item = self._gone.number(goods)
        twin = -1 if variant == ZERO_GUID else self._variants.number(variant)
        if item is None or item >= self._products or twin is None:
            return None
        name = self._retail if self._gone.number(kind) is not None else kind
        for source in self._rounds:
            found = source.line_of(item, twin % OWN_VARIANTS if twin >= 0 else -1, name)
            if found is not None and source.period(found[0]) == period:
                return self.place(source, *found) if source.names(item, name) == (goods, kind) else None
        return None


def tables(world: World, plan: Plan) -> tuple[list[PriceSource], list[ComputedTable | ListTable]]:
    """Give the rounds and the tables of price documents and prices."""
    sources: list[PriceSource] = []
    first = 0
    for number in range(len(ROUNDS)):
        source = PriceSource(world, plan, number, first)
        sources.append(source)
        first += len(source)
    old = "InformationRegister_ЦеныНоменклатуры"
    return sources, [
        PriceDocuments(world, sources),
        RecordSets(PRICES, sources),
        PriceRecords(world, sources),
        ListTable(old, []),  # pricing 2.5 is switched on, so the older register stays empty (PROTOCOL §11.4)
        ListTable(f"{old}_RecordType", []),
    ]


def defects(world: World, sources: list[PriceSource]) -> Iterator[Defect]:
    """Give the broken records of prices."""
    if not world.broken:
        return
    source = sources[0]
    retail = world.ref(PRICE_KIND, _RETAIL)
    for start in range(0, world.products, PERIOD):
        for remainder, kind in _DEFECTS.items():
            found = (
                source.line_of(start + remainder, -1, retail) if start + remainder < world.products else None
            )
            if found is not None:
                yield Defect(
                    table=f"{PRICES}_RecordType", position=source.before(found[0]) + found[1], kind=kind
                )
