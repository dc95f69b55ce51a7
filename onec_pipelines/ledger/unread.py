"""Queue items of kind `page`: objects that a reading knows of and could not read. Their payload: entity, resource, keys, `apart`.

`apart` says that the keys were tried one by one; until then they are those of a whole page. What is tried and when it is given up is the
queue's (`queue.py`); which errors lead here is `steps/unread.py`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger import queue, retry_policy

Tx = psycopg.Connection[Any]

KIND = "page"
MAX_ATTEMPTS = 9
"""Some half an hour: a broken object waits for a person, who should hear of it soon. Later readings try it again by themselves."""
_FIRST_SECONDS = 30.0


def note(
    tx: Tx,
    *,
    system_name: str,
    entity: str,
    resource: str,
    keys: Sequence[str],
    error: PipelineError,
    apart: bool = False,
) -> int:
    """Put objects that could not be read into the queue, in the transaction that goes on without them; gives the item's id."""
    item = queue.enqueue(
        tx,
        system_name=system_name,
        kind=KIND,
        subject=f"{entity}:{keys[0]}",
        ordering_key=f"{KIND}:{entity}:{keys[0]}",
        payload={"entity": entity, "resource": resource, "keys": list(keys), "apart": apart},
    )
    tx.execute(
        "UPDATE integ.retry_queue SET max_attempts = %s, last_error = %s, run_at = now() + make_interval(secs => %s) WHERE id = %s",
        (MAX_ATTEMPTS, Jsonb(retry_policy.document(error, "later")), _FIRST_SECONDS, item),
    )
    return item


def whole_pages(tx: Tx, system_name: str, entity: str) -> list[str]:
    """Keys of pages that were not taken apart yet and that nobody works on."""
    rows = tx.execute(
        "SELECT DISTINCT jsonb_array_elements_text(payload -> 'keys') FROM integ.retry_queue WHERE system_name = %s AND kind = %s"
        " AND state = 'ready' AND payload ->> 'entity' = %s AND NOT (payload ->> 'apart')::boolean",
        (system_name, KIND, entity),
    ).fetchall()
    return sorted(str(key) for (key,) in rows)


def settle(
    tx: Tx,
    *,
    system_name: str,
    entity: str,
    resource: str,
    read: Collection[str],
    broken: Mapping[str, PipelineError],
) -> None:
    """After objects were asked for by key: those that were read leave the items they wait in, dead ones too; the broken ones wait.

    An item that nothing is left of is done. Items that are being worked on are left to whoever does.
    """
    missing = dict(broken)
    for item, payload in tx.execute(
        "SELECT id, payload FROM integ.retry_queue WHERE system_name = %s AND kind = %s AND state IN ('ready', 'dead')"
        " AND payload ->> 'entity' = %s ORDER BY (payload ->> 'apart')::boolean DESC, id FOR UPDATE SKIP LOCKED",
        (system_name, KIND, entity),
    ).fetchall():
        held = list(payload["keys"])
        # An object waits in one item only: the oldest, which has counted its attempts.
        left = [key for key in held if key not in read and (key in missing or key not in broken)]
        if left == held and payload["apart"]:
            missing = {key: error for key, error in missing.items() if key not in left}
            continue
        _narrow(tx, int(item), payload, left, missing)
        missing = {key: error for key, error in missing.items() if key not in left}
    if missing:
        first = next(iter(missing.values()))
        note(
            tx,
            system_name=system_name,
            entity=entity,
            resource=resource,
            keys=list(missing),
            error=first,
            apart=True,
        )


def _narrow(
    tx: Tx,
    item: int,
    payload: dict[str, Any],
    left: Sequence[str],
    broken: Mapping[str, PipelineError],
) -> None:
    if not left:
        tx.execute(
            "UPDATE integ.retry_queue SET state = 'done', finished_at = now(), updated_at = now(), last_error = NULL WHERE id = %s",
            (item,),
        )
        return
    told = next((broken[key] for key in left if key in broken), None)
    tx.execute(
        "UPDATE integ.retry_queue SET payload = %s, last_error = coalesce(%s, last_error), updated_at = now() WHERE id = %s",
        (
            Jsonb(
                {
                    **payload,
                    "keys": list(left),
                    "apart": payload["apart"] or all(key in broken for key in left),
                }
            ),
            None if told is None else Jsonb(retry_policy.document(told, "later")),
            item,
        ),
    )


def keep_only(tx: Tx, item: queue.Item, keys: Sequence[str]) -> None:
    """The item that is being worked on stands for these objects from now on. Raises LeaseLost when it is no longer ours."""
    queue.fence(tx, item)
    tx.execute(
        "UPDATE integ.retry_queue SET payload = %s, updated_at = now() WHERE id = %s",
        (Jsonb({**item.payload, "keys": list(keys), "apart": True}), item.id),
    )
