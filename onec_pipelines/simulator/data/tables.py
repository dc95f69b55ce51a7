"""The two shapes of table every generated entity set takes.

A short list, or rows computed from their position.

What the rows hold belongs to the module of the entity.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from onec_pipelines.simulator.source import Key, Row

ZERO_GUID = "00000000-0000-0000-0000-000000000000"
EMPTY_DATE = "0001-01-01T00:00:00"
UNDEFINED = "StandardODATA.Undefined"
FIRST_VERSIONS = ("AAAAAAAAAAE=", "AAAAAAAAAAI=", "AAAAAAAAAAM=", "AAAAAAAAAAQ=")


def numbered(rows: Iterable[Row]) -> list[Row]:
    """Give rows of a tabular section their LineNumber, 1..n."""
    return [{"LineNumber": line, **row} for line, row in enumerate(rows, 1)]


def copied(value: Any) -> Any:
    """Give a copy of a row (or of a part of it) that shares nothing changeable with the original."""
    if isinstance(value, dict):
        return {name: copied(part) for name, part in value.items()}
    if isinstance(value, list):
        return [copied(part) for part in value]
    return value


class ListTable:
    """A short table kept as rows, in the order given.

    `key` names the members of its key in the order of the type.
    """

    def __init__(self, name: str, rows: Sequence[Row], *, key: tuple[str, ...] = ("Ref_Key",)) -> None:
        self.name = name
        self._rows = rows
        self._positions = {tuple(str(row.get(part, "")) for part in key): at for at, row in enumerate(rows)}

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self._rows)

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give copies of the rows of these positions."""
        return [copied(row) for row in self._rows[max(start, 0) : max(stop, 0)]]

    def find(self, key: Key) -> int | None:
        """Give the position of the row with this key, or None."""
        return self._positions.get(tuple(key))


def by_presentation(name: str, rows: Iterable[Row]) -> ListTable:
    """Give a short catalog in its native order: by Description, as 1C orders references."""
    return ListTable(name, sorted(rows, key=lambda row: (str(row["Description"]).casefold(), row["Ref_Key"])))


class ComputedTable(ABC):
    """A table whose rows are computed from their positions, so its length costs nothing."""

    name: str

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def __len__(self) -> int:
        """Give the number of rows."""

    @abstractmethod
    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions; 0 <= start < stop <= length."""

    @abstractmethod
    def find(self, key: Key) -> int | None:
        """Give the position of the row with this key, or None; without a scan."""

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions, fresh; positions outside the table give nothing."""
        start, stop = max(start, 0), min(stop, len(self))
        return self.compute(start, stop) if start < stop else []


def line_of(text: str) -> int | None:
    """Give the line number a key member holds, or None if it is not a number."""
    return int(text) if text.isdecimal() else None
