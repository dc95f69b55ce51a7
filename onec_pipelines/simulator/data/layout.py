"""Arithmetic of positions: runs of rows, and subsets that repeat with a period.

What a row holds is not here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut(Generic[Value]):
    """A part of one run: its value, positions inside the run (`low` to `high`, half open).

    The run's number.
    """

    value: Value
    low: int
    high: int
    run: int


class Runs(Generic[Value]):
    """Positions divided into consecutive runs, each with a value; empty runs are kept but never found."""

    def __init__(self, runs: Iterable[tuple[Value, int]]) -> None:
        pairs = list(runs)
        self.values: Sequence[Value] = [value for value, _ in pairs]
        self._ends = list(accumulate(length for _, length in pairs))
        self.starts: Sequence[int] = [0, *self._ends[:-1]] if pairs else []

    def __len__(self) -> int:
        """Give the number of positions in all runs."""
        return self._ends[-1] if self._ends else 0

    def locate(self, position: int) -> tuple[int, int]:
        """Give (number of the run, offset inside it) of a position that exists."""
        run = bisect_right(self._ends, position)
        return run, position - self.starts[run]

    def cut(self, start: int, stop: int) -> Iterator[Cut[Value]]:
        """Give, in order, the parts of runs that cover `start` to `stop` (half open, clamped)."""
        start, stop = max(start, 0), min(stop, len(self))
        if start >= stop:
            return
        run, low = self.locate(start)
        while start < stop:
            length = self._ends[run] - self.starts[run]
            high = min(length, low + stop - start)
            if high > low:
                yield Cut(value=self.values[run], low=low, high=high, run=run)
            start += high - low
            run, low = run + 1, 0


class Periodic:
    """The numbers below `total` whose remainder by `period` is in `residues`: in order, never listed."""

    def __init__(self, *, total: int, period: int, residues: Iterable[int]) -> None:
        self.period = period
        self.residues = sorted(set(residues))
        self._rank = {residue: rank for rank, residue in enumerate(self.residues)}
        full, rest = divmod(total, period)
        self._total = total
        self._size = full * len(self.residues) + bisect_left(self.residues, rest)

    def __len__(self) -> int:
        """Give how many numbers are in the subset."""
        return self._size

    def at(self, rank: int) -> int:
        """Give the number at this rank."""
        period, offset = divmod(rank, len(self.residues))
        return period * self.period + self.residues[offset]

    def below(self, number: int) -> int:
        """Give how many members are less than a number."""
        periods, rest = divmod(min(number, self._total), self.period)
        return periods * len(self.residues) + bisect_left(self.residues, rest)

    def rank(self, number: int) -> int | None:
        """Give the rank of a number, or None if it is not a member."""
        periods, rest = divmod(number, self.period)
        rank = self._rank.get(rest)
        if rank is None or not 0 <= number < self._total:
            return None
        return periods * len(self.residues) + rank

    def between(self, low: int, high: int) -> range:
        """Give the ranks of the members from `low` to `high` (half open)."""
        return range(self.below(low), self.below(high))
