"""The tables of the migrations are the tables of the declarations."""

from __future__ import annotations

from onec_pipelines.db import ddl
from onec_pipelines.entities import ENTITIES

NAMES = {"timestamp with time zone": "timestamptz"}


def columns(tx, table):
    rows = tx.execute(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (table,),
    ).fetchall()
    return {name: (NAMES.get(kind, kind), required) for name, kind, required in rows}


def test_clean_tables_are_as_declared(tx):
    for entity in ENTITIES:
        found = columns(tx, entity.clean_table)

        assert {name: kind for name, (kind, _) in found.items()} == ddl.columns_of(entity), entity.name
        required = {field.name for field in entity.fields if not field.nullable}
        assert {
            name for name, (_, needed) in found.items() if needed and name in {f.name for f in entity.fields}
        } == required


def test_section_tables_are_as_declared(tx):
    for entity in ENTITIES:
        for section in entity.sections:
            found = columns(tx, entity.section_table(section))
            assert {name: kind for name, (kind, _) in found.items()} == ddl.section_columns_of(section), (
                section.name
            )


def test_shop_tables_have_what_the_declaration_fills(tx):
    for entity in ENTITIES:
        for target in (entity.target, *entity.target.children):
            found = columns(tx, target.table)
            assert {column.name for column in target.columns} <= set(found)
            key = {"owner_id", "line_number"} if target is not entity.target else {"id"}
            made = {"created_at", "updated_at", "path", "depth", "is_cut", "system_name", "onec_key"}
            needed = {name for name, (_, required) in found.items() if required}
            assert needed - key - made <= {column.name for column in target.columns}


def test_the_declared_tables_can_be_made(tx):
    for entity in ENTITIES:
        with tx.transaction(force_rollback=True):
            tx.execute("DROP SCHEMA clean CASCADE")
            tx.execute("CREATE SCHEMA clean")
            tx.execute(ddl.clean_tables([entity]))
            assert columns(tx, entity.clean_table)
