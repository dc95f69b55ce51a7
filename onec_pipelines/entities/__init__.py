"""What is synced: one data-only file per entity, listed here in an order in which references resolve at the first try.

A new entity is one file here, one migration in `sql/` and rows in the simulator's seed; nothing else has to name it.
"""

from __future__ import annotations

from onec_pipelines.entities.attribute_values import ATTRIBUTE_VALUES
from onec_pipelines.entities.attributes import ATTRIBUTES
from onec_pipelines.entities.barcodes import BARCODES
from onec_pipelines.entities.brands import BRANDS
from onec_pipelines.entities.categories import CATEGORIES
from onec_pipelines.entities.counterparties import COUNTERPARTIES
from onec_pipelines.entities.currencies import CURRENCIES
from onec_pipelines.entities.currency_rates import CURRENCY_RATES
from onec_pipelines.entities.manufacturers import MANUFACTURERS
from onec_pipelines.entities.price_types import PRICE_TYPES
from onec_pipelines.entities.prices import PRICES
from onec_pipelines.entities.pricing_variants import PRICING_VARIANTS
from onec_pipelines.entities.product_kinds import PRODUCT_KINDS
from onec_pipelines.entities.products import PRODUCTS
from onec_pipelines.entities.stock import STOCK
from onec_pipelines.entities.units import UNITS
from onec_pipelines.entities.variants import VARIANTS
from onec_pipelines.entities.vat_rates import VAT_RATES
from onec_pipelines.entities.warehouses import WAREHOUSES
from onec_pipelines.spec import Entity

ENTITIES: tuple[Entity, ...] = (
    CURRENCIES,
    CURRENCY_RATES,
    VAT_RATES,
    MANUFACTURERS,
    BRANDS,
    PRODUCT_KINDS,
    ATTRIBUTES,
    ATTRIBUTE_VALUES,
    CATEGORIES,
    UNITS,
    PRODUCTS,
    PRICING_VARIANTS,
    VARIANTS,
    BARCODES,
    PRICE_TYPES,
    WAREHOUSES,
    PRICES,
    STOCK,
    COUNTERPARTIES,
)

BY_NAME: dict[str, Entity] = {entity.name: entity for entity in ENTITIES}

__all__ = ["BY_NAME", "ENTITIES"]
