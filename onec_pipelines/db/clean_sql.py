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
    # A stored page that is read again does not prove that its rows still exist: those there are keep what is known of that, and those that
    # have to be made anew (the table was emptied) take it from the log.
    alive = "" if everything else ", deleted_at = NULL, deleted_why = NULL, absent_sweeps = 0"
    gone, of_gone, log = (
        (", deleted_at, deleted_why", ", g.deleted_at, g.why", _known_gone(entity))
        if everything
        else ("", "", "")
    )
    differs = (
        f"o.row_key IS NULL OR o.deleted_at IS NOT NULL OR o.absent_sweeps <> 0"
        f" OR ({_list(names, 'o')}) IS DISTINCT FROM ({_list(names, 's')})"
    )
    return (
        f"WITH written AS (INSERT INTO {entity.clean_table} AS t"
        f" (system_name, row_key, {', '.join(names)}, changed_in{gone})"
        f" SELECT %(system_name)s, s.row_key, {_list(names, 's')}, %(job_id)s{of_gone}"
        f" FROM (SELECT {row_key(entity, 'x')} AS row_key, x.* FROM {STAGE} x) s"
        f" LEFT JOIN {entity.clean_table} o ON o.system_name = %(system_name)s AND o.row_key = s.row_key{log}"
        f" WHERE {'TRUE' if everything else differs}"
        f" ON CONFLICT (system_name, row_key) DO UPDATE SET {updates}, changed_in = excluded.changed_in,"
        f" changed_at = now(){alive}"
        f" RETURNING t.row_key, (t.xmax = 0) AS is_new)"
        f" INSERT INTO {CHANGED} (row_key, is_new) SELECT row_key, is_new FROM written"
    )


def _known_gone(entity: Entity) -> str:
    """Join of the deletions that nothing came after; a deletion mark stands in the row itself."""
    return (
        " LEFT JOIN (SELECT DISTINCT ON (l.row_key) l.row_key, l.deleted_at, l.why FROM integ.deletion_log l"
        f" WHERE l.system_name = %(system_name)s AND l.entity_type = '{entity.name}' AND l.restored_at IS NULL"
        " AND l.why <> 'mark' ORDER BY l.row_key, l.id DESC) g ON g.row_key = s.row_key"
    )


def note_returned(entity: Entity) -> str:
    """Rows that `write_changed` had to make anew, and that were deleted once, are back; bind system_name and job_id.

    A row that is there says so by itself (a trigger of migration 0024).
    """
    return (
        f"UPDATE integ.deletion_log l SET restored_at = now(), restored_job_id = %(job_id)s FROM {CHANGED} c"
        f" WHERE c.is_new AND l.row_key = c.row_key AND l.system_name = %(system_name)s"
        f" AND l.entity_type = '{entity.name}' AND l.restored_at IS NULL AND l.why <> 'mark'"
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


def unstage(entity: Entity, newer: str) -> str:
    """Take rows out of the stage whose keys are in a table of seen keys."""
    return f"DELETE FROM {STAGE} x USING {newer} n WHERE n.row_key = {row_key(entity, 'x')}"


def staged_keys(entity: Entity) -> str:
    """Keys of all staged rows, changed or not."""
    return f"SELECT {row_key(entity, 'x')} AS row_key FROM {STAGE} x"


def mark_absent(entity: Entity, seen: str, *, sweeps: int, scope: str | None = None) -> str:
    """Rows that a complete read did not show: counted, and deleted when `sweeps` complete reads in a row missed them.

    `scope` names the timestamp field of a reading that was not of everything. Bind system_name, job_id and scan_id, with a scope also start
    and end. Gives (missed, deleted).
    """
    return (
        f"WITH missed AS (UPDATE {entity.clean_table} t SET absent_sweeps = t.absent_sweeps + 1,"
        f" deleted_at = CASE WHEN t.absent_sweeps + 1 >= {sweeps:d} THEN now() END,"
        f" deleted_why = CASE WHEN t.absent_sweeps + 1 >= {sweeps:d} THEN 'absent' END,"
        f" changed_in = CASE WHEN t.absent_sweeps + 1 >= {sweeps:d} THEN %(job_id)s ELSE t.changed_in END,"
        f" changed_at = CASE WHEN t.absent_sweeps + 1 >= {sweeps:d} THEN now() ELSE t.changed_at END"
        f" WHERE {_may_be_missed(scope)}"
        f" AND NOT EXISTS (SELECT FROM {seen} s WHERE s.row_key = t.row_key) RETURNING deleted_at)"
        f" SELECT count(*), count(deleted_at) FROM missed"
    )


def count_absent(entity: Entity, seen: str, *, scope: str | None = None) -> str:
    """How many live rows there are and how many of them the read did not show; binds what `mark_absent` does."""
    within = "" if scope is None else f" AND {in_scope('t', scope)}"
    # A join, because NOT EXISTS inside a FILTER is run once a row over the whole table.
    return (
        f"SELECT count(*), count(*) FILTER (WHERE s.row_key IS NULL AND t.changed_in < %(scan_id)s)"
        f" FROM {entity.clean_table} t LEFT JOIN (SELECT DISTINCT row_key FROM {seen}) s ON s.row_key = t.row_key"
        f" WHERE t.system_name = %(system_name)s AND t.deleted_at IS NULL{within}"
    )


def unseen(entity: Entity, seen: str, *, scope: str) -> str:
    """Keys of the rows that `mark_absent` would count."""
    return (
        f"SELECT t.row_key::text FROM {entity.clean_table} t WHERE {_may_be_missed(scope)}"
        f" AND NOT EXISTS (SELECT FROM {seen} s WHERE s.row_key = t.row_key) ORDER BY 1"
    )


def _may_be_missed(scope: str | None) -> str:
    # What another job has written since the scan began is fresher than the scan: it says nothing of it.
    within = "" if scope is None else f" AND {in_scope('t', scope)}"
    return f"t.system_name = %(system_name)s AND t.deleted_at IS NULL AND t.changed_in < %(scan_id)s{within}"


def in_scope(alias: str, scope: str) -> str:
    """Condition over the clean row: its time lies within start and end, of which the latter may be null."""
    return f"{alias}.{scope} >= %(start)s AND (%(end)s::timestamptz IS NULL OR {alias}.{scope} < %(end)s::timestamptz)"


def compare_versions(entity: Entity, seen: str, *, scope: str | None) -> list[str]:
    """Temporary table `differs (row_key, what)` of what a version scan says; nothing in it when nothing changed.

    'fetch' = new, changed or back from the dead; 'back' = missed before and seen again; 'missed' = not seen. One pass over clean. Objects
    whose rejected version is the one that 1C still has are left alone. Binds what `mark_absent` does.
    """
    within = "" if scope is None else f" AND {in_scope('t', scope)}"
    return [
        f"CREATE TEMP TABLE differs ON COMMIT DROP AS"
        f" SELECT coalesce(s.row_key, c.row_key) AS row_key, CASE WHEN s.row_key IS NULL THEN 'missed'"
        f" WHEN c.deleted_at IS NULL AND c.data_version = s.data_version THEN 'back' ELSE 'fetch' END AS what,"
        f" s.data_version FROM {seen} s FULL JOIN (SELECT t.row_key, t.data_version, t.deleted_at, t.absent_sweeps,"
        f" t.changed_in FROM {entity.clean_table} t WHERE t.system_name = %(system_name)s{within}) c"
        f" ON c.row_key = s.row_key WHERE CASE WHEN s.row_key IS NULL"
        f" THEN c.deleted_at IS NULL AND c.changed_in < %(scan_id)s"
        f" ELSE c.row_key IS NULL OR c.deleted_at IS NOT NULL OR c.absent_sweeps <> 0"
        f" OR c.data_version IS DISTINCT FROM s.data_version END",
        "DELETE FROM pg_temp.differs d USING clean.quarantine q WHERE d.what = 'fetch'"
        f" AND q.system_name = %(system_name)s AND q.entity_type = '{entity.name}' AND q.resolved_at IS NULL"
        " AND q.row_key = d.row_key AND q.data_version = d.data_version",
    ]


def mark_missed(entity: Entity, *, sweeps: int) -> str:
    """What `mark_absent` does, for the rows that `compare_versions` missed; rows that are back count from the beginning again."""
    return (
        f"WITH back AS (UPDATE {entity.clean_table} t SET absent_sweeps = 0 FROM pg_temp.differs d"
        f" WHERE d.what = 'back' AND t.system_name = %(system_name)s AND t.row_key = d.row_key),"
        f" missed AS (UPDATE {entity.clean_table} t SET absent_sweeps = t.absent_sweeps + 1,"
        f" deleted_at = CASE WHEN t.absent_sweeps + 1 >= {sweeps:d} THEN now() END,"
        f" deleted_why = CASE WHEN t.absent_sweeps + 1 >= {sweeps:d} THEN 'absent' END,"
        f" changed_in = CASE WHEN t.absent_sweeps + 1 >= {sweeps:d} THEN %(job_id)s ELSE t.changed_in END,"
        f" changed_at = CASE WHEN t.absent_sweeps + 1 >= {sweeps:d} THEN now() ELSE t.changed_at END"
        f" FROM pg_temp.differs d WHERE d.what = 'missed' AND t.system_name = %(system_name)s"
        f" AND t.row_key = d.row_key RETURNING t.deleted_at)"
        f" SELECT count(*), count(deleted_at) FROM missed"
    )


def mark_gone(entity: Entity, field: str) -> str:
    """Rows of the asked keys that are neither staged nor rejected become deleted; bind system_name, job_id, asked and rejected.

    Gives one row for each.
    """
    return (
        f"UPDATE {entity.clean_table} t SET deleted_at = now(), deleted_why = 'absent',"
        f" changed_in = %(job_id)s, changed_at = now() WHERE {_is_gone(entity, field)} RETURNING t.row_key"
    )


def count_gone(entity: Entity, field: str) -> str:
    """How many rows `mark_gone` would delete."""
    return f"SELECT count(*) FROM {entity.clean_table} t WHERE {_is_gone(entity, field)}"


def _is_gone(entity: Entity, field: str) -> str:
    # The GUID of an object is its row key, which has the index.
    column = "row_key" if field == "ref" and entity.key == ("ref",) else field
    return (
        f"t.system_name = %(system_name)s AND t.deleted_at IS NULL AND t.{column} = ANY(%(asked)s::uuid[])"
        f" AND t.row_key <> ALL(%(rejected)s::uuid[])"
        f" AND NOT EXISTS (SELECT FROM ({staged_keys(entity)}) x WHERE x.row_key = t.row_key)"
    )


def _temp_table(name: str, fields: Sequence[Field], *, extra: str = "") -> str:
    columns = ", ".join(f"{field.name} {field.type.value}" for field in fields)
    return f"CREATE TEMP TABLE {name.removeprefix('pg_temp.')} ({extra}{columns}) ON COMMIT DROP"


def _list(names: Sequence[str], alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)
