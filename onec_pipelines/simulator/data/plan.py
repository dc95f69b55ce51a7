"""How the goods are laid out.

Groups of like products (kind, brand, series), their folders, and three ways to count them.

A product has a number (`item`: 0..products-1, in the order of names) and a position in
`Catalog_Номенклатура` (folders stand between the products, because the order is by name). A stock-keeping
unit (`sku`) is a product or one variant of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from onec_pipelines.simulator.data.guids import salt, scramble
from onec_pipelines.simulator.data.layout import Runs
from onec_pipelines.simulator.data.words.goods import BRANDS, COMMON, KINDS, OWN, SERIES, Kind
from onec_pipelines.simulator.data.world import World

NOMENCLATURE = "Catalog_Номенклатура"
OWN_VARIANTS = 3
COMMON_VARIANTS = 4
_SERIES_PER_BRAND = 2
_FIRST_MODEL = 10000
_LAST_MODEL = 99999
_MODEL_STEP = 7
_EMPTY_NAMES_IN = 5000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Group:
    """Products of one kind, brand and series: consecutive by name. `first` is the number of the first one."""

    kind: Kind
    brand: str
    prefix: str
    article: str
    size: int
    first: int
    step: int
    model: int

    @property
    def skus(self) -> int:
        """How many stock-keeping units one product of the group is."""
        return {OWN: OWN_VARIANTS, COMMON: COMMON_VARIANTS}.get(self.kind.variants, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """A folder of the catalog: its path (unique), the path of its parent ("" = root) and its name."""

    path: str
    parent: str
    name: str


BROKEN_FOLDERS = (
    Folder(path="!cycle a", parent="!cycle b", name="Разное (архив)"),
    Folder(path="!cycle b", parent="!cycle a", name="Разное (старое)"),
    Folder(path="!orphan", parent="!gone", name="Распродажа 2019"),
)


def kind_path(kind: Kind) -> str:
    """Give the path of the folder that holds the products of a kind."""
    return f"{kind.department}/{kind.section}/{kind.folder}"


def _folders(*, broken: bool) -> list[Folder]:
    found: dict[str, Folder] = {}
    for kind in KINDS:
        parent = ""
        for name in (kind.department, kind.section, kind.folder):
            path = f"{parent}/{name}" if parent else name
            found.setdefault(path, Folder(path=path, parent=parent, name=name))
            parent = path
    return [*found.values(), *(BROKEN_FOLDERS if broken else ())]


def _shares(total: int, parts: int, key: int) -> list[int]:
    """Divide a total into parts of uneven but reproducible size."""
    weights = [1 + scramble(part, key) % 7 for part in range(parts)]
    whole, given, result = sum(weights), 0, []
    for upto in range(1, parts + 1):
        target = total * sum(weights[:upto]) // whole
        result.append(target - given)
        given = target
    return result


def _names() -> list[tuple[str, Kind, str, str]]:
    """Give (prefix of the name, kind, brand, article) of all groups, ordered by the prefix."""
    found = []
    for number, kind in enumerate(KINDS):
        for place, brand in enumerate(BRANDS[kind.brands]):
            for turn in range(_SERIES_PER_BRAND):
                series = SERIES[(number * 5 + place * 3 + turn * 4) % len(SERIES)]
                article = f"{number:02d}{place:X}{series}"
                found.append((f"{kind.noun} {brand} {series}-", kind, brand, article))
    return sorted(found, key=lambda name: name[0].casefold())


class Plan:
    """The layout of all goods of a base; costs milliseconds and little memory for any number of products."""

    def __init__(self, world: World) -> None:
        nameless = min(world.products, 1 + world.products // _EMPTY_NAMES_IN) if world.broken else 0
        self.nameless = nameless
        self.groups = self._groups(world, nameless)
        self.folders = sorted(_folders(broken=world.broken), key=lambda folder: folder.name.casefold())
        ordered: list[tuple[str, Group | Folder, int]] = [
            *((group.prefix.casefold(), group, group.size) for group in self.groups),
            *((folder.name.casefold(), folder, 1) for folder in self.folders),
        ]
        ordered.sort(key=lambda entry: entry[0])
        self.catalog: Runs[Group | Folder] = Runs([(value, size) for _, value, size in ordered])
        self.items: Runs[Group] = Runs([(group, group.size) for group in self.groups])
        self.skus: Runs[Group] = Runs([(group, group.size * group.skus) for group in self.groups])
        self._starts: dict[int, int] = {}
        self.folder_positions: dict[str, int] = {}
        for value, start in zip(self.catalog.values, self.catalog.starts, strict=True):
            if isinstance(value, Folder):
                self.folder_positions[value.path] = start
            else:
                self._starts[id(value)] = start

    def _groups(self, world: World, nameless: int) -> list[Group]:
        names = _names()
        shares = _shares(world.products - nameless, len(names), salt(world.seed, "group sizes"))
        plain = next(kind for kind in KINDS if kind.folder == "Тетради")
        groups = [
            Group(
                kind=plain,
                brand="",
                prefix="",
                article="",
                size=nameless,
                first=0,
                step=1,
                model=_FIRST_MODEL,
            )
        ]
        first, key = nameless, salt(world.seed, "models")
        for (prefix, kind, brand, article), size in zip(names, shares, strict=True):
            step = max(1, min(_MODEL_STEP, (_LAST_MODEL - _FIRST_MODEL) // max(size, 1)))
            free = scramble(first, key) % max(_LAST_MODEL - _FIRST_MODEL - size * step, 1)
            groups.append(
                Group(
                    kind=kind,
                    brand=brand,
                    prefix=prefix,
                    article=article,
                    size=size,
                    first=first,
                    step=step,
                    model=_FIRST_MODEL + free,
                )
            )
            first += size
        return groups

    def group(self, item: int) -> Group:
        """Give the group of a product by its number."""
        return self.items.values[self.items.locate(item)[0]]

    def position(self, item: int) -> int:
        """Give the position of a product in the catalog."""
        run, offset = self.items.locate(item)
        return self._starts[id(self.items.values[run])] + offset

    def sku(self, number: int) -> tuple[Group, int, int]:
        """Give (group, item, variant) of a stock-keeping unit; the variant is 0 where there are none."""
        run, offset = self.skus.locate(number)
        group = self.skus.values[run]
        item, variant = divmod(offset, group.skus)
        return group, group.first + item, variant

    def sku_of(self, item: int, variant: int = 0) -> int:
        """Give the number of the stock-keeping unit of a product's variant."""
        run, offset = self.items.locate(item)
        group = self.items.values[run]
        return self.skus.starts[run] + offset * group.skus + variant


def model_of(group: Group, offset: int, chance: int) -> int:
    """Give the model number of a product in its group.

    Growing with the offset, so that names stay in order.
    """
    return group.model + offset * group.step + chance % group.step
