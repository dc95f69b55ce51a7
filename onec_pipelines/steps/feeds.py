"""What a declared field is for: the shop columns that are made of it and the rules that look at it. Read from the declarations, no data.

A field of a tabular section is named with its section: `attributes.value`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

import pyarrow as pa

from onec_pipelines.spec import Column, ColumnType, Entity, Field, Target
from onec_pipelines.steps import transforms

_JOIN = re.compile(r"JOIN\s+(clean\.\w+)\s+(\w+)", re.IGNORECASE)


def find_field(entity: Entity, name: str) -> Field:
    """The field of this name, of a section too; KeyError if there is none."""
    section, _, field_name = name.rpartition(".")
    if not section:
        return entity.field(field_name)
    for found in entity.sections:
        for field in found.fields:
            if found.name == section and field.name == field_name:
                return field
    raise KeyError(f"{entity.name} has no field {name!r}")


def shop_columns(entity: Entity, name: str, among: Iterable[Entity] = ()) -> tuple[str, ...]:
    """Columns such as `shop.products.sku` that are made of the field, in the entity's own tables and in those of `among` that join it.

    A field by which the rows are chosen is named with its table: `shop.prices (which rows)`.
    """
    section, _, field_name = name.rpartition(".")
    found: list[str] = []
    if name == "ref" and entity.has_ids:
        found.append(f"{entity.target.table}.id")
    for target in (entity.target, *entity.target.children):
        if (target.section or "") == section:
            found += _fed(target, "c", field_name)
    table = entity.clean_table if not section else f"{entity.clean_table}_{section}"
    for other in among:
        for target in (other.target, *other.target.children):
            for joined, alias in _JOIN.findall(target.joins):
                if joined == table:
                    found += _fed(target, alias, field_name)
    return tuple(dict.fromkeys(found))


def rules(entity: Entity, name: str) -> tuple[str, ...]:
    """Names of the rules that reject a row for this field, as the quarantine shows them."""
    field = find_field(entity, name)
    checks = {
        "not_nullable": not field.nullable,
        "known_value": field.transform is not None and _refuses(field.transform),
        "str_length": field.max_length is not None,
        "greater_than_or_equal_to": field.minimum is not None,
        "less_than_or_equal_to": field.maximum is not None,
        "isin": bool(field.choices),
        "scale": field.scale is not None and field.type is ColumnType.DECIMAL,
    }
    found = [rule for rule, is_checked in checks.items() if is_checked]
    return (*found, *(rule.name for rule in entity.rules if name in rule.columns))


def sentence(entity: Entity, name: str, among: Iterable[Entity] = ()) -> str:
    """Columns and rules in words, to be put behind the field's name: `→ shop.products.sku, 1 check (str_length)`."""
    columns = shop_columns(entity, name, among)
    checks = rules(entity, name)
    words = [", ".join(columns)] if columns else ["no shop column"]
    if checks:
        words.append(f"{len(checks)} check{'s' if len(checks) > 1 else ''} ({', '.join(checks)})")
    return f"→ {', '.join(words)}"


def made_of(column: Column) -> tuple[str, ...]:
    """Clean columns of which a shop column is made."""
    return column.inputs or tuple(filter(None, (column.copy or column.reference,)))


@cache
def _refuses(transform: str) -> bool:
    """Whether there are values that the transform does not take; a lenient one answers null instead."""
    answer = transforms.apply(transform, pa.array(["?"], pa.string()))
    return transform not in transforms.LENIENT and bool(answer.null_count)


def _fed(target: Target, alias: str, field: str) -> Iterator[str]:
    mention = re.compile(rf"\b{alias}\.{field}\b")
    for column in target.columns:
        words = f"{column.sql or ''} {column.when or ''}"
        if (alias == "c" and field in made_of(column)) or mention.search(words):
            yield f"{target.table}.{column.name}"
    if mention.search(target.where):
        yield f"{target.table} (which rows)"
