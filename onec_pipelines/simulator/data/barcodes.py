"""`InformationRegister_ШтрихкодыНоменклатуры`.

EAN-13 codes of products, variants and packages (PROTOCOL §11.1: key Штрихкод).
"""

from __future__ import annotations

from collections.abc import Iterator

from onec_pipelines.simulator.data.defects import Defect
from onec_pipelines.simulator.data.layout import Periodic, Runs
from onec_pipelines.simulator.data.plan import NOMENCLATURE, Plan
from onec_pipelines.simulator.data.products import PACKED
from onec_pipelines.simulator.data.tables import ZERO_GUID, ComputedTable
from onec_pipelines.simulator.data.units import UNIT
from onec_pipelines.simulator.data.variants import Keys
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Key, Row

BARCODES = "InformationRegister_ШтрихкодыНоменклатуры"
_SKU_BASE = 460_000_000_000
_PACKAGE_BASE = 461_000_000_000
_STEP = 13
_DIGITS = 12
_DEFECTS = {17: "wrong check digit", 217: "barcode of a deleted product", 417: "barcode is not EAN"}


def check_digit(digits: str) -> str:
    """Give the check digit of the first twelve digits of an EAN-13."""
    total = sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(digits))
    return str(-total % 10)


class Barcodes(ComputedTable):
    """Codes in ascending order: stock-keeping units first, packages after them.

    One unit in eleven has no code.
    """

    def __init__(self, world: World, plan: Plan) -> None:
        super().__init__(BARCODES)
        self._world = world
        self._plan = plan
        self._goods = world.guids(NOMENCLATURE)
        self._units = world.guids(UNIT)
        self._keys = Keys(world)
        self._coded = Periodic(total=len(plan.skus), period=11, residues=range(10))
        self._packed = Periodic(total=world.products, period=8, residues=[PACKED])
        self._runs = Runs([(_SKU_BASE, len(self._coded)), (_PACKAGE_BASE, len(self._packed))])

    def __len__(self) -> int:
        """Give the number of barcodes."""
        return len(self._runs)

    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        build = {_SKU_BASE: self._unit, _PACKAGE_BASE: self._package}
        return [
            build[cut.value](rank) for cut in self._runs.cut(start, stop) for rank in range(cut.low, cut.high)
        ]

    def find(self, key: Key) -> int | None:
        """Give the position of a barcode."""
        digits = key[0].removeprefix("A")
        if not digits[:_DIGITS].isdecimal():
            return None
        for run, base in enumerate(self._runs.values):
            number, rest = divmod(int(digits[:_DIGITS]) - base, _STEP)
            rank = (self._coded, self._packed)[run].rank(number)
            if rest == 0 and rank is not None and self._code(base, number) == key[0]:
                return self._runs.starts[run] + rank
        return None

    def defects(self) -> Iterator[Defect]:
        """Give the broken records."""
        if self._world.broken:
            for start in range(0, len(self._plan.skus), 1000):
                for remainder, kind in _DEFECTS.items():
                    rank = self._coded.rank(start + remainder)
                    if rank is not None:
                        yield Defect(table=self.name, position=rank, kind=kind)

    def _defect(self, base: int, number: int) -> str | None:
        return _DEFECTS.get(number % 1000) if self._world.broken and base == _SKU_BASE else None

    def _code(self, base: int, number: int) -> str:
        digits = str(base + number * _STEP)
        defect = self._defect(base, number)
        if defect == "wrong check digit":
            return digits + str((int(check_digit(digits)) + 5) % 10)
        if defect == "barcode is not EAN":
            return f"A{digits}"
        return digits + check_digit(digits)

    def _unit(self, rank: int) -> Row:
        number = self._coded.at(rank)
        group, item, variant = self._plan.sku(number)
        gone = self._defect(_SKU_BASE, number) == "barcode of a deleted product"
        return {
            "Штрихкод": self._code(_SKU_BASE, number),
            "Номенклатура_Key": self._world.gone(item) if gone else self._goods.make(item),
            "Характеристика_Key": self._keys.key(group, item, variant),
            "Упаковка_Key": ZERO_GUID,
        }

    def _package(self, rank: int) -> Row:
        item = self._packed.at(rank)
        return {
            "Штрихкод": self._code(_PACKAGE_BASE, item),
            "Номенклатура_Key": self._goods.make(item),
            "Характеристика_Key": ZERO_GUID,
            "Упаковка_Key": self._units.make(item),
        }
