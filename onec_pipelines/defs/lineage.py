"""What the UI shows of tables: columns with types and meaning, and from which column each one is made, down to 1C's own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from onec_pipelines.defs.keys import asset_key, source_key
from onec_pipelines.spec import Column, Entity, Field, Layer

# Longer SQL is in the declaration and in docs/mapping.md.
_SHORT = 60


def clean_columns(entity: Entity) -> dg.TableSchema:
    """Columns of the clean table, each with the 1C names it may come from."""
    return dg.TableSchema(columns=[_clean_column(field) for field in entity.fields])


def shop_columns(entity: Entity) -> dg.TableSchema:
    """Columns of the shop table that the sync fills, each with 1C's own names of what it is made of."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name, type=_shop_type(entity, column), description=_made_of(entity, column)
            )
            for column in entity.target.columns
        ]
    )


def _shop_type(entity: Entity, column: Column) -> str:
    if column.reference:
        return "bigint"
    # What SQL makes has the type of the table; the declaration does not repeat it.
    return entity.field(column.copy).type.value if column.copy else "sql"


def _inputs(column: Column) -> tuple[str, ...]:
    return column.inputs or tuple(filter(None, (column.copy or column.reference,)))


def _made_of(entity: Entity, column: Column) -> str:
    fields = {field.name: field for field in entity.fields}
    # A section is an input, too, and has no field of its own.
    names = [" | ".join(fields[name].source) if name in fields else name for name in _inputs(column)]
    how = "our id" if column.reference else column.sql if column.sql and len(column.sql) < _SHORT else ""
    source = f"← {', '.join(names)}" if names else ""
    return " ".join(part for part in (column.doc, source, f"({how})" if how else "") if part)


def clean_lineage(entity: Entity, columns: Mapping[str, str]) -> dg.TableColumnLineage:
    """Clean column → the property of the 1C object it was read from; `columns` maps field names to wire names."""
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(asset_key=source_key(entity), column_name=wire)]
            for name, wire in columns.items()
        }
    )


def shop_lineage(entity: Entity) -> dg.TableColumnLineage:
    """Shop column → the clean columns it is made of."""
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for column in entity.target.columns:
        deps[column.name] = [
            dg.TableColumnDep(asset_key=asset_key(entity, Layer.CLEAN), column_name=name)
            for name in _inputs(column)
        ]
    return dg.TableColumnLineage({name: found for name, found in deps.items() if found})


def as_metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values fit for Dagster: plain ints and floats (numpy's own break its event log), None left out."""
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        plain[name] = value.item() if hasattr(value, "item") else value
    return plain


def _clean_column(field: Field) -> dg.TableColumn:
    source = " | ".join(field.source)
    text = f"{field.doc} ← {source}" if field.doc else f"← {source}"
    return dg.TableColumn(
        name=field.name,
        type=field.type.value,
        description=text,
        constraints=dg.TableColumnConstraints(nullable=field.nullable),
    )
