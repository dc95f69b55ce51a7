"""`DataVersion` and the numbers that objects get when they are written (PROTOCOL §2.2, §4.1)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from onec_pipelines.simulator.source import Row
from onec_pipelines.simulator.tables import BLOCK, StoredTable

NEW = "AAAAAAAAAAA="
_TAIL = re.compile(r"^(.*?)(\d+)\s*$")
_BYTES = 8


def bumped(version: str | None) -> str:
    """The version after one more write."""
    try:
        number = int.from_bytes(base64.b64decode(version or NEW, validate=True), "big")
    except ValueError:
        number = 0
    return base64.b64encode(((number + 1) % (1 << 8 * _BYTES)).to_bytes(_BYTES, "big")).decode()


class Numbers:
    """Gives codes to catalogs and numbers to documents.

    Numbers of documents start again every year (PROTOCOL §11.7).
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[str, int, int]] = {}

    def code(self, table: StoredTable) -> str:
        """The next `Code` of a catalog."""
        return self._next(
            table, "", "Code", "", lambda: [*table.rows(0, 1), *table.rows(len(table) - 1, len(table))]
        )

    def number(self, table: StoredTable, date: str) -> str:
        """The next `Number` of a document of this date."""
        year = date[:4]
        return self._next(table, year, "Number", "0000-", lambda: _of_year(table, year))

    def _next(self, table: StoredTable, period: str, field: str, prefix: str, rows: object) -> str:
        key = (table.meta.name, period)
        if key not in self._last:
            self._last[key] = _highest(rows() if callable(rows) else (), field, prefix, len(table))
        head, width, last = self._last[key]
        self._last[key] = (head, width, last + 1)
        return f"{head}{last + 1:0{width}}"


def _highest(rows: Iterable[Row], field: str, prefix: str, size: int) -> tuple[str, int, int]:
    found = [match for row in rows if (match := _TAIL.match(str(row.get(field) or "")))]
    if not found:
        return prefix, 11 - len(prefix) if prefix else 9, 0
    best = max(found, key=lambda match: int(match[2]))
    last = int(best[2]) if field == "Number" else max(int(best[2]), size)
    return best[1], len(best[2]), last


def _of_year(table: StoredTable, year: str) -> Iterable[Row]:
    for start in range(0, len(table), BLOCK):
        yield from (
            row for row in table.rows(start, start + BLOCK) if str(row.get("Date", "")).startswith(year)
        )
