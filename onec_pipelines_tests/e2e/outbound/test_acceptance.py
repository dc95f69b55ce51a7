"""The acceptance pair: a 1C that loses requests and answers, workers killed at random, and not one order lost or doubled."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from decimal import Decimal

import pytest

from onec_pipelines.ledger.retry_policy import MAX_LOST_LEASES
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.e2e.outbound.conftest import OPTIONS
from onec_pipelines_tests.fixtures.patience import until
from onec_pipelines_tests.fixtures.pipeline import control, environment, query

ORDERS = int(os.environ.get("PUSH_ORDERS", "60"))
WORKERS = 3
KILLS = max(12, ORDERS // 8)
ENOUGH = MAX_LOST_LEASES - 3
MISBEHAVIOUR = [
    {"name": "lost before", "type": "reset_peer", "attributes": {"phase": "before"}, "toxicity": 0.10},
    {"name": "lost after", "type": "reset_peer", "attributes": {"phase": "after"}, "toxicity": 0.25},
    {"name": "overloaded", "type": "status", "attributes": {"status": 503}, "toxicity": 0.10},
]


def place_orders(shop, count):
    """Customers with orders of one to four lines; gives the sum of each order by its number."""
    goods = shop.products(20)
    customers = [shop.customer(name=f"Покупатель {n}", phone=f"+7900555{n:04d}") for n in range(5)]
    expected = {}
    for number in range(count):
        lines = [
            {"product_id": product, "quantity": 1 + (number + place) % 3, "price": price}
            for place, (product, price) in enumerate(goods[number % 15 : number % 15 + 1 + number % 4])
        ]
        expected[f"SITE-{number}"] = sum(
            (Decimal(one["quantity"]) * one["price"] for one in lines), Decimal(0)
        )
        shop.order(str(number), lines, customer_id=customers[number % 5])
    return expected


def open_items(url):
    return query(url, "SELECT count(*) FROM integ.retry_queue WHERE state IN ('ready', 'leased')")[0][0]


def holders_of_the_unlucky(url):
    """Process ids of workers that hold an item which was lost so often that it would soon be a dead letter, as it should."""
    rows = query(
        url, "SELECT leased_by FROM integ.retry_queue WHERE state = 'leased' AND lost_leases >= %s", ENOUGH
    )
    return {int(name.rpartition(":")[2]) for (name,) in rows}


def documents(simulator):
    rows = control(simulator, "rows/Document_ЗаказКлиента?top=100000")["rows"]
    return [row for row in rows if str(row["НомерПоДаннымКлиента"]).startswith("SITE-")]


@pytest.mark.timeout(900 + 10 * ORDERS)
@pytest.mark.parametrize("client_keys", ["honour", "ignore"])
def test_every_order_becomes_one_posted_document(client_keys, shop, shop_url, workers, home):
    chance = random.Random(5)  # noqa: S311 - reproducible chance is the point
    expected = place_orders(shop, ORDERS)
    with Simulator.start_process(**OPTIONS, client_keys=client_keys) as simulator:
        control(simulator, "faults", MISBEHAVIOUR)
        variables = {
            **environment(simulator, shop_url, home),
            "ONEC_ORDER_SETTLE_SECONDS": "0.3",
            "ONEC_THROTTLE": os.environ.get("PUSH_THROTTLE", "shared"),
        }
        running = [workers.say(start=variables)["pid"] for _ in range(WORKERS)]
        killed = 0
        while killed < KILLS and open_items(shop_url):
            time.sleep(chance.uniform(0.2, 0.6))
            victim = chance.randrange(WORKERS)
            if running[victim] in holders_of_the_unlucky(shop_url):
                continue
            workers.say(kill=running[victim])
            running[victim] = workers.say(start=variables)["pid"]
            killed += 1
        until(lambda: not open_items(shop_url), 300 + 5 * ORDERS)
        workers.say(stop=True)
        control(simulator, "faults", method="DELETE")
        found = documents(simulator)

    left = query(shop_url, "SELECT subject, state, last_error FROM integ.retry_queue WHERE state <> 'done'")
    assert left == []
    assert killed > 5
    assert Counter(row["НомерПоДаннымКлиента"] for row in found) == Counter(dict.fromkeys(expected, 1))
    assert [row["Number"] for row in found if not row["Posted"]] == []
    sums = {row["НомерПоДаннымКлиента"]: Decimal(str(row["СуммаДокумента"])) for row in found}
    assert sums == expected
    mapped = query(
        shop_url,
        "SELECT 'SITE-' || o.number, m.external_id::text FROM shop.web_orders o JOIN integ.external_id_mappings m"
        " ON m.entity_type = 'orders' AND m.internal_id = o.id",
    )
    assert dict(mapped) == {row["НомерПоДаннымКлиента"]: row["Ref_Key"] for row in found}
    told = query(shop_url, "SELECT push_state, is_posted, count(*) FROM shop.web_order_status GROUP BY 1, 2")
    assert told == [("done", True, ORDERS)]
