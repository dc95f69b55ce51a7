"""The lineage of an order starts in the application's table."""

from __future__ import annotations

import dagster as dg
import pytest

from onec_pipelines.definitions import defs


@pytest.mark.parametrize(
    ("source", "table"),
    [("orders_1c", "web_orders"), ("customers_1c", "web_customers"), ("return_requests_1c", "web_returns")],
)
def test_what_1c_holds_comes_from_the_application(source, table):
    graph = defs.resolve_asset_graph()
    (push,) = graph.get(dg.AssetKey(["onec", source])).parent_keys
    assert dg.AssetKey(["app", table]) in graph.get(push).parent_keys
