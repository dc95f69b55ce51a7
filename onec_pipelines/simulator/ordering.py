"""`$orderby` as positions see it: native order, sorted keys, or nothing at all (PROTOCOL §3.3).

The native order of catalogs and documents is the order by presentation, which is what ordering by a reference
means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from onec_pipelines.simulator.kinds import TypeMeta
from onec_pipelines.simulator.source import Row

Part = tuple[Callable[[Row], Any], bool]
_SECTION = ("Ref_Key", "LineNumber")


@dataclass(frozen=True, kw_only=True)
class Ordering:
    """How rows are ordered.

    `unstable`: rows with equal keys come as they please, another way on every page.
    """

    text: str = ""
    parts: tuple[Part, ...] = ()
    descending: bool = False
    unstable: bool = False

    @property
    def native(self) -> bool:
        """Whether the table's own order (or its reverse) is the answer."""
        return not self.parts

    @property
    def ascending_only(self) -> bool:
        """Whether no part is descending, so that one comparison of keys decides."""
        return not any(descending for _, descending in self.parts)

    def key(self, row: Row) -> Any:
        """What a complete row is compared by: the value of the only part, or a tuple of all."""
        if len(self.parts) == 1:
            return self.parts[0][0](row)
        return tuple(part(row) for part, _ in self.parts)

    def arrange(self, keys: Sequence[Any]) -> list[int]:
        """Indices of the keys in order; equal keys keep their native order."""
        order = list(range(len(keys)))
        if len(self.parts) == 1:
            order.sort(key=keys.__getitem__, reverse=self.parts[0][1])
            return order
        for at in reversed(range(len(self.parts))):
            order.sort(key=partial(_part, keys, at), reverse=self.parts[at][1])
        return order

    def sort(self, rows: list[Row], meta: TypeMeta) -> list[Row]:
        """A few rows in order; native means by presentation here, because they were found by key."""
        if self.native:
            return sorted(rows, key=_presentation, reverse=self.descending)
        keys = [self.key(meta.complete(row)) for row in rows]
        return [rows[index] for index in self.arrange(keys)]


def _part(keys: Sequence[Any], at: int, index: int) -> Any:
    return keys[index][at]


def _presentation(row: Row) -> tuple[str, str, str]:
    name = row.get("Description") or ""
    return (str(row.get("Date", "")), str(name).casefold(), str(row.get("Number") or row.get("Ref_Key", "")))


def plan(
    text: str, meta: TypeMeta, parts: Sequence[tuple[str, Callable[[Row], Any] | None, bool]]
) -> Ordering:
    """Make the ordering of parsed `$orderby` items.

    An item is (name, key function or None for "by presentation", descending).
    """
    names = tuple(name for name, _, _ in parts)
    if meta.kind == "recorder_register" or not parts:
        return Ordering()
    if meta.kind == "section" and names[0] == "Ref_Key":
        stable = names[: len(_SECTION)] == _SECTION
        return Ordering(text=text, unstable=not stable, descending=parts[0][2])
    if parts[0][1] is None:
        return Ordering(text=text, descending=parts[0][2])
    kept = tuple((make, descending) for _, make, descending in parts if make is not None)
    return Ordering(text=text, parts=kept)
