"""How a type behaves on the wire: its kind, wire order, empty values, sections and references.

Derived from a `Shape` alone; the query language asks here. Lengths of strings, which `$metadata` does not
tell, are in `limits.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from onec_pipelines.simulator import limits
from onec_pipelines.simulator.shape import NAMESPACE, Property, Shape, Structure

ZERO_GUID = "00000000-0000-0000-0000-000000000000"
EMPTY_DATE = "0001-01-01T00:00:00"
UNDEFINED = f"{NAMESPACE}.Undefined"

_EMPTY: dict[str, Any] = {
    "Edm.Guid": ZERO_GUID,
    "Edm.String": "",
    "Edm.Boolean": False,
    "Edm.Int16": 0,
    "Edm.Int32": 0,
    "Edm.Int64": 0,
    "Edm.Double": 0,
    "Edm.DateTime": EMPTY_DATE,
    "Edm.Binary": "",
    "Edm.Stream": None,
}
_KINDS = {
    "Catalog": "catalog",
    "Document": "document",
    "DocumentJournal": "journal",
    "Constant": "constant",
    "ExchangePlan": "exchange_plan",
    "InformationRegister": "register",
    "AccumulationRegister": "register",
    "AccountingRegister": "register",
    "CalculationRegister": "register",
}
_FIRST = (
    "Ref_Key",
    "DataVersion",
    "DeletionMark",
    "Owner",
    "Owner_Type",
    "Owner_Key",
    "Parent_Key",
    "IsFolder",
)
_THEN = ("Code", "Description", "Number", "Date", "Posted")
_LAST = ("Predefined", "PredefinedDataName")
_TYPE_DESCRIPTION: dict[str, Any] = {
    "Types": [],
    "NumberQualifiers": {"AllowedSign": "Any", "Digits": 0, "FractionDigits": 0},
    "StringQualifiers": {"AllowedLength": "Variable", "Length": 0},
    "DateQualifiers": {"DateFractions": "DateTime"},
    "BinaryDataQualifiers": {"AllowedLength": "Variable", "Length": 0},
}


class TypeMeta:
    """One type, entity or row, with what reading and writing it needs.

    Implements the query language's `TypeInfo`.
    """

    def __init__(
        self, structure: Structure, *, kinds: Kinds, kind: str, navigation: Mapping[str, str]
    ) -> None:
        self.name = structure.name
        self.structure = structure
        self.kinds = kinds
        self.kind = kind
        self.key = structure.key
        self.navigation = {
            name: target for name, target in navigation.items() if f"{name}_Key" in structure.properties
        }
        self.properties = structure.properties
        self.sections = {one.name: one.rows for one in structure.properties.values() if one.rows}
        self.composites = frozenset(
            name
            for name, one in structure.properties.items()
            if f"{name}_Type" in structure.properties and one.type == "Edm.String"
        )

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Names of the properties in the order of JSON sets.

        Standard ones first, each `X_Type` after its `X` (PROTOCOL §1.4).
        """
        names = list(self.properties)
        paired = {f"{name}_Type" for name in names if f"{name}_Type" in self.properties}
        plain = [name for name in names if name not in paired]
        head = [name for name in (*_FIRST, *_THEN) if name in plain]
        body = [
            name for name in plain if name not in head and name not in _LAST and name not in self.sections
        ]
        tail = [name for name in plain if name in self.sections]
        last = [name for name in _LAST if name in plain]
        ordered = [*head, *body, *tail, *last]
        return tuple(
            wire
            for name in ordered
            for wire in ((name, f"{name}_Type") if f"{name}_Type" in paired else (name,))
        )

    @cached_property
    def empty(self) -> dict[str, Any]:
        """The value of each scalar property when nothing was entered (PROTOCOL §2.2).

        Sections are left out.
        """
        out: dict[str, Any] = {}
        for name, one in self.properties.items():
            if name in self.sections:
                continue
            out[name] = _empty_value(one)
        for name in self.composites:
            out[f"{name}_Type"] = UNDEFINED
        return out

    def complete(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row with every property present, sections too, as the query language wants it."""
        out = {**self.empty, **row}
        for name in self.sections:
            section = self.section(name)
            rows = out.get(name) or ()
            out[name] = [{**section.empty, **one} for one in rows] if section else []
        return out

    def property_type(self, name: str) -> str | None:
        """Edm type of a scalar property, or None if there is no such property."""
        one = self.properties.get(name)
        return None if one is None or one.rows else one.type

    def section(self, name: str) -> TypeMeta | None:
        """Row type of a tabular section or record set."""
        rows = self.sections.get(name)
        return self.kinds.row(rows) if rows else None

    def reference(self, name: str) -> tuple[str, TypeMeta] | None:
        """Key property and target type of a navigation property to a published object."""
        target = self.navigation.get(name)
        return (f"{name}_Key", self.kinds.entity(target)) if target else None

    def entity(self, name: str) -> TypeMeta | None:
        """Any published entity type by name, or None."""
        return self.kinds.entity(name) if name in self.kinds.shape.entities else None

    def is_composite(self, name: str) -> bool:
        """Whether the property holds values of several types (it has an `X_Type`)."""
        return name in self.composites

    def unlimited(self, name: str) -> bool:
        """Whether this string has no length limit, so that it cannot be compared or ordered by (PROTOCOL §3.1)."""
        return self.property_type(name) == "Edm.String" and limits.unlimited(name)


def _empty_value(one: Property) -> Any:
    if one.type == f"{NAMESPACE}.TypeDescription":
        return _TYPE_DESCRIPTION
    return _EMPTY.get(one.type, "")


class Kinds:
    """The types of one shape by name, made when first asked for."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._entities: dict[str, TypeMeta] = {}
        self._rows: dict[str, TypeMeta] = {}

    def entity(self, name: str) -> TypeMeta:
        """An entity type; raises KeyError for an unknown name."""
        if name not in self._entities:
            structure = self.shape.entities[name]
            self._entities[name] = TypeMeta(
                structure, kinds=self, kind=_kind(structure), navigation=structure.navigation
            )
        return self._entities[name]

    def row(self, name: str) -> TypeMeta:
        """A complex type: the row of a section, of a record set or of a virtual table.

        Raises KeyError for an unknown name.
        """
        if name not in self._rows:
            structure = self.shape.complexes[name]
            kind = "section" if name.endswith("_RowType") else "virtual"
            self._rows[name] = TypeMeta(structure, kinds=self, kind=kind, navigation=self._navigation(name))
        return self._rows[name]

    def _navigation(self, name: str) -> Mapping[str, str]:
        """Navigation of a row type: complex types declare none, the entity type of the same rows does."""
        base = name.rsplit("_", 1)[0]
        for candidate in (f"{base}_RecordType", base):
            found = self.shape.entities.get(candidate)
            if found is not None:
                return found.navigation
        return {}


def _kind(structure: Structure) -> str:
    prefix = structure.name.split("_", 1)[0]
    if structure.key == ("Ref_Key", "LineNumber"):
        return "section"
    if "RecordSet" in structure.properties:
        return "recorder_register"
    if structure.name.endswith("_RecordType"):
        return "record"
    return _KINDS.get(prefix, "catalog")
