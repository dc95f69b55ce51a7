"""Declaration + the base's own `$metadata` → what exactly is asked for and decoded. Alternatives are chosen here and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from onec_pipelines.errors import Skip, Stop
from onec_pipelines.onec.decode import WireColumn, WireSection, WireShape
from onec_pipelines.onec.metadata_model import NAMESPACE, EntityType, Metadata, Property, RowType
from onec_pipelines.spec import ColumnType, Entity, Field, Section
from onec_pipelines.steps import feeds

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

SCHEMA_CODES = frozenset(
    {"ONEC_NOT_PUBLISHED", "ONEC_COLUMN_MISSING", "ONEC_COLUMN_RETYPED", "ONEC_KEY_UNKNOWN"}
)
"""Codes of a Stop that says: this base's schema and this one entity do not fit. Other entities are not concerned."""


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


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a base has of some fields. `retyped`: fields that are there but with a type that cannot be read, in words."""

    columns: tuple[WireColumn, ...] = ()
    missing: list[str] = field(default_factory=list)
    retyped: dict[str, str] = field(default_factory=dict)


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

    Raises Skip ONEC_NOT_PUBLISHED for an optional entity and Stop for any other whose source is not published; Stop ONEC_COLUMN_MISSING
    for a required field that is not there, ONEC_COLUMN_RETYPED for any field whose property cannot be read as what it should be. The
    text names exactly what is missing and what it feeds.
    """
    resources = (resource,) if resource else entity.source.resources
    for candidate in resources:
        view = row_type_of(metadata, candidate, entity.source.function)
        if view is not None:
            lost = [name for name in asked_for(entity) if name not in view.properties]
            return _plan(entity, candidate, view, metadata, lost)
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


def asked_for(entity: Entity) -> tuple[str, ...]:
    """Properties that stand in the request itself beside the fields: what the source is narrowed and split by."""
    source = entity.source
    only = (source.only[0],) if source.only else ()
    # A dimension of several types is a required field of its own, under either name.
    return (*only, source.split.field) if source.split and source.split.composite is None else only


def choices(entity: Entity, resource: str, metadata: Metadata) -> Choice:
    """What this base has of the entity's fields, those of sections as `section.field`; all is missing when it does not publish the set."""
    view = row_type_of(metadata, resource, entity.source.function)
    if view is None:
        return _choose(entity.fields, RowType(name=resource, properties={}))
    own = _choose(entity.fields, view)
    sections, of_sections = _choose_sections(entity.sections, view, metadata)
    inner = [replace(c, name=f"{s.name}.{c.name}") for s in sections for c in s.columns]
    return Choice(
        columns=(*own.columns, *inner),
        missing=own.missing + of_sections.missing,
        retyped=own.retyped | of_sections.retyped,
    )


def must_have(entity: Entity, missing: Collection[str]) -> list[str]:
    """Those of the missing fields and sections without which the entity cannot be read; of a group all, when all are missing."""
    needed = [f.name for f in entity.fields if f.required]
    for section in entity.sections:
        needed += [section.name] if section.required else []
        needed += [f"{section.name}.{f.name}" for f in section.fields if f.required]
    needed += [name for group in entity.any_of if set(group) <= set(missing) for name in group]
    return [name for name in dict.fromkeys(needed) if name in missing]


def published(entity: Entity, metadata: Metadata) -> tuple[str, ...]:
    """Alternatives of the source that this base publishes, in order of preference."""
    return tuple(
        name
        for name in entity.source.resources
        if row_type_of(metadata, name, entity.source.function) is not None
    )


def _plan(entity: Entity, resource: str, view: RowType, metadata: Metadata, lost: Sequence[str] = ()) -> Plan:
    chosen = _choose(entity.fields, view)
    sections, of_sections = _choose_sections(entity.sections, view, metadata)
    columns, missing = chosen.columns, chosen.missing + of_sections.missing
    retyped = chosen.retyped | of_sections.retyped
    lacking = must_have(entity, missing)
    if lost or lacking or retyped:
        said = [f"{name}, by which it is read" for name in lost]
        said += [_lack(entity, name) for name in lacking]
        said += [f"{name} ({is_now}) {feeds.sentence(entity, name)}" for name, is_now in retyped.items()]
        raise Stop(
            f"{entity.name}: {resource} has no property for {'; '.join(said)}",
            code="ONEC_COLUMN_MISSING" if lost or lacking else "ONEC_COLUMN_RETYPED",
            remedy=(
                "The release or the configuration differs: add the name as an alternative of the field, or adapt"
                " the field's type. The other entities go on; `onec schema diff` shows what changed."
            ),
        )
    return Plan(
        entity=entity,
        resource=resource,
        key=view.key if isinstance(view, EntityType) else (),
        columns=tuple((c.name, c.wire) for c in columns),
        shape=WireShape(columns=columns, sections=sections),
        missing=tuple(missing),
    )


def _lack(entity: Entity, name: str) -> str:
    for section in entity.sections:
        if section.name == name:
            return f"{name} ({section.source})"
    return f"{name} ({' or '.join(feeds.find_field(entity, name).source)}) {feeds.sentence(entity, name)}"


def _choose(fields: Sequence[Field], view: RowType) -> Choice:
    columns: list[WireColumn] = []
    found = Choice()
    for wanted in fields:
        there = {wire: view.properties[wire].edm_type for wire in wanted.source if wire in view.properties}
        # A property that a release has retyped must not reach the converters (RELIABILITY C-4 #12).
        fit = next((wire for wire, edm_type in there.items() if edm_type in _WIRE_TYPES[wanted.type]), None)
        if fit is not None:
            columns.append(WireColumn(name=wanted.name, wire=fit, edm_type=there[fit]))
        elif there:
            words = " and ".join(f"{wire} is {edm_type}" for wire, edm_type in there.items())
            found.retyped[wanted.name] = (
                f"{words} in this base, of which no {wanted.type.name.lower()} is made"
            )
        else:
            found.missing.append(wanted.name)
    return replace(found, columns=tuple(columns))


def _choose_sections(
    sections: Sequence[Section], view: RowType, metadata: Metadata
) -> tuple[tuple[WireSection, ...], Choice]:
    chosen: list[WireSection] = []
    found = Choice()
    for section in sections:
        row = metadata.row_type(view.sections.get(section.source, ""))
        if row is None:
            found.missing.append(section.name)
            continue
        rows = _choose(section.fields, row)
        found.missing.extend(f"{section.name}.{name}" for name in rows.missing)
        found.retyped.update({f"{section.name}.{name}": words for name, words in rows.retyped.items()})
        chosen.append(WireSection(name=section.name, wire=section.source, columns=rows.columns))
    return tuple(chosen), found


def _properties(types: dict[str, str]) -> dict[str, Property]:
    return {name: Property(name=name, edm_type=edm_type, nullable=True) for name, edm_type in types.items()}
