"""The tables of the clean layer as the declarations want them: the text of migrations, and the yardstick of the drift test."""

from __future__ import annotations

from collections.abc import Iterable

from onec_pipelines.spec import Entity, Field, Section


def clean_tables(entities: Iterable[Entity]) -> str:
    """CREATE statements of the clean tables of these entities, for a migration file."""
    statements: list[str] = []
    for entity in entities:
        statements.append(_entity_table(entity))
        statements += [_section_table(entity, section) for section in entity.sections]
    return "\n".join(statements)


def columns_of(entity: Entity) -> dict[str, str]:
    """Column name → PostgreSQL type of the clean table, in order."""
    return {
        "system_name": "text",
        "row_key": "uuid",
        **{field.name: field.type.value for field in entity.fields},
        "changed_in": "bigint",
        "changed_at": "timestamptz",
        "deleted_at": "timestamptz",
        "deleted_why": "text",
        "absent_sweeps": "smallint",
    }


def section_columns_of(section: Section) -> dict[str, str]:
    """Column name → PostgreSQL type of the clean table of a tabular section, in order."""
    return {
        "system_name": "text",
        "owner_key": "uuid",
        "line_number": "bigint",
        **{field.name: field.type.value for field in section.fields},
    }


def _entity_table(entity: Entity) -> str:
    columns = ",\n".join(f"    {_column(field)}" for field in entity.fields)
    return (
        f"CREATE TABLE {entity.clean_table} (\n"
        f"    system_name text NOT NULL,\n    row_key uuid NOT NULL,\n{columns},\n"
        f"    changed_in bigint NOT NULL,\n    changed_at timestamptz NOT NULL DEFAULT now(),\n"
        f"    deleted_at timestamptz,\n    deleted_why text,\n    absent_sweeps smallint NOT NULL DEFAULT 0,\n"
        f"    PRIMARY KEY (system_name, row_key)\n);\n"
        f"CREATE INDEX {entity.name}_changed ON {entity.clean_table} (system_name, changed_in);\n"
        f"COMMENT ON TABLE {entity.clean_table} IS '{entity.title_ru}: {entity.description}';\n"
    )


def _section_table(entity: Entity, section: Section) -> str:
    columns = ",\n".join(f"    {_column(field)}" for field in section.fields)
    return (
        f"CREATE TABLE {entity.section_table(section)} (\n"
        f"    system_name text NOT NULL,\n    owner_key uuid NOT NULL,\n    line_number bigint NOT NULL,\n{columns},\n"
        f"    PRIMARY KEY (system_name, owner_key, line_number)\n);\n"
    )


def _column(field: Field) -> str:
    return f"{field.name} {field.type.value}{'' if field.nullable else ' NOT NULL'}"
