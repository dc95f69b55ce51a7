"""The application's tables and what goes from them to 1C, as external assets: the lineage of an order starts where the customer placed it.

Nothing is run here: pushes are worked off by the queue's job and sensor, or by `onec worker`.
"""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from onec_pipelines.defs.keys import source_key
from onec_pipelines.entities import BY_NAME
from onec_pipelines.entities.outgoing import OUTGOING

_TABLES = {
    "web_customers": "Customers that registered in the application.",
    "web_orders": "Orders of the application with lines, payments and cancellations.",
    "web_returns": "Returns that customers asked for.",
}
_FEEDS: dict[str, tuple[str, ...]] = {
    "customers": ("web_customers",),
    "counterparties": ("web_customers",),
    "orders": ("web_orders", "web_customers"),
    "return_requests": ("web_returns", "web_orders"),
}


def application_assets() -> list[dg.AssetSpec]:
    """The application's tables, and one asset for each kind of object that is pushed from them."""
    tables = [
        dg.AssetSpec(
            _table_key(table),
            group_name="application",
            kinds={"postgres"},
            owners=["team:application"],
            description=f"{text} Written by the application only (docs/outbox.md).",
            metadata={"dagster/table_name": f"shop.{table}"},
        )
        for table, text in _TABLES.items()
    ]
    return [*tables, *(_pushed(name, feeds) for name, feeds in _FEEDS.items())]


def fed_by_application(specs: Iterable[dg.AssetSpec]) -> list[dg.AssetSpec]:
    """1C's own objects, now downstream of what is pushed into them."""
    pushed = {source_key(BY_NAME[name]): _push_key(name) for name in _FEEDS}
    return [
        spec.replace_attributes(deps=[*spec.deps, pushed[spec.key]]) if spec.key in pushed else spec
        for spec in specs
    ]


def _pushed(name: str, feeds: tuple[str, ...]) -> dg.AssetSpec:
    outgoing = OUTGOING[name]
    return dg.AssetSpec(
        _push_key(name),
        deps=[_table_key(table) for table in feeds],
        group_name="application",
        kinds={"odata"},
        owners=["team:data-engineering"],
        description=f"{outgoing.resource} of 1C:УТ 11, made and changed through the outbox: {outgoing.title}.",
        metadata={"dagster/table_name": "integ.push_objects"},
    )


def _table_key(table: str) -> dg.AssetKey:
    return dg.AssetKey(["app", table])


def _push_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["push", f"{name}_push"])
