"""SQL of the clean layer, made from the declarations: staging, the merge that writes only changed rows, tabular sections, absence.

Statements only; who runs them in which transaction is said in `ledger/clean_rows.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from onec_pipelines.spec import Entity, Field, Section

STAGE = "pg_temp.stage_rows"
CHANGED = "pg_temp.changed_rows"


def section_stage(section: Section) -> str:
    """Name of the temporary table that takes the rows of a tabular section."""
    return f"pg_temp.stage_{section.name}"


def create_stage(entity: Entity) -> list[str]:
    """Temporary tables for one page group: they vanish with the transaction."""
    tables = [
        _temp_table(STAGE, entity.fields),
        "CREATE TEMP TABLE changed_rows (row_key uuid, is_new boolean) ON COMMIT DROP",
    ]
    tables += [
        _temp_table(section_stage(s), s.fields, extra="owner uuid, line_number bigint, ")
        for s in entity.sections
    ]
    return tables


def row_key(entity: Entity, alias: str) -> str:
    """Expression of the row's key: the GUID of an object, for a register row the md5 of its dimensions as a uuid."""
    if entity.key == ("ref",):
        return f"{alias}.ref"
    parts = ", ".join(f"coalesce({alias}.{name}::text, '')" for name in entity.key)
    return f"md5(concat_ws('|', {parts}))::uuid"


def write_changed(entity: Entity, *, everything: bool) -> str:
    """Upsert of the staged rows that are new, differ, or were thought gone (or of all); their keys go to `changed_rows`.

    Bind system_name and job_id. Filtering before the write is what makes an unchanged reload cost nothing (PERFORMANCE §4).
    """
    names = [field.name for field in entity.fields]
    updates = ", ".join(f"{name} = excluded.{name}" for name in names)
    differs = (
        f"o.row_key IS NULL OR o.deleted_at IS NOT NULL OR o.absent_sweeps <> 0"
        f" OR ({_list(names, 'o')}) IS DISTINCT FROM ({_list(names, 's')})"
    )
    return (
        f"WITH written AS (INSERT INTO {entity.clean_table} AS t"
        f" (system_name, row_key, {', '.join(names)}, changed_in)"
        f" SELECT %(system_name)s, s.row_key, {_list(names, 's')}, %(job_id)s"
        f" FROM (SELECT {row_key(entity, 'x')} AS row_key, x.* FROM {STAGE} x) s"
        f" LEFT JOIN {entity.clean_table} o ON o.system_name = %(system_name)s AND o.row_key = s.row_key"
        f" WHERE {'TRUE' if everything else differs}"
        f" ON CONFLICT (system_name, row_key) DO UPDATE SET {updates}, changed_in = excluded.changed_in,"
        f" changed_at = now(), deleted_at = NULL, deleted_why = NULL, absent_sweeps = 0"
        f" RETURNING t.row_key, (t.xmax = 0) AS is_new)"
        f" INSERT INTO {CHANGED} (row_key, is_new) SELECT row_key, is_new FROM written"
    )


def count_changed() -> str:
    """Of the last `write_changed`: rows that were new, and rows written in all."""
    return f"SELECT count(*) FILTER (WHERE is_new), count(*) FROM {CHANGED}"


def replace_section(entity: Entity, section: Section) -> list[str]:
    """A tabular section is replaced whole for every changed owner (PROTOCOL §4.3); bind system_name."""
    table = entity.section_table(section)
    names = ", ".join(field.name for field in section.fields)
    return [
        f"DELETE FROM {table} t USING {CHANGED} c"
        f" WHERE t.system_name = %(system_name)s AND t.owner_key = c.row_key AND NOT c.is_new",
        f"INSERT INTO {table} (system_name, owner_key, line_number, {names})"
        f" SELECT %(system_name)s, s.owner, s.line_number, {', '.join('s.' + f.name for f in section.fields)}"
        f" FROM {section_stage(section)} s JOIN {CHANGED} c ON c.row_key = s.owner"
        f" ON CONFLICT DO NOTHING",
    ]


def staged_keys(entity: Entity) -> str:
    """Keys of all staged rows, changed or not."""
    return f"SELECT {row_key(entity, 'x')} AS row_key FROM {STAGE} x"


def mark_absent(entity: Entity, seen: str, *, sweeps: int) -> str:
    """Rows that a complete read did not show: counted, and deleted when `sweeps` complete reads in a row missed them.

    Bind system_name and job_id. Gives (missed, deleted).
    """
    return (
        f"WITH missed AS (UPDATE {entity.clean_table} t SET absent_sweeps = t.absent_sweeps + 1,"
        f" deleted_at = CASE WHEN t.absent_sweeps + 1 >= {sweeps:d} THEN now() END,"
        f" deleted_why = CASE WHEN t.absent_sweeps + 1 >= {sweeps:d} THEN 'absent' END,"
        f" changed_in = CASE WHEN t.absent_sweeps + 1 >= {sweeps:d} THEN %(job_id)s ELSE t.changed_in END,"
        f" changed_at = CASE WHEN t.absent_sweeps + 1 >= {sweeps:d} THEN now() ELSE t.changed_at END"
        f" WHERE t.system_name = %(system_name)s AND t.deleted_at IS NULL"
        f" AND NOT EXISTS (SELECT FROM {seen} s WHERE s.row_key = t.row_key) RETURNING deleted_at)"
        f" SELECT count(*), count(deleted_at) FROM missed"
    )


def count_absent(entity: Entity, seen: str) -> str:
    """How many live rows there are and how many of them the read did not show; bind system_name."""
    # A join, because NOT EXISTS inside a FILTER is run once a row over the whole table.
    return (
        f"SELECT count(*), count(*) FILTER (WHERE s.row_key IS NULL) FROM {entity.clean_table} t"
        f" LEFT JOIN (SELECT DISTINCT row_key FROM {seen}) s ON s.row_key = t.row_key"
        f" WHERE t.system_name = %(system_name)s AND t.deleted_at IS NULL"
    )


def _temp_table(name: str, fields: Sequence[Field], *, extra: str = "") -> str:
    columns = ", ".join(f"{field.name} {field.type.value}" for field in fields)
    return f"CREATE TEMP TABLE {name.removeprefix('pg_temp.')} ({extra}{columns}) ON COMMIT DROP"


def _list(names: Sequence[str], alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)
