"""Jobs: which entities are brought up to date together. One run for all entities of a cadence (a run costs seconds to start)."""

from __future__ import annotations

import dagster as dg

from onec_pipelines.defs.clean_up import clean_up
from onec_pipelines.defs.doctor import examine_base
from onec_pipelines.defs.images import IMAGE_FILES_KEY
from onec_pipelines.defs.keys import CHANGES_KEY, METADATA_KEY, asset_key, layers_of, step_name
from onec_pipelines.defs.quality import QUALITY_KEYS
from onec_pipelines.defs.reconciliation import CHECKS, reconcile_job
from onec_pipelines.defs.schema import OP
from onec_pipelines.entities import ENTITIES
from onec_pipelines.entities.images import IMAGES

_CATALOG = frozenset({"dictionaries", "catalog"})
# A job of assets takes their checks along; this one has a job of its own.
_COMPARISON = dg.AssetSelection.checks(*CHECKS)


# Assets bring all their checks along, and those of the audit wait for the night.
_AUDIT = dg.AssetSelection.checks(*QUALITY_KEYS)


def _selection(groups: frozenset[str] | None) -> dg.AssetSelection:
    return (
        dg.AssetSelection.assets(
            METADATA_KEY,
            CHANGES_KEY,
            *(
                asset_key(entity, layer)
                for entity in ENTITIES
                if groups is None or entity.group in groups
                for layer in layers_of(entity)
            ),
        )
        - _COMPARISON
        - _AUDIT
    )


def _layers_of_images() -> dg.AssetSelection:
    layers = dg.AssetSelection.assets(*(asset_key(IMAGES, layer) for layer in layers_of(IMAGES)))
    return layers - _COMPARISON - _AUDIT


sync_all = dg.define_asset_job(
    "sync_all",
    selection=_selection(None) | dg.AssetSelection.assets(IMAGE_FILES_KEY),
    description="Everything that comes in from 1C, all layers.",
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

sync_images = dg.define_asset_job(
    "sync_images",
    selection=_selection(frozenset()) | _layers_of_images() | dg.AssetSelection.assets(IMAGE_FILES_KEY),
    description="Pictures: their rows, then the bytes of new and changed ones.",
)

sync_documents = dg.define_asset_job(
    "sync_documents",
    selection=_selection(frozenset({"sales", "customers"})),
    description="Customers, orders with their states, shipments, payments, returns.",
)
sync_loyalty_and_history = dg.define_asset_job(
    "sync_loyalty_and_history",
    selection=_selection(frozenset({"loyalty", "discounts", "history"})),
    description="Loyalty cards and balances, discounts, price history.",
)

read_metadata = dg.define_asset_job(
    "read_metadata",
    selection=dg.AssetSelection.assets(METADATA_KEY),
    config={"ops": {OP: {"config": {"max_age_hours": 0.0}}}},
    description="Fetch 1C's $metadata anew and say what its changes break; the sync jobs fetch it once a day.",
)

FULL = {"ops": {step_name(entity): {"config": {"full": True}} for entity in ENTITIES}}
"""Run configuration of `sync_all` for the nightly reconciliation: everything is read, whatever the way of each entity is."""

JOBS = (
    sync_all,
    sync_catalog,
    sync_prices_and_stock,
    sync_documents,
    sync_loyalty_and_history,
    sync_images,
    read_metadata,
    examine_base,
    clean_up,
    reconcile_job,
)
