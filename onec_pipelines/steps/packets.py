"""packets: Atom feeds (sets in 1C's default format, change packets) → the same pages that JSON gives, ready for the same checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from onec_pipelines.ledger.raw_pages import pack
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.atom import AtomEntry, read_feed
from onec_pipelines.onec.decode import DecodedPage, decode_rows
from onec_pipelines.onec.packet_rows import RowReader
from onec_pipelines.steps.extract import Fetched
from onec_pipelines.steps.resolve import Plan, metadata_of


def atom_page(body: bytes, plan: Plan) -> DecodedPage:
    """The rows of one entity out of a feed; entries of other objects, and of the other kind of a shared set, are left out."""
    feed = read_feed(body, metadata_of(plan.document))
    return decode_rows(rows_of(feed.entries, plan)[0], plan.shape)


def rows_of(entries: Iterable[AtomEntry], plan: Plan) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of the entity, and the keys of objects of its set that are not its own: folders and items share one set."""
    own: list[dict[str, Any]] = []
    others: list[str] = []
    for entry in entries:
        if entry.kind != "entry" or entry.type_name != plan.resource:
            continue
        if is_own(entry.row, plan):
            own.append(entry.row)
        else:
            others.append(str(entry.row.get("Ref_Key", "")))
    return own, others


def own_rows(
    head: bytes, entries: Sequence[bytes], keys: Sequence[str], plan: Plan
) -> tuple[list[dict[str, Any]], list[str]]:
    """What `rows_of` gives, of entries of the plan's set out of a packet that begins with `head`; `keys` are theirs, in order."""
    only = plan.entity.source.only
    names = [*plan.select, *([only[0]] if only else [])]
    reader = RowReader(head, plan.resource, metadata_of(plan.document), names)
    own: list[dict[str, Any]] = []
    others: list[str] = []
    for key, row in zip(keys, reader.rows(entries), strict=True):
        if is_own(row, plan):
            own.append(row)
        else:
            others.append(key)
    return own, others


def is_own(row: Mapping[str, Any], plan: Plan) -> bool:
    """Whether a row of the set is one of the entity: folders and items share one set."""
    only = plan.entity.source.only
    # The plan's document may not know the property, so that its value stays a text.
    return only is None or row.get(only[0]) in {only[1], str(only[1]).lower()}


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
