"""What is wrong with some rows of every real base, and where.

Each kind of defect sits at fixed remainders of the row number.

Only what 1C itself could hold and send. The functions that spoil a row stand beside the tables they spoil;
here are the kinds, their places, and the record of one defect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PERIOD = 1000
_SPACING = 4
_FIRST = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Defect:
    """One broken row: entity set, position in it at start-up, kind of defect."""

    table: str
    position: int
    kind: str


class Places:
    """Where the defects of one table are: kind by remainder of the row number modulo `PERIOD`."""

    def __init__(self, kinds: tuple[str, ...], *, on: bool) -> None:
        spaced = {_FIRST + _SPACING * number: kind for number, kind in enumerate(kinds)}
        self.by_remainder: Mapping[int, str] = spaced if on else {}

    def kind(self, number: int) -> str | None:
        """Give the kind of defect of a row, or None."""
        return self.by_remainder.get(number % PERIOD)

    def walk(self, total: int) -> Iterator[tuple[int, str]]:
        """Give (row number, kind) of all defects among the first `total` rows."""
        for start in range(0, total, PERIOD):
            for remainder, kind in self.by_remainder.items():
                if start + remainder < total:
                    yield start + remainder, kind
