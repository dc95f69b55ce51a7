"""forget: take a person out of everything that is stored, and keep it so whatever 1C sends; ids and sums stay (docs/audit.md).

What is personal is what the declarations mark. Whose rows are whose is read from references to `customers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import psycopg

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.ledger import audit, explain, forgetting, forgetting_web, jobs
from onec_pipelines.ledger.forgetting_web import Things
from onec_pipelines.spec import Entity
from onec_pipelines.steps.keep_forgotten import is_personal, redactor
from onec_pipelines.steps.masking import masked_columns
from onec_pipelines.steps.redact import FORGOTTEN, Rule, redact_packet, rule_of

Tx = psycopg.Connection[Any]
Family = dict[str, tuple[Entity, list[str]]]
_CUSTOMERS, _LEGAL = "customers", "counterparties"


@dataclass(frozen=True, kw_only=True)
class Person:
    """A customer by all its names: `key` is the GUID in 1C, None for one that 1C never heard of; `customers` the application's ids."""

    key: str | None
    internal_id: int | None
    customers: Sequence[int]


@dataclass(kw_only=True)
class Forgotten:
    """What was taken away, in rows; `bodies` are stored pages that were rewritten, `pieces` those of change packets.

    `customer` is None for one that 1C never heard of; `sentences` are notes of errors that named the person.
    """

    customer: str | None
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
    sentences: int = 0


def find_customer(database: Database, customers: Entity, name: str, *, system_name: str) -> Person:
    """A customer by our id or GUID, whether it came from 1C, was rejected, or is the application's alone. Raises Stop NOT_FOUND."""
    number = name.strip().removeprefix("#")
    with database.transaction() as connection:
        tx = driver_connection(connection)
        found = (
            _by_number(tx, customers, int(number), system_name)
            if number.isdecimal()
            else _by_key(tx, customers, number, system_name)
        )
    if found is None:
        raise Stop(
            f"no customer {name!r} came from 1C or was made by the application",
            code="NOT_FOUND",
            remedy="Give our id or the GUID, as `onec explain customer` shows them.",
        )
    return found


def forget(
    database: Database, entities: Iterable[Entity], name: str, *, system_name: str, by: str, reason: str
) -> Forgotten:
    """Forget a customer, given by our id or GUID, with everything that points to them, in one transaction.

    Raises Stop NOT_FOUND; RetryLater ALREADY_RUNNING while an entity of theirs is being read, FORGET_OPEN while orders of theirs are on
    their way to 1C. Doing it again is harmless.
    """
    known = {entity.name: entity for entity in entities}
    personal = {name: entity for name, entity in known.items() if is_personal(entity)}
    person = find_customer(database, personal[_CUSTOMERS], name, system_name=system_name)
    done = Forgotten(customer=person.key, internal_id=person.internal_id, by=by)
    with ExitStack() as locks:
        for locked in personal:
            locks.enter_context(jobs.entity_lock(database, system_name, locked))
        with database.transaction() as connection:
            tx = driver_connection(connection)
            forgetting.keep_others_out(tx, system_name)
            things = forgetting_web.things_of(tx, person.customers, person.internal_id)
            family = _family(tx, personal, person, things, system_name)
            _forget_words(tx, system_name, person, things, done)
            _forget_application(tx, system_name, things, done)
            for entity, keys in family.values():
                _forget_rows(tx, system_name, entity, keys, done)
            if person.key is not None:
                _forget_bytes(tx, system_name, known, family, done)
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
    person = find_customer(database, personal[_CUSTOMERS], name, system_name=system_name)
    with database.transaction() as connection:
        tx = driver_connection(connection)
        things = forgetting_web.things_of(tx, person.customers, person.internal_id)
        count = sum(
            forgetting.take_back(tx, system_name, entity, keys)
            for entity, keys in _family(tx, personal, person, things, system_name).values()
        )
        audit.record(
            tx,
            system_name=system_name,
            action="customer.remembered",
            entity=_CUSTOMERS,
            job_id=None,
            details={"by": by, "reason": reason, "customer": person.key, "objects": count},
        )
    return count


def _by_number(tx: Tx, customers: Entity, number: int, system_name: str) -> Person | None:
    key = explain.key_of(tx, system_name, customers, number)
    is_ours, sent = forgetting_web.key_of_customer(tx, system_name, number)
    if key is None and not is_ours:
        return None
    # Who was recognised in 1C has the id of 1C's customer besides the application's own.
    return _whole(tx, customers, key or sent, number, system_name)


def _by_key(tx: Tx, customers: Entity, text: str, system_name: str) -> Person | None:
    try:
        key = str(UUID(text))
    except ValueError:
        return None
    found = _whole(tx, customers, key, None, system_name)
    is_known = found.internal_id is not None or found.customers
    return found if is_known or forgetting.is_known(tx, system_name, customers, key) else None


def _whole(tx: Tx, customers: Entity, key: str | None, number: int | None, system_name: str) -> Person:
    ids = explain.id_of(tx, system_name, customers, key) if key else None
    internal_id = int(ids["internal_id"]) if ids else number
    mine = {*forgetting_web.customers_of(tx, system_name, key, internal_id)}
    mine |= {number} if number is not None else set()
    return Person(key=key, internal_id=internal_id, customers=sorted(mine))


def _family(
    tx: Tx, personal: Mapping[str, Entity], person: Person, things: Things, system_name: str
) -> Family:
    """The customer, the rows of other entities that point to them, and what was sent of theirs, by entity."""
    keys: dict[str, set[str]] = {name: set() for name in personal}
    if person.key is not None:
        keys[_CUSTOMERS].add(person.key)
        for name, entity in personal.items():
            fields = [f.name for f in entity.fields if f.references == _CUSTOMERS]
            if name != _CUSTOMERS and fields:
                keys[name] |= {*forgetting.keys_of_person(tx, system_name, entity, fields, person.key)}
    for name, sent in forgetting_web.sent_keys(tx, system_name, things).items():
        keys[name] |= {*sent}
    return {name: (personal[name], sorted(found)) for name, found in keys.items() if found}


def _forget_words(tx: Tx, system_name: str, person: Person, things: Things, done: Forgotten) -> None:
    """First of all, because afterwards nobody knows the words any more."""
    words = forgetting_web.words_of(tx, things)
    if person.key is not None:
        words |= forgetting.words_of(tx, system_name, person.key)
    done.sentences = forgetting_web.blank_sentences(tx, system_name, words)


def _forget_application(tx: Tx, system_name: str, things: Things, done: Forgotten) -> None:
    if waiting := forgetting_web.open_pushes(tx, system_name, things.subjects):
        raise RetryLater(
            f"{waiting} pushes of customer {done.internal_id} are on their way to 1C",
            code="FORGET_OPEN",
            remedy="Let them go through, or `onec queue drop` them; then forget.",
        )
    done.queue = forgetting_web.blank_queue(tx, system_name, things.subjects)
    done.pushes = forgetting_web.blank_push(tx, system_name, things)
    done.application = forgetting_web.blank_web(tx, system_name, things, instead=FORGOTTEN)


def _forget_rows(tx: Tx, system_name: str, entity: Entity, keys: Sequence[str], done: Forgotten) -> None:
    done.objects += forgetting.remember_forgotten(tx, system_name, entity, keys, done.by)
    done.clean += forgetting.blank_clean(tx, system_name, entity, keys, FORGOTTEN)
    done.quarantine += forgetting.blank_quarantine(tx, system_name, entity, keys)
    done.shop += forgetting.blank_shop(
        tx, system_name, entity, keys, columns=masked_columns(entity), instead=FORGOTTEN
    )


def _forget_bytes(
    tx: Tx, system_name: str, known: Mapping[str, Entity], family: Family, done: Forgotten
) -> None:
    """Pages and packets: the person's rows, and what else names the customer, such as rows that pointed there once."""
    customer = str(done.customer)
    rules: dict[str, tuple[set[str], Rule]] = {}
    for entity in known.values():
        keys = {customer, *(family[entity.name][1] if entity.name in family else ())}
        if is_personal(entity):
            redact = redactor(entity, keys)
            done.bodies += len(forgetting.redact_pages(tx, system_name, entity, redact))
        for resource in entity.source.resources:
            name = resource.removesuffix("_RecordType")
            before, rule = rules.get(name, (set[str](), rule_of(entity)))
            rules[name] = (before | keys, _both(rule, rule_of(entity)))
    done.pieces = forgetting.redact_packets(
        tx, system_name, lambda piece: redact_packet(piece, rules, [customer])
    )


def _both(one: Rule, other: Rule) -> Rule:
    return Rule(kept=one.kept & other.kept, needed=one.needed | other.needed)
