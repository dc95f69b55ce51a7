"""`DataVersion` and the numbers that objects get when they are written (PROTOCOL §2.2, §4.1)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from onec_pipelines.simulator.source import Row
from onec_pipelines.simulator.tables import BLOCK, StoredTable

NEW = "AAAAAAAAAAA="
_TAIL = re.compile(r"^(.*?)(\d+)\s*$")
_BYTES = 8
_CODE_DIGITS = 9
_NUMBER_DIGITS = 6


def bumped(version: str | None) -> str:
    """The version after one more write."""
    try:
        number = int.from_bytes(base64.b64decode(version or NEW, validate=True), "big")
    except ValueError:
        number = 0
    return base64.b64encode(((number + 1) % (1 << 8 * _BYTES)).to_bytes(_BYTES, "big")).decode()


@dataclass(kw_only=True)
class _Series:
    """Numbers of one series: what stands before the digits, how many digits, the last number given."""

    head: str
    width: int
    last: int

    def following(self) -> str:
        self.last += 1
        return f"{self.head}{self.last:0{self.width}}"


class Numbers:
    """Gives codes to catalogs and numbers to documents.

    Numbers of documents start again every year (PROTOCOL §11.7). A series goes on in the form its set has.
    """

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], _Series] = {}

    def code(self, table: StoredTable) -> str:
        """The next `Code` of a catalog."""
        key = (table.meta.name, "")
        if key not in self._series:
            size = len(table)
            ends = [*table.rows(0, 1), *table.rows(max(size - 1, 0), size)]
            found = _best(str(row.get("Code") or "") for row in ends)
            series = found or _Series(head="", width=_CODE_DIGITS, last=0)
            series.last = max(series.last, size)
            self._series[key] = series
        return self._series[key].following()

    def number(self, table: StoredTable, date: str) -> str:
        """The next `Number` of a document of this date."""
        key = (table.meta.name, date[:4])
        if key not in self._series:
            found = _best(str(row.get("Number") or "") for row in _of_year(table, date[:4]))
            other = _best(str(row.get("Number") or "") for row in table.rows(0, 1))
            head, width = (other.head, other.width) if other else ("0000-", _NUMBER_DIGITS)
            self._series[key] = found or _Series(head=head, width=width, last=0)
        return self._series[key].following()


def _best(texts: Iterable[str]) -> _Series | None:
    """The series of the highest of these numbers, or None if there is none."""
    found = [match for text in texts if (match := _TAIL.match(text))]
    if not found:
        return None
    best = max(found, key=lambda match: int(match[2]))
    return _Series(head=best[1], width=len(best[2]), last=int(best[2]))


def _of_year(table: StoredTable, year: str) -> Iterable[Row]:
    for start in range(0, len(table), BLOCK):
        yield from (
            row for row in table.rows(start, start + BLOCK) if str(row.get("Date", "")).startswith(year)
        )
