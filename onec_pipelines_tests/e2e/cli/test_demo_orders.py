"""What the demo's shop sells arrives in 1C and comes back; and the demo says when it does not."""

from __future__ import annotations

import pytest

from onec_pipelines.cli import demo_orders
from onec_pipelines.cli.demo_people import People
from onec_pipelines.entities import BY_NAME
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.outgoing import NEEDED
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync

SOLD = [*NEEDED, *(BY_NAME[name] for name in ("prices", "stock"))]


@pytest.fixture
def simulator():
    with Simulator.start_thread(products=60, seed=3) as running:
        yield running


@pytest.fixture
def runtime(simulator, database_url, tmp_path):
    with open_fast(environment(simulator, database_url, tmp_path)) as opened:
        sync(opened, SOLD)
        yield opened


def test_what_is_sold_changed_cancelled_and_sent_back_comes_back(
    simulator, runtime, database_url, monkeypatch
):
    monkeypatch.setattr(demo_orders, "_PATIENCE_SECONDS", PATIENCE_SECONDS)
    people = People(control_url=simulator.control_url)
    sold = demo_orders.sell(runtime, people)
    assert sold.problems == []
    assert [(row["push_state"], row["is_posted"], row["stage"]) for row in sold.rows] == [
        ("done", True, "shipped"),
        ("done", True, "accepted"),
        ("done", True, "cancelled"),
    ]
    assert sold.rows[0]["returned"]
    kinds = "SELECT DISTINCT event_type FROM integ.outbox ORDER BY 1"
    assert [kind for (kind,) in query(database_url, kinds)] == [
        "customer_created",
        "order_cancelled",
        "order_changed",
        "order_created",
        "return_requested",
    ]

    # the next demo sells to others, and what 1C refuses is told
    control(simulator, "options", {"closed_until": "2999-12-31"}, method="PATCH")
    again = demo_orders.sell(runtime, people)
    assert any("период закрыт" in problem for problem in again.problems)
    assert sum("1C holds 0 documents" in problem for problem in again.problems) == 3

    query(database_url, "UPDATE shop.stock SET available = 0")
    nothing = demo_orders.sell(runtime, people)
    assert (nothing.rows, nothing.problems) == ([], [])
    assert "Nothing is in stock" in nothing.note
