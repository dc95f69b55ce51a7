"""What a decoded page is, and what is wanted of it: plain data between the decoders and the steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TEXTS = frozenset({"Edm.String", "Edm.Guid", "Edm.DateTime", "Edm.Binary", "Edm.Stream"})
INTEGERS = frozenset({"Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Byte"})


@dataclass(frozen=True, kw_only=True)
class WireColumn:
    """One wanted value: the wire name and Edm type, and the name under which it is returned."""

    name: str
    wire: str
    edm_type: str


@dataclass(frozen=True, kw_only=True)
class WireSection:
    """A wanted tabular section with its wanted columns."""

    name: str
    wire: str
    columns: tuple[WireColumn, ...]


@dataclass(frozen=True, kw_only=True)
class WireShape:
    """Everything wanted from a row."""

    columns: tuple[WireColumn, ...]
    sections: tuple[WireSection, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What is wrong with one field of one row; `value` is as it came, not yet masked."""

    row: int
    field: str
    rule: str
    reason: str
    value: str = ""


@dataclass(kw_only=True)
class SectionRows:
    """Rows of a tabular section of all objects of a page.

    `owners` holds the position of the object within the page.
    """

    owners: list[int] = field(default_factory=list)
    line_numbers: list[int] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(kw_only=True)
class DecodedPage:
    """A page as columns: text → str, numbers → int or Decimal, booleans.

    None for null and for what a failure names. `count` is the total of `$inlinecount` if it was asked for.
    `source_row(i)` gives the row as JSON text, for the quarantine.
    """

    row_count: int
    columns: dict[str, list[Any]]
    sections: dict[str, SectionRows]
    failures: list[Failure]
    count: int | None
    source_row: Callable[[int], str]


def dump_row(row: Mapping[str, Any]) -> str:
    """Row as ASCII JSON text with numbers as they came: fit for any text column, whatever the row holds."""
    return json.dumps(row, default=str, ensure_ascii=True)


def as_count(value: str | int | None) -> int | None:
    """The total of `$inlinecount`, which travels as text (PROTOCOL §2.2)."""
    return None if value is None else int(value)
