"""Named field transforms: Arrow array in, Arrow array out, one promise each. An entity names them; nothing here knows an entity.

A transform that meets a value it cannot take gives null for it: `convert.py` compares with the input and reports the row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from onec_pipelines.steps.code_tables import CODE_TABLES
from onec_pipelines.steps.people_transforms import PEOPLE_LENIENT, PEOPLE_TABLES, PEOPLE_TRANSFORMS

Transform = Callable[[pa.Array], pa.Array]

# Control characters, the byte order mark, zero-width and bidirectional marks: never wanted in a shop (RELIABILITY C-4 #24).
_JUNK = "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\u200b-\u200f\u202a-\u202e\u2060\ufeff]"
_SPACES = "[\\s\u00a0\u2007\u202f]+"
_GUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
ZERO_GUID = "00000000-0000-0000-0000-000000000000"


def strip(values: pa.Array) -> pa.Array:
    """Text without spaces around it; fixed-length strings come padded (PROTOCOL §1.5); empty becomes null."""
    return _empty_to_null(pc.utf8_trim_whitespace(values))


def lower(values: pa.Array) -> pa.Array:
    """Text without spaces around it, in small letters; empty becomes null."""
    return strip(pc.utf8_lower(values))


def in_utc(values: pa.Array) -> pa.Array:
    """A time that 1C keeps in UTC (`…Универсальная`): it is not shifted by the zone of the base."""
    return strip(values)


def clean_text(values: pa.Array) -> pa.Array:
    """One line: control and invisible characters removed, every run of spaces (also non-breaking) one space; empty becomes null."""
    text = pc.replace_substring_regex(values, _JUNK, "") if _any_matches(values, _JUNK) else values
    if _any_matches(text, "[\\s\u00a0\u2007\u202f]{2}|[\\t\\n\\r\u00a0\u2007\u202f]"):
        text = pc.replace_substring_regex(text, _SPACES, " ")
    return strip(text)


def clean_long_text(values: pa.Array) -> pa.Array:
    """Text of several lines: control and invisible characters removed, line ends of Unix; empty becomes null."""
    text = pc.replace_substring_regex(values, _JUNK, "") if _any_matches(values, _JUNK) else values
    if _any_matches(text, "\\r"):
        text = pc.replace_substring_regex(text, "\\r\\n?", "\n")
    return strip(text)


def guid_or_null(values: pa.Array) -> pa.Array:
    """The GUID in a composite value; null for anything else, because such a field also holds text and numbers (PROTOCOL §1.5)."""
    lowered = pc.utf8_lower(values)
    is_guid = pc.and_(pc.match_substring_regex(lowered, _GUID), pc.not_equal(lowered, ZERO_GUID))
    return pc.if_else(is_guid, lowered, pa.scalar(None, pa.string()))


def mapped(table: Mapping[str, str], *, others: bool) -> Transform:
    """Transform by a table of names; other names pass unchanged if `others`, else they become null."""
    keys = pa.array(list(table), pa.string())
    names = pa.array(list(table.values()), pa.string())

    def transform(values: pa.Array) -> pa.Array:
        stripped = strip(values)
        found = pc.take(names, pc.index_in(stripped, value_set=keys))
        return pc.coalesce(found, stripped) if others else found

    pairs = ", ".join(f"{name} → {ours}" for name, ours in table.items())
    # The mapping docs and `onec mapping show` print it.
    transform.__doc__ = f"{pairs}; {'other names pass unchanged' if others else 'any other name is refused'}."
    return transform


def _empty_to_null(values: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)


def _any_matches(values: pa.Array, pattern: str) -> bool:
    # Most pages hold no junk: one scan is cheaper than rewriting every string.
    return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())


TRANSFORMS: dict[str, Transform] = {
    "strip": strip,
    "lower": lower,
    "in_utc": in_utc,
    "clean_text": clean_text,
    "clean_long_text": clean_long_text,
    "guid_or_null": guid_or_null,
    **PEOPLE_TRANSFORMS,
    **{name: mapped(table, others=True) for name, table in PEOPLE_TABLES.items()},
    # PROTOCOL §11.2: ТипНоменклатуры
    "product_type": mapped(
        {
            "Товар": "goods",
            "МногооборотнаяТара": "returnable_package",
            "Услуга": "service",
            "Работа": "work",
            "Набор": "kit",
        },
        others=False,
    ),
    # PROTOCOL §11.2: ИспользованиеХарактеристик
    "variant_policy": mapped(
        {
            "НеИспользовать": "none",
            "ОбщиеДляВидаНоменклатуры": "by_kind",
            "ИндивидуальныеДляНоменклатуры": "by_product",
            "ОбщиеСДругимВидомНоменклатуры": "by_other_kind",
        },
        others=False,
    ),
    # PROTOCOL §11.6: ЮрФизЛицо, and ЮридическоеФизическоеЛицо of bases that have only that
    "legal_form": mapped(
        {
            "ЮрЛицо": "company",
            "ФизЛицо": "person",
            "ЮрЛицоНеРезидент": "foreign_company",
            "ИндивидуальныйПредприниматель": "sole_proprietor",
            "ЮридическоеЛицо": "company",
            "ФизическоеЛицо": "person",
        },
        others=False,
    ),
    # PROTOCOL §11.6: Тип of contact information
    "contact_type": mapped(
        {
            "Адрес": "address",
            "Телефон": "phone",
            "АдресЭлектроннойПочты": "email",
            "Skype": "skype",
            "ВебСтраница": "web_page",
            "Факс": "fax",
            "Другое": "other",
        },
        others=True,
    ),
    # PROTOCOL §11.3: ТипХраненияФайла; a later release has more kinds, which pass under their own names
    "file_storage": mapped({"ВИнформационнойБазе": "infobase", "ВТомахНаДиске": "volume"}, others=True),
    # PROTOCOL §11.5: ТипСклада
    "warehouse_type": mapped({"ОптовыйСклад": "wholesale", "РозничныйМагазин": "retail"}, others=True),
    # ТипИзмеряемойВеличины: its members are not in PROTOCOL, so that an unknown one passes under its own name
    "measure": mapped(
        {"Вес": "mass", "Длина": "length", "Объем": "volume", "Площадь": "area", "Время": "time"}, others=True
    ),
    # Statuses, states and forms of documents: a document is never refused for a new name.
    **{name: mapped(table, others=True) for name, table in CODE_TABLES.items()},
}
LENIENT = frozenset({"guid_or_null"}) | PEOPLE_LENIENT
"""Transforms whose null is an answer, not a refusal."""


def apply(name: str | None, values: Any) -> Any:
    """Array after the named transform; without a name, the array as it is."""
    return values if name is None else TRANSFORMS[name](values)
