"""SQL of the shop layer, made from the declarations: ids, the merge source with resolved references, writes of only what differs.

Statements only; who runs them in which transaction is said in `ledger/shop_rows.py`. All bind system_name;
those that read clean bind since.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from onec_pipelines.spec import Column, Entity, Field, Section, Target

SOURCE = "pg_temp.merge_source"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A reference of a target: the clean column that holds the GUID, the entity it points to, and how it is treated."""

    column: str
    source: str
    entity: str
    when: str
    required: bool

    @property
    def alias(self) -> str:
        """Alias of the joined id mapping."""
        return f"r_{self.column}"

    @property
    def is_missing(self) -> str:
        """Condition: the row has the GUID and we have no id for it."""
        return f"({self.when} AND c.{self.source} IS NOT NULL AND {self.alias}.internal_id IS NULL)"


def references(target: Target, fields: tuple[Field, ...]) -> list[Reference]:
    """References of a target, with the entity each points to."""
    by_name = {field.name: field for field in fields}
    found: list[Reference] = []
    for column in target.columns:
        if column.reference is None:
            continue
        entity = column.entity or by_name[column.reference].references
        if entity is None:
            raise ValueError(f"{target.table}.{column.name}: the entity of the reference is not declared")
        found.append(
            Reference(
                column=column.name,
                source=column.reference,
                entity=entity,
                when=column.when or "TRUE",
                required=column.required,
            )
        )
    return found


def assign_ids(entity: Entity, *, everything: bool) -> str:
    """A new id of ours for every object that has none yet. Gives the number of new mappings."""
    dirty = "" if everything else "AND c.changed_in > %(since)s"
    return (
        f"WITH born AS (INSERT INTO integ.external_id_mappings (entity_type, internal_id, external_id, system_name)"
        f" SELECT '{entity.name}', nextval(pg_get_serial_sequence('{entity.target.table}', 'id')), c.row_key,"
        f" c.system_name FROM {entity.clean_table} c"
        f" WHERE c.system_name = %(system_name)s AND ({entity.target.where}) {dirty}"
        f" AND NOT EXISTS (SELECT FROM integ.external_id_mappings m WHERE m.system_name = c.system_name"
        f" AND m.entity_type = '{entity.name}' AND m.external_id = c.row_key)"
        f" ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM born"
    )


def links(entity: Entity) -> dict[str, tuple[str, ...]]:
    """Entity behind the joins → keys of own rows that are made with a row of it which changed after `%(since_<entity>)s`.

    As statements, read off the conditions `alias.row_key = c.column`. An entity whose every use is not of that form is left out: when it
    changes, all rows have to be compared.
    """
    found: dict[str, list[str | None]] = {}
    for target in (entity.target, *entity.target.children):
        texts = (target.joins, *(f"{column.sql or ''} {column.when or ''}" for column in target.columns))
        for name in target.reads:
            aliases = [match[1] for text in texts for match in re.finditer(rf"clean\.{name}\s+(\w+)", text)]
            columns = [
                match[1]
                for alias in set(aliases)
                if (match := re.search(rf"\b{alias}\.row_key = c\.(\w+)", " ".join(texts)))
            ]
            whole = aliases and len(columns) == len(set(aliases))
            found.setdefault(name, []).extend(
                [_touched(entity, target, name, column) for column in columns] if whole else [None]
            )
    return {
        name: tuple(dict.fromkeys(one for one in keys if one is not None))
        for name, keys in found.items()
        if None not in keys
    }


def _touched(entity: Entity, target: Target, name: str, column: str) -> str:
    own = entity.clean_table if target.section is None else entity.section_table(section_of(entity, target))
    key = "row_key" if target.section is None else "owner_key"
    changed = f"SELECT n.row_key FROM clean.{name} n WHERE n.system_name = %(system_name)s AND n.changed_in > %(since_{name})s"
    return (
        f"SELECT o.{key} FROM {own} o WHERE o.system_name = %(system_name)s AND o.{column} IN ({changed})"
        if column != "row_key"
        else changed
    )


def create_source(entity: Entity, *, everything: bool, changed: Sequence[str] = ()) -> str:
    """Rows that may differ from the shop, with every target column computed and every reference resolved.

    `changed` names entities of `links` whose changes concern some of the rows.
    """
    refs = references(entity.target, entity.fields)
    own = (
        f" JOIN integ.external_id_mappings own ON own.system_name = c.system_name"
        f" AND own.entity_type = '{entity.name}' AND own.external_id = c.row_key"
        if entity.has_ids
        else ""
    )
    columns = ["c.row_key", "own.internal_id AS id" if entity.has_ids else "NULL::bigint AS id"]
    columns += [f"{expression(column)} AS {column.name}" for column in entity.target.columns]
    columns.append(f"({_any_required(refs)}) AS is_held")
    columns += [f"CASE WHEN {ref.is_missing} THEN c.{ref.source} END AS missing_{ref.column}" for ref in refs]
    return (
        f"CREATE TEMP TABLE merge_source ON COMMIT DROP AS SELECT {', '.join(columns)}"
        f" FROM {entity.clean_table} c{own}{_joins(refs)} {entity.target.joins}"
        f" WHERE c.system_name = %(system_name)s AND ({entity.target.where})"
        f"{'' if everything else f' AND {_dirty(entity, changed)}'}"
    )


def create_child_source(entity: Entity, child: Target) -> str:
    """Rows of a tabular section of the owners in the merge source."""
    section = section_of(entity, child)
    refs = references(child, section.fields)
    columns = ["o.id AS owner_id", "o.row_key", "c.line_number"]
    columns += [f"{expression(column)} AS {column.name}" for column in child.columns]
    columns.append(f"({_any_required(refs)}) AS is_held")
    columns += [f"CASE WHEN {ref.is_missing} THEN c.{ref.source} END AS missing_{ref.column}" for ref in refs]
    return (
        f"CREATE TEMP TABLE child_source ON COMMIT DROP AS SELECT {', '.join(columns)}"
        f" FROM {SOURCE} o JOIN {entity.section_table(section)} c"
        f" ON c.system_name = %(system_name)s AND c.owner_key = o.row_key{_joins(refs)} {child.joins}"
        f" WHERE NOT o.is_held"
    )


def section_of(entity: Entity, child: Target) -> Section:
    """The tabular section that fills a child table."""
    for section in entity.sections:
        if section.name == child.section:
            return section
    raise ValueError(f"{entity.name}: {child.table} names no section of the entity")


def expression(column: Column) -> str:
    """SQL of one target column over the clean row `c` and the joined ids."""
    if column.copy:
        return f"c.{column.copy}"
    if column.reference:
        return f"r_{column.name}.internal_id"
    if column.sql:
        return f"({column.sql})"
    raise ValueError(f"{column.name}: one of copy, reference, sql is needed")


def forget_resolved(entity: Entity) -> str:
    """Unresolved references of the rows at hand are written anew."""
    return (
        f"DELETE FROM integ.unresolved_refs u USING {SOURCE} s WHERE u.system_name = %(system_name)s"
        f" AND u.entity_type = '{entity.name}' AND u.row_key = s.row_key"
    )


def note_unresolved(entity: Entity, reference: Reference, *, child: bool) -> str:
    """Rows whose reference has no id yet."""
    source = "pg_temp.child_source" if child else SOURCE
    field = f"'{reference.source}'" if not child else f"'{reference.source}[' || s.line_number || ']'"
    return (
        f"INSERT INTO integ.unresolved_refs"
        f" (system_name, entity_type, row_key, field, target_entity, missing_id, holds_row)"
        f" SELECT %(system_name)s, '{entity.name}', s.row_key, {field}, '{reference.entity}',"
        f" s.missing_{reference.column}, {'true' if reference.required and not child else 'false'}"
        f" FROM {source} s WHERE s.missing_{reference.column} IS NOT NULL ON CONFLICT DO NOTHING"
    )


def write_shop(entity: Entity) -> str:
    """Insert what is new, update what differs. Gives (new, changed); objects that changed get a new last_synced_at."""
    names = [column.name for column in entity.target.columns]
    key = ["id"] if entity.has_ids else ["system_name", "onec_key"]
    values = ["s.id"] if entity.has_ids else ["%(system_name)s", "s.row_key"]
    match = "t.id = s.id" if entity.has_ids else "t.system_name = %(system_name)s AND t.onec_key = s.row_key"
    changed = f"({_list(names, 't')}) IS DISTINCT FROM ({_list(names, 's')})"
    updates = ", ".join(f"{name} = excluded.{name}" for name in names)
    touched = (
        f", synced AS (UPDATE integ.external_id_mappings m SET last_synced_at = now() FROM written w"
        f" WHERE NOT w.is_new AND m.system_name = %(system_name)s AND m.entity_type = '{entity.name}'"
        f" AND m.internal_id = w.id)"
        if entity.has_ids
        else ""
    )
    return (
        f"WITH written AS (INSERT INTO {entity.target.table} AS t ({', '.join(key + names)})"
        f" SELECT {', '.join(values)}, {_list(names, 's')} FROM {SOURCE} s LEFT JOIN {entity.target.table} t ON {match}"
        f" WHERE NOT s.is_held AND (t.id IS NULL OR {changed})"
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}, updated_at = now()"
        f" RETURNING t.id, (xmax = 0) AS is_new){touched}"
        f" SELECT count(*) FILTER (WHERE is_new), count(*) FROM written"
    )


def write_child(child: Target) -> list[str]:
    """The rows of a child table become those of the source: extra ones go, differing ones are written. The last gives the count."""
    names = [column.name for column in child.columns]
    updates = ", ".join(f"{name} = excluded.{name}" for name in names)
    return [
        f"DELETE FROM {child.table} t USING {SOURCE} o WHERE t.owner_id = o.id AND NOT EXISTS"
        f" (SELECT FROM pg_temp.child_source s WHERE s.owner_id = t.owner_id AND s.line_number = t.line_number"
        f" AND NOT s.is_held)",
        f"WITH written AS (INSERT INTO {child.table} AS t (owner_id, line_number, {', '.join(names)})"
        f" SELECT s.owner_id, s.line_number, {_list(names, 's')} FROM pg_temp.child_source s"
        f" LEFT JOIN {child.table} t ON t.owner_id = s.owner_id AND t.line_number = s.line_number"
        f" WHERE NOT s.is_held AND (t.owner_id IS NULL OR ({_list(names, 't')}) IS DISTINCT FROM ({_list(names, 's')}))"
        f" ON CONFLICT (owner_id, line_number) DO UPDATE SET {updates} RETURNING 1) SELECT count(*) FROM written",
    ]


def _joins(refs: list[Reference]) -> str:
    return "".join(
        f" LEFT JOIN integ.external_id_mappings {ref.alias} ON {ref.alias}.system_name = c.system_name"
        f" AND {ref.alias}.entity_type = '{ref.entity}' AND {ref.alias}.external_id = c.{ref.source} AND ({ref.when})"
        for ref in refs
    )


def _any_required(refs: list[Reference]) -> str:
    return " OR ".join(ref.is_missing for ref in refs if ref.required) or "FALSE"


def _dirty(entity: Entity, changed: Sequence[str]) -> str:
    # Changed since the last merge, waiting for an object that has come meanwhile, or made with what has changed elsewhere.
    # One set of keys and no OR: that is what lets PostgreSQL find few rows by their index.
    keys = [
        f"SELECT d.row_key FROM {entity.clean_table} d"
        f" WHERE d.system_name = %(system_name)s AND d.changed_in > %(since)s",
        f"SELECT u.row_key FROM integ.unresolved_refs u"
        f" JOIN integ.external_id_mappings m ON m.system_name = u.system_name AND m.entity_type = u.target_entity"
        f" AND m.external_id = u.missing_id"
        f" WHERE u.system_name = %(system_name)s AND u.entity_type = '{entity.name}'",
    ]
    keys += [one for name in changed for one in links(entity)[name]]
    return f"c.row_key IN ({' UNION ALL '.join(keys)})"


def _list(names: list[str], alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)
