"""What goes out to 1C: one data-only file per kind of object, and the maps of names."""

from __future__ import annotations

from onec_pipelines.entities.outgoing.counterparties import COUNTERPARTIES
from onec_pipelines.entities.outgoing.customers import CUSTOMERS
from onec_pipelines.entities.outgoing.orders import ORDERS
from onec_pipelines.entities.outgoing.return_requests import RETURN_REQUESTS
from onec_pipelines.steps.push.declaration import Outgoing

OUTGOING: dict[str, Outgoing] = {
    one.name: one for one in (CUSTOMERS, COUNTERPARTIES, ORDERS, RETURN_REQUESTS)
}

__all__ = ["OUTGOING"]
