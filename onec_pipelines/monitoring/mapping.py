"""The declarations as a mapping: shop column ← clean column ← 1C name, field by field. Pure; how it is printed is in `mapping_docs.py`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from onec_pipelines.spec import Column, ColumnType, Entity, Field, Reading, Target
from onec_pipelines.steps import feeds
from onec_pipelines.steps.transforms import TRANSFORMS

_READINGS = {
    Reading.PAGED: "page by page over the full key",
    Reading.WHOLE: "whole, one answer a part",
}


@dataclass(frozen=True, kw_only=True)
class MappedField:
    """One field. `field` of a tabular section is `section.field`; `shop` are columns made of it; `transform` is empty for none."""

    field: str
    onec: tuple[str, ...]
    shop: tuple[str, ...]
    type: str
    required: bool
    transform: str
    transform_promise: str
    limits: tuple[str, ...]
    references: tuple[str, ...]
    is_pii: bool
    note: str


@dataclass(frozen=True, kw_only=True)
class MappedColumn:
    """A shop column that is computed and not copied: from which clean columns, by which SQL over the clean row `c`."""

    column: str
    inputs: tuple[str, ...]
    sql: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """An entity as a person reads it."""

    entity: str
    title_ru: str
    description: str
    group: str
    resources: tuple[str, ...]
    reading: str
    key: tuple[str, ...]
    clean_table: str
    shop_table: str
    shop_rows: str
    depends_on: tuple[str, ...]
    optional: bool
    row_rules: tuple[str, ...]
    fields: tuple[MappedField, ...]
    computed: tuple[MappedColumn, ...]


def mapping_of(entity: Entity, entities: Iterable[Entity] = ()) -> Mapping:
    """The mapping of an entity; with `entities`, columns of others that join it are named as well."""
    among = tuple(entities)
    fields = [_field(entity, f.name, f, among) for f in entity.fields]
    for section in entity.sections:
        fields += [_field(entity, f"{section.name}.{f.name}", f, among) for f in section.fields]
    suffix = f"/{entity.source.function}" if entity.source.function else ""
    return Mapping(
        entity=entity.name,
        title_ru=entity.title_ru,
        description=entity.description,
        group=entity.group,
        resources=tuple(f"{name}{suffix}" for name in entity.source.resources),
        reading=_reading(entity),
        key=entity.key,
        clean_table=entity.clean_table,
        shop_table=entity.target.table,
        shop_rows="" if entity.target.where == "TRUE" else entity.target.where,
        depends_on=entity.depends_on,
        optional=entity.optional,
        row_rules=tuple(f"{rule.name}: {rule.reason}" for rule in entity.rules),
        fields=tuple(fields),
        computed=tuple(_computed(entity)),
    )


def promise(transform: str) -> str:
    """The sentence that says what a transform does: the first line of its docstring."""
    return (TRANSFORMS[transform].__doc__ or "").strip().partition("\n")[0]


def _reading(entity: Entity) -> str:
    source = entity.source
    words = [_READINGS.get(source.reading, source.reading.value)]
    if source.only:
        words.append(f"only {source.filter}")
    if source.split:
        words.append(f"one part for each of {source.split.entity} ({source.split.field})")
    if source.dimensions:
        words.append(f"by {', '.join(source.dimensions)}")
    return "; ".join(words)


def _field(entity: Entity, name: str, field: Field, among: tuple[Entity, ...]) -> MappedField:
    columns = _columns_of(entity, name)
    notes = [field.doc, *(column.doc for column in columns if not column.sql)]
    return MappedField(
        field=name,
        onec=_onec_names(entity, name, field),
        shop=feeds.shop_columns(entity, name, among),
        type=field.type.value,
        required=field.required,
        transform=field.transform or "",
        transform_promise=promise(field.transform) if field.transform else "",
        limits=_limits(field) + _waits(field, columns),
        references=_references(field, columns),
        is_pii=field.pii,
        note="; ".join(dict.fromkeys(filter(None, notes))),
    )


def _columns_of(entity: Entity, name: str) -> list[Column]:
    section, _, field_name = name.rpartition(".")
    return [
        column
        for target in (entity.target, *entity.target.children)
        if (target.section or "") == section
        for column in target.columns
        if field_name in feeds.made_of(column)
    ]


def _onec_names(entity: Entity, name: str, field: Field) -> tuple[str, ...]:
    section = next((s for s in entity.sections if name.startswith(f"{s.name}.")), None)
    return tuple(f"{section.source}/{wire}" if section else wire for wire in field.source)


def _limits(field: Field) -> tuple[str, ...]:
    bounds = {
        "not empty": not field.nullable,
        f"at most {field.max_length} characters": field.max_length is not None,
        f"≥ {field.minimum}": field.minimum is not None,
        f"≤ {field.maximum}": field.maximum is not None,
        f"one of {', '.join(field.choices)}": bool(field.choices),
        f"{field.scale} decimals": field.scale is not None and field.type is ColumnType.DECIMAL,
    }
    return tuple(words for words, is_set in bounds.items() if is_set)


def _waits(field: Field, columns: list[Column]) -> tuple[str, ...]:
    held = any(column.required and column.reference == field.name for column in columns)
    return ("the row waits until the object is known",) if held else ()


def _references(field: Field, columns: list[Column]) -> tuple[str, ...]:
    named = [field.references, *(column.entity for column in columns if column.reference == field.name)]
    return tuple(dict.fromkeys(filter(None, named)))


def _computed(entity: Entity) -> Iterable[MappedColumn]:
    targets: tuple[Target, ...] = (entity.target, *entity.target.children)
    for target in targets:
        for column in target.columns:
            condition = (
                f"our id of {column.entity or 'the object'}, when {column.when}" if column.when else ""
            )
            if column.sql or condition:
                yield MappedColumn(
                    column=f"{target.table}.{column.name}",
                    inputs=feeds.made_of(column),
                    sql=(column.sql or condition).replace("%%", "%"),
                    note=column.doc,
                )
