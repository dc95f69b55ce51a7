"""packets: Atom feeds (sets in 1C's default format, change packets) → the same pages that JSON gives, ready for the same checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from onec_pipelines.ledger.raw_pages import pack
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.atom import AtomEntry, read_feed
from onec_pipelines.onec.decode import DecodedPage, decode_rows
from onec_pipelines.steps.extract import Fetched
from onec_pipelines.steps.resolve import Plan, metadata_of


def atom_page(body: bytes, plan: Plan) -> DecodedPage:
    """The rows of one entity out of a feed; entries of other objects, and of the other kind of a shared set, are left out."""
    feed = read_feed(body, metadata_of(plan.document))
    return decode_rows(rows_of(feed.entries, plan)[0], plan.shape)


def rows_of(entries: Iterable[AtomEntry], plan: Plan) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of the entity, and the keys of objects of its set that are not its own: folders and items share one set."""
    only = plan.entity.source.only
    own: list[dict[str, Any]] = []
    others: list[str] = []
    for entry in entries:
        if entry.kind != "entry" or entry.type_name != plan.resource:
            continue
        # The plan's document may not know the property, so that its value stays a text.
        if only is None or entry.row.get(only[0]) in {only[1], str(only[1]).lower()}:
            own.append(entry.row)
        else:
            others.append(str(entry.row.get("Ref_Key", "")))
    return own, others


def from_packet(answer: Answer, plan: Plan) -> Fetched:
    """A feed as the one and last page of a reading."""
    return Fetched(
        part="",
        index=0,
        answer=answer,
        page=atom_page(answer.body, plan),
        cursor=None,
        body=pack(answer.body),
        format="atom",
    )
