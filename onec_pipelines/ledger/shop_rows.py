"""The shop layer's writes: ids for what is new, one set-based merge of what differs, references that wait for their object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from onec_pipelines.db import shop_sql
from onec_pipelines.ledger import clean_rows, jobs, state
from onec_pipelines.spec import Entity, Target

Tx = psycopg.Connection[Any]
_MANY_ROWS = 5_000


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What a merge into the shop did. `held` rows wait for an object they cannot do without; `unresolved` counts all waiting references."""

    ids_new: int
    new: int
    changed: int
    held: int
    unresolved: int


def assign_ids(tx: Tx, entity: Entity, *, system_name: str, everything: bool) -> int:
    """Give ids to objects that have none; registers have no ids. Gives the number of new mappings."""
    if not entity.has_ids:
        return 0
    since = 0 if everything else _mark(tx, entity, system_name)["through"]
    statement = shop_sql.assign_ids(entity, everything=everything)
    row = tx.execute(statement.encode(), {"system_name": system_name, "since": since}).fetchone()
    return int(row[0]) if row else 0


def merge(
    tx: Tx,
    entity: Entity,
    *,
    system_name: str,
    everything: bool,
    examine: Callable[[Tx], None] = lambda _tx: None,
) -> Merged:
    """Bring the shop's table to what clean says.

    Looks only at rows that changed since the last merge, wait for an object that has come, or are made with a row behind the joins
    that changed. `examine` sees the merge source before anything of the shop is written; what it raises comes out, and
    the transaction must then be rolled back.
    """
    mark = _mark(tx, entity, system_name)
    reads = _reads(tx, entity, system_name)
    through = clean_rows.newest_change(tx, entity.clean_table, system_name=system_name)
    elsewhere = [name for name, newest in reads.items() if mark["reads"].get(name) != newest]
    known = shop_sql.links(entity).keys() & mark["reads"].keys()
    full = everything or not mark["through"] or not known.issuperset(elsewhere)
    values = {"system_name": system_name, "since": mark["through"]}
    values |= {f"since_{name}": mark["reads"][name] for name in elsewhere if not full}
    ids_new = assign_ids(tx, entity, system_name=system_name, everything=full)
    if ids_new > _MANY_ROWS or through > mark["through"] == 0:
        _tell_planner(tx, entity)
    tx.execute(shop_sql.create_source(entity, everything=full, changed=elsewhere).encode(), values)
    tx.execute(f"ANALYZE {shop_sql.SOURCE}".encode())
    examine(tx)
    _note_references(tx, entity, values)
    row = tx.execute(shop_sql.write_shop(entity).encode(), values).fetchone()
    for child in entity.target.children:
        _merge_child(tx, entity, child, values)
    tx.execute(f"DROP TABLE {shop_sql.SOURCE}".encode())
    if entity.target.finish:
        tx.execute(entity.target.finish.encode(), values)
    state.write(tx, system_name, entity.name, "shop", {"through": through, "reads": reads})
    new, changed = row or (0, 0)
    waiting, held = unresolved(tx, entity, system_name=system_name)
    return Merged(ids_new=ids_new, new=new, changed=changed, held=held, unresolved=waiting)


def _tell_planner(tx: Tx, entity: Entity) -> None:
    """Before the first large merge the tables have no statistics, and the planner would choose nested loops (PERFORMANCE §4)."""
    tx.execute("ANALYZE integ.external_id_mappings")
    tx.execute(f"ANALYZE {entity.clean_table}".encode())
    for section in entity.sections:
        tx.execute(f"ANALYZE {entity.section_table(section)}".encode())


def unresolved(tx: Tx, entity: Entity, *, system_name: str) -> tuple[int, int]:
    """How many references of the entity wait for their object, and how many rows are kept out of the shop by that."""
    row = tx.execute(
        "SELECT count(*), count(DISTINCT row_key) FILTER (WHERE holds_row) FROM integ.unresolved_refs"
        " WHERE system_name = %s AND entity_type = %s",
        (system_name, entity.name),
    ).fetchone()
    waiting, held = row or (0, 0)
    return int(waiting), int(held)


def _mark(tx: Tx, entity: Entity, system_name: str) -> dict[str, Any]:
    return state.read(tx, system_name, entity.name, "shop") or {"through": 0, "reads": {}}


def _reads(tx: Tx, entity: Entity, system_name: str) -> dict[str, int]:
    """Entity behind the joins → the newest job whose changes are all there: a job under way has more to come under its number."""
    names = {*entity.target.reads, *(name for child in entity.target.children for name in child.reads)}
    return {
        name: min(
            clean_rows.newest_change(tx, f"clean.{name}", system_name=system_name),
            jobs.before_running(tx, name, system_name=system_name),
        )
        for name in sorted(names)
    }


def _note_references(tx: Tx, entity: Entity, values: dict[str, Any]) -> None:
    tx.execute(shop_sql.forget_resolved(entity).encode(), values)
    for reference in shop_sql.references(entity.target, entity.fields):
        tx.execute(shop_sql.note_unresolved(entity, reference, child=False).encode(), values)


def _merge_child(tx: Tx, entity: Entity, child: Target, values: dict[str, Any]) -> None:
    tx.execute(shop_sql.create_child_source(entity, child).encode(), values)
    section = shop_sql.section_of(entity, child)
    for reference in shop_sql.references(child, section.fields):
        tx.execute(shop_sql.note_unresolved(entity, reference, child=True).encode(), values)
    for statement in shop_sql.write_child(child):
        tx.execute(statement.encode(), values)
    tx.execute("DROP TABLE pg_temp.child_source")
