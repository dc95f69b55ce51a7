"""Asset keys. The last part of each is distinct, because Dagster's graph shows only that."""

from __future__ import annotations

import dagster as dg

from onec_pipelines.spec import Entity, Layer

METADATA_KEY = dg.AssetKey(["onec", "metadata"])
"""Key of the base's `$metadata`."""

CHANGES_KEY = dg.AssetKey(["onec", "changes"])
"""Key of the packets of the exchange plan."""

HEALTH_KEY = dg.AssetKey(["onec", "health"])
"""Key of the figures of how the pipeline is."""

_SUFFIX = {Layer.RAW: "_raw", Layer.CLEAN: "_clean", Layer.SHOP: "", Layer.IDS: "_ids"}


def asset_key(entity: Entity, layer: Layer) -> dg.AssetKey:
    """Key of a layer of an entity: `raw/products_raw`, `clean/products_clean`, `shop/products`, `ids/products_ids`."""
    return dg.AssetKey([layer.value, f"{entity.name}{_SUFFIX[layer]}"])


def source_key(entity: Entity) -> dg.AssetKey:
    """Key of what an entity is read from: `onec/products_1c`. Dagster takes no Cyrillic names here: 1C's own stands in the description."""
    return dg.AssetKey(["onec", f"{entity.name}_1c"])


def layers_of(entity: Entity) -> tuple[Layer, ...]:
    """The layers of an entity in the order of the flow; a register has no GUID and so no ids."""
    return tuple(layer for layer in Layer if layer is not Layer.IDS or entity.has_ids)


def step_name(entity: Entity) -> str:
    """Name of the step that brings an entity up to date, by which its run configuration is given."""
    return f"{entity.name}_sync"
