"""The typed model of `$metadata`: types, sections, registers, enumerations, sets, functions (PROTOCOL §1.4).

Only the model and its questions; reading the document is in `metadata.py`. What a name is, is answered by the
metadata: names hold underscores and digits of their own and cannot be taken apart (PROTOCOL §1.1).
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from onec_pipelines.errors import Stop

Kind = Literal[
    "catalog",
    "document",
    "journal",
    "constant",
    "exchange_plan",
    "chart_of_accounts",
    "chart_of_characteristic_types",
    "chart_of_calculation_types",
    "information_register",
    "accumulation_register",
    "accounting_register",
    "calculation_register",
    "business_process",
    "task",
    "other",
]

NAMESPACE = "StandardODATA."
_KINDS: dict[str, Kind] = {
    "Catalog": "catalog",
    "Document": "document",
    "DocumentJournal": "journal",
    "Constant": "constant",
    "ExchangePlan": "exchange_plan",
    "ChartOfAccounts": "chart_of_accounts",
    "ChartOfCharacteristicTypes": "chart_of_characteristic_types",
    "ChartOfCalculationTypes": "chart_of_calculation_types",
    "InformationRegister": "information_register",
    "AccumulationRegister": "accumulation_register",
    "AccountingRegister": "accounting_register",
    "CalculationRegister": "calculation_register",
    "BusinessProcess": "business_process",
    "Task": "task",
}


@dataclass(frozen=True, kw_only=True)
class Property:
    """A property on the wire; `edm_type` is as written, `Edm.String` or `Collection(StandardODATA.…)`."""

    name: str
    edm_type: str
    nullable: bool


@dataclass(frozen=True, kw_only=True)
class RowType:
    """What complex types (rows of sections and virtual tables) and entity types have in common."""

    name: str
    properties: Mapping[str, Property]

    @cached_property
    def sections(self) -> Mapping[str, str]:
        """Names of tabular sections (for register sets: `RecordSet`) → names of their row types."""
        found = {}
        for prop in self.properties.values():
            inner = collection_of(prop.edm_type)
            if inner is not None and not inner.startswith("Edm."):
                found[prop.name] = inner
        return found

    @cached_property
    def composite(self) -> frozenset[str]:
        """Names X of composite properties.

        A text X beside its `X_Type` (value storages have these too and are left out).
        """
        return frozenset(
            name
            for name, prop in self.properties.items()
            if prop.edm_type == "Edm.String"
            and f"{name}_Type" in self.properties
            and f"{name}_Base64Data" not in self.properties
        )


@dataclass(frozen=True, kw_only=True)
class EntityType(RowType):
    """A type that has a set: an object, a tabular section as a set of its own, a register or its rows.

    `navigation` gives the target type by reference name (only references to published objects have it);
    `open_type` says that 1C declares it open (composite or unpublished attributes).
    """

    key: tuple[str, ...]
    navigation: Mapping[str, str]
    open_type: bool

    @property
    def kind(self) -> Kind:
        """The metadata class, by the prefix of the name."""
        return _KINDS.get(self.name.partition("_")[0], "other")

    @property
    def is_recorder_register(self) -> bool:
        """Tell whether this is the set of record sets of a register subordinate to a recorder.

        Its rows are in `RecordSet`.
        """
        return "RecordSet" in self.sections

    @property
    def is_hierarchical(self) -> bool:
        """Tell whether objects have parents."""
        return "Parent_Key" in self.properties

    @property
    def has_folders(self) -> bool:
        """Tell whether some objects are folders, whose item attributes are null."""
        return "IsFolder" in self.properties


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function bound to the type `binding`; `returns` is the row type of its result, None without one."""

    name: str
    binding: str
    parameters: Mapping[str, str]
    returns: str | None
    side_effecting: bool


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What a set is: the object type and, when the set is a tabular section of it, the section's name."""

    entity: EntityType
    section: str | None


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Everything that a base publishes.

    Type names are without the namespace `StandardODATA.`; `sets` maps a set to its type.
    """

    entity_types: Mapping[str, EntityType]
    complex_types: Mapping[str, RowType]
    enums: Mapping[str, tuple[str, ...]]
    sets: Mapping[str, str]
    bound_functions: tuple[Function, ...]

    def find_set(self, name: str) -> EntityType | None:
        """Give the type of a published set, or None when this base does not publish it."""
        return self.entity_types.get(self.sets.get(name, ""))

    def need_set(self, name: str) -> EntityType:
        """Give the type of a published set.

        Stop ONEC_NOT_PUBLISHED, with the nearest names, when it is not.
        """
        found = self.find_set(name)
        if found is None:
            near = difflib.get_close_matches(name, self.sets, n=3, cutoff=0.75)
            raise Stop(
                f"this base does not publish {name}" + (f" (near: {', '.join(near)})" if near else ""),
                code="ONEC_NOT_PUBLISHED",
                remedy=(
                    "Add it to the composition of the standard OData interface, or use the name of this "
                    "release."
                ),
            )
        return found

    def row_type(self, name: str) -> RowType | None:
        """Give a structured type, complex or of an entity, by its name with or without the namespace."""
        plain = name.removeprefix(NAMESPACE)
        return self.complex_types.get(plain) or self.entity_types.get(plain)

    def functions(self, resource: str) -> Mapping[str, Function]:
        """Give the functions of a set by name.

        `SliceLast` of a subordinate register is bound to its `_RecordType` set (PROTOCOL §6).
        """
        return self._functions.get(self.sets.get(resource, resource), {})

    def resolve(self, set_name: str) -> Resolved | None:
        """Tell whether a published set is an object or a tabular section of one, and of which."""
        entity = self.find_set(set_name)
        if entity is None:
            return None
        owner = self._sections.get(entity.name)
        return Resolved(entity=entity, section=None) if owner is None else owner

    def need_names(self, row_type: RowType, names: Iterable[str]) -> None:
        """Raise Stop ONEC_UNKNOWN_NAME with every name (`Поле` or `Секция/Поле`) that the type does not have.

        Checked here, because 1C may answer a wrong name with an empty set (PROTOCOL §3.1).
        """
        missing = [name for name in names if not self._has(row_type, name)]
        if missing:
            raise Stop(
                f"{row_type.name} has no {', '.join(missing)} in this base",
                code="ONEC_UNKNOWN_NAME",
                remedy="Publish the attribute, or give the entity the name it has in this release.",
            )

    def fingerprint(self, sets: Iterable[str] | None = None) -> str:
        """Give a sha256 of the meaning: names, types, keys, references, functions, members; order counts not.

        `sets` narrows it to some sets with their sections and functions.
        """
        if sets is None:
            types: Iterable[RowType] = [*self.entity_types.values(), *self.complex_types.values()]
            what = {
                "types": {item.name: self._meaning(item) for item in types},
                "sets": dict(self.sets),
                "enums": {name: sorted(members) for name, members in self.enums.items()},
            }
        else:
            what = {name: self._set_meaning(name) for name in sets}
        text = json.dumps(what, ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def _functions(self) -> Mapping[str, Mapping[str, Function]]:
        found: dict[str, dict[str, Function]] = {}
        for function in self.bound_functions:
            found.setdefault(function.binding, {})[function.name] = function
        return found

    @cached_property
    def _sections(self) -> Mapping[str, Resolved]:
        """By the type of a section's own set, the object it belongs to: the object declares the row type."""
        found = {}
        for entity in self.entity_types.values():
            for section, row_type in entity.sections.items():
                own = row_type.removesuffix("_RowType")
                if own in self.entity_types and own != entity.name:
                    found[own] = Resolved(entity=entity, section=section)
        return found

    def _has(self, row_type: RowType, name: str) -> bool:
        first, _, rest = name.partition("/")
        if first in {"*", "**"} or (not rest and first in row_type.properties):
            return True
        if not rest:
            return False
        inner = row_type.sections.get(first)
        if inner is None and isinstance(row_type, EntityType):
            inner = row_type.navigation.get(first)
        target = self.row_type(inner) if inner else None
        return target is not None and self._has(target, rest)

    def _set_meaning(self, name: str) -> object:
        entity = self.find_set(name)
        if entity is None:
            return None
        rows = [self.row_type(inner) for inner in entity.sections.values()]
        tables = [self.row_type(item.returns) for item in self.functions(name).values() if item.returns]
        return [self._meaning(item) for item in [entity, *rows, *tables] if item is not None]

    def _meaning(self, row_type: RowType) -> object:
        properties = {prop.name: [prop.edm_type, prop.nullable] for prop in row_type.properties.values()}
        if not isinstance(row_type, EntityType):
            return properties
        bound = self._functions.get(row_type.name, {})
        return {
            "key": sorted(row_type.key),
            "properties": properties,
            "navigation": dict(row_type.navigation),
            "functions": {item.name: [dict(item.parameters), item.returns] for item in bound.values()},
        }


def collection_of(edm_type: str) -> str | None:
    """Give the inner type of `Collection(…)` without the namespace, None for any other type."""
    if edm_type.startswith("Collection(") and edm_type.endswith(")"):
        return edm_type[11:-1].removeprefix(NAMESPACE)
    return None
