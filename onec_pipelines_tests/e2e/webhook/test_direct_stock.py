"""ONEC_WEBHOOK_DIRECT_STOCK: values of events reach the shop without 1C, and never an older one over a newer one."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from onec_pipelines.db.engine import connect
from onec_pipelines.dispatch import drain
from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import RetryLater
from onec_pipelines.inbound import inbound
from onec_pipelines.ledger.inbox import Message, StockValue
from onec_pipelines.ledger.jobs import entity_lock
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.webhook.direct import DirectStock, batch_of
from onec_pipelines_tests.fixtures.goods import FOR_STOCK, stock_of_1c, stock_of_shop
from onec_pipelines_tests.fixtures.patience import until
from onec_pipelines_tests.fixtures.pipeline import SYSTEM, environment, open_fast, query, sync
from onec_pipelines_tests.fixtures.webhooks import post, receiving, signed_body

ZERO = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def shop():
    with Simulator.start_process(products=60, seed=5, broken=False) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_fast(environment(shop, database_url, tmp_path)) as opened:
        sync(opened, [BY_NAME[name] for name in FOR_STOCK])
        # What events tell from here on was taken well after that reading began.
        query(database_url, "UPDATE integ.sync_jobs SET started_at = started_at - interval '1 minute'")
        yield opened


@pytest.fixture
def direct(database_url, runtime):
    with connect(database_url) as database, DirectStock(database, system_name=SYSTEM) as running:
        yield running


def some_row(database_url) -> tuple[str, str, str]:
    key = min(stock_of_shop(database_url))
    assert stock_of_shop(database_url)[key]
    return key


def told(key, on_hand, sequence, *, old_seconds: float = 0.0):
    """An event that was made so many seconds before it was sent."""
    warehouse, product, variant = key
    sent_at = datetime.now(UTC).replace(microsecond=0)
    value = StockValue(
        warehouse=warehouse,
        product=product,
        variant=None if variant == ZERO else variant,
        on_hand=Decimal(on_hand),
        to_ship=None,
    )
    message = Message(
        msg_id=str(sequence),
        type="stock.changed",
        refs=(product,),
        sent_at=sent_at,
        occurred_at=sent_at - timedelta(seconds=old_seconds),
        sequence=sequence,
        stock=(value,),
    )
    return [message]


def apply(direct, *messages) -> int:
    from onec_pipelines.webhook.direct import _Received  # noqa: PLC0415 - what the queue of the thread holds

    now = time.monotonic()
    return direct.apply(batch_of([_Received(message=one, at=now) for one in messages], now=now))


def test_a_value_is_in_the_shop_before_1c_is_asked_and_1c_has_the_last_word(
    runtime, shop, database_url
) -> None:
    key = some_row(database_url)
    row = dict(zip(("warehouse", "product", "variant"), key, strict=True))
    now = datetime.now(UTC)
    body = {
        "type": "stock.changed",
        "timestamp": now.isoformat(),
        "data": {"sequence": 1, "stock": [{**row, "on_hand": "777.5", "to_ship": "7.5"}]},
    }
    calls = runtime.spent.calls
    # At the end of this block its thread has let go of the entity, too.
    with (
        connect(database_url) as database,
        DirectStock(database, system_name=SYSTEM) as direct,
        receiving(database_url, on_stored=direct.offer) as receiver,
    ):
        assert post(receiver, signed_body(json.dumps(body).encode())).status == 202
        until(lambda: stock_of_shop(database_url).get(key) == Decimal("777.5"), pause=0.02)
    assert runtime.spent.calls == calls
    available = "SELECT available FROM shop.stock WHERE on_hand = 777.5"
    assert query(database_url, available)[0][0] <= Decimal(770)
    assert query(database_url, "SELECT way, hints, rows_changed FROM integ.webhook_applied") == [
        ("direct", 1, 1)
    ]

    assert drain(runtime, kinds=["webhook"]).done == 1
    assert stock_of_shop(database_url) == stock_of_1c(shop)


def test_an_older_event_changes_nothing(direct, database_url) -> None:
    key = some_row(database_url)
    assert apply(direct, *told(key, "5", 20)) == 1
    assert apply(direct, *told(key, "4", 19)) == 0
    assert apply(direct, *told(key, "4", 20)) == 0
    assert stock_of_shop(database_url)[key] == Decimal(5)
    assert apply(direct, *told(key, "6", 21)) == 1
    assert stock_of_shop(database_url)[key] == Decimal(6)


def test_of_several_in_one_batch_the_newest_wins_in_any_order(direct, database_url) -> None:
    key = some_row(database_url)
    assert apply(direct, *told(key, "2", 2), *told(key, "3", 3), *told(key, "1", 1)) == 1
    assert stock_of_shop(database_url)[key] == Decimal(3)


def test_a_value_taken_before_the_last_reading_changes_nothing(direct, runtime, shop, database_url) -> None:
    key = some_row(database_url)
    inbound(BY_NAME["stock"], runtime)
    query(database_url, "UPDATE integ.sync_jobs SET started_at = now()")
    # It waited a minute in 1C's register: the reading has seen something newer.
    assert apply(direct, *told(key, "999", 50, old_seconds=60)) == 0
    # And one second of doubt is for whole seconds in the header.
    assert apply(direct, *told(key, "998", 51)) == 0
    assert stock_of_shop(database_url) == stock_of_1c(shop)


def test_while_stock_is_being_read_nothing_is_applied(direct, runtime, database_url) -> None:
    key = some_row(database_url)
    before = stock_of_shop(database_url)
    with entity_lock(runtime.database, SYSTEM, "stock"), pytest.raises(RetryLater):
        apply(direct, *told(key, "5", 5))
    assert stock_of_shop(database_url) == before


def test_a_row_that_no_reading_made_is_left_to_the_fetch(direct, database_url) -> None:
    warehouse, product, _ = some_row(database_url)
    before = stock_of_shop(database_url)
    assert apply(direct, *told((warehouse, product, "11111111-1111-1111-1111-111111111111"), "5", 5)) == 0
    assert stock_of_shop(database_url) == before


def test_an_event_without_time_or_number_is_only_a_hint(direct, database_url) -> None:
    key = some_row(database_url)
    (message,) = told(key, "5", 5)
    without = [
        Message(
            msg_id="a",
            type="stock.changed",
            refs=(),
            sent_at=message.sent_at,
            stock=message.stock,
            sequence=9,
        ),
        Message(
            msg_id="b",
            type="stock.changed",
            refs=(),
            sent_at=message.sent_at,
            stock=message.stock,
            occurred_at=message.sent_at,
        ),
    ]
    direct.offer(without)
    assert apply(direct, *without) == 0
