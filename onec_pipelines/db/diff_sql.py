# ruff: noqa: S608 - statements made of names that are declared
"""SQL of the difference between the shop and what the next merge would make of it, and of the rows in it that breach a limit.

Statements only, over the merge source of `db/shop_sql.py`, in the merge's own transaction; they read the shop and write nothing but
temporary tables. All bind system_name. What the figures mean is said in `steps/diff.py`.
"""

from __future__ import annotations

from onec_pipelines.db import shop_sql
from onec_pipelines.spec import Entity, Limit, Measure, Target

DIFF = "pg_temp.shop_diff"
OFFENDERS = "pg_temp.offenders"


def is_filled(entity: Entity) -> str:
    """Whether the shop's table has a row of this base at all."""
    return f"SELECT EXISTS (SELECT FROM {entity.target.table} t WHERE {_of_base(entity)})"


def create_diff(entity: Entity) -> str:
    """Every row that the merge would write, as it is (`before_…`, NULL for a new one) and as it would become (`after_…`)."""
    names = _names(entity.target)
    match = "t.id = s.id" if entity.has_ids else "t.system_name = %(system_name)s AND t.onec_key = s.row_key"
    pairs = ", ".join(f"t.{name} AS before_{name}, s.{name} AS after_{name}" for name in names)
    differs = f"({_list(names, 't')}) IS DISTINCT FROM ({_list(names, 's')})"
    return (
        f"CREATE TEMP TABLE shop_diff ON COMMIT DROP AS SELECT s.row_key::text AS row_key, t.id AS id,"
        f" t.id IS NULL AS is_new, {pairs}"
        f" FROM {shop_sql.SOURCE} s LEFT JOIN {entity.target.table} t ON {match}"
        f" WHERE NOT s.is_held AND (t.id IS NULL OR {differs})"
    )


def count_new() -> str:
    """Rows that would be new and rows that wait, when the shop has none yet."""
    return (
        f"SELECT count(*) FILTER (WHERE NOT is_held), count(*) FILTER (WHERE is_held) FROM {shop_sql.SOURCE}"
    )


def count_diff(entity: Entity) -> str:
    """New, changed, deleted and waiting rows, then for each column in how many old rows its value changes."""
    names = _names(entity.target)
    gone = _becomes_deleted(entity)
    columns = "".join(
        f", count(*) FILTER (WHERE NOT is_new AND before_{name} IS DISTINCT FROM after_{name})"
        for name in names
    )
    return (
        f"SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new AND NOT ({gone})),"
        f" count(*) FILTER (WHERE {gone}), (SELECT count(*) FROM {shop_sql.SOURCE} WHERE is_held){columns} FROM {DIFF}"
    )


def sample(entity: Entity, rows: int) -> str:
    """A few rows of the difference: deleted ones first, then changed ones, then new ones."""
    return (
        f"SELECT *, {_becomes_deleted(entity)} AS is_gone FROM {DIFF}"
        f" ORDER BY is_gone DESC, is_new, row_key LIMIT {rows}"
    )


def count_children(child: Target) -> str:
    """New, changed and removed rows of a child table, for the owners in the merge source."""
    names = _names(child)
    return (
        f"SELECT (SELECT count(*) FROM pg_temp.child_source s LEFT JOIN {child.table} t"
        f" ON t.owner_id = s.owner_id AND t.line_number = s.line_number WHERE NOT s.is_held AND t.owner_id IS NULL),"
        f" (SELECT count(*) FROM pg_temp.child_source s JOIN {child.table} t"
        f" ON t.owner_id = s.owner_id AND t.line_number = s.line_number"
        f" WHERE NOT s.is_held AND ({_list(names, 't')}) IS DISTINCT FROM ({_list(names, 's')})),"
        f" (SELECT count(*) FROM {child.table} t JOIN {shop_sql.SOURCE} o ON o.id = t.owner_id WHERE NOT EXISTS"
        f" (SELECT FROM pg_temp.child_source s WHERE s.owner_id = t.owner_id AND s.line_number = t.line_number"
        f" AND NOT s.is_held))"
    )


def create_offenders(entity: Entity, limit: Limit) -> str:
    """Rows that a limit counts: key, was, becomes, and a digest of what it becomes, the worst first; binds share and rows as well."""
    counted = _counted(entity, limit)
    return (
        f"CREATE TEMP TABLE offenders ON COMMIT DROP AS SELECT row_number() OVER () AS number, o.*"
        f" FROM ({counted}) AS o (row_key, was, becomes, digest)"
    )


def digest_of_offenders() -> str:
    """One digest of all of them."""
    return f"SELECT md5(string_agg(row_key || ':' || digest, ',' ORDER BY row_key)) FROM {OFFENDERS}"


def _counted(entity: Entity, limit: Limit) -> str:
    return {
        Measure.FALL: _falling,
        Measure.TO_ZERO: _to_zero,
        Measure.EMPTIED: _emptied,
        Measure.DELETED: _deleted,
        Measure.CHANGED: _changed,
    }[limit.measure](entity, limit)


def base_of(entity: Entity, limit: Limit) -> str:
    """The number of which a limit's share is taken: live rows, all rows, or groups that are not zero."""
    table = f"{entity.target.table} t WHERE {_of_base(entity)}"
    if limit.measure is Measure.DELETED:
        return f"SELECT count(*) FROM {table} AND t.is_deleted IS NOT TRUE"
    if limit.measure is Measure.TO_ZERO:
        groups = _list(limit.by, "t")
        return f"SELECT count(*) FROM (SELECT FROM {table} GROUP BY {groups} HAVING sum(t.{limit.column}) > 0) groups"
    return f"SELECT count(*) FROM {table}"


def _falling(entity: Entity, limit: Limit) -> str:
    column, live = limit.column, f"AND {_stays_live(entity)}"
    return (
        f"SELECT row_key, before_{column}::text, after_{column}::text, md5(after_{column}::text) FROM {DIFF}"
        f" WHERE NOT is_new AND before_{column} > 0 AND after_{column} < before_{column} * (1 - %(share)s::numeric) {live}"
        f" ORDER BY after_{column} / before_{column}, row_key"
    )


def _to_zero(entity: Entity, limit: Limit) -> str:
    column, first = limit.column, limit.by[0]
    step = f"sum(coalesce(after_{column}, 0) - coalesce(before_{column}, 0))"
    return (
        f"WITH change AS (SELECT after_{first} AS place, {_group_key(limit, 'after_')} AS row_key, {step} AS step FROM {DIFF}"
        f" GROUP BY 1, 2 HAVING bool_or(before_{column} > 0 AND after_{column} <= 0)),"
        f" sums AS (SELECT change.row_key, sum(t.{column}) AS was, sum(t.{column}) + change.step AS becomes"
        f" FROM change JOIN {entity.target.table} t ON t.{first} = change.place"
        f" AND {_group_key(limit, 't.')} = change.row_key WHERE {_of_base(entity)} GROUP BY change.row_key, change.step)"
        f" SELECT row_key, was::text, becomes::text, '' FROM sums WHERE was > 0 AND becomes <= 0 ORDER BY was DESC, row_key"
    )


def _group_key(limit: Limit, prefix: str) -> str:
    return " || ':' || ".join(f"coalesce({prefix}{name}::text, '')" for name in limit.by)


def _emptied(entity: Entity, limit: Limit) -> str:
    column, deleted = limit.column, _has_deleted(entity)
    was_live = "NOT is_new AND before_is_deleted IS NOT TRUE" if deleted else "NOT is_new"
    is_live = "after_is_deleted IS NOT TRUE" if deleted else "TRUE"
    live = "AND t.is_deleted IS NOT TRUE" if deleted else ""
    return (
        f"WITH moves AS (SELECT before_{column} AS place, -1 AS step FROM {DIFF} WHERE {was_live}"
        f" UNION ALL SELECT after_{column}, 1 FROM {DIFF} WHERE {is_live}),"
        f" losing AS (SELECT place, sum(step) AS step FROM moves WHERE place IS NOT NULL GROUP BY place HAVING sum(step) < 0),"
        f" held AS (SELECT t.{column} AS place, count(*) AS number FROM {entity.target.table} t"
        f" JOIN losing ON losing.place = t.{column} WHERE {_of_base(entity)} {live} GROUP BY 1)"
        f" SELECT held.place::text, held.number::text, (held.number + losing.step)::text, ''"
        f" FROM held JOIN losing USING (place) WHERE held.number >= %(rows)s AND held.number + losing.step <= 0"
        f" ORDER BY held.number DESC, held.place"
    )


def _deleted(entity: Entity, limit: Limit) -> str:
    del limit
    return (
        f"SELECT row_key, 'live', 'deleted', '' FROM {DIFF} WHERE {_becomes_deleted(entity)} ORDER BY row_key"
    )


def _changed(entity: Entity, limit: Limit) -> str:
    del limit
    after = ", ".join(f"d.after_{name}" for name in _names(entity.target))
    return f"SELECT row_key, '', 'changed', md5(ROW({after})::text) FROM {DIFF} d WHERE NOT is_new ORDER BY row_key"


def _of_base(entity: Entity) -> str:
    """Condition: the shop row `t` came from this base."""
    if not entity.has_ids:
        return "t.system_name = %(system_name)s"
    return (
        f"EXISTS (SELECT FROM integ.external_id_mappings m WHERE m.system_name = %(system_name)s"
        f" AND m.entity_type = '{entity.name}' AND m.internal_id = t.id)"
    )


def _has_deleted(entity: Entity) -> bool:
    return "is_deleted" in _names(entity.target)


def _becomes_deleted(entity: Entity) -> str:
    if not _has_deleted(entity):
        return "FALSE"
    return "(NOT is_new AND after_is_deleted IS TRUE AND before_is_deleted IS NOT TRUE)"


def _stays_live(entity: Entity) -> str:
    return "after_is_deleted IS NOT TRUE" if _has_deleted(entity) else "TRUE"


def _names(target: Target) -> list[str]:
    return [column.name for column in target.columns]


def _list(names: list[str] | tuple[str, ...], alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)
