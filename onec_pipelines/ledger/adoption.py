"""Adoption: shop rows that were there before 1C's objects came get these objects' mapping, recognised by a natural key. Nothing is guessed.

A pair is adopted only when over all natural keys the row fits one object and the object fits one row. Ids never change afterwards: what the
sync has already given a row of its own is reported as `taken`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from onec_pipelines.db import shop_sql
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import audit, state
from onec_pipelines.spec import Column, Entity, NaturalKey

Tx = psycopg.Connection[Any]
_DIGITS = 10
_SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What an adoption found: shop rows without a 1C object before, pairs adopted, and what a person has to look at.

    Of `ambiguous` and `taken` pairs each is (our id, GUID, natural key by which they fit); at most 100 are kept of each kind, the counts
    are of all. `unmatched` rows fit nothing.
    """

    waiting: int
    adopted: int
    ambiguous_count: int
    taken_count: int
    unmatched: int
    ambiguous: tuple[tuple[int, str, str], ...] = ()
    taken: tuple[tuple[int, str, str], ...] = ()


def can_adopt(entity: Entity) -> bool:
    """Whether the declaration names a natural key."""
    return entity.has_ids and bool(entity.target.natural_keys)


def users_of(entity: Entity, entities: Iterable[Entity]) -> list[tuple[str, str]]:
    """Shop columns that hold ids of this entity, by the declarations: an id that stands in one of them must stay."""
    found = []
    for one in entities:
        for reference in shop_sql.references(one.target, one.fields):
            found += [(one.target.table, reference.column)] if reference.entity == entity.name else []
        for child in one.target.children:
            fields = shop_sql.section_of(one, child).fields
            found += [
                (child.table, reference.column)
                for reference in shop_sql.references(child, fields)
                if reference.entity == entity.name
            ]
    return found


def is_first_load(tx: Tx, entity: Entity, *, system_name: str) -> bool:
    """Whether nothing of the entity has been merged into the shop yet."""
    return state.read(tx, system_name, entity.name, "shop") is None


def adopt(
    tx: Tx,
    entity: Entity,
    *,
    system_name: str,
    job_id: int | None = None,
    used_in: Sequence[tuple[str, str]] | None = None,
) -> Adopted:
    """Give rows without a mapping the mapping of the one object that fits; the caller rolls back what was only looked at.

    `used_in` lets objects that have an id but no row in the shop change to the existing row's, as long as the id stands in none of these
    columns; None leaves such objects alone. A key that names a parent is tried until no more rows fit. Raises Stop NO_NATURAL_KEY.
    """
    if not can_adopt(entity):
        raise Stop(
            f"{entity.name} has no natural key",
            code="NO_NATURAL_KEY",
            remedy="Declare `natural_keys` in the entity's target, or map the rows in integ.external_id_mappings.",
        )
    values = {"system_name": system_name}
    # The mappings grow within this transaction, unseen by the planner: nested loops over them would take hours (PERFORMANCE §4).
    tx.execute("SET LOCAL enable_nestloop = off")
    waiting = _number(tx, f"SELECT count(*) FROM {entity.target.table} t WHERE {_unmapped(entity)}", values)
    adopted = 0
    while True:
        fresh = _round(tx, entity, values, used_in)
        adopted += fresh
        if not fresh:
            break
        # For the merge that follows.
        tx.execute("ANALYZE integ.external_id_mappings")
    found = _verdicts(tx)
    tx.execute("DROP TABLE IF EXISTS pg_temp.adopt_source, pg_temp.adopt_pairs, pg_temp.adopt_judged")
    result = Adopted(
        waiting=waiting,
        adopted=adopted,
        ambiguous_count=len({row[0] for row in found["ambiguous"]}),
        taken_count=len({row[0] for row in found["taken"]}),
        unmatched=waiting - adopted - len({row[0] for kind in found.values() for row in kind}),
        ambiguous=tuple(found["ambiguous"][:_SHOWN]),
        taken=tuple(found["taken"][:_SHOWN]),
    )
    audit.record(
        tx,
        system_name=system_name,
        action="rows_adopted",
        entity=entity.name,
        job_id=job_id,
        details={
            "waiting": waiting,
            "adopted": adopted,
            "ambiguous": result.ambiguous_count,
            "taken": result.taken_count,
            "unmatched": result.unmatched,
        },
    )
    return result


def _round(tx: Tx, entity: Entity, values: dict[str, Any], used_in: Sequence[tuple[str, str]] | None) -> int:
    tx.execute("DROP TABLE IF EXISTS pg_temp.adopt_source, pg_temp.adopt_pairs, pg_temp.adopt_judged")
    tx.execute(_create_source(entity).encode(), values)
    tx.execute("ANALYZE pg_temp.adopt_source")
    pairs = " UNION ALL ".join(
        _pairs(entity, number, key) for number, key in enumerate(entity.target.natural_keys)
    )
    tx.execute(f"CREATE TEMP TABLE adopt_pairs ON COMMIT DROP AS {pairs}".encode(), values)
    free = "s.own_id IS NULL"
    if used_in is not None:
        free = f"(s.own_id IS NULL OR NOT ({_in_use(tx, entity, used_in)}))"
    tx.execute(
        "CREATE TEMP TABLE adopt_judged ON COMMIT DROP AS SELECT p.id, p.row_key, min(p.by) AS by,"
        " CASE WHEN count(*) OVER (PARTITION BY p.id) > 1 OR count(*) OVER (PARTITION BY p.row_key) > 1"
        f" THEN 'ambiguous' WHEN {free} THEN 'fits' ELSE 'taken' END AS verdict"
        " FROM pg_temp.adopt_pairs p JOIN pg_temp.adopt_source s USING (row_key)"
        " GROUP BY p.id, p.row_key, s.own_id".encode(),
        values,
    )
    return _number(
        tx,
        "WITH mapped AS (INSERT INTO integ.external_id_mappings AS m"
        " (entity_type, internal_id, external_id, system_name, is_adopted)"
        f" SELECT '{entity.name}', j.id, j.row_key, %(system_name)s, true FROM pg_temp.adopt_judged j"
        " WHERE j.verdict = 'fits' ON CONFLICT (system_name, entity_type, external_id)"
        " DO UPDATE SET internal_id = excluded.internal_id, is_adopted = true RETURNING 1) SELECT count(*) FROM mapped",
        values,
    )


def _create_source(entity: Entity) -> str:
    """Live objects with the values of the natural keys, as the merge would compute them; deleted ones are no reason to doubt."""
    target = entity.target
    by_name = {column.name: column for column in target.columns}
    joined = "".join(
        f" LEFT JOIN integ.external_id_mappings {ref.alias} ON {ref.alias}.system_name = c.system_name"
        f" AND {ref.alias}.entity_type = '{ref.entity}' AND {ref.alias}.external_id = c.{ref.source} AND ({ref.when})"
        for ref in shop_sql.references(target, entity.fields)
    )
    columns = []
    for number, key in enumerate(target.natural_keys):
        for place, name in enumerate(key.columns):
            columns.append(f"{_plain(shop_sql.expression(by_name[name]), key)} AS k{number}_{place}")
        known = [_is_known(by_name[name], entity) for name in key.columns]
        columns.append(f"({' AND '.join(known)}) AS known_{number}")
    gone = shop_sql.expression(by_name["is_deleted"]) if "is_deleted" in by_name else "FALSE"
    return (
        f"CREATE TEMP TABLE adopt_source ON COMMIT DROP AS SELECT c.row_key, own.internal_id AS own_id,"
        f" {', '.join(columns)} FROM {entity.clean_table} c LEFT JOIN integ.external_id_mappings own"
        f" ON own.system_name = c.system_name AND own.entity_type = '{entity.name}' AND own.external_id = c.row_key"
        f"{joined} {target.joins} WHERE c.system_name = %(system_name)s AND ({target.where})"
        f" AND c.deleted_at IS NULL AND NOT coalesce({gone}, FALSE)"
    )


def _is_known(column: Column, entity: Entity) -> str:
    """A parent that has no id yet must not look like no parent."""
    for reference in shop_sql.references(entity.target, entity.fields):
        if reference.column == column.name:
            return f"NOT {reference.is_missing}"
    return "TRUE"


def _plain(expression: str, key: NaturalKey) -> str:
    if key.digits:
        digits = f"regexp_replace(({expression})::text, '[^0-9]', '', 'g')"
        return f"CASE WHEN length({digits}) >= {_DIGITS} THEN right({digits}, {_DIGITS}) END"
    return f"nullif(lower(btrim(regexp_replace(({expression})::text, '[[:space:]]+', ' ', 'g'))), '')"


def _pairs(entity: Entity, number: int, key: NaturalKey) -> str:
    first, *others = (_plain(f"t.{name}", key) for name in key.columns)
    same = [f"s.k{number}_0 = {first}", f"s.known_{number}"]
    same += [f"s.k{number}_{place} IS NOT DISTINCT FROM {other}" for place, other in enumerate(others, 1)]
    return (
        f"SELECT t.id, s.row_key, '{', '.join(key.columns)}' AS by FROM pg_temp.adopt_source s"
        f" JOIN {entity.target.table} t ON {' AND '.join(same)} WHERE {_unmapped(entity)}"
    )


def _unmapped(entity: Entity) -> str:
    """A row of no base; what the application has put away is not looked for."""
    archived = any(column.name == "is_deleted" for column in entity.target.columns)
    return (
        f"{'NOT t.is_deleted AND ' if archived else ''}NOT EXISTS (SELECT FROM integ.external_id_mappings x"
        f" WHERE x.entity_type = '{entity.name}' AND x.internal_id = t.id)"
    )


def _in_use(tx: Tx, entity: Entity, used_in: Sequence[tuple[str, str]]) -> str:
    places = [(entity.target.table, "id"), *used_in]
    own = f"shop.web_{entity.name}"
    # The application's own rows share the ids of what they become in 1C.
    if tx.execute("SELECT to_regclass(%s) IS NOT NULL", (own,)).fetchone() == (True,):
        places.append((own, "id"))
    return " OR ".join(
        f"EXISTS (SELECT FROM {table} u WHERE u.{column} = s.own_id)" for table, column in places
    )


def _verdicts(tx: Tx) -> dict[str, list[tuple[int, str, str]]]:
    found: dict[str, list[tuple[int, str, str]]] = {"ambiguous": [], "taken": []}
    rows = tx.execute(
        "SELECT verdict, id, row_key::text, by FROM pg_temp.adopt_judged WHERE verdict <> 'fits' ORDER BY 1, 2, 3"
    )
    for verdict, internal, guid, by in rows:
        found[verdict].append((int(internal), guid, by))
    return found


def _number(tx: Tx, statement: str, values: dict[str, Any]) -> int:
    row = tx.execute(statement.encode(), values).fetchone()
    return int(row[0]) if row else 0
