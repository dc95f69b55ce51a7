"""What is synced: one data-only file per entity, listed here in an order in which references resolve at the first try.

A new entity is one file here, one migration in `sql/` and rows in the simulator's seed; nothing else has to name it.
"""

from __future__ import annotations

from onec_pipelines.entities.agreements import AGREEMENTS
from onec_pipelines.entities.attribute_values import ATTRIBUTE_VALUES
from onec_pipelines.entities.attributes import ATTRIBUTES
from onec_pipelines.entities.barcodes import BARCODES
from onec_pipelines.entities.brands import BRANDS
from onec_pipelines.entities.cancel_reasons import CANCEL_REASONS
from onec_pipelines.entities.categories import CATEGORIES
from onec_pipelines.entities.contact_kinds import CONTACT_KINDS
from onec_pipelines.entities.counterparties import COUNTERPARTIES
from onec_pipelines.entities.currencies import CURRENCIES
from onec_pipelines.entities.currency_rates import CURRENCY_RATES
from onec_pipelines.entities.customers import CUSTOMERS
from onec_pipelines.entities.discount_conditions import DISCOUNT_CONDITIONS
from onec_pipelines.entities.discount_scopes import DISCOUNT_SCOPES
from onec_pipelines.entities.discounts import DISCOUNTS
from onec_pipelines.entities.images import IMAGES
from onec_pipelines.entities.loyalty_balances import LOYALTY_BALANCES
from onec_pipelines.entities.loyalty_card_kinds import LOYALTY_CARD_KINDS
from onec_pipelines.entities.loyalty_cards import LOYALTY_CARDS
from onec_pipelines.entities.loyalty_programs import LOYALTY_PROGRAMS
from onec_pipelines.entities.manufacturers import MANUFACTURERS
from onec_pipelines.entities.order_states import ORDER_STATES
from onec_pipelines.entities.orders import ORDERS
from onec_pipelines.entities.organizations import ORGANIZATIONS
from onec_pipelines.entities.payments import PAYMENTS
from onec_pipelines.entities.price_groups import PRICE_GROUPS
from onec_pipelines.entities.price_history import PRICE_HISTORY
from onec_pipelines.entities.price_types import PRICE_TYPES
from onec_pipelines.entities.prices import PRICES
from onec_pipelines.entities.pricing_variants import PRICING_VARIANTS
from onec_pipelines.entities.product_kinds import PRODUCT_KINDS
from onec_pipelines.entities.products import PRODUCTS
from onec_pipelines.entities.reserves import RESERVES
from onec_pipelines.entities.return_requests import RETURN_REQUESTS
from onec_pipelines.entities.returns import RETURNS
from onec_pipelines.entities.shipments import SHIPMENTS
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
    PRICE_GROUPS,
    CATEGORIES,
    UNITS,
    PRODUCTS,
    IMAGES,
    PRICING_VARIANTS,
    VARIANTS,
    BARCODES,
    PRICE_TYPES,
    WAREHOUSES,
    PRICES,
    RESERVES,
    STOCK,
    CONTACT_KINDS,
    CUSTOMERS,
    COUNTERPARTIES,
    ORGANIZATIONS,
    AGREEMENTS,
    LOYALTY_PROGRAMS,
    LOYALTY_CARD_KINDS,
    LOYALTY_CARDS,
    LOYALTY_BALANCES,
    DISCOUNT_CONDITIONS,
    DISCOUNTS,
    DISCOUNT_SCOPES,
    CANCEL_REASONS,
    ORDERS,
    ORDER_STATES,
    SHIPMENTS,
    PAYMENTS,
    RETURN_REQUESTS,
    RETURNS,
    PRICE_HISTORY,
)

BY_NAME: dict[str, Entity] = {entity.name: entity for entity in ENTITIES}

__all__ = ["BY_NAME", "ENTITIES"]
