"""How single products, variants and barcodes are broken. Every function changes the row it is given."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from onec_pipelines.simulator.data.descriptions import overlong
from onec_pipelines.simulator.data.tables import UNDEFINED, ZERO_GUID
from onec_pipelines.simulator.data.words.goods import KINDS
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Row

_NBSP = "\u00a0"
_ZERO_WIDTH = "\u200b"


class Spoiler:
    """Spoils product rows by kind of defect; `kinds` lists what it can do, in a fixed order."""

    def __init__(self, world: World, article_of: Callable[[int], str]) -> None:
        self._world = world
        self._article_of = article_of
        self._ways: dict[str, Callable[[Row, int], None]] = {
            "duplicate article": self._article,
            "trailing spaces": self._spaces,
            "non-breaking spaces": self._nbsp,
            "control characters": self._controls,
            "dangling unit": lambda row, item: self._dangle(row, "ЕдиницаИзмерения_Key", item),
            "no unit": lambda row, _: self._empty(row, "ЕдиницаИзмерения_Key"),
            "dangling brand": lambda row, item: self._dangle(row, "Марка_Key", item),
            "brand is a folder": lambda row, _: row.update(Марка_Key=world.ref("Catalog_Марки", "Импортные")),
            "dangling kind": lambda row, item: self._dangle(row, "ВидНоменклатуры_Key", item),
            "dangling folder": lambda row, item: self._dangle(row, "Parent_Key", item),
            "folder is a product": self._under_product,
            "html in name": self._html_name,
            "overlong description": lambda row, item: row.update(Описание=overlong(item % len(KINDS))),
            "html description": self._broken_html,
            "no VAT rate": lambda row, _: self._empty(row, "СтавкаНДС_Key"),
            "negative weight": lambda row, _: row.update(ВесЧислитель=Decimal("-0.5")),
            "zero weight denominator": lambda row, _: row.update(ВесЗнаменатель=0),
            "dangling attribute": self._dangling_attribute,
            "number typed as text": self._text_number,
            "undefined attribute value": self._undefined_value,
            "repeated attribute": self._repeated_attribute,
            "dangling picture": lambda row, item: self._dangle(row, "ФайлКартинки_Key", item),
            "unknown enumeration value": lambda row, _: row.update(ТипНоменклатуры="УдалитьКомплект"),
            "empty kind": lambda row, _: self._empty(row, "ВидНоменклатуры_Key"),
        }
        if world.illegal_xml:
            self._ways["character illegal in XML"] = self._illegal

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of defects, in their fixed order."""
        return tuple(self._ways)

    def spoil(self, row: Row, item: int, kind: str) -> None:
        """Break one product row in the given way."""
        self._ways[kind](row, item)

    def _dangle(self, row: Row, name: str, item: int) -> None:
        row[name] = self._world.gone(item)

    def _empty(self, row: Row, name: str) -> None:
        row[name] = ZERO_GUID

    def _article(self, row: Row, item: int) -> None:
        row["Артикул"] = self._article_of(max(item - 1, 0))

    def _spaces(self, row: Row, _: int) -> None:
        row["Description"] += "   "
        row["НаименованиеПолное"] = "  " + row["НаименованиеПолное"] + " "
        row["Артикул"] += " "

    def _nbsp(self, row: Row, _: int) -> None:
        row["Description"] += f"{_NBSP}{_NBSP}новинка{_ZERO_WIDTH}"
        row["НаименованиеПолное"] = row["НаименованиеПолное"].replace(" ", _NBSP)

    def _controls(self, row: Row, _: int) -> None:
        row["Description"] += "\tновинка"
        row["НаименованиеПолное"] += "\r\nуценка\t"
        row["Артикул"] += "\n"

    def _illegal(self, row: Row, _: int) -> None:
        row["Описание"] = "Скопировано из письма поставщика\u000b\u0002"

    def _under_product(self, row: Row, item: int) -> None:
        row["Parent_Key"] = self._world.guids("Catalog_Номенклатура").make(max(item - 1, 0))

    def _html_name(self, row: Row, _: int) -> None:
        row["НаименованиеПолное"] = f"<b>{row['НаименованиеПолное']}</b> &quot;акция&quot;<br>"

    def _broken_html(self, row: Row, _: int) -> None:
        row["Описание"] = (
            f'<p style="color:red"><script>alert("1")</script>{row["НаименованиеПолное"]}<b>незакрыто'
        )

    def _attributes(self, row: Row) -> list[Row]:
        rows: list[Row] = row.setdefault("ДополнительныеРеквизиты", [])
        return rows

    def _add(self, row: Row, guid: str, value: str, value_type: str) -> None:
        rows = self._attributes(row)
        rows.append(
            {
                "LineNumber": len(rows) + 1,
                "Свойство_Key": guid,
                "Значение": value,
                "Значение_Type": value_type,
                "ТекстоваяСтрока": "",
            }
        )

    def _dangling_attribute(self, row: Row, item: int) -> None:
        self._add(row, self._world.gone(item + 1), "Да", "Edm.String")
        self._add(
            row,
            self._property("Цвет"),
            self._world.gone(item),
            "StandardODATA.Catalog_ЗначенияСвойствОбъектов",
        )

    def _text_number(self, row: Row, _: int) -> None:
        self._add(row, self._property("Мощность"), "до 1 200,5 Вт", "Edm.String")

    def _undefined_value(self, row: Row, _: int) -> None:
        self._add(row, self._property("Мощность"), "", UNDEFINED)

    def _repeated_attribute(self, row: Row, _: int) -> None:
        for value in ("12", "24"):
            self._add(row, self._property("Гарантия"), value, "Edm.Double")

    def _property(self, name: str) -> str:
        return self._world.ref("ChartOfCharacteristicTypes_ДополнительныеРеквизитыИСведения", name)
