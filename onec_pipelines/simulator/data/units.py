"""`Catalog_УпаковкиЕдиницыИзмерения`.

Units of measure (OKEI codes) and the packages of single products (PROTOCOL §11.2).
"""

from __future__ import annotations

from collections.abc import Iterator

from onec_pipelines.simulator.data.defects import PERIOD, Defect
from onec_pipelines.simulator.data.layout import Periodic, Runs
from onec_pipelines.simulator.data.plan import NOMENCLATURE
from onec_pipelines.simulator.data.products import PACKED
from onec_pipelines.simulator.data.tables import FIRST_VERSIONS, ComputedTable
from onec_pipelines.simulator.data.words.fixed import UNITS
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Key, Row

UNIT = "Catalog_УпаковкиЕдиницыИзмерения"
# The set "base units" is a predefined item of a catalog that is not published, so its type name is an id
# (PROTOCOL §1.1).
_SETS = "UnavailableEntities.UnavailableEntity_c1a7a5b4-0b1d-4f5c-9d3c-6f3b3f2f7a51"
_PACKAGES = (("кор", "Короб", 24), ("упак", "Упаковка", 12), ("упак", "Упаковка", 6))  # by name
_DEFECTS = {43: "zero denominator", 67: "dangling owner"}  # by remainder of the product, all are packed ones
_PERIOD = 24  # three packages in turn for the products with remainder PACKED by eight


class Units(ComputedTable):
    """Units first by name among the packages; a package is numbered by its product."""

    def __init__(self, world: World) -> None:
        super().__init__(UNIT)
        self._world = world
        self._guids = world.guids(UNIT)
        self._members = [
            Periodic(total=world.products, period=_PERIOD, residues=[PACKED + 8 * number])
            for number in range(3)
        ]
        entries: list[tuple[str, int, int]] = [(unit[1], -1 - at, 1) for at, unit in enumerate(UNITS)]
        entries += [
            (self._title(number), number, len(members)) for number, members in enumerate(self._members)
        ]
        entries.sort()
        self._runs = Runs([(number, size) for _, number, size in entries])
        self._starts = dict(zip(self._runs.values, self._runs.starts, strict=True))
        self._units = {world.ref(UNIT, unit[0]): -1 - at for at, unit in enumerate(UNITS)}

    def __len__(self) -> int:
        """Give the number of units and packages."""
        return len(self._runs)

    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        rows: list[Row] = []
        for cut in self._runs.cut(start, stop):
            if cut.value < 0:
                rows.append(self._unit(-1 - cut.value))
            else:
                members = self._members[cut.value]
                rows.extend(self._package(cut.value, members.at(rank)) for rank in range(cut.low, cut.high))
        return rows

    def find(self, key: Key) -> int | None:
        """Give the position of a unit or package."""
        unit = self._units.get(key[0])
        if unit is not None:
            return self._starts[unit]
        item = self._guids.number(key[0])
        if item is None:
            return None
        for number, members in enumerate(self._members):
            rank = members.rank(item)
            if rank is not None:
                return self._starts[number] + rank
        return None

    def defects(self) -> Iterator[Defect]:
        """Give the broken packages."""
        if self._world.broken:
            for number, members in enumerate(self._members):
                for start in range(0, self._world.products, PERIOD):
                    for remainder, kind in _DEFECTS.items():
                        rank = members.rank(start + remainder)
                        if rank is not None:
                            yield Defect(table=self.name, position=self._starts[number] + rank, kind=kind)

    @staticmethod
    def _title(number: int) -> str:
        short, _, count = _PACKAGES[number]
        return f"{short} ({count} шт)"

    def _unit(self, at: int) -> Row:
        code, short, full, international, quantity, numerator, denominator = UNITS[at]
        return {
            "Ref_Key": self._world.ref(UNIT, code),
            "DataVersion": FIRST_VERSIONS[0],
            "Description": short,
            "Code": code,
            "DeletionMark": False,
            "Owner": self._world.ref("Catalog_НаборыУпаковок", "БазовыеЕдиницыИзмерения"),
            "Owner_Type": _SETS,
            "НаименованиеПолное": full,
            "МеждународноеСокращение": international,
            "ТипИзмеряемойВеличины": quantity,
            "Числитель": numerator,
            "Знаменатель": denominator,
        }

    def _package(self, number: int, item: int) -> Row:
        _, full, count = _PACKAGES[number]
        defect = _DEFECTS.get(item % PERIOD) if self._world.broken else None
        owner = self._world.guids(NOMENCLATURE).make(item)
        return {
            "Ref_Key": self._guids.make(item),
            "DataVersion": FIRST_VERSIONS[1],
            "Description": self._title(number),
            "Code": "",
            "DeletionMark": False,
            "Owner": self._world.gone(item) if defect == "dangling owner" else owner,
            "Owner_Type": f"StandardODATA.{NOMENCLATURE}",
            "НаименованиеПолное": f"{full} {count} шт.",
            "ЕдиницаИзмерения_Key": self._world.ref(UNIT, "796"),
            "ТипИзмеряемойВеличины": "Упаковка",
            "ТипУпаковки": "Разупаковываемая",
            "Числитель": count,
            "Знаменатель": 0 if defect == "zero denominator" else 1,
            "КоличествоУпаковок": count,
        }
