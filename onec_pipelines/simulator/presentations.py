"""Texts that 1C shows for values: names of objects, numbers and dates of documents, «Да», «Нет» (PROTOCOL §3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from onec_pipelines.simulator.base import Base
from onec_pipelines.simulator.json_format import number
from onec_pipelines.simulator.kinds import EMPTY_DATE, ZERO_GUID, TypeMeta
from onec_pipelines.simulator.shape import NAMESPACE
from onec_pipelines.simulator.source import Row

_WORD = re.compile(r"(?<=[а-яё])(?=[А-ЯЁ])")


def of_row(meta: TypeMeta, row: Row) -> str:
    """The presentation of an object: its name, or a document's kind, number and date."""
    if meta.kind == "document":
        moment = _moment(str(row.get("Date", EMPTY_DATE)))
        return (
            f"{spaced(meta.name.split('_', 1)[1])} {str(row.get('Number', '')).strip()} от {moment}".strip()
        )
    return str(row.get("Description") or row.get("Code") or "")


def spaced(name: str) -> str:
    """A metadata name as words: `ЗаказКлиента` is «Заказ клиента»."""
    words = _WORD.sub(" ", name).split(" ")
    return " ".join([words[0], *(word if word.isupper() else word.lower() for word in words[1:])])


def of_property(base: Base, meta: TypeMeta, name: str) -> Callable[[Row], str]:
    """How the presentation of one property is made.

    The name of a reference may come with `_Key` or without.
    """
    bare = name.removesuffix("_Key")
    target = meta.navigation.get(bare)
    if target is not None:
        return lambda row: _referenced(base, target, row.get(f"{bare}_Key"))
    if meta.is_composite(name):
        return lambda row: _composite(base, row.get(name), row.get(f"{name}_Type"))
    type_ = meta.property_type(name) or "Edm.String"
    return lambda row: _plain(type_, row.get(name, meta.empty.get(name)))


def _referenced(base: Base, set_name: str, guid: Any) -> str:
    if guid in {None, ZERO_GUID, ""}:
        return ""
    row = base.resolve(set_name, str(guid))
    return of_row(base.meta(set_name), row) if row is not None else f"<Объект не найден> ({guid})"


def _composite(base: Base, value: Any, type_: Any) -> str:
    set_name = str(type_ or "").removeprefix(f"{NAMESPACE}.")
    if set_name in base.shape.sets:
        return _referenced(base, set_name, value)
    return str(value or "")


def _plain(type_: str, value: Any) -> str:
    if value is None:
        return ""
    if type_ == "Edm.Boolean":
        return "Да" if value else "Нет"
    if type_ == "Edm.DateTime":
        return "" if value == EMPTY_DATE else _moment(str(value))
    if type_ == "Edm.Double":
        return number(value).replace(".", ",")
    if type_ == "Edm.Guid" and value == ZERO_GUID:
        return ""
    return str(value)


def _moment(text: str) -> str:
    day, _, clock = text.partition("T")
    year, month, date = day.split("-")
    hours = clock.removeprefix("0") if clock else "0:00:00"
    return f"{date}.{month}.{year} {hours}"
