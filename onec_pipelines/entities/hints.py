"""Which entities an event of 1C concerns. Data only: the wire format is `webhook/events.py`, what is done is `steps/hints.py`.

An event names objects by GUID; for registers that is the product they are about (`Source.narrow`). An entity that this version or
this base does not have is passed over.
"""

from __future__ import annotations

from types import MappingProxyType

HINTS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "stock.changed": ("stock",),
        "reserve.changed": ("reserves",),
        "price.changed": ("prices",),
        "barcode.changed": ("barcodes",),
        "product.changed": ("products",),
        "category.changed": ("categories",),
        "variant.changed": ("variants",),
        "image.changed": ("images",),
        "order.changed": ("orders", "order_states"),
        "shipment.changed": ("shipments",),
        "payment.changed": ("payments",),
        "return_request.changed": ("return_requests",),
        "return.changed": ("returns",),
        "customer.changed": ("customers",),
        "counterparty.changed": ("counterparties",),
        "loyalty_card.changed": ("loyalty_cards",),
        "ping": (),
    }
)
"""Event type → the entities whose rows are fetched. A type that is not here is accepted, stored and counted."""

FOLLOWED_BY: MappingProxyType[str, tuple[str, ...]] = MappingProxyType({"reserves": ("stock",)})
"""Entities whose shop rows are made from those of another: they are fetched after it, for the same objects."""
