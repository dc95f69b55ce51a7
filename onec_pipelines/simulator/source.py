"""The seam between the protocol half of the simulator and its data: what a table of generated objects offers.

A row is a plain dict of wire names and Python values: Guid, String, DateTime ("2026-06-02T14:36:52") → str;
Boolean → bool; Int16/32/64 → int; Double → Decimal or int; Collection → list of dicts (with int LineNumber).
Properties that are empty may be left out: the protocol half fills them by type. `None` means "does not apply
to this kind of row" (folders, PROTOCOL §2.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

Row = dict[str, Any]
Key = tuple[str, ...]


class Table(Protocol):
    """All rows of one entity set as they stand at start-up, in native order.

    Computed on demand, so a million rows cost no memory.

    For catalogs and documents the native order is also the order by presentation (name, or date and number),
    which is what `$orderby=Ref_Key` gives (PROTOCOL §3.3).
    """

    name: str

    def __len__(self) -> int:
        """Give the number of rows."""
        ...

    def rows(self, start: int, stop: int) -> Sequence[Row]:
        """Give the rows of these positions, fresh dicts that the caller may change."""
        ...

    def find(self, key: Key) -> int | None:
        """Give the position of the row with this key, or None; without a scan.

        Values stand in the order of the type's key.
        """
        ...


class Data(Protocol):
    """A generated base: its tables by entity set name, and its opening balances."""

    tables: Mapping[str, Table]

    def balance(self, register: str) -> Iterable[Row]:
        """Give the balance rows of an accumulation register as the generated movements leave them.

        Rows hold the dimensions (`X_Key`, composite `X` and `X_Type`) and the plain resource names
        (`ВНаличии`, not `ВНаличииBalance`); rows whose resources are all zero are left out. Equal to summing
        the register's record sets, but computed directly.
        """
        ...


class Slice(Protocol):
    """The last records of a periodic register for one value of a dimension, in the order of its records."""

    def __len__(self) -> int:
        """Give the number of records."""
        ...

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the records of these places, complete and fresh."""
        ...

    def find(self, row: Row) -> int | None:
        """Give the place of the record with the dimensions of this row, or None."""
        ...


@runtime_checkable
class Shortcuts(Protocol):
    """What data may offer besides: parts of virtual tables computed directly, equal to the general way."""

    def balance_part(self, register: str, dimension: str, value: str) -> Iterable[Row] | None:
        """Give the balance rows of one value of a dimension, or None if there is no direct way."""
        ...

    def slice_last(self, register: str, dimension: str, value: str, period: str) -> Slice | None:
        """Give the last records up to a moment ("" = all) of one value of a dimension, or None likewise.

        `register` is the set without `_RecordType`.
        """
        ...
