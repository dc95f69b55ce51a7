"""States of single orders, asked for by a reference that may point to several kinds of documents (PROTOCOL §3.1)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Way
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query

ORDERS, STATES = BY_NAME["orders"], BY_NAME["order_states"]
REGISTER = "InformationRegister_СостоянияЗаказовКлиентов"


@pytest.fixture
def shop():
    with Simulator.start_thread(products=60, seed=5, pool_size=100, broken=False) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_fast(environment(shop, database_url, tmp_path)) as opened:
        yield opened


def test_the_state_of_one_order_is_fetched_and_the_others_stay(runtime, shop, database_url):
    inbound(ORDERS, runtime, way=Way.SNAPSHOT)
    inbound(STATES, runtime)
    before = debts(database_url)
    control(shop, "day", {"steps": 80})
    rows = control(shop, f"rows/{REGISTER}?top=1000")["rows"]
    now = {row["Заказ"]: Decimal(row["СуммаДолга"]) for row in rows}
    order = next(order for order, debt in before.items() if now.get(order, debt) != debt)

    outcome = inbound(STATES, runtime, only=[order])

    assert (outcome.rows_read, outcome.clean_changed, outcome.deleted, outcome.requests) == (1, 1, 0, 1)
    assert debts(database_url) == {**before, order: now[order]}
    in_shop = (
        "SELECT s.debt_amount FROM shop.order_states s JOIN integ.external_id_mappings m"
        " ON m.internal_id = s.order_id AND m.entity_type = 'orders' WHERE m.external_id = %s"
    )
    assert query(database_url, in_shop, order) == [(now[order],)]


def test_between_whole_readings_only_states_of_open_orders_are_asked_for(runtime, shop, database_url):
    inbound(ORDERS, runtime, way=Way.SNAPSHOT)
    whole = inbound(STATES, runtime)
    control(shop, "day", {"steps": 80})
    inbound(ORDERS, runtime, way=Way.SNAPSHOT)

    followed = inbound(STATES, runtime, way=Way.WINDOWS)

    rows = control(shop, f"rows/{REGISTER}?top=1000")["rows"]
    assert debts(database_url) == {row["Заказ"]: Decimal(row["СуммаДолга"]) for row in rows}
    assert 0 < followed.rows_read < whole.rows_read
    assert followed.deleted == 0


def debts(url):
    return dict(query(url, "SELECT order_ref::text, debt_amount FROM clean.order_states"))
