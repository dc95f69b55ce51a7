"""Additional attributes of goods.

Which a kind has, and the rows that hold their values (PROTOCOL §1.5 on composite values).
"""

from __future__ import annotations

from collections.abc import Callable

from onec_pipelines.simulator.data.tables import ZERO_GUID
from onec_pipelines.simulator.data.words.fixed import PROPERTIES
from onec_pipelines.simulator.data.words.goods import Kind
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Row

PROPERTY = "ChartOfCharacteristicTypes_ДополнительныеРеквизитыИСведения"
VALUE = "Catalog_ЗначенияСвойствОбъектов"
_COMPOSITIONS = ("Хлопок 100 %", "Хлопок 60 %, полиэстер 40 %", "Шерсть 70 %, акрил 30 %", "Сталь, пластик")
_LONG = (
    "Верх: хлопок 80 %, полиэстер 20 %. Подкладка: вискоза 55 %, полиэстер 45 %. Наполнитель: пух-перо "
    "(пух 80 %, "
    "перо 20 %). Отделка: натуральная кожа. "
) * 9
_TYPES = {"number": "Edm.Double", "string": "Edm.String", "boolean": "Edm.Boolean", "date": "Edm.DateTime"}
Entry = tuple[str, str, str, str]  # property, value, type of the value, full text


class Attributes:
    """Values of additional attributes by kind of goods."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._choices = {name: self._entries(name, sort, values) for name, _, sort, values in PROPERTIES}

    def _entries(self, name: str, sort: str, values: tuple[str, ...]) -> list[Entry]:
        guid = self._world.ref(PROPERTY, name)
        if sort == "value":
            reference = f"StandardODATA.{VALUE}"
            return [(guid, self._world.ref(VALUE, f"{name}/{value}"), reference, "") for value in values]
        if sort == "text":  # a value longer than the index allows is kept whole beside it, PROTOCOL §11.2
            long = (guid, _LONG[:1024], "Edm.String", _LONG)
            return [*((guid, value, "Edm.String", "") for value in _COMPOSITIONS), long]
        if sort == "date":
            return [
                (guid, f"20{year}-0{month}-01T00:00:00", _TYPES[sort], "")
                for year in (22, 23, 24, 25)
                for month in (3, 9)
            ]
        return [(guid, value, _TYPES[sort], "") for value in values]

    def filler(self, kind: Kind) -> Callable[[int], list[Row]]:
        """Give a function: chance of a product → rows of its ДополнительныеРеквизиты.

        Some are not filled in.
        """
        choices = [self._choices[name] for name in kind.attributes]

        def fill(chance: int) -> list[Row]:
            rows: list[Row] = []
            line = 0
            for choice in choices:
                chance >>= 5
                if chance & 7 == 0:  # one in eight was left empty by the person who entered it
                    continue
                line += 1
                guid, value, value_type, text = choice[(chance >> 3) % len(choice)]
                rows.append(
                    {
                        "LineNumber": line,
                        "Свойство_Key": guid,
                        "Значение": value,
                        "Значение_Type": value_type,
                        "ТекстоваяСтрока": text,
                    }
                )
            return rows

        return fill


def value_row(world: World, line: int, name: str, value: str) -> Row:
    """Give one attribute row that refers to a value of `Catalog_ЗначенияСвойствОбъектов`."""
    return {
        "LineNumber": line,
        "Свойство_Key": world.ref(PROPERTY, name),
        "Значение": world.ref(VALUE, f"{name}/{value}") if value else ZERO_GUID,
        "Значение_Type": f"StandardODATA.{VALUE}",
        "ТекстоваяСтрока": "",
    }
