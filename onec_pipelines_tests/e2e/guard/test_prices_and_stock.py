"""Prices typed wrong in 1C and stock that vanishes there: held as 1C sends them, and neither webhooks nor lost ones bring them in."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from onec_pipelines.db.engine import connect
from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import Stop
from onec_pipelines.inbound import inbound
from onec_pipelines.ledger import approvals
from onec_pipelines.ledger.inbox import Message, StockValue
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.webhook.direct import DirectStock, batch_of
from onec_pipelines_tests.fixtures.goods import FOR_STOCK, ZERO, papers, stock_of_1c, stock_of_shop
from onec_pipelines_tests.fixtures.pipeline import SYSTEM, control, environment, open_fast, query, sync, value

REGISTER = "InformationRegister_ЦеныНоменклатуры25"
FOR_PRICES = (
    "currencies",
    "price_types",
    "units",
    "categories",
    "products",
    "pricing_variants",
    "variants",
    "prices",
)
PRICES, STOCK = BY_NAME["prices"], BY_NAME["stock"]
LIMITS = "price_fall=50%:5,stock_to_zero=2"


@pytest.fixture
def shop():
    with Simulator.start_thread(products=60, seed=5, broken=False) as running:
        control(running, "options", {"stock_control": False}, method="PATCH")
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    variables = {**environment(shop, database_url, tmp_path, page_rows=500), "ONEC_LIMITS": LIMITS}
    with open_fast(variables) as opened:
        yield opened


def grant(runtime, outcome):
    approvals.decide(
        runtime.database, outcome.approval, "granted", system_name=SYSTEM, by="test", reason="meant"
    )


def reprice(shop, factor):
    """Every price of the first document that set some, multiplied: a comma in the wrong place."""
    row = control(shop, f"rows/{REGISTER}?top=1")["rows"][0]
    cents = Decimal("0.01")
    lines = [
        {**line, "Цена": str((Decimal(line["Цена"]) * Decimal(factor)).quantize(cents))}
        for line in row["RecordSet"]
    ]
    control(shop, f"rows/{REGISTER}/{row['Recorder']}/{row['Recorder_Type']}", {"RecordSet": lines})


def prices(database_url):
    return query(database_url, "SELECT onec_key, price FROM shop.prices ORDER BY 1")


def test_prices_that_fall_by_mistake_never_reach_the_shop(shop, runtime, database_url):
    sync(runtime, [BY_NAME[name] for name in FOR_PRICES])
    before = prices(database_url)
    reprice(shop, "0.01")

    held = inbound(PRICES, runtime)

    assert held.status == "held"
    assert held.diff["breaches"][0]["limit"] == "price_fall"
    assert held.diff["columns"]["price"] > 5
    assert prices(database_url) == before
    assert inbound(BY_NAME["products"], runtime).status == "succeeded"
    reprice(shop, "100")
    assert inbound(PRICES, runtime).status == "succeeded"
    assert value(database_url, "SELECT state FROM integ.approvals") == "lapsed"


def test_prices_that_fall_on_purpose_go_through_when_granted(shop, runtime, database_url):
    sync(runtime, [BY_NAME[name] for name in FOR_PRICES])
    total = value(database_url, "SELECT sum(price) FROM shop.prices")
    reprice(shop, "0.1")
    held = inbound(PRICES, runtime)
    grant(runtime, held)

    done = inbound(PRICES, runtime)

    assert (done.status, done.approval) == ("succeeded", held.approval)
    assert done.shop_changed == held.diff["changed"]
    assert value(database_url, "SELECT sum(price) FROM shop.prices") < total


def take_back_receipts(shop):
    """Every document that moved goods is taken back but one: nearly all stock is gone. No webhook tells of it."""
    for paper in papers(shop)[1:]:
        control(shop, f"unpost/{paper.kind}/{paper.ref}", {})


def test_stock_that_vanishes_is_held_though_no_webhook_told_of_it(shop, runtime, database_url):
    sync(runtime, [BY_NAME[name] for name in FOR_STOCK])
    before = stock_of_shop(database_url)
    take_back_receipts(shop)

    held = inbound(STOCK, runtime, allow_deletes=True)

    assert held.status == "held"
    assert held.diff["breaches"][0]["limit"] == "stock_to_zero"
    assert stock_of_shop(database_url) == before
    grant(runtime, held)
    assert inbound(STOCK, runtime).status == "succeeded"
    assert stock_of_shop(database_url) == stock_of_1c(shop)


def test_a_value_that_a_webhook_brings_does_not_carry_a_held_load_with_it(shop, runtime, database_url):
    sync(runtime, [BY_NAME[name] for name in FOR_STOCK])
    take_back_receipts(shop)
    assert inbound(STOCK, runtime, allow_deletes=True).status == "held"
    query(database_url, "UPDATE integ.sync_jobs SET started_at = started_at - interval '1 minute'")
    before = stock_of_shop(database_url)
    (warehouse, product, variant), _ = next(iter(stock_of_1c(shop).items()))
    now = datetime.now(UTC)
    told = StockValue(
        warehouse=warehouse,
        product=product,
        variant=None if variant == ZERO else variant,
        on_hand=Decimal(77),
        to_ship=None,
    )
    message = Message(
        msg_id="1",
        type="stock.changed",
        refs=(product,),
        sent_at=now,
        occurred_at=now,
        sequence=1,
        stock=(told,),
    )
    from onec_pipelines.webhook.direct import _Received  # noqa: PLC0415 - what the queue of the thread holds

    at = time.monotonic()
    with connect(database_url) as database:
        direct = DirectStock(database, system_name=SYSTEM, limits=LIMITS)
        with pytest.raises(Stop) as caught:
            direct.apply(batch_of([_Received(message=message, at=at)], now=at))

    assert caught.value.code == "LOAD_HELD"
    assert stock_of_shop(database_url) == before
