"""Is it in 1C already? By its key, by the number we gave it, by a condition; always asked before anything is sent a second time.

Reads only. What is done with what was found is decided in `deliver.py`.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from onec_pipelines.errors import Skip, Stop
from onec_pipelines.onec import query
from onec_pipelines.onec.answers import BOM
from onec_pipelines.onec.client import OnecClient
from onec_pipelines.onec.decode_patient import load_json
from onec_pipelines.onec.errors import bad_answer

Row = dict[str, Any]
_MOST = 20


def by_key(client: OnecClient, resource: str, key: UUID) -> Row | None:
    """The object as it is now, whole; None only when 1C itself says that there is none (PROTOCOL §8.3)."""
    try:
        answer = client.get(query.entity(resource, str(key)))
    except Skip as absent:
        if absent.code == "ONEC_NOT_FOUND":
            return None
        raise
    row = load_json(answer.body.removeprefix(BOM))
    if not isinstance(row, dict) or str(row.get("Ref_Key", "")).lower() != str(key):
        raise bad_answer("it is another object than was asked for", request=answer.request)
    return row


def need(client: OnecClient, resource: str, key: UUID) -> Row:
    """The object as it is now; Stop PUSH_VANISHED when it is no longer there."""
    row = by_key(client, resource, key)
    if row is None:
        raise Stop(
            f"{resource} {key} was in 1C and is gone",
            code="PUSH_VANISHED",
            remedy="Somebody deleted it for good: decide in 1C, then `onec queue drop`, or forget the object and retry.",
        )
    return row


def by_condition(client: OnecClient, resource: str, condition: str) -> list[Row]:
    """Up to 20 whole objects that meet a condition of plain OData."""
    answer = client.get(query.SetQuery(resource=resource, filter=condition, top=_MOST).target())
    document = load_json(answer.body.removeprefix(BOM))
    rows = document.get("value") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise bad_answer("it is no page of rows", request=answer.request)
    return rows


def by_number(client: OnecClient, resource: str, attribute: str, number: str) -> list[Row]:
    """Objects that carry the number we gave."""
    return by_condition(client, resource, f"{query.name(attribute)} eq {query.string(number)}")
