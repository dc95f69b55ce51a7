"""Jobs: which entities are brought up to date together. One run for all entities of a cadence (a run costs seconds to start)."""

from __future__ import annotations

import dagster as dg

from onec_pipelines.defs.keys import METADATA_KEY, asset_key, layers_of
from onec_pipelines.defs.schema import OP
from onec_pipelines.entities import ENTITIES

_CATALOG = frozenset({"dictionaries", "catalog"})


def _selection(groups: frozenset[str] | None) -> dg.AssetSelection:
    return dg.AssetSelection.assets(
        METADATA_KEY,
        *(
            asset_key(entity, layer)
            for entity in ENTITIES
            if groups is None or entity.group in groups
            for layer in layers_of(entity)
        ),
    )


sync_all = dg.define_asset_job(
    "sync_all", selection=_selection(None), description="Everything that comes in from 1C, all layers."
)
sync_catalog = dg.define_asset_job(
    "sync_catalog",
    selection=_selection(_CATALOG),
    description="Dictionaries, categories, products with attributes, variants, barcodes.",
)
sync_prices_and_stock = dg.define_asset_job(
    "sync_prices_and_stock",
    selection=_selection(frozenset({"prices", "stock"})),
    description="Price lists and prices, warehouses and stock.",
)

read_metadata = dg.define_asset_job(
    "read_metadata",
    selection=dg.AssetSelection.assets(METADATA_KEY),
    config={"ops": {OP: {"config": {"max_age_hours": 0.0}}}},
    description="Fetch 1C's $metadata anew and say what its changes break; the sync jobs fetch it once a day.",
)

JOBS = (sync_all, sync_catalog, sync_prices_and_stock, read_metadata)
