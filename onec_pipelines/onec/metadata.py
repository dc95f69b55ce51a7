"""`$metadata` (EDMX) read into the model of `metadata_model.py`, streamed.

Tolerates what genuine bases send: duplicate enumerations, no facets, no association sets (PROTOCOL §1.4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from onec_pipelines.onec.errors import bad_answer
from onec_pipelines.onec.metadata_model import (
    NAMESPACE,
    EntityType,
    Function,
    Metadata,
    Property,
    RowType,
    collection_of,
)
from onec_pipelines.onec.xml_reader import pieces_of, read_xml

__all__ = ["EntityType", "Function", "Metadata", "Property", "RowType", "parse_metadata"]

_WHAT = "$metadata"


def parse_metadata(source: Path | bytes) -> Metadata:
    """Read a whole `$metadata` document.

    At most 64 MiB of UTF-8 without a DOCTYPE; anything else, or a document without one entity type, raises
    RetryLater ONEC_BAD_ANSWER.
    """
    target = _Edmx()
    for _ in read_xml(pieces_of(source), target, what=_WHAT):
        pass
    if not target.is_edmx:
        raise bad_answer("it is not an EDMX document", request=_WHAT)
    return target.build()


@dataclass(kw_only=True)
class _Structure:
    name: str
    is_entity: bool
    open_type: bool
    key: list[str] = field(default_factory=list)
    properties: dict[str, Property] = field(default_factory=dict)
    navigation: dict[str, tuple[str, str]] = field(
        default_factory=dict
    )  # name → relationship, role of the target


@dataclass(kw_only=True)
class _Import:
    name: str
    returns: str | None
    side_effecting: bool
    parameters: dict[str, str] = field(default_factory=dict)


class _Edmx:
    """Parser target: everything of interest is in attributes, so each element is handled as it begins."""

    def __init__(self) -> None:
        self.is_edmx = False
        self._structures: list[_Structure] = []
        self._ends: dict[tuple[str, str], str] = {}  # association, role → type
        self._association = ""
        self._enums: dict[str, list[str]] = {}
        self._enum: list[str] = []
        self._sets: dict[str, str] = {}
        self._imports: list[_Import] = []
        self._handlers = {
            "Edmx": self._edmx,
            "EntityType": self._structure,
            "ComplexType": self._structure,
            "PropertyRef": self._key,
            "Property": self._property,
            "NavigationProperty": self._navigation,
            "Association": self._begin_association,
            "End": self._end_of_association,
            "EnumType": self._begin_enum,
            "Member": self._member,
            "EntitySet": self._set,
            "FunctionImport": self._import,
            "Parameter": self._parameter,
        }

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Handle one element; unknown ones say nothing to us."""
        name = tag.rpartition("}")[2]
        handler = self._handlers.get(name)
        if handler is None:
            return
        try:
            handler(name, attributes)
        except (KeyError, IndexError):
            raise bad_answer(f"its element {name} misses an attribute or its parent", request=_WHAT) from None

    def end(self, tag: str) -> None:
        """Nothing to do: see `start`."""

    def data(self, text: str) -> None:
        """EDMX has no text."""

    def build(self) -> Metadata:
        """Give the model."""
        return Metadata(
            entity_types={item.name: self._entity(item) for item in self._structures if item.is_entity},
            complex_types={
                item.name: RowType(name=item.name, properties=item.properties)
                for item in self._structures
                if not item.is_entity
            },
            enums={name: tuple(members) for name, members in self._enums.items()},
            sets=self._sets,
            bound_functions=tuple(_function(item) for item in self._imports),
        )

    def _entity(self, item: _Structure) -> EntityType:
        targets = {name: self._ends.get(end) for name, end in item.navigation.items()}
        return EntityType(
            name=item.name,
            properties=item.properties,
            key=tuple(item.key),
            navigation={name: target for name, target in targets.items() if target is not None},
            open_type=item.open_type,
        )

    def _edmx(self, _: str, __: dict[str, str]) -> None:
        self.is_edmx = True

    def _structure(self, element: str, attributes: dict[str, str]) -> None:
        self._structures.append(
            _Structure(
                name=attributes["Name"],
                is_entity=element == "EntityType",
                open_type=attributes.get("OpenType") == "true",
            )
        )

    def _key(self, _: str, attributes: dict[str, str]) -> None:
        self._structures[-1].key.append(attributes["Name"])

    def _property(self, _: str, attributes: dict[str, str]) -> None:
        self._structures[-1].properties[attributes["Name"]] = Property(
            name=attributes["Name"],
            edm_type=attributes["Type"],
            nullable=attributes.get("Nullable", "true") == "true",
        )

    def _navigation(self, _: str, attributes: dict[str, str]) -> None:
        end = (_plain(attributes["Relationship"]), attributes["ToRole"])
        self._structures[-1].navigation[attributes["Name"]] = end

    def _begin_association(self, _: str, attributes: dict[str, str]) -> None:
        self._association = attributes["Name"]

    def _end_of_association(self, _: str, attributes: dict[str, str]) -> None:
        self._ends[self._association, attributes["Role"]] = _plain(attributes["Type"])

    def _begin_enum(self, _: str, attributes: dict[str, str]) -> None:
        # a genuine base lists AllowedLength twice: the members are joined
        self._enum = self._enums.setdefault(attributes["Name"], [])

    def _member(self, _: str, attributes: dict[str, str]) -> None:
        if attributes["Name"] not in self._enum:
            self._enum.append(attributes["Name"])

    def _set(self, _: str, attributes: dict[str, str]) -> None:
        self._sets[attributes["Name"]] = _plain(attributes["EntityType"])

    def _import(self, _: str, attributes: dict[str, str]) -> None:
        returns = attributes.get("ReturnType")
        self._imports.append(
            _Import(
                name=attributes["Name"],
                returns=None if returns is None else collection_of(returns) or _plain(returns),
                side_effecting=attributes.get("IsSideEffecting") == "true",
            )
        )

    def _parameter(self, _: str, attributes: dict[str, str]) -> None:
        self._imports[-1].parameters[attributes["Name"]] = attributes["Type"]


def _plain(type_name: str) -> str:
    return type_name.removeprefix(NAMESPACE)


def _function(item: _Import) -> Function:
    parameters = dict(item.parameters)
    binding = parameters.pop("bindingParameter", "")
    return Function(
        name=item.name,
        binding=collection_of(binding) or _plain(binding),
        parameters=parameters,
        returns=item.returns,
        side_effecting=item.side_effecting,
    )
