"""The check that counts what is oversold."""

from __future__ import annotations

from types import SimpleNamespace

import dagster as dg
import pytest

from onec_pipelines.defs.stock import oversold
from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import shop_rows, stock_policy
from onec_pipelines_tests.fixtures.tables import SYSTEM, guid, store, thing


@pytest.fixture
def stocked(tx):
    """Two products, one of them reserved beyond what there is."""
    store(tx, BY_NAME["warehouses"], [thing("w", name="W")])
    store(tx, BY_NAME["products"], [thing(name, name=name, product_type="goods") for name in ("p", "q", "r")])
    row = {"warehouse_ref": guid("w")}
    store(
        tx,
        BY_NAME["stock"],
        [{**row, "product_ref": guid(name), "on_hand": 5, "to_ship": 1} for name in "pq"],
    )
    store(
        tx,
        BY_NAME["reserves"],
        [
            {**row, "product_ref": guid(name), "reserved": count}
            for name, count in (("p", 6), ("q", 3), ("r", 2))
        ],
    )
    merge(tx, "warehouses", "products", "reserves", "stock")


def merge(tx, *names):
    with tx.transaction():
        for name in names:
            shop_rows.merge(tx, BY_NAME[name], system_name=SYSTEM, everything=False)


def shown(tx):
    return [row[0] for row in tx.execute("SELECT available FROM shop.stock ORDER BY product_id")]


def test_goods_without_any_stock_are_oversold_too(tx, stocked, database):
    assert shown(tx) == [0, 1]
    assert stock_policy.negative_rows(database, system_name=SYSTEM) == 2
    left = tx.execute("SELECT left_over FROM shop.negative_stock ORDER BY 1").fetchall()
    assert left == [(-2,), (-2,)]


def test_another_policy_reaches_every_row_at_the_next_merge(tx, stocked, database):
    changed = [
        stock_policy.keep(database, system_name=SYSTEM, formula="less_reserves", negative="keep")
        for _ in range(2)
    ]
    merge(tx, "stock")

    assert changed == [True, False]
    assert shown(tx) == [-2, 1]


def test_a_reserve_that_is_gone_frees_the_stock(tx, stocked):
    tx.execute("UPDATE clean.reserves SET deleted_at = now(), changed_in = 2")
    merge(tx, "reserves", "stock")

    assert shown(tx) == [4, 4]
    assert tx.execute("SELECT sum(reserved) FROM shop.stock_reserves").fetchone() == (0,)


def test_the_check_warns_and_says_where_to_look(stocked, database):
    settings = SimpleNamespace(stock_formula="less_reserves", negative_stock="zero")
    runtime = SimpleNamespace(settings=settings, database=database, system_name=SYSTEM)

    result = oversold(SimpleNamespace(runtime=runtime))

    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.WARN
    assert result.metadata["negative_rows"].value == 2
    assert result.metadata["shown_as"].value == "zero"
