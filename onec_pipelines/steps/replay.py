"""replay: the pages of the last complete reading, out of the raw layer, as if 1C had just sent them. 1C is not touched."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import raw_pages, state
from onec_pipelines.ledger.raw_pages import StoredPage
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.decode import DecodedPage, decode_json, split_rows
from onec_pipelines.spec import Entity
from onec_pipelines.steps.extract import CHUNK_ROWS, Fetched
from onec_pipelines.steps.packets import atom_page
from onec_pipelines.steps.resolve import Plan, from_document


def stored_plan(database: Database, entity: Entity, *, system_name: str) -> tuple[Plan, int]:
    """How the last complete reading was asked for, and its scan id. Raises Stop NOTHING_TO_REPLAY when there is none."""
    with database.transaction() as connection:
        document = state.read(driver_connection(connection), system_name, entity.name, "complete")
    if document is None:
        raise Stop(
            f"no complete reading of {entity.name} is stored",
            code="NOTHING_TO_REPLAY",
            remedy="Materialize the raw layer first: it reads 1C.",
        )
    return from_document(entity, document["plan"]), int(document["scan_id"])


def stored_pages(database: Database, plan: Plan, *, system_name: str, scan_id: int) -> Generator[Fetched]:
    """The pages of a scan, decoded by today's plan, in the order in which they came."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        for stored in raw_pages.read_scan(tx, system_name, plan.entity.name, scan_id):
            answer = Answer(
                body=stored.body,
                status=200,
                elapsed_seconds=0.0,
                wire_bytes=0,
                requested_at=stored.requested_at,
                request="replay",
            )
            for page in _decoded(stored, plan):
                yield Fetched(
                    part=stored.part,
                    index=stored.page_index,
                    answer=answer,
                    page=page,
                    cursor=None,
                )


def _decoded(stored: StoredPage, plan: Plan) -> Iterator[DecodedPage]:
    if stored.format == "atom":
        yield atom_page(stored.body, plan)
        return
    for body in split_rows(stored.body, CHUNK_ROWS):
        yield decode_json(body, plan.shape)
