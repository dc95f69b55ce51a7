"""A replay into emptied tables revives nothing that 1C had deleted: the log of deletions knows, the stored pages do not."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer, Way
from onec_pipelines_tests.fixtures.changes import a_product, delete, new_product, open_changes, take_in
from onec_pipelines_tests.fixtures.pipeline import control, query, value

PRODUCTS = BY_NAME["products"]
GOODS = "Catalog_Номенклатура"
READ = [Layer.RAW, Layer.CLEAN]


@pytest.fixture
def shop():
    with Simulator.start_thread(products=20, seed=5, pool_size=100, broken=False, tombstones=True) as running:
        yield running


def test_what_was_deleted_stays_deleted_and_what_came_back_stays(shop, database_url, tmp_path):
    with open_changes(shop, database_url, tmp_path) as runtime:

        def bring(way):
            take_in(runtime)
            inbound(PRODUCTS, runtime, layers=READ, way=way)

        take_in(runtime)
        said, absent = new_product(shop, "Удалён пакетом"), new_product(shop, "Пропал")
        returns = a_product(shop)
        bring(Way.CHANGES)
        delete(shop, said)
        delete(shop, returns["Ref_Key"])
        bring(Way.CHANGES)
        delete(shop, absent)
        for _ in range(2):
            bring(Way.VERSIONS)
        # Lost once before it comes back, so that its row is inserted and not updated.
        query(database_url, "DELETE FROM clean.products WHERE row_key = %s", returns["Ref_Key"])
        control(shop, f"rows/{GOODS}", returns)
        bring(Way.CHANGES)
        logged = value(database_url, "SELECT count(*) FROM integ.deletion_log WHERE why <> 'mark'")
        query(database_url, "TRUNCATE clean.products, clean.products_attributes")

        inbound(PRODUCTS, runtime, layers=[Layer.CLEAN])

        found = dict(query(database_url, "SELECT row_key::text, deleted_why FROM clean.products"))
        assert {key: found[key] for key in (said, absent, returns["Ref_Key"])} == {
            said: "tombstone",
            absent: "absent",
            returns["Ref_Key"]: None,
        }
        assert value(database_url, "SELECT count(*) FROM clean.products WHERE deleted_at > changed_at") == 0
        assert value(database_url, "SELECT count(*) FROM integ.deletion_log WHERE why <> 'mark'") == logged
        bring(Way.VERSIONS)
        assert value(database_url, "SELECT count(*) FROM clean.products WHERE deleted_at IS NOT NULL") == 2
