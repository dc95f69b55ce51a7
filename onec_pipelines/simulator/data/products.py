"""`Catalog_Номенклатура`: folders three levels deep and products, in the order of names (PROTOCOL §11.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import gcd

from onec_pipelines.simulator.data.attributes import Attributes
from onec_pipelines.simulator.data.defects import PERIOD, Defect, Places
from onec_pipelines.simulator.data.descriptions import pool
from onec_pipelines.simulator.data.goods_defects import Spoiler
from onec_pipelines.simulator.data.guids import salt, scramble
from onec_pipelines.simulator.data.plan import (
    BROKEN_FOLDERS,
    NOMENCLATURE,
    Folder,
    Group,
    Plan,
    kind_path,
    model_of,
)
from onec_pipelines.simulator.data.tables import FIRST_VERSIONS, ZERO_GUID, ComputedTable
from onec_pipelines.simulator.data.words.fixed import COLOURS, COUNTRIES, PRICE_GROUPS
from onec_pipelines.simulator.data.words.goods import KINDS
from onec_pipelines.simulator.data.words.item_only import ITEM_ONLY
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Key, Row

IMAGED = frozenset((0, 1, 2, 4, 5, 7))  # products with a picture, by the last digit of their number
PACKED = 3  # one product of eight is also sold in packages
MARKED = 97  # one product of 97 is marked for deletion
_GENDERS = "mfnp"
_FINISHES: dict[str, tuple[str, ...]] = {
    "none": ("",),
    "volume": (", 1 л", ", 1.5 л", ", 1.7 л", ", 2 л", ", 2.5 л", ", 5 л"),
    "size": (" 6х30 мм", " 8х40 мм", " 10х50 мм"),
    "diameter": (", 20 см", ", 24 см", ", 26 см", ", 28 см"),
    "length": (", 3 м", ", 5 м", ", 7.5 м", ", 10 м"),
    "ml": (", 50 мл", ", 75 мл", ", 100 мл", ", 250 мл", ", 400 мл", ", 1000 мл"),
    "grams": (", 50 г", ", 95 г", ", 100 г", ", 250 г", ", 500 г", ", 1 кг"),
}
_EXTRAS = ("", "", " (новая упаковка)", ", гарантия производителя", " [уценка]", ' "Премиум"')


def finishes(group: Group) -> tuple[str, ...]:
    """Give what may follow the model in the names of a group's products."""
    if group.kind.finish != "colour":
        return _FINISHES[group.kind.finish]
    form = _GENDERS.index(group.kind.gender)
    return ("", *(f", {forms[form]}" for forms in COLOURS))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kit:
    """What all products of a group share, prepared once."""

    prototype: Row
    endings: tuple[str, ...]
    texts: tuple[str, ...]
    weights: list[Decimal]
    fill: Callable[[int], list[Row]]


class Products(ComputedTable):
    """The catalog of goods. GUID numbers: products by their number, folders by their path."""

    def __init__(self, world: World, plan: Plan) -> None:
        super().__init__(NOMENCLATURE)
        self._world = world
        self._plan = plan
        self._guids = world.guids(NOMENCLATURE)
        self._images = world.guids("Catalog_НоменклатураПрисоединенныеФайлы")
        self._chance = salt(world.seed, "product")
        self._attributes = Attributes(world)
        self._spoiler = Spoiler(world, self.article_of)
        self.places = Places(self._spoiler.kinds, on=world.broken)
        self._kits: dict[int, _Kit] = {}
        self._numbers = {id(kind): number for number, kind in enumerate(KINDS)}
        self._price_groups = [world.ref("Catalog_ЦеновыеГруппы", name) for name in PRICE_GROUPS]
        self._countries = [world.ref("Catalog_СтраныМира", entry[0]) for entry in COUNTRIES]
        self._folder_guids = {world.ref(NOMENCLATURE, folder.path): folder.path for folder in plan.folders}
        size = max(world.products, 1)
        self._code_step = next(
            step for step in range(int(size * 0.618) | 1, 2 * size + 2, 2) if gcd(step, size) == 1
        )
        self._weights = [Decimal(grams).scaleb(-3) for grams in range(30001)]

    def __len__(self) -> int:
        """Give the number of products and folders."""
        return len(self._plan.catalog)

    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        rows: list[Row] = []
        for cut in self._plan.catalog.cut(start, stop):
            if isinstance(cut.value, Folder):
                rows.append(self._folder(cut.value))
            else:
                rows.extend(self._products(cut.value, cut.run, cut.low, cut.high))
        return rows

    def find(self, key: Key) -> int | None:
        """Give the position of a product or folder."""
        item = self._guids.number(key[0])
        if item is not None and item < self._world.products:
            return self._plan.position(item)
        path = self._folder_guids.get(key[0])
        return None if path is None else self._plan.folder_positions[path]

    def guid(self, item: int) -> str:
        """Give the key of a product by its number."""
        return self._guids.make(item)

    def article_of(self, item: int) -> str:
        """Give the article of a product by its number, as it is without a defect."""
        group = self._plan.group(item)
        return f"{group.article}-{model_of(group, item - group.first, scramble(item, self._chance))}"

    def code_of(self, item: int) -> str:
        """Give the code: unique, in the order in which somebody typed the catalog in.

        Not in the order of names.
        """
        return f"00-{(item * self._code_step) % max(self._world.products, 1) + 1:08d}"

    def name_of(self, item: int) -> str:
        """Give the Description of a product, as it is without a defect."""
        group = self._plan.group(item)
        if not group.prefix:
            return ""
        chance = scramble(item, self._chance)
        endings = finishes(group)
        model = model_of(group, item - group.first, chance)
        return f"{group.prefix}{model}{endings[(chance >> 8) % len(endings)]}"

    def is_marked(self, item: int) -> bool:
        """Say whether a product is marked for deletion."""
        return scramble(item, self._chance) >> 20 & 0xFFF < 4096 // MARKED

    def defects(self) -> Iterator[Defect]:
        """Give the broken rows: single products first, then products without a name, then folders."""
        for item, kind in self.places.walk(self._world.products):
            yield Defect(table=self.name, position=self._plan.position(item), kind=kind)
        for item in range(self._plan.nameless):
            yield Defect(table=self.name, position=self._plan.position(item), kind="empty name")
        if self._world.broken:
            for folder in BROKEN_FOLDERS:
                kind = "orphan folder" if folder.parent == "!gone" else "cycle of folders"
                yield Defect(table=self.name, position=self._plan.folder_positions[folder.path], kind=kind)

    def _folder(self, folder: Folder) -> Row:
        if folder.parent == "!gone":
            parent = self._world.gone(0)
        else:
            parent = self._world.ref(NOMENCLATURE, folder.parent) if folder.parent else ZERO_GUID
        return {
            "Ref_Key": self._world.ref(NOMENCLATURE, folder.path),
            "DataVersion": FIRST_VERSIONS[len(folder.path) % 4],
            "Description": folder.name,
            "Code": f"00-{self._world.products + 1 + self._plan.folder_positions[folder.path]:08d}",
            "Parent_Key": parent,
            "IsFolder": True,
            "DeletionMark": False,
            **dict.fromkeys(ITEM_ONLY[NOMENCLATURE]),
        }

    def _prototype(self, group: Group) -> Row:
        kind, ref = group.kind, self._world.ref
        unit = ref("Catalog_УпаковкиЕдиницыИзмерения", kind.unit)
        return {
            "IsFolder": False,
            "Parent_Key": ref(NOMENCLATURE, kind_path(kind)),
            "ВидНоменклатуры_Key": ref("Catalog_ВидыНоменклатуры", kind_path(kind)),
            "ТипНоменклатуры": "Товар",
            "ВариантОформленияПродажи": "РеализацияТоваровУслуг",
            "ЕдиницаИзмерения_Key": unit,
            "ЕдиницаДляОтчетов_Key": unit,
            "КоэффициентЕдиницыДляОтчетов": 1,
            "СтавкаНДС_Key": ref("Catalog_СтавкиНДС", kind.vat),
            "Марка_Key": ref("Catalog_Марки", group.brand) if group.brand else ZERO_GUID,
            "Производитель_Key": ref("Catalog_Производители", group.brand) if group.brand else ZERO_GUID,
            "ГруппаДоступа_Key": ref("Catalog_ГруппыДоступаНоменклатуры", "Товары"),
            "ИспользованиеХарактеристик": kind.variants,
            "Качество": "Новый",
            "ОсобенностьУчета": "БезОсобенностейУчета",
            "ВесИспользовать": True,
            "ВесЗнаменатель": 1,
            "ВесЕдиницаИзмерения_Key": ref("Catalog_УпаковкиЕдиницыИзмерения", "166"),
            "ЕдиницаИзмеренияСрокаГодности": "Месяц" if kind.department == "Продукты" else "",
            "СрокГодности": 12 if kind.department == "Продукты" else 0,
            "ТоварнаяКатегория_Key": ref("Catalog_ТоварныеКатегории", kind_path(kind)),
        }

    def _kit(self, group: Group, run: int) -> _Kit:
        kit = self._kits.get(run)
        if kit is None:
            low, high = group.kind.grams
            kit = self._kits[run] = _Kit(
                prototype=self._prototype(group),
                endings=finishes(group),
                texts=pool(self._numbers[id(group.kind)]),
                weights=self._weights[low : high + 1],
                fill=self._attributes.filler(group.kind),
            )
        return kit

    def _products(self, group: Group, run: int, low: int, high: int) -> list[Row]:
        kit = self._kit(group, run)
        prototype, endings, texts, weights, fill = (
            kit.prototype,
            kit.endings,
            kit.texts,
            kit.weights,
            kit.fill,
        )
        price_groups, countries, spoiled = self._price_groups, self._countries, self.places.by_remainder
        span = len(weights)
        rows: list[Row] = []
        make, prefix, article, first, key = (
            self._guids.make,
            group.prefix,
            group.article,
            group.first,
            self._chance,
        )
        marked, step, size, choices = (
            4096 // MARKED,
            self._code_step,
            max(self._world.products, 1),
            len(endings),
        )
        for offset in range(low, high):  # this loop makes every page of products: no calls that can be spared
            item = first + offset
            chance = scramble(item, key)
            model = model_of(group, offset, chance)
            name = f"{prefix}{model}{endings[(chance >> 8) % choices]}" if prefix else ""
            text = texts[chance >> 12 & 15]
            code = item * step % size + 1
            row = {
                **prototype,
                "Ref_Key": make(item),
                "DataVersion": FIRST_VERSIONS[chance >> 16 & 3],
                "Description": name,
                "НаименованиеПолное": f"{name}{_EXTRAS[(chance >> 18) % 6]}",
                "Code": f"00-{code:08d}",
                "КодДляПоиска": str(code),
                "Артикул": f"{article}-{model}",
                "DeletionMark": chance >> 20 & 0xFFF < marked,
                "Описание": f"{name}. {text}" if text else "",
                "ВесЧислитель": weights[(chance >> 32) % span],
                "ЦеноваяГруппа_Key": price_groups[chance >> 34 & 3],
                "СтранаПроисхождения_Key": countries[(chance >> 36) % len(COUNTRIES)],
                "ИспользоватьУпаковки": item & 7 == PACKED,
                "ДополнительныеРеквизиты": fill(chance),
            }
            if item % 10 in IMAGED:
                row["ФайлКартинки_Key"] = self._images.make(item * 4)
            defect = spoiled.get(item % PERIOD)
            if defect is not None:
                self._spoiler.spoil(row, item, defect)
            rows.append(row)
        return rows
