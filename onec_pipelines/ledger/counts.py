"""How many rows the layers hold, counted in the tables themselves."""

from __future__ import annotations

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.spec import Entity


def clean_rows(database: Database, entity: Entity, *, system_name: str) -> int:
    """Live rows of clean."""
    return _number(
        database,
        f"SELECT count(*) FROM {entity.clean_table} WHERE system_name = %(system)s AND deleted_at IS NULL",
        system_name,
    )


def rows_for_shop(database: Database, entity: Entity, *, system_name: str) -> int:
    """Rows of clean that belong into the shop; deleted ones too, because the shop keeps them marked."""
    return _number(
        database,
        f"SELECT count(*) FROM {entity.clean_table} c"
        f" WHERE c.system_name = %(system)s AND ({entity.target.where})",
        system_name,
    )


def shop_rows(database: Database, entity: Entity, *, system_name: str) -> int:
    """Rows of the shop that come from this base."""
    statement = f"SELECT count(*) FROM {entity.target.table} WHERE system_name = %(system)s"
    if entity.has_ids:
        statement = (
            f"SELECT count(*) FROM {entity.target.table} t JOIN integ.external_id_mappings m"
            f" ON m.internal_id = t.id AND m.entity_type = '{entity.name}' AND m.system_name = %(system)s"
        )
    return _number(database, statement, system_name)


def ids(database: Database, entity: Entity, *, system_name: str) -> int:
    """Objects of this base that have an id of ours."""
    return _number(
        database,
        "SELECT count(*) FROM integ.external_id_mappings"
        f" WHERE system_name = %(system)s AND entity_type = '{entity.name}'",
        system_name,
    )


def _number(database: Database, statement: str, system_name: str) -> int:
    with database.transaction() as connection:
        cursor = driver_connection(connection).execute(statement.encode(), {"system": system_name})
        row = cursor.fetchone()
    return int(row[0]) if row else 0
