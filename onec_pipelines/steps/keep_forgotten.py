"""keep_forgotten: whatever 1C sends of a forgotten person is stripped in the transaction that stores it. Forgetting is `forget.py`.

Rows and pages keep what the declaration calls plain. Entries of packets, which are stored before anybody knows who reads them, lose all
text; such an object is fetched anew instead of applied (`changes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import psycopg

from onec_pipelines.ledger import forgetting
from onec_pipelines.spec import Entity
from onec_pipelines.steps.redact import FORGOTTEN, NOTHING, redact_atom, redact_json, rule_of

Tx = psycopg.Connection[Any]


def keep_forgotten(
    tx: Tx,
    entity: Entity,
    digest: bytes | None,
    pages: Sequence[bytes],
    *,
    system_name: str,
    rejected: Sequence[str] = (),
) -> bytes | None:
    """Take forgotten persons out of the staged rows and of the pages just stored; gives the address of `digest` from now on.

    `rejected` are the keys of rows that are in the pages and did not make it to the stage.
    """
    keys = forgetting.mask_stage(tx, entity, system_name, FORGOTTEN)
    if rejected and is_personal(entity):
        keys += forgetting.forgotten_among(tx, system_name, entity, rejected)
    if not keys or not pages:
        return digest
    moved = forgetting.redact_pages(tx, system_name, entity, redactor(entity, keys), pages)
    return moved.get(digest, digest) if digest else digest


def keep_out_of_packet(tx: Tx, system_name: str, packet_id: int) -> int:
    """Strip the entries of forgotten objects in a packet that this transaction stores; gives the number of objects."""
    forgetting.keep_others_out(tx, system_name, shared=True)

    def stripped(entry: bytes, key: str) -> bytes:
        return redact_atom(entry, [key], NOTHING, same_length=True)

    return len(forgetting.redact_packet(tx, system_name, packet_id, stripped))


def is_personal(entity: Entity) -> bool:
    """Whether the declaration marks anything of it as personal."""
    fields = [*entity.fields, *(field for section in entity.sections for field in section.fields)]
    return any(field.pii for field in fields)


def redactor(entity: Entity, keys: Collection[str]) -> Callable[[bytes, str], bytes]:
    """What rewrites a page of the entity, given its bytes and format, so that rows that name these keys say nothing personal."""
    rule = rule_of(entity)

    def redact(body: bytes, page_format: str) -> bytes:
        return redact_json(body, keys, rule) if page_format == "json" else redact_atom(body, keys, rule)

    return redact
