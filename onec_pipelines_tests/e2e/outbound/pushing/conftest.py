"""One simulator a module, a fresh shop a test, and a queue that is worked off in this process."""

from __future__ import annotations

import pytest

from onec_pipelines.dispatch import drain
from onec_pipelines.ledger import retry_policy
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.e2e.outbound.conftest import OPTIONS
from onec_pipelines_tests.fixtures.patience import until
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query


@pytest.fixture(scope="module")
def simulator():
    with Simulator.start_process(**OPTIONS) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_faults(simulator):
    yield
    control(simulator, "faults", method="DELETE")
    control(simulator, "options", {"client_keys": "honour"}, method="PATCH")


@pytest.fixture
def runtime(simulator, shop_url, home):
    variables = {
        **environment(simulator, shop_url, home),
        "ONEC_ORDER_SETTLE_SECONDS": "0",
        "ONEC_THROTTLE": "local",
    }
    with open_fast(variables) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    monkeypatch.setattr(retry_policy, "FIRST_SECONDS", 0.1)


@pytest.fixture
def push(runtime, shop_url):
    """Work the queue off until nothing is due within seconds."""
    soon = "SELECT count(*) FROM integ.retry_queue WHERE state = 'ready' AND run_at < now() + interval '3 seconds'"

    def is_idle():
        if not query(shop_url, soon)[0][0]:
            return True
        drain(runtime, kinds=["push"], threads=1)
        return False

    return lambda: until(is_idle, pause=0.02)


@pytest.fixture
def place(shop, request):
    """Place an order of a new customer; gives its id."""
    made = []

    def order(*, lines=None, customer=None, **values):
        made.append(0)
        number = f"{request.node.name[5:30]}.{len(made)}"
        if customer is None:
            customer = shop.customer(name=f"Клиент {number}", phone=f"+7902{abs(hash(number)) % 10**7:07d}")
        goods = shop.products(2)
        given = lines or [{"product_id": product, "quantity": 2, "price": price} for product, price in goods]
        return shop.order(number, given, customer_id=customer, **values)

    return order
