"""Our own pipeline reads every release that the simulator can be, and says what a release does not have."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onec_pipelines.simulator.releases import RELEASES
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.oracle import check_barcodes, check_prices, check_stock
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync
from onec_pipelines_tests.fixtures.whole import check_whole

MISSING = {"11.4": {"vat_rates", "pricing_variants"}}
STEPS = 25


@pytest.fixture(scope="module", params=RELEASES)
def base(request):
    """A small shop of each release after some business, without broken rows."""
    with Simulator.start_thread(
        products=25, seed=4, broken=False, release=request.param, day=STEPS
    ) as running:
        yield request.param, running


def test_every_entity_of_a_release_arrives_or_is_told_to_be_missing(base, database_url, tmp_path):
    release, running = base
    with open_fast(environment(running, database_url, tmp_path, page_rows=1000)) as runtime:
        outcomes = sync(runtime)
    missing = {name for name, outcome in outcomes.items() if outcome.status != "succeeded"}
    assert missing == MISSING.get(release, set())
    assert {outcomes[name].status for name in missing} <= {"skipped"}
    assert all(outcomes[name].complete for name in outcomes if name not in missing)
    assert check_whole(running, database_url).keys() == outcomes.keys() - missing
    check_rates(running, database_url)
    check_addresses(database_url)
    check_prices(running, database_url)
    check_stock(running, database_url)
    check_barcodes(running, database_url)


def check_addresses(url):
    """JSON or XML, the parts are there."""
    parts = "country, postcode, region, city, street, house, flat"
    addresses = query(url, f"SELECT {parts} FROM shop.customer_contacts WHERE contact_type = 'address'")  # noqa: S608
    assert addresses
    assert all(all(address) for address in addresses)


def check_rates(running, url):
    """The percent of each product, from a catalog or from the name of an enumeration."""
    catalog = {}
    if "Catalog_СтавкиНДС" in control(running, "tables"):
        rows = control(running, "rows/Catalog_СтавкиНДС?top=100")["rows"]
        catalog = {row["Ref_Key"]: row["ПеречислениеСтавкаНДС"] for row in rows}
    goods = control(running, "rows/Catalog_Номенклатура?top=100000")["rows"]
    expected = {
        row["Ref_Key"]: Decimal(
            catalog.get(row.get("СтавкаНДС_Key"), row.get("СтавкаНДС", "")).removeprefix("НДС")
        )
        for row in goods
        if not row["IsFolder"]
    }
    found = query(
        url,
        "SELECT m.external_id::text, t.vat_percent FROM shop.products t JOIN integ.external_id_mappings m"
        " ON m.internal_id = t.id AND m.entity_type = 'products' WHERE NOT t.is_deleted",
    )
    marked = {row["Ref_Key"] for row in goods if row["DeletionMark"]}
    assert dict(found) == {key: percent for key, percent in expected.items() if key not in marked}
    assert len(set(expected.values())) > 1
