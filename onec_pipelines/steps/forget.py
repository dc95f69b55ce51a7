"""forget: take a person out of everything that is stored, and keep it so whatever 1C sends; ids and sums stay (docs/audit.md).

What is personal is what the declarations mark. Whose rows are whose is read from references to `customers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.ledger import audit, explain, forgetting, jobs
from onec_pipelines.spec import Entity
from onec_pipelines.steps.masking import masked_columns
from onec_pipelines.steps.redact import FORGOTTEN, redact_atom, redact_json, rule_of

Tx = psycopg.Connection[Any]
_CUSTOMERS = "customers"


@dataclass(kw_only=True)
class Forgotten:
    """What was taken away, in rows; `bodies` are stored pages that were rewritten, `pieces` those of change packets."""

    customer: str
    internal_id: int | None
    by: str
    objects: int = 0
    clean: int = 0
    shop: int = 0
    quarantine: int = 0
    application: int = 0
    queue: int = 0
    pushes: int = 0
    bodies: int = 0
    pieces: int = 0


def find_customer(
    database: Database, customers: Entity, name: str, *, system_name: str
) -> tuple[str, int | None]:
    """GUID and our id of a customer by either. Raises Stop NOT_FOUND."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        number = name.removeprefix("#")
        key = explain.key_of(tx, system_name, customers, int(number)) if number.isdecimal() else name.lower()
        ids = explain.id_of(tx, system_name, customers, key) if key else None
    if key is None or ids is None:
        raise Stop(
            f"no customer {name!r} came from 1C",
            code="NOT_FOUND",
            remedy="Give our id or the GUID. Who was never in 1C is the application's to erase.",
        )
    return key, int(ids["internal_id"])


def forget(
    database: Database, entities: Iterable[Entity], name: str, *, system_name: str, by: str, reason: str
) -> Forgotten:
    """Forget a customer, given by our id or GUID, with everything that points to them, in one transaction.

    Raises Stop NOT_FOUND; RetryLater ALREADY_RUNNING while an entity of theirs is being read, FORGET_OPEN while orders of theirs are on
    their way to 1C. Doing it again is harmless.
    """
    personal = {e.name: e for e in entities if is_personal(e)}
    key, our_id = find_customer(database, personal[_CUSTOMERS], name, system_name=system_name)
    done = Forgotten(customer=key, internal_id=our_id, by=by)
    with ExitStack() as locks:
        for locked in personal:
            locks.enter_context(jobs.entity_lock(database, system_name, locked))
        with database.transaction() as connection:
            tx = driver_connection(connection)
            _forget_application(tx, system_name, done)
            for entity, keys in _family(tx, personal, key, system_name).values():
                _forget_rows(tx, system_name, entity, keys, done)
            audit.record(
                tx,
                system_name=system_name,
                action="customer.forgotten",
                entity=_CUSTOMERS,
                job_id=None,
                details={"reason": reason, **asdict(done)},
            )
    return done


def remember(
    database: Database, entities: Iterable[Entity], name: str, *, system_name: str, by: str, reason: str
) -> int:
    """Let 1C's data of a forgotten customer come again with the next reading; gives the number of objects."""
    personal = {e.name: e for e in entities if is_personal(e)}
    key, _ = find_customer(database, personal[_CUSTOMERS], name, system_name=system_name)
    with database.transaction() as connection:
        tx = driver_connection(connection)
        count = sum(
            forgetting.take_back(tx, system_name, entity, keys)
            for entity, keys in _family(tx, personal, key, system_name).values()
        )
        audit.record(
            tx,
            system_name=system_name,
            action="customer.remembered",
            entity=_CUSTOMERS,
            job_id=None,
            details={"by": by, "reason": reason, "customer": key, "objects": count},
        )
    return count


def keep_forgotten(
    tx: Tx, entity: Entity, digest: bytes | None, pages: Sequence[bytes], *, system_name: str
) -> bytes | None:
    """Take forgotten persons out of the staged rows and of the pages just stored; gives the address of `digest` from now on."""
    keys = forgetting.mask_stage(tx, entity, system_name, FORGOTTEN)
    if not keys or not pages:
        return digest
    moved = forgetting.redact_pages(tx, system_name, entity, _redactor(entity, keys), pages)
    return moved.get(digest, digest) if digest else digest


def is_personal(entity: Entity) -> bool:
    """Whether the declaration marks anything of it as personal."""
    fields = [*entity.fields, *(field for section in entity.sections for field in section.fields)]
    return any(field.pii for field in fields)


def _family(
    tx: Tx, personal: Mapping[str, Entity], customer: str, system_name: str
) -> dict[str, tuple[Entity, list[str]]]:
    """The customer and the rows of other entities that point to them, by entity."""
    found = {_CUSTOMERS: (personal[_CUSTOMERS], [customer])}
    for name, entity in personal.items():
        fields = [f.name for f in entity.fields if f.references == _CUSTOMERS]
        if name != _CUSTOMERS and fields:
            keys = forgetting.keys_of_person(tx, system_name, entity, fields, customer)
            if keys:
                found[name] = (entity, keys)
    return found


def _forget_application(tx: Tx, system_name: str, done: Forgotten) -> None:
    if done.internal_id is None:
        return
    orders, subjects = forgetting.web_subjects(tx, done.internal_id)
    if waiting := forgetting.open_pushes(tx, system_name, subjects):
        raise RetryLater(
            f"{waiting} pushes of customer {done.internal_id} are on their way to 1C",
            code="FORGET_OPEN",
            remedy="Let them go through, or `onec queue drop` them; then forget.",
        )
    done.queue = forgetting.blank_queue(tx, system_name, subjects)
    done.pushes = forgetting.blank_push(tx, system_name, done.internal_id, orders)
    done.application = forgetting.blank_web(
        tx, system_name, done.internal_id, orders, subjects=subjects, instead=FORGOTTEN
    )


def _forget_rows(tx: Tx, system_name: str, entity: Entity, keys: Sequence[str], done: Forgotten) -> None:
    done.objects += forgetting.remember_forgotten(tx, system_name, entity, keys, done.by)
    done.clean += forgetting.blank_clean(tx, system_name, entity, keys, FORGOTTEN)
    done.quarantine += forgetting.blank_quarantine(tx, system_name, entity, keys)
    done.shop += forgetting.blank_shop(
        tx, system_name, entity, keys, columns=masked_columns(entity), instead=FORGOTTEN
    )
    redact = _redactor(entity, keys)
    done.bodies += len(forgetting.redact_pages(tx, system_name, entity, redact))
    done.pieces += forgetting.redact_packets(
        tx, system_name, entity.source.resources, keys, _redactor(entity, keys, same_length=True)
    )


def _redactor(
    entity: Entity, keys: Sequence[str], *, same_length: bool = False
) -> Callable[[bytes, str], bytes]:
    rule = rule_of(entity)

    def redact(body: bytes, page_format: str) -> bytes:
        if page_format == "json":
            return redact_json(body, keys, rule)
        return redact_atom(body, keys, rule, same_length=same_length)

    return redact
