"""hints: what 1C said has changed is fetched anew, many objects in one reading. The event's own values are never written here.

Here belong grouping, isolating what cannot be fetched, and noting what was done. Which entities an event concerns is
`entities/hints.py`; how objects are read by key is `inbound(only=…)`, which the caller hands in, because steps know no entity.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import PipelineError, Skip, Stop
from onec_pipelines.ledger import retry_policy, webhook_log
from onec_pipelines.steps.failpoints import reach
from onec_pipelines.steps.resolve import SCHEMA_CODES

MOST_TOGETHER = 200
"""Hints that one fetch takes at most: the requests of one reading, and what one refused object can hold up."""
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Work(Protocol):
    """The part of a queue item that a hint needs."""

    @property
    def id(self) -> int:
        """Number in the queue."""

    @property
    def payload(self) -> Mapping[str, Any]:
        """`{"entity", "ref"}`."""

    @property
    def created_at(self) -> datetime:
        """When the first event came that this item stands for."""


class Done(Protocol):
    """The part of an `inbound` outcome that is told on."""

    job_id: int
    status: str
    message: str
    shop_changed: int
    deleted: int


Read = Callable[[str, Sequence[str]], Done]
"""Reads these objects of the entity from 1C now, all layers."""
Results = dict[int, PipelineError | None]
"""By item id: None when the shop has what 1C has, else why not."""


@dataclass(frozen=True, kw_only=True)
class Fetching:
    """What the caller lends: where notes go, how objects are read, which entities there are, and which are read after which."""

    database: Database
    system_name: str
    read: Read
    known: Collection[str]
    followed_by: Mapping[str, Sequence[str]]


def apply_hints(items: Sequence[Work], fetching: Fetching) -> Results:
    """Fetch what the items name, one reading per entity, and say of each item what came of it; raises nothing of ours.

    What follows an entity is read after it, once for all that asks for it. An object that makes a reading fail is found by halving,
    so that it alone bears the error. An entity that is not `known` is a Skip: a later version may sync it.
    """
    results: Results = {}
    groups: dict[str, dict[str, list[Work]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        try:
            entity, ref = _read_payload(item.payload, fetching.known)
        except PipelineError as error:
            results[item.id] = error
        else:
            groups[entity][ref].append(item)
    for entity in [entity for entity in groups if fetching.followed_by.get(entity)]:
        results |= _apply_all(entity, groups[entity], fetching)
        for follower in fetching.followed_by[entity]:
            for ref, works in groups[entity].items():
                groups[follower][ref] += [item for item in works if results[item.id] is None]
    for entity, by_ref in groups.items():
        if not fetching.followed_by.get(entity):
            results |= _apply_all(entity, {ref: works for ref, works in by_ref.items() if works}, fetching)
    return results


def _apply_all(entity: str, by_ref: Mapping[str, Sequence[Work]], fetching: Fetching) -> Results:
    results: Results = {}
    refs = list(by_ref)
    for start in range(0, len(refs), MOST_TOGETHER):
        piece = {ref: by_ref[ref] for ref in refs[start : start + MOST_TOGETHER]}
        results |= _apply(entity, piece, fetching)
    return results


def _apply(entity: str, by_ref: Mapping[str, Sequence[Work]], fetching: Fetching) -> Results:
    ids = [item.id for found in by_ref.values() for item in found]
    refs = list(by_ref)
    try:
        _fetch(entity, by_ref, fetching)
    except PipelineError as error:
        if len(refs) == 1 or _concerns_all(error):
            return dict.fromkeys(ids, error)
    else:
        return dict.fromkeys(ids)
    middle = len(refs) // 2
    results: Results = {}
    for half in (refs[:middle], refs[middle:]):
        results |= _apply(entity, {ref: by_ref[ref] for ref in half}, fetching)
    return results


def _fetch(entity: str, by_ref: Mapping[str, Sequence[Work]], fetching: Fetching) -> None:
    reach("hint_claimed")
    done = fetching.read(entity, list(by_ref))
    reach("hint_fetched")
    if done.status == "skipped":
        raise Skip(done.message or f"this base has no {entity}", code="HINT_NOT_PUBLISHED")
    items = [item for found in by_ref.values() for item in found]
    with fetching.database.transaction() as connection:
        webhook_log.note(
            driver_connection(connection),
            system_name=fetching.system_name,
            entity=entity,
            way="fetched",
            job_id=done.job_id,
            hints=len(items),
            rows_changed=done.shop_changed,
            rows_deleted=done.deleted,
            oldest_at=min(item.created_at for item in items),
        )
    reach("hint_noted")


def _concerns_all(error: PipelineError) -> bool:
    """Whether a smaller reading would meet the same: 1C is away, or the entity as a whole does not fit the base."""
    return isinstance(error, Skip) or error.code in SCHEMA_CODES or retry_policy.is_not_its_fault(error)


def _read_payload(payload: Mapping[str, Any], known: Collection[str]) -> tuple[str, str]:
    entity, ref = payload.get("entity"), payload.get("ref")
    if not isinstance(entity, str) or not isinstance(ref, str) or not _GUID.fullmatch(ref):
        raise Stop(
            "the item does not name an entity and a GUID",
            code="HINT_PAYLOAD",
            remedy="`onec queue edit` it, or `onec queue drop` it and sync the entity.",
        )
    if entity not in known:
        raise Skip(f"{entity} is not synced here", code="HINT_UNKNOWN_ENTITY")
    return entity, ref
