"""Why a value is on the site: from the shop's row back to the property of 1C, the page that brought it, and what it was before.

Which rows are meant is said by `find`; how it is printed is in `cli/explain.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import explain as kept
from onec_pipelines.ledger import packets
from onec_pipelines.ledger.explain import PageSeen
from onec_pipelines.ledger.raw_pages import PageMark
from onec_pipelines.monitoring.mapping import promise
from onec_pipelines.onec.decode import decode_rows
from onec_pipelines.onec.values import ZERO_GUID
from onec_pipelines.spec import Column, Entity, Field
from onec_pipelines.steps import feeds, replay
from onec_pipelines.steps.masking import masked_columns, shown
from onec_pipelines.steps.packets import own_rows

Document = dict[str, Any]
Reading = tuple[PageSeen, Mapping[str, str], Mapping[str, Any]]
"""A stored page that has the row, wire name by field, and the values as they came by field."""
_PAGES = 20


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a person may ask for: the entity, the one whose rows have the name, and the columns of clean in which it is looked for."""

    entity: str
    named: str
    columns: tuple[str, ...]


SUBJECTS: Mapping[str, Subject] = {
    "product": Subject(entity="products", named="products", columns=("sku", "code")),
    "order": Subject(entity="orders", named="orders", columns=("number", "customer_number")),
    "customer": Subject(entity="customers", named="customers", columns=("code",)),
    "price": Subject(entity="prices", named="products", columns=("sku", "code")),
    "stock": Subject(entity="stock", named="products", columns=("sku", "code")),
}


def find(
    database: Database, entities: Mapping[str, Entity], subject: Subject, name: str, *, system_name: str
) -> list[str]:
    """Row keys of the entity that a name means: a GUID, a SKU or number, or our id (`#12`, or a number that is none of those).

    For a register these are all rows of the product. Raises Stop NOT_FOUND.
    """
    named, wanted = entities[subject.named], entities[subject.entity]
    with database.transaction() as connection:
        tx = driver_connection(connection)
        keys = _given(name) or []
        for column in () if keys or name.startswith("#") else subject.columns:
            keys = keys or kept.keys_by(tx, system_name, named, column, name)
        number = name.removeprefix("#")
        if not keys and number.isdecimal():
            key = kept.key_of(tx, system_name, named, int(number))
            keys = [key] if key else []
        if wanted is not named:
            field = wanted.source.narrow or "ref"
            keys = [row for key in keys for row in kept.keys_by(tx, system_name, wanted, field, key)]
    if not keys:
        raise Stop(
            f"nothing that came from 1C as {wanted.name} is known by {name!r}",
            code="NOT_FOUND",
            remedy="Give the SKU, the number, the GUID, or our id as #12. `onec sync` brings what is not here yet.",
        )
    return keys


def explain(
    database: Database,
    entities: Mapping[str, Entity],
    entity: Entity,
    key: str,
    *,
    system_name: str,
    show_pii: bool = False,
) -> Document:
    """Everything that is known of a row and its values, as JSON-able data; personal data masked unless `show_pii`."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        ids = kept.id_of(tx, system_name, entity, key) if entity.has_ids else None
        clean = kept.clean_row(tx, system_name, entity, key)
        shop = kept.shop_row(tx, system_name, entity, key, ids["internal_id"] if ids else None)
        changed_in = int(clean["changed_in"]) if clean else 0
        document: Document = {
            "entity": entity.name,
            "system": system_name,
            "key": key,
            "our_id": ids,
            "data_version": clean.get("data_version") if clean else None,
            "clean": {n: clean[n] for n in ("changed_at", "deleted_at", "deleted_why")} if clean else None,
            "in_shop": shop is not None,
            "job": kept.job(tx, changed_in),
            **kept.noted(tx, system_name, entity, key),
        }
        entries = kept.packets(tx, system_name, entity, key)
        names = kept.names_of(tx, _pointed_at(entities, entity, shop or {}, show_pii=show_pii))
        pages = kept.pages_naming(
            tx, system_name, entity, _text_of(entity, clean, key), first_job=changed_in, limit=_PAGES
        )
    seen = _readings(database, entity, pages, clean or {"ref": key}, system_name=system_name)
    wires, row = seen[-1][1:] if seen else ({}, {})
    document["values"] = [
        {
            **_value(entity, column, shop or {}, clean or {}, (wires, row), show_pii=show_pii),
            "called": names.get(column.name),
        }
        for column in entity.target.columns
    ]
    document["page"] = _told(seen[-1][0]) if seen else None
    document["packets"] = [
        _packet(database, entity, entry, seen, system_name=system_name, show_pii=show_pii)
        for entry in entries
    ]
    document["history"] = _history(entity, seen, show_pii=show_pii)
    return document


def _given(name: str) -> list[str] | None:
    try:
        return [str(UUID(name))]
    except ValueError:
        return None


def _text_of(entity: Entity, clean: Mapping[str, Any] | None, key: str) -> str:
    """The GUID by which the row is found in the bytes of a page."""
    return str((clean or {}).get(entity.source.narrow or "ref", key)) if not entity.has_ids else key


def _readings(
    database: Database,
    entity: Entity,
    pages: Sequence[PageSeen],
    clean: Mapping[str, Any],
    *,
    system_name: str,
) -> list[Reading]:
    """Of each page that has the row, oldest first: the page, wire name by field, and the values as they came by field."""
    found: list[Reading] = []
    for page in sorted(pages, key=lambda p: p.id):
        marks = [PageMark(id=page.id, plan=page.plan)]
        for stored in replay.planned(database, entity, marks, system_name=system_name):
            wires = dict(stored.plan.columns)
            with closing(replay.stored_pages(database, stored)) as decoded:
                rows = [row for one in decoded for row in _rows(one.page.columns, one.page.row_count)]
            found += [(page, wires, row) for row in rows if _is_it(entity, row, clean)]
    return found


def _rows(columns: Mapping[str, Sequence[Any]], count: int) -> Iterable[dict[str, Any]]:
    return ({name: values[i] for name, values in columns.items()} for i in range(count))


def _is_it(entity: Entity, row: Mapping[str, Any], clean: Mapping[str, Any]) -> bool:
    return all(_same(row.get(name), clean.get(name)) for name in entity.key if name in row and name in clean)


def _same(wire: Any, value: Any) -> bool:
    left = "" if wire in {None, ZERO_GUID} else str(wire).lower()
    return left == ("" if value is None else str(value).lower())


def _value(
    entity: Entity,
    column: Column,
    shop: Mapping[str, Any],
    clean: Mapping[str, Any],
    came: tuple[Mapping[str, str], Mapping[str, Any]],
    *,
    show_pii: bool,
) -> Document:
    masked = column.name in masked_columns(entity) and not show_pii
    made = {
        "copy": column.copy,
        "our id of": f"{column.entity or _target_of(entity, column)}" if column.reference else None,
        "sql": column.sql.replace("%%", "%") if column.sql else None,
    }
    return {
        "column": f"{entity.target.table}.{column.name}",
        "value": shown(shop.get(column.name), is_masked=masked),
        "made_by": next(f"{how}: {what}" if how != "copy" else how for how, what in made.items() if what),
        "from": [
            _origin(entity, entity.field(name), clean, came, show_pii=show_pii)
            for name in feeds.made_of(column)
        ],
        "doc": column.doc,
    }


def _pointed_at(
    entities: Mapping[str, Entity], entity: Entity, shop: Mapping[str, Any], *, show_pii: bool
) -> dict[str, tuple[Entity, int]]:
    """The rows that the shop's row points to, by column; not those whose names are personal."""
    found = {}
    for column in entity.target.columns:
        target = entities.get(column.entity or _target_of(entity, column)) if column.reference else None
        is_hidden = target is not None and "name" in masked_columns(target) and not show_pii
        if target is not None and not is_hidden and isinstance(shop.get(column.name), int):
            found[column.name] = (target, int(shop[column.name]))
    return found


def _target_of(entity: Entity, column: Column) -> str:
    return entity.field(column.reference or "").references or "another entity"


def _origin(
    entity: Entity,
    field: Field,
    clean: Mapping[str, Any],
    came: tuple[Mapping[str, str], Mapping[str, Any]],
    *,
    show_pii: bool,
) -> Document:
    masked = field.pii and not show_pii
    wires, row = came
    return {
        "clean": f"{entity.clean_table}.{field.name}",
        "clean_value": shown(clean.get(field.name), is_masked=masked),
        "onec": wires.get(field.name) or "/".join(field.source),
        "onec_value": shown(row.get(field.name), is_masked=masked),
        "transform": field.transform,
        "rule": promise(field.transform) if field.transform else "",
    }


def _told(page: PageSeen) -> Document:
    return {name: value for name, value in asdict(page).items() if name != "plan"}


def _history(
    entity: Entity,
    seen: Sequence[Reading],
    *,
    show_pii: bool,
) -> list[Document]:
    """What became of the values from one stored page to the next, newest first; pages that say the same are left out."""
    found: list[Document] = []
    for (_, _, before), (page, wires, after) in pairwise(seen):
        if changes := _changes(entity, wires, before, after, show_pii=show_pii):
            found.append({**_told(page), "changes": changes})
    return found[::-1]


def _packet(
    database: Database,
    entity: Entity,
    entry: Mapping[str, Any],
    seen: Sequence[Reading],
    *,
    system_name: str,
    show_pii: bool,
) -> Document:
    """An entry of a packet, and what it says otherwise than the newest stored page; `changes` is None when it cannot be read."""
    told = {n: entry[n] for n in ("packet_id", "message_no", "received_at", "kind", "applied", "sha256")}
    if entry["kind"] != "entry" or not seen:
        return {**told, "changes": None}
    page, wires, newest = seen[-1]
    (stored, *_) = replay.planned(
        database, entity, [PageMark(id=page.id, plan=page.plan)], system_name=system_name
    )
    with database.transaction() as connection:
        place = (entry["piece_no"], entry["starts_at"], entry["length"])
        head, body, _ = packets.read_entries(driver_connection(connection), entry["packet_id"], [place])
    decoded = decode_rows(own_rows(head, [body], [str(entry["key"])], stored.plan)[0], stored.plan.shape)
    says = next(iter(_rows(decoded.columns, decoded.row_count)), {})
    return {**told, "changes": _changes(entity, wires, newest, says, show_pii=show_pii)}


def _changes(
    entity: Entity,
    wires: Mapping[str, str],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    show_pii: bool,
) -> list[Document]:
    personal = {field.name for field in entity.fields if field.pii and not show_pii}
    return [
        {
            "onec": wires.get(name, name),
            "before": shown(before[name], is_masked=name in personal),
            "after": shown(value, is_masked=name in personal),
        }
        for name, value in after.items()
        if name in before and before[name] != value
    ]
