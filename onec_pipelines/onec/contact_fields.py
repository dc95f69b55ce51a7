"""Parts of an address out of `ЗначенияПолей`: the XML of UT 11.4, and the lines `Улица=…` of older bases (PROTOCOL §11.6).

Pure. What is no address gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from onec_pipelines.errors import PipelineError
from onec_pipelines.onec.xml_reader import read_xml

_LONGEST = 100_000
_POSTCODE = "10100000"
# Element of the XML or name of a line → part.
_PARTS = {
    "Страна": "country",
    "Индекс": "postcode",
    "СубъектРФ": "region",
    "Регион": "region",
    "Район": "district",
    "Город": "city",
    "НаселПункт": "settlement",
    "НаселенныйПункт": "settlement",
    "Улица": "street",
    "Дом": "1010",
    "Корпус": "1050",
    "Квартира": "2010",
}
# Kinds of numbers of the address classifier; a house is a number without a word.
_HOUSES = {"1010": "", "1020": "Владение", "1030": "Домовладение"}
_BUILDINGS = {"1050": "Корпус", "1060": "Строение", "1070": "Сооружение", "1080": "Литера"}
_FLATS = {"2010": "Квартира", "2020": "Офис", "2030": "Бокс", "2040": "Помещение", "2050": "Комната"}


def parts_of_fields(text: str) -> dict[str, str] | None:
    """country, postcode, region, district, city, street, house, flat as far as they are said; None when it says none of them."""
    if len(text) > _LONGEST:
        return None
    found = _of_xml(text) if text.lstrip("\ufeff \r\n\t").startswith("<") else _of_lines(text)
    parts = {
        **{name: found.get(name, "") for name in ("country", "postcode", "region", "district", "street")},
        "city": found.get("city") or found.get("settlement") or "",
        "house": _joined(found, _HOUSES, _BUILDINGS),
        "flat": _joined(found, _FLATS),
    }
    return {name: part for name, part in parts.items() if part} or None


def _joined(found: dict[str, str], *kinds: dict[str, str]) -> str:
    """Numbers with the words of their kinds, in the order of an address."""
    words = ((word, found.get(kind, "")) for group in kinds for kind, word in group.items())
    return ", ".join(f"{word} {number}".strip() for word, number in words if number)


def _of_lines(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return _known((name.strip(), value) for name, _, value in pairs)


def _of_xml(text: str) -> dict[str, str]:
    target = _Address()
    try:
        for _ in read_xml([text.lstrip("\ufeff \r\n\t").encode()], target, what="ЗначенияПолей"):
            pass
    except PipelineError:
        # People's data: what cannot be read is as good as what is not there.
        return {}
    return {**_known(target.texts), **{kind: number for kind, number in target.numbers if number}}


def _known(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The first of each that says something."""
    found: dict[str, str] = {}
    for name, value in pairs:
        part = _PARTS.get(name)
        line = " ".join("".join(char if char.isprintable() else " " for char in value).split())
        if part and line:
            found.setdefault(part, line)
    return found


class _Address:
    """Texts of elements and numbers of houses and flats; only an address is listened to."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.numbers: list[tuple[str, str]] = []
        self._pieces: list[str] = []
        self._is_address = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = _plain(tag)
        self._pieces = []
        if name == "Состав" and any(
            _plain(key) == "type" and value.rpartition(":")[2] == "Адрес" for key, value in attributes.items()
        ):
            self._is_address = True
            self.texts.append(("Страна", attributes.get("Страна", "")))
        elif self._is_address and name == "ДопАдрЭл" and attributes.get("ТипАдрЭл") == _POSTCODE:
            self.texts.append(("Индекс", attributes.get("Значение", "")))
        elif self._is_address and name == "Номер":
            self.numbers.append((attributes.get("Тип", ""), attributes.get("Значение", "").strip()))

    def data(self, text: str) -> None:
        """A piece of text."""
        self._pieces.append(text)

    def end(self, tag: str) -> None:
        """An element ends: its text is known."""
        if self._is_address:
            self.texts.append((_plain(tag), "".join(self._pieces)))
        self._pieces = []


def _plain(tag: str) -> str:
    return tag.rpartition("}")[2]
