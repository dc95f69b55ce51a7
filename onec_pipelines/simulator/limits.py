"""Lengths of string attributes by name, which `$metadata` does not publish: known ones of UT 11 (PROTOCOL §11).

Longer strings are silently cut when written (PROTOCOL §4.2), unlimited ones cannot be compared (PROTOCOL §3.1).
"""

from __future__ import annotations

_LENGTHS = {
    "Code": 11,
    "Number": 11,
    "Description": 100,
    "PredefinedDataName": 255,
    "Артикул": 50,
    "ДоменноеИмяСервера": 100,
    "ИНН": 12,
    "КПП": 9,
    "НаименованиеПолное": 1024,
    "НомерПоДаннымКлиента": 50,
    "НомерТелефона": 20,
    "НомерТелефонаБезКодов": 20,
    "АдресЭП": 100,
    "Идентификатор": 50,
    "ИдентификаторСтроки": 36,
    "Представление": 500,
    "ПричинаВозврата": 300,
    "Расширение": 10,
    "Хеш": 44,
    "Штрихкод": 200,
}
_CODES = {"Catalog_Валюты": 3, "Catalog_УпаковкиЕдиницыИзмерения": 4, "ExchangePlan_ОбменССайтом": 10}
_UNLIMITED = frozenset(
    (
        "Описание",
        "Комментарий",
        "ДополнительнаяИнформация",
        "ДополнительнаяИнформацияПоДоставке",
        "ЗначенияПолей",
        "АдресДоставкиЗначенияПолей",
        "ТекстоваяСтрока",
        "Содержание",
    ),
)
_PADDED = frozenset(("Catalog_Номенклатура.Code",))


def length(type_name: str, name: str) -> int | None:
    """Longest value of a string attribute in characters, or None if it is unlimited or not known."""
    if name == "Code" and type_name in _CODES:
        return _CODES[type_name]
    return _LENGTHS.get(name)


def unlimited(name: str) -> bool:
    """Whether strings of this attribute have no length limit."""
    return name in _UNLIMITED


def padded(type_name: str, name: str) -> bool:
    """Whether the attribute is a fixed-length string, which is right-padded with spaces (PROTOCOL §1.5)."""
    return f"{type_name}.{name}" in _PADDED
