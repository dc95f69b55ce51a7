"""What the query language asks of its surroundings.

The shape of a type, the way to a referenced row, and the switches.

The server implements these for its `$metadata`; the tests for their small shapes. No parsing and no
evaluation here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Row = dict[str, Any]

Resolve = Callable[[str, str], Row | None]
"""`resolve("Catalog_Контрагенты", guid)` gives the row of that set with that `Ref_Key`, or None.

Called only with non-empty guids.
"""

EMPTY_GUID = "00000000-0000-0000-0000-000000000000"


class TypeInfo(Protocol):
    """The shape of one entity type or of the rows of one section, as `$metadata` declares it."""

    @property
    def name(self) -> str:
        """The set's name, such as `Catalog_Номенклатура`.

        It goes to `Resolve` and is compared with the types in `cast` and `isof`.
        """
        ...

    @property
    def kind(self) -> str:
        """Tell what the type is: catalog, document, register, recorder_register, record, section or another.

        Only recorder_register (sets of records) means something here: its `$orderby` is ignored (§3.3).
        """
        ...

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the key's properties."""
        ...

    def property_type(self, name: str) -> str | None:
        """Give the Edm type of a scalar (`Edm.Guid`, `Edm.Stream`, …), or None when there is none."""
        ...

    def section(self, name: str) -> TypeInfo | None:
        """Give the row type of a tabular section or of `RecordSet`, or None when there is none."""
        ...

    def reference(self, name: str) -> tuple[str, TypeInfo] | None:
        """Give the key property and the target of navigation property `name`: `X` → (`X_Key`, type of X).

        None when there is none.
        """
        ...

    def is_composite(self, name: str) -> bool:
        """Tell whether the value has its type beside it in `name_Type`."""
        ...

    def unlimited(self, name: str) -> bool:
        """Tell whether it is a string of unlimited length, which 1C neither compares nor orders."""
        ...

    def entity(self, name: str) -> TypeInfo | None:
        """Give any published entity type by name (`Document_Накладная`), for `cast` and type segments.

        None when not published.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryOptions:
    """Switches for what sources disagree on; the defaults are PROTOCOL §12's."""

    unknown_field: Literal["error", "empty"] = "error"
    """§12 #5: an unknown name in `$filter` is refused with 400/6, or the answer is silently empty."""

    plus: Literal["error", "ignore"] = "error"
    """§12 #6: a literal `+` in `$filter` is refused with 500/-1, or the whole filter is silently ignored."""

    key_parts: Literal["error", "line_number", "allow"] = "error"
    """§3.1: which parts of a key that holds `LineNumber` are refused in `$filter`: all, that one, or none."""

    case_sensitive: bool = False
    """False as on all usual DBMS of 1C: MS SQL with a CI collation, `mvarchar` of PostgreSQL, file bases."""
