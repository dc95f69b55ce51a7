"""The sales chain from the simulated 1C to the shop: equal to what 1C holds, field by field, before and after business."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.simulator.releases import DEFAULT, RELEASES
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, value
from onec_pipelines_tests.fixtures.sales import ORDER, check_all, read_whole
from onec_pipelines_tests.fixtures.state import state_of
from onec_pipelines_tests.fixtures.truth import rows_of

SALES = [entity for entity in ENTITIES if entity.group in {"sales", "history"}]


@pytest.fixture
def shop():
    with Simulator.start_thread(products=250, seed=11, pool_size=100) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_fast(environment(shop, database_url, tmp_path, page_rows=200)) as opened:
        yield opened


def test_the_sales_chain_is_what_1c_holds_and_a_second_run_writes_nothing(runtime, shop, database_url):
    first = read_whole(runtime)
    check_all(shop, database_url)
    before = state_of(database_url)

    second = read_whole(runtime, SALES)

    assert {first[entity.name].status for entity in SALES} == {"succeeded"}
    written = {name: (one.clean_changed, one.shop_changed, one.ids_new) for name, one in second.items()}
    assert written == dict.fromkeys(written, (0, 0, 0))
    assert state_of(database_url) == before


def test_after_some_business_it_is_equal_again(runtime, shop, database_url):
    read_whole(runtime)
    control(shop, "day", {"steps": 150})

    read_whole(runtime)

    check_all(shop, database_url)


def test_a_line_waits_in_the_shop_for_its_product(runtime, shop, database_url):
    early = [entity for entity in ENTITIES if entity.name not in {"products", "variants"}]
    read_whole(runtime, [entity for entity in early if entity.group not in {"prices", "stock", "history"}])
    lines = sum(len(row["Товары"]) for row in rows_of(shop, ORDER))
    assert query(database_url, "SELECT count(*), count(product_id) FROM shop.order_lines") == [(lines, 0)]
    waiting = "SELECT count(*) FROM integ.unresolved_refs WHERE entity_type = 'orders' AND target_entity = 'products'"
    assert value(database_url, waiting) == lines

    read_whole(runtime)

    check_all(shop, database_url)


def test_documents_wait_for_the_order_that_comes_later(runtime, shop, database_url):
    names = ("shipments", "order_states", "payments")
    read_whole(runtime, [BY_NAME[name] for name in names])
    assert value(database_url, "SELECT count(order_id) FROM shop.purchases") == 0
    assert value(database_url, "SELECT count(*) FROM shop.order_states") == 0

    read_whole(runtime)

    check_all(shop, database_url)


@pytest.mark.parametrize("release", [one for one in RELEASES if one != DEFAULT])
def test_other_releases_give_the_same_chain(release, database_url, tmp_path):
    with (
        Simulator.start_thread(products=150, seed=5, release=release, pool_size=100) as base,
        open_fast(environment(base, database_url, tmp_path, page_rows=1000)) as runtime,
    ):
        read_whole(runtime)

        check_all(base, database_url)
