"""packets: Atom feeds (sets in 1C's default format, change packets) → the same pages that JSON gives, ready for the same checks."""

from __future__ import annotations

from onec_pipelines.ledger.raw_pages import pack
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.atom import read_feed
from onec_pipelines.onec.decode import DecodedPage, decode_rows
from onec_pipelines.steps.extract import Fetched
from onec_pipelines.steps.resolve import Plan, metadata_of


def atom_page(body: bytes, plan: Plan) -> DecodedPage:
    """The rows of one entity out of a feed; entries of other objects, and of the other kind of a shared set, are left out."""
    feed = read_feed(body, metadata_of(plan.document))
    only = plan.entity.source.only
    rows = [
        entry.row
        for entry in feed.entries
        if entry.kind == "entry"
        and entry.type_name == plan.resource
        and (only is None or entry.row.get(only[0]) in {only[1], str(only[1]).lower()})
    ]
    return decode_rows(rows, plan.shape)


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
