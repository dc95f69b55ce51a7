"""The genuine recordings of a UT 11.5 demo base go the whole way into PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from onec_pipelines.db.engine import Database, connect, driver_connection
from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import jobs, shop_rows
from onec_pipelines.onec.answers import Answer
from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.steps.grouping import groups
from onec_pipelines.steps.load import Replay, Scan
from onec_pipelines.steps.packets import from_packet
from onec_pipelines.steps.replay import stored_pages, stored_since_whole
from onec_pipelines.steps.resolve import resolve

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "onec" / "recordings"
pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(),
    reason="needs the genuine recordings: ../shared/onec/recordings beside the checkout",
)
ZONE = ZoneInfo("Europe/Moscow")


def load(database: Database, name: str, file: str):
    entity = BY_NAME[name]
    plan = resolve(entity, parse_metadata(RECORDINGS / "msg001_metadata.xml"))
    job_id = jobs.start(database, system_name="demo85", entity=name, job_type="inbound", run_id=None)
    scan = Scan.open(database, plan, system_name="demo85", job_id=job_id)
    answer = Answer(
        body=(RECORDINGS / file).read_bytes(),
        status=200,
        elapsed_seconds=0.1,
        wire_bytes=0,
        requested_at=datetime(2026, 6, 15, tzinfo=UTC),
        request=file,
    )
    written = [scan.store(group) for group in groups([from_packet(answer, plan)], plan, ZONE)]
    with database.transaction() as connection:
        merged = shop_rows.merge(
            driver_connection(connection), entity, system_name="demo85", everything=False
        )
    return scan, written, merged


def rows(database: Database, statement: str) -> list[tuple]:
    with database.transaction() as connection:
        return driver_connection(connection).execute(statement).fetchall()


def test_five_real_products_reach_the_shop(database_url: str) -> None:
    with connect(database_url) as database:
        _, written, merged = load(database, "products", "msg002_nomenklatura.xml")
        assert sum(w.new for w in written) == 5
        assert (merged.new, merged.ids_new) == (5, 5)
        shop = rows(database, "SELECT name, product_type, code FROM shop.products ORDER BY id")
        assert len(shop) == 5
        assert all(name and kind and code for name, kind, code in shop)
        assert rows(database, "SELECT count(*) FROM clean.quarantine") == [(0,)]
        refs = {str(r) for (r,) in rows(database, "SELECT external_id FROM integ.external_id_mappings")}
        assert refs == {str(r) for (r,) in rows(database, "SELECT ref FROM clean.products")}


def test_five_real_contractors_reach_the_shop(database_url: str) -> None:
    with connect(database_url) as database:
        _, written, merged = load(database, "counterparties", "msg004_kontragenti.xml")
        assert sum(w.new for w in written) == 5
        assert merged.new == 5
        found = dict(rows(database, "SELECT name, inn FROM shop.counterparties"))
        assert found["Альтаир"] == "7705260674"
        # The head of a counterparty without a head is the counterparty itself (PROTOCOL §11.6).
        assert rows(database, "SELECT count(*) FROM shop.counterparties WHERE head_id = id") == [(5,)]
        kinds = {
            k for (k,) in rows(database, "SELECT DISTINCT contact_type FROM clean.counterparties_contacts")
        }
        assert "address" in kinds


def test_the_same_packet_again_writes_nothing(database_url: str) -> None:
    with connect(database_url) as database:
        load(database, "products", "msg002_nomenklatura.xml")
        _, written, merged = load(database, "products", "msg002_nomenklatura.xml")
        assert [(w.new, w.changed) for w in written] == [(0, 0)]
        assert (merged.new, merged.changed) == (0, 0)


def test_a_stored_packet_is_replayed_without_1c(database_url: str) -> None:
    with connect(database_url) as database:
        scan, _, _ = load(database, "products", "msg002_nomenklatura.xml")
        scan.finish()
        before = rows(database, "SELECT ref, name, sku, code FROM clean.products ORDER BY ref")
        rows_deleted = "DELETE FROM clean.products RETURNING 1"
        assert len(rows(database, rows_deleted)) == 5
        (stored,) = stored_since_whole(database, BY_NAME["products"], system_name="demo85")
        job_id = jobs.start(database, system_name="demo85", entity="products", job_type="replay", run_id=None)
        replay = Replay(database, stored.plan, system_name="demo85", job_id=job_id)
        for group in groups(stored_pages(database, stored), stored.plan, ZONE):
            replay.store(group)
        assert rows(database, "SELECT ref, name, sku, code FROM clean.products ORDER BY ref") == before
