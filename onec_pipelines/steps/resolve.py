"""Declaration + the base's own `$metadata` → what exactly is asked for and decoded. Alternatives are chosen here and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from onec_pipelines.errors import Skip, Stop
from onec_pipelines.onec.decode import WireColumn, WireSection, WireShape
from onec_pipelines.onec.metadata_model import NAMESPACE, EntityType, Metadata, Property, RowType
from onec_pipelines.spec import ColumnType, Entity, Field, Section


_TEXTS = frozenset({"Edm.String", "Edm.Guid", "Edm.Binary", "Edm.DateTime", "Edm.Stream"})
_WHOLE = frozenset({"Edm.Byte", "Edm.Int16", "Edm.Int32", "Edm.Int64"})
_WIRE_TYPES = {
    ColumnType.GUID: frozenset({"Edm.Guid", "Edm.String"}),
    ColumnType.TEXT: _TEXTS,
    ColumnType.DECIMAL: _WHOLE | {"Edm.Double", "Edm.Decimal", "Edm.Single"},
    ColumnType.INTEGER: _WHOLE,
    ColumnType.BOOLEAN: frozenset({"Edm.Boolean"}),
    ColumnType.TIMESTAMP: frozenset({"Edm.DateTime"}),
}
"""What each kind of column can be made of."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one entity is read from this base: resource, `$select`, decoding, and what the base does not have.

    `columns` maps field names to wire names; `missing` are optional fields that the base lacks and whose columns stay NULL.
    """

    entity: Entity
    resource: str
    key: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    shape: WireShape
    missing: tuple[str, ...]

    @property
    def select(self) -> tuple[str, ...]:
        """Wire names for `$select`, each once; sections by their own name."""
        names = [wire for _, wire in self.columns] + [s.wire for s in self.shape.sections]
        return tuple(dict.fromkeys(names))

    @property
    def document(self) -> dict[str, Any]:
        """The plan as JSON: it is kept with the raw pages, so that a replay needs no `$metadata`."""
        return {
            "resource": self.resource,
            "key": list(self.key),
            "columns": {c.wire: c.edm_type for c in self.shape.columns},
            "sections": {s.wire: {c.wire: c.edm_type for c in s.columns} for s in self.shape.sections},
        }

    @property
    def fingerprint(self) -> str:
        """What identifies the plan: an interrupted scan is continued only by the same one."""
        text = json.dumps([self.document, self.entity.source.filter], sort_keys=True, ensure_ascii=False)
        return sha256(text.encode()).hexdigest()[:16]


def from_document(entity: Entity, document: dict[str, Any]) -> Plan:
    """The plan for pages that were stored under another one: today's declaration over what was selected then.

    Raises Stop ONEC_COLUMN_MISSING when a field that is required today was not asked for then.
    """
    metadata = metadata_of(document)
    return _plan(entity, document["resource"], metadata.entity_types[document["resource"]], metadata)


def metadata_of(document: dict[str, Any]) -> Metadata:
    """As much of `$metadata` as a plan's document holds: the one type, what was selected of it, and its sections."""
    resource = document["resource"]
    row_types = {
        f"{resource}_{wire}_RowType": RowType(
            name=f"{resource}_{wire}_RowType", properties=_properties(columns)
        )
        for wire, columns in document["sections"].items()
    }
    collections = {wire: f"Collection({NAMESPACE}{resource}_{wire}_RowType)" for wire in document["sections"]}
    view = EntityType(
        name=resource,
        properties=_properties({**document["columns"], **collections}),
        key=tuple(document["key"]),
        navigation={},
        open_type=False,
    )
    return Metadata(
        entity_types={resource: view},
        complex_types=row_types,
        enums={},
        sets={resource: resource},
        bound_functions=(),
    )


def resolve(entity: Entity, metadata: Metadata, *, resource: str | None = None) -> Plan:
    """Choose the alternatives of an entity. `resource` narrows the choice to one (the register that a probe found alive).

    Raises Skip ONEC_NOT_PUBLISHED for an optional entity and Stop for any other whose source or required field is not published;
    the text names exactly what is missing.
    """
    resources = (resource,) if resource else entity.source.resources
    for candidate in resources:
        view = row_type_of(metadata, candidate, entity.source.function)
        if view is not None:
            return _plan(entity, candidate, view, metadata)
    names = " or ".join(resources)
    suffix = f"/{entity.source.function}" if entity.source.function else ""
    error = Skip if entity.optional else Stop
    raise error(
        f"{entity.name}: {names}{suffix} is not published",
        code="ONEC_NOT_PUBLISHED",
        remedy="Add the object to the composition of the standard OData interface, or use a release that has it.",
    )


def row_type_of(metadata: Metadata, resource: str, function: str | None) -> RowType | None:
    """Type of the rows of a set or of its virtual table, None if this base does not publish it."""
    found = metadata.find_set(resource)
    if function is None or found is None:
        return found
    bound = metadata.functions(resource).get(function)
    return metadata.row_type(bound.returns) if bound and bound.returns else None


def published(entity: Entity, metadata: Metadata) -> tuple[str, ...]:
    """Alternatives of the source that this base publishes, in order of preference."""
    return tuple(
        name
        for name in entity.source.resources
        if row_type_of(metadata, name, entity.source.function) is not None
    )


def _plan(entity: Entity, resource: str, view: RowType, metadata: Metadata) -> Plan:
    columns, missing = _choose(entity.fields, view)
    sections, missing_sections = _choose_sections(entity.sections, view, metadata)
    required = [f.name for f in entity.fields if f.required and f.name in missing]
    required += [s.name for s in entity.sections if s.required and s.name in missing_sections]
    lacking = [f"{name} ({' or '.join(_sources(entity, name))})" for name in required] + _empty_groups(
        entity, missing
    )
    if lacking:
        raise Stop(
            f"{entity.name}: {resource} has no property for {', '.join(lacking)}",
            code="ONEC_COLUMN_MISSING",
            remedy="The release or the configuration differs: add the name as an alternative of the field.",
        )
    return Plan(
        entity=entity,
        resource=resource,
        key=view.key if isinstance(view, EntityType) else (),
        columns=tuple((c.name, c.wire) for c in columns),
        shape=WireShape(columns=columns, sections=sections),
        missing=tuple(missing + missing_sections),
    )


def _properties(types: dict[str, str]) -> dict[str, Property]:
    return {name: Property(name=name, edm_type=edm_type, nullable=True) for name, edm_type in types.items()}


def _sources(entity: Entity, name: str) -> tuple[str, ...]:
    for field in entity.fields:
        if field.name == name:
            return field.source
    return tuple(s.source for s in entity.sections if s.name == name)


def _empty_groups(entity: Entity, missing: Sequence[str]) -> list[str]:
    return [
        " or ".join(source for name in group for source in _sources(entity, name))
        for group in entity.any_of
        if all(name in missing for name in group)
    ]


def _choose(fields: Sequence[Field], view: RowType) -> tuple[tuple[WireColumn, ...], list[str]]:
    columns: list[WireColumn] = []
    missing: list[str] = []
    for field in fields:
        for wire in field.source:
            declared = view.properties.get(wire)
            if declared is not None:
                _refuse_another_type(field, wire, declared.edm_type)
                columns.append(WireColumn(name=field.name, wire=wire, edm_type=declared.edm_type))
                break
        else:
            missing.append(field.name)
    return tuple(columns), missing


def _refuse_another_type(field: Field, wire: str, edm_type: str) -> None:
    """A property that a release has retyped must not reach the converters (RELIABILITY C-4 #12)."""
    if edm_type not in _WIRE_TYPES[field.type]:
        raise Stop(
            f"{wire} is {edm_type} in this base, of which no {field.type.name.lower()} can be made",
            code="ONEC_COLUMN_RETYPED",
            remedy="The release or the configuration changed the property: adapt the field's declaration.",
        )


def _choose_sections(
    sections: Sequence[Section], view: RowType, metadata: Metadata
) -> tuple[tuple[WireSection, ...], list[str]]:
    chosen: list[WireSection] = []
    missing: list[str] = []
    for section in sections:
        row = metadata.row_type(view.sections.get(section.source, ""))
        if row is None:
            missing.append(section.name)
            continue
        columns, lost = _choose(section.fields, row)
        missing += [f"{section.name}.{name}" for name in lost]
        chosen.append(WireSection(name=section.name, wire=section.source, columns=columns))
    return tuple(chosen), missing
