"""Variants of goods: `ХарактеристикиНоменклатуры` and their twins for pricing (PROTOCOL §11.2, §11.4).

Common variants belong to a kind of goods (colour and size), own variants to one product: three each.
"""

from __future__ import annotations

from collections.abc import Iterator

from onec_pipelines.simulator.data.attributes import value_row
from onec_pipelines.simulator.data.defects import PERIOD, Defect
from onec_pipelines.simulator.data.guids import scramble
from onec_pipelines.simulator.data.layout import Runs
from onec_pipelines.simulator.data.plan import (
    COMMON_VARIANTS,
    NOMENCLATURE,
    OWN_VARIANTS,
    Group,
    Plan,
    kind_path,
)
from onec_pipelines.simulator.data.tables import FIRST_VERSIONS, UNDEFINED, ZERO_GUID, ComputedTable
from onec_pipelines.simulator.data.words.fixed import COLOURS, SIZES
from onec_pipelines.simulator.data.words.goods import COMMON, KINDS, OWN, Kind
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Key, Row

VARIANT = "Catalog_ХарактеристикиНоменклатуры"
PRICE_VARIANT = "Catalog_ХарактеристикиНоменклатурыДляЦенообразования"
_KIND = "Catalog_ВидыНоменклатуры"
_DEFECTS = {100: "dangling owner", 400: "no owner", 700: "empty name"}  # by remainder of the variant's number
_COLOURS = [forms[0] for forms in COLOURS]
_OWN_SETS = (("белый", "красный", "черный"), ("128 ГБ", "256 ГБ", "512 ГБ"), ("1 шт", "3 шт", "5 шт"))
_OWN_BY_FOLDER = {"Смартфоны": 1, "Ручки": 2}


def common_names() -> list[str]:
    """Give the names of a kind's common variants, in order: size, colour."""
    return [f"{size}, {colour}" for size in SIZES for colour in _COLOURS]


def own_names(kind: Kind) -> tuple[str, ...]:
    """Give the names of the own variants that each product of a kind has, in order."""
    return _OWN_SETS[_OWN_BY_FOLDER.get(kind.folder, 0)]


class Keys:
    """The keys of variants: common ones by kind and name, own ones by product number and place."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._guids = world.guids(VARIANT)
        self._pricing = world.guids(PRICE_VARIANT)
        self._names = common_names()

    def key(self, group: Group, item: int, variant: int) -> str:
        """Give the variant's key for a stock-keeping unit; the zero GUID where the kind has no variants."""
        policy = group.kind.variants
        if policy == OWN:
            return self._guids.make(item * OWN_VARIANTS + variant)
        if policy == COMMON:  # a product is stocked in four of its kind's variants
            start = scramble(item, 77) % (len(self._names) - COMMON_VARIANTS)
            return self._world.ref(VARIANT, f"{kind_path(group.kind)}/{self._names[start + variant]}")
        return ZERO_GUID

    def pricing(self, item: int, variant: int) -> str:
        """Give the key of the pricing twin of an own variant."""
        return self._pricing.make(item * OWN_VARIANTS + variant)


class Variants(ComputedTable):
    """Both catalogs of variants.

    The pricing one holds own variants only, because common ones share the product's price.
    """

    def __init__(self, world: World, plan: Plan, *, pricing: bool) -> None:
        super().__init__(PRICE_VARIANT if pricing else VARIANT)
        self._world = world
        self._plan = plan
        self._pricing = pricing
        self._guids = world.guids(self.name)
        self._twins = world.guids(PRICE_VARIANT)
        self._goods = world.guids(NOMENCLATURE)
        entries: list[tuple[str, tuple[Group | Kind, int], int]] = []
        for group in plan.groups:
            if group.kind.variants == OWN:
                names = own_names(group.kind)
                entries += [(name, (group, place), group.size) for place, name in enumerate(names)]
        if not pricing:
            for kind in KINDS:
                if kind.variants == COMMON:
                    entries += [(name, (kind, place), 1) for place, name in enumerate(common_names())]
        entries.sort(key=lambda entry: entry[0])
        self._runs = Runs([(value, size) for _, value, size in entries])
        self._starts: dict[tuple[int, int], int] = {}
        self._common: dict[str, int] = {}
        for (value, place), start in zip(self._runs.values, self._runs.starts, strict=True):
            if isinstance(value, Group):
                self._starts[id(value), place] = start
            else:
                self._common[self._world.ref(VARIANT, f"{kind_path(value)}/{common_names()[place]}")] = start

    def __len__(self) -> int:
        """Give the number of variants."""
        return len(self._runs)

    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        rows: list[Row] = []
        for cut in self._runs.cut(start, stop):
            value, place = cut.value
            if isinstance(value, Kind):
                rows.append(self._common_row(value, place))
            else:
                rows.extend(
                    self._own_row(value, value.first + offset, place) for offset in range(cut.low, cut.high)
                )
        return rows

    def find(self, key: Key) -> int | None:
        """Give the position of a variant."""
        position = self._common.get(key[0])
        number = self._guids.number(key[0]) if position is None else None
        if number is None:
            return position
        item, place = divmod(number, OWN_VARIANTS)
        if item >= self._world.products:
            return None
        group = self._plan.group(item)
        start = self._starts.get((id(group), place))
        return None if start is None else start + item - group.first

    def defects(self) -> Iterator[Defect]:
        """Give the broken variants: own ones of the products at certain remainders."""
        if not self._world.broken or self._pricing:
            return
        for (value, place), start, following in zip(
            self._runs.values, self._runs.starts, [*self._runs.starts[1:], len(self)], strict=True
        ):
            if isinstance(value, Group):
                for offset in range(following - start):
                    kind = _DEFECTS.get(((value.first + offset) * OWN_VARIANTS + place) % PERIOD)
                    if kind is not None:
                        yield Defect(table=self.name, position=start + offset, kind=kind)

    def _own_row(self, group: Group, item: int, place: int) -> Row:
        number, name = item * OWN_VARIANTS + place, own_names(group.kind)[place]
        row: Row = {
            "Ref_Key": self._guids.make(number),
            "DataVersion": FIRST_VERSIONS[place],
            "Description": name,
            "НаименованиеПолное": name,
            "DeletionMark": item % 211 == place,
            "ВидНоменклатуры_Key": self._world.ref(_KIND, kind_path(group.kind)),
        }
        if self._pricing:
            row["Номенклатура_Key"] = self._goods.make(item)
            row["КоличествоРеквизитов"] = 1
            return row
        row["Owner"] = self._goods.make(item)
        row["Owner_Type"] = f"StandardODATA.{NOMENCLATURE}"
        row["ХарактеристикаНоменклатурыДляЦенообразования_Key"] = self._twins.make(number)
        defect = _DEFECTS.get(number % PERIOD) if self._world.broken else None
        if defect is not None:
            row.update(self._spoiled(defect, item))
        if name in _COLOURS:
            row["ДополнительныеРеквизиты"] = [value_row(self._world, 1, "Цвет", name.capitalize())]
        return row

    def _spoiled(self, defect: str, item: int) -> Row:
        if defect == "dangling owner":
            return {"Owner": self._world.gone(item)}
        if defect == "no owner":
            return {"Owner": "", "Owner_Type": UNDEFINED}
        return {"Description": "", "НаименованиеПолное": ""}

    def _common_row(self, kind: Kind, place: int) -> Row:
        size, colour = divmod(place, len(_COLOURS))
        name = common_names()[place]
        return {
            "Ref_Key": self._world.ref(VARIANT, f"{kind_path(kind)}/{name}"),
            "DataVersion": FIRST_VERSIONS[0],
            "Description": name,
            "НаименованиеПолное": name,
            "DeletionMark": False,
            "Owner": self._world.ref(_KIND, kind_path(kind)),
            "Owner_Type": f"StandardODATA.{_KIND}",
            "ВидНоменклатуры_Key": self._world.ref(_KIND, kind_path(kind)),
            "ДополнительныеРеквизиты": [
                value_row(self._world, 1, "Размер", SIZES[size]),
                value_row(self._world, 2, "Цвет", _COLOURS[colour].capitalize()),
            ],
        }
