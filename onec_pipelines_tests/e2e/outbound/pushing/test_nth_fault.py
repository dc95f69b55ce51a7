"""A fault at the n-th request of a push, for every n until there is no n-th request: the order becomes one posted document all the same."""

from __future__ import annotations

import pytest

from onec_pipelines_tests.fixtures.pipeline import control, query
from onec_pipelines_tests.fixtures.pushing import ORDER, document_of

MOST = 40


@pytest.mark.timeout(900)
@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("client_keys", ["honour", "ignore"])
def test_a_request_or_an_answer_lost_at_any_step_loses_and_doubles_nothing(  # noqa: PLR0917 - fixtures
    phase, client_keys, simulator, shop_url, push, shop
):
    control(simulator, "options", {"client_keys": client_keys}, method="PATCH")
    customer = shop.customer(
        name=f"Клиент {phase} {client_keys}", phone=f"+790211{len(phase)}{len(client_keys)}333"
    )
    push()
    before, goods = documents(simulator), shop.products(2)
    orders = []
    for number in range(1, MOST):
        control(simulator, "faults", method="DELETE")
        fault = {"type": "reset_peer", "attributes": {"phase": phase}, "match": "Document_", "nth": [number]}
        control(simulator, "faults", fault)
        lines = [{"product_id": product, "quantity": 2, "price": price} for product, price in goods]
        orders.append(shop.order(f"{phase} {client_keys} {number}", lines, customer_id=customer))
        push()
        left = query(
            shop_url,
            "SELECT subject, state, run_at - now(), last_error FROM integ.retry_queue WHERE state <> 'done'",
        )
        assert left == [], f"fault at request {number}"
        if control(simulator, "faults")[0]["fired"] == 0:
            break

    assert 2 < len(orders) < MOST - 1
    states = query(shop_url, "SELECT DISTINCT state FROM integ.retry_queue")
    assert states == [("done",)]
    assert documents(simulator) - before == len(orders)
    assert all(document_of(simulator, shop_url, order)["Posted"] for order in orders)
    mapped = "SELECT count(DISTINCT external_id) FROM integ.external_id_mappings WHERE entity_type = 'orders' AND internal_id = ANY(%s)"
    assert query(shop_url, mapped, orders) == [(len(orders),)]


def documents(simulator):
    return control(simulator, f"rows/{ORDER}?top=1")["count"]
