"""From a signed event to the shop's row, with a simulated 1C, a receiver and a worker: at once, in any order, and when events are lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from onec_pipelines import dispatch
from onec_pipelines.dispatch import drain, work
from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.inbound import inbound
from onec_pipelines.ledger.jobs import entity_lock
from onec_pipelines.runtime import Runtime
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Entity
from onec_pipelines_tests.fixtures.goods import FOR_STOCK, Business, stock_of_1c, stock_of_shop
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until
from onec_pipelines_tests.fixtures.pipeline import SYSTEM, control, environment, open_fast, query, sync, value
from onec_pipelines_tests.fixtures.webhooks import event, post, receiving

EVENTS = 1000
BURST = 50


@pytest.fixture
def shop():
    with Simulator.start_thread(products=120, seed=5, broken=False, pool_size=100) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_fast(environment(shop, database_url, tmp_path)) as opened:
        yield opened


@contextmanager
def worker(runtime: Runtime) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(runtime, stop), kwargs={"threads": 2})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def with_what_it_needs(name: str) -> list[Entity]:
    names, more = {name}, [name]
    while more:
        for found in BY_NAME[more.pop()].depends_on:
            if found not in names:
                names.add(found)
                more.append(found)
    return [entity for entity in ENTITIES if entity.name in names]


def open_items(database_url: str) -> int:
    return value(database_url, "SELECT count(*) FROM integ.retry_queue WHERE state IN ('ready', 'leased')")


def states(database_url: str) -> dict[str, int]:
    return dict(query(database_url, "SELECT state, count(*) FROM integ.retry_queue GROUP BY 1"))


def test_a_change_of_stock_is_brought_into_the_shop_by_its_event(
    runtime, shop, database_url, monkeypatch
) -> None:
    # A worker that was not woken by the event would not see it before the test is over.
    monkeypatch.setattr(dispatch, "_POLL_SECONDS", 2.0 * PATIENCE_SECONDS)
    sync(runtime, [BY_NAME[name] for name in FOR_STOCK])
    business = Business(shop, Random(1))  # noqa: S311 - a fixed one, for the test to be the same each time
    listening = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %%'"
    with receiving(database_url) as receiver, worker(runtime):
        until(lambda: query(database_url, listening))
        for _ in range(5):
            products = business.step()
            truth = stock_of_1c(shop)
            assert post(receiver, event("stock.changed", *products)).status == 202
            until(lambda: stock_of_shop(database_url) == truth, pause=0.005)  # noqa: B023 - waited for within the turn


@pytest.mark.timeout(900)
def test_a_thousand_events_out_of_order_doubled_replayed_and_lost_end_in_1cs_own_stock(
    runtime, shop, database_url
) -> None:
    sync(runtime, [BY_NAME[name] for name in FOR_STOCK])
    chance = Random(7)  # noqa: S311 - as above
    business = Business(shop, chance)
    sent, waiting = [], []
    lost: set[str] = set()
    # Signed long before they are replayed.
    with receiving(database_url, tolerance=3600) as receiver, worker(runtime):
        for number in range(EVENTS):
            products = business.step()
            if chance.random() < 0.2:
                lost |= set(products)
                continue
            waiting.append(event("stock.changed", *products, msg_id=f"msg-{number}"))
            if len(waiting) == BURST:
                chance.shuffle(waiting)
                sent += waiting
                for one in [*waiting, *chance.sample(sent, 15)]:
                    assert post(receiver, one).status in {200, 202}
                waiting = []
        chance.shuffle(waiting)
        for one in waiting:
            assert post(receiver, one).status == 202
        sent += waiting
        # What is replayed at the very end is older than everything else.
        assert {post(receiver, one).status for one in sent[:BURST]} == {200}
        until(lambda: open_items(database_url) == 0)

    truth, found = stock_of_1c(shop), stock_of_shop(database_url)
    told = {key for one in (truth, found) for key in one if key[1] not in lost}
    assert {key: found.get(key) for key in told} == {key: truth.get(key) for key in told}
    assert set(states(database_url)) == {"done"}
    assert value(database_url, "SELECT count(*) FROM integ.webhook_inbox") == len(sent)

    inbound(BY_NAME["stock"], runtime)
    assert stock_of_shop(database_url) == truth


def test_many_hints_that_wait_together_cost_few_requests(runtime, shop, database_url) -> None:
    sync(runtime, [BY_NAME[name] for name in FOR_STOCK])
    refs = [
        ref for (ref,) in query(database_url, "SELECT ref::text FROM clean.products ORDER BY 1 LIMIT 100")
    ]
    with receiving(database_url) as receiver:
        for ref in [*refs, *refs]:
            assert post(receiver, event("product.changed", ref)).status == 202
    before = runtime.spent.calls
    drained = drain(runtime, kinds=["webhook"])
    assert (drained.done, drained.dead) == (100, 0)
    assert runtime.spent.calls - before <= 2
    applied = query(database_url, "SELECT entity_type, way, hints, rows_changed FROM integ.webhook_applied")
    assert applied == [("products", "fetched", 100, 0)]


def test_a_hint_for_what_1c_no_longer_has_deletes_it(runtime, shop, database_url) -> None:
    sync(runtime, [BY_NAME["products"]])
    (gone,) = query(database_url, "SELECT ref::text FROM clean.products ORDER BY 1 LIMIT 1")[0]
    control(shop, f"rows/Catalog_Номенклатура/{gone}", method="DELETE")
    with receiving(database_url) as receiver:
        post(receiver, event("product.changed", gone))
    drain(runtime, kinds=["webhook"])
    assert query(database_url, "SELECT deleted_why FROM clean.products WHERE ref = %s", gone) == [("absent",)]
    assert query(database_url, "SELECT rows_deleted FROM integ.webhook_applied") == [(1,)]


def test_a_hint_waits_for_a_sync_that_holds_the_entity_and_no_attempt_is_burnt(
    runtime, shop, database_url
) -> None:
    sync(runtime, [BY_NAME["products"]])
    (ref,) = query(database_url, "SELECT ref::text FROM clean.products ORDER BY 1 LIMIT 1")[0]
    with receiving(database_url) as receiver:
        post(receiver, event("product.changed", ref))
    with entity_lock(runtime.database, SYSTEM, "products"):
        # Once: it may be due again before the drain is over.
        assert drain(runtime, kinds=["webhook"], limit=1).put_off == 1
    assert query(database_url, "SELECT state, attempts FROM integ.retry_queue") == [("ready", 0)]
    query(database_url, "UPDATE integ.retry_queue SET run_at = now()")
    assert drain(runtime, kinds=["webhook"]).done == 1


def test_one_order_is_seen_as_1c_has_it_after_one_event(runtime, shop, database_url) -> None:
    sync(runtime, with_what_it_needs("orders"))
    (ref,) = query(
        database_url, "SELECT ref::text FROM clean.orders WHERE deletion_mark IS NOT TRUE ORDER BY 1 LIMIT 1"
    )[0]
    control(shop, f"rows/Document_ЗаказКлиента/{ref}", {"Комментарий": "позвонить до доставки"})
    with receiving(database_url) as receiver:
        assert post(receiver, event("order.changed", ref)).status == 202
    assert drain(runtime, kinds=["webhook"]).done == 2
    found = "SELECT count(*) FROM shop.orders WHERE comment = 'позвонить до доставки'"
    assert value(database_url, found) == 1
