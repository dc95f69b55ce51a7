"""The shape of a published base: types, keys, navigation, functions, enumerations; in memory and as JSON.

Here belongs what `$metadata` says. Reading and writing its XML is in `edmx.py`; how a type behaves on the
wire is in `kinds.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

NAMESPACE = "StandardODATA"
_COLLECTION = f"Collection({NAMESPACE}."
_SHIPPED = Path(__file__).parent / "shapes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Property:
    """One property: `type` is as in `$metadata` ("Edm.Guid", "Collection(StandardODATA.X_RowType)")."""

    name: str
    type: str
    nullable: bool

    @property
    def rows(self) -> str | None:
        """Name of the row type if this is a tabular section or a record set."""
        return self.type[len(_COLLECTION) : -1] if self.type.startswith(_COLLECTION) else None


@dataclass(frozen=True, kw_only=True)
class Structure:
    """An entity type or a complex type.

    `navigation` maps a navigation property to the entity type it leads to.
    """

    name: str
    properties: Mapping[str, Property]
    key: tuple[str, ...] = ()
    navigation: Mapping[str, str]
    open: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A function or action bound to one entity type; `returns` is the row type, or None for an action."""

    name: str
    binding: str
    returns: str | None
    parameters: tuple[tuple[str, str], ...]
    side_effect: bool


@dataclass(frozen=True, kw_only=True)
class Shape:
    """All that a base publishes.

    Enumerations are a list because genuine bases repeat `AllowedLength` (PROTOCOL §1.4).
    """

    name: str
    entities: Mapping[str, Structure]
    complexes: Mapping[str, Structure]
    sets: Mapping[str, str]
    functions: tuple[Function, ...]
    enums: tuple[tuple[str, tuple[str, ...]], ...]

    def functions_of(self, entity: str) -> dict[str, Function]:
        """Functions bound to this entity type, by name."""
        return {function.name: function for function in self.functions if function.binding == entity}

    @cached_property
    def owners(self) -> Mapping[str, str]:
        """The metadata object of each set.

        Names may hold underscores, so the types decide, not the spelling (PROTOCOL §1.1).
        """
        out = {}
        for name in self.sets:
            parts = name.split("_")
            prefixes = ("_".join(parts[:size]) for size in range(len(parts) - 1, 1, -1))
            out[name] = next((one for one in prefixes if self._owns(one, name)), name)
        return out

    def _owns(self, candidate: str, name: str) -> bool:
        if candidate not in self.sets:
            return False
        rows = (one.rows for one in self.entities[self.sets[candidate]].properties.values())
        return name == f"{candidate}_RecordType" or f"{name}_RowType" in rows

    def objects(self) -> list[str]:
        """Names of the metadata objects (`Catalog_X`), without tabular sections and `_RecordType` sets."""
        return [name for name, owner in self.owners.items() if owner == name]

    def restricted(self, published: Iterable[str]) -> Shape:
        """The shape of a smaller composition: navigation to unpublished objects goes (PROTOCOL §1.4)."""
        wanted = set(published)
        sets = {name: type_ for name, type_ in self.sets.items() if self.owners[name] in wanted}
        types = set(sets.values())
        entities = {
            name: _restrict(self.entities[name], types) for name in types_in_order(self.entities, types)
        }
        functions = tuple(function for function in self.functions if function.binding in types)
        all_rows = _complexes_of(self.entities.values(), self.functions)
        kept = _complexes_of(entities.values(), functions)
        complexes = {
            name: one for name, one in self.complexes.items() if name in kept or name not in all_rows
        }
        return replace(self, sets=sets, entities=entities, functions=functions, complexes=complexes)


def types_in_order(entities: Mapping[str, Structure], wanted: set[str]) -> list[str]:
    """The wanted entity types in the order of the shape."""
    return [name for name in entities if name in wanted]


def _restrict(structure: Structure, types: set[str]) -> Structure:
    navigation = {name: target for name, target in structure.navigation.items() if target in types}
    lost = len(navigation) != len(structure.navigation)
    return replace(structure, navigation=navigation, open=structure.open or lost)


def _complexes_of(entities: Iterable[Structure], functions: Iterable[Function]) -> set[str]:
    rows = {one.rows for entity in entities for one in entity.properties.values() if one.rows}
    return rows | {function.returns for function in functions if function.returns}


def _structure_to_json(structure: Structure) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if structure.open:
        out["open"] = True
    if structure.key:
        out["key"] = list(structure.key)
    out["properties"] = {
        one.name: one.type.replace(f"{NAMESPACE}.", "").replace("Edm.", "") + ("" if one.nullable else "!")
        for one in structure.properties.values()
    }
    if structure.navigation:
        out["navigation"] = dict(structure.navigation)
    return out


def _type_from_json(text: str) -> str:
    inner = text.removeprefix("Collection(").removesuffix(")")
    primitive = inner in _PRIMITIVES
    full = f"Edm.{inner}" if primitive else f"{NAMESPACE}.{inner}"
    return f"Collection({full})" if text.startswith("Collection(") else full


_PRIMITIVES = frozenset(
    (
        "Guid",
        "String",
        "Boolean",
        "DateTime",
        "Double",
        "Int16",
        "Int32",
        "Int64",
        "Binary",
        "Stream",
        "Decimal",
        "Byte",
    ),
)


def _structure_from_json(name: str, data: Mapping[str, Any]) -> Structure:
    properties = {
        key: Property(name=key, type=_type_from_json(text.removesuffix("!")), nullable=not text.endswith("!"))
        for key, text in data["properties"].items()
    }
    return Structure(
        name=name,
        properties=properties,
        key=tuple(data.get("key", ())),
        navigation=data.get("navigation", {}),
        open=data.get("open", False),
    )


def to_json(shape: Shape) -> str:
    """Write the shape as a text in which a changed property is one changed line."""
    data = {
        "name": shape.name,
        "entities": {name: _structure_to_json(one) for name, one in shape.entities.items()},
        "complexes": {name: _structure_to_json(one) for name, one in shape.complexes.items()},
        "sets": {name: type_ for name, type_ in shape.sets.items() if name != type_},
        "set_order": [name for name in shape.sets if name == shape.sets[name]],
        "functions": [
            {
                "name": one.name,
                "binding": one.binding,
                "returns": one.returns,
                "parameters": {key: type_.replace("Edm.", "") for key, type_ in one.parameters},
                "side_effect": one.side_effect,
            }
            for one in shape.functions
        ],
        "enums": [[name, *members] for name, members in shape.enums],
    }
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def from_json(text: str) -> Shape:
    """Read what `to_json` wrote."""
    data = json.loads(text)
    return Shape(
        name=data["name"],
        entities={name: _structure_from_json(name, one) for name, one in data["entities"].items()},
        complexes={name: _structure_from_json(name, one) for name, one in data["complexes"].items()},
        sets={**{name: name for name in data["set_order"]}, **data["sets"]},
        functions=tuple(
            Function(
                name=one["name"],
                binding=one["binding"],
                returns=one["returns"],
                parameters=tuple((key, f"Edm.{type_}") for key, type_ in one["parameters"].items()),
                side_effect=one["side_effect"],
            )
            for one in data["functions"]
        ),
        enums=tuple((one[0], tuple(one[1:])) for one in data["enums"]),
    )


@cache
def shipped(name: str = "ut_11_5_20_68") -> Shape:
    """A shape that ships with the package; raises FileNotFoundError for an unknown name."""
    return from_json((_SHIPPED / f"{name}.json").read_text("utf-8"))
