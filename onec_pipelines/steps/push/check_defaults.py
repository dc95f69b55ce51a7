"""Can orders go out? What the defaults of each store lack, and what the base lacks for what goes out. Asks nothing of 1C itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onec_pipelines.db.engine import Database
from onec_pipelines.ledger import push_objects, web_orders
from onec_pipelines.onec.metadata_model import Metadata
from onec_pipelines.settings import Settings
from onec_pipelines.steps.push import defaults

RESOURCES = (
    "Document_ЗаказКлиента",
    "Catalog_Партнеры",
    "Catalog_Контрагенты",
    "Document_ЗаявкаНаВозвратТоваровОтКлиента",
    "Document_РеализацияТоваровУслуг",
)
_MEMBERS = {
    "status": "СтатусыЗаказовКлиентов",
    "operation": "ХозяйственныеОперации",
    "return_operation": "ХозяйственныеОперации",
    "return_status": "СтатусыЗаявокНаВозвратТоваровОтКлиентов",
}
_SHOULD = {
    "warehouse": "orders without a warehouse of their own go to 1C without one",
    "cancel_reason": "cancelled rows cannot be sent",
    "price_type": "rows go without a price list, and prices count as holding the VAT",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at. `level`: ok, note, or bad (orders cannot go out)."""

    level: str
    where: str
    message: str
    remedy: str = ""


def findings(database: Database, settings: Settings, metadata: Metadata | None) -> list[Finding]:
    """Everything about the defaults of orders; without `metadata` what the base publishes is not looked at."""
    stores = web_orders.stores_of(database, settings.system)
    found: list[Finding] = []
    if not stores:
        found.append(
            Finding(
                level="note",
                where="shop.stores",
                message=f"no store sells through {settings.system}, so nothing goes out",
                remedy="onec outbox store main",
            )
        )
    for store, own in stores.items():
        found += _of_store(database, settings, metadata, store, own)
    found += _of_base(database, settings.system, metadata)
    return found


def _of_store(
    database: Database, settings: Settings, metadata: Metadata | None, store: str, own: dict[str, str]
) -> Iterator[Finding]:
    where = f"store {store}"
    made, problems = defaults.resolve(database, settings, own)
    remedy = "Set ONEC_ORDER_* or `onec outbox store`; names are those in 1C, as far as they were synced."
    for problem in problems:
        yield Finding(level="bad", where=where, message=problem, remedy=remedy)
    for name, otherwise in _SHOULD.items():
        if name not in made.refs:
            yield Finding(level="note", where=where, message=f"{name} is not set: {otherwise}", remedy=remedy)
    for name, enum in _MEMBERS.items():
        members = metadata.enums.get(enum, ()) if metadata else ()
        if members and made.words[name] not in members:
            message = f"{name} is {made.words[name]!r}, {enum} of this base has {', '.join(members[:12])}"
            yield Finding(level="bad", where=where, message=message, remedy=remedy)
    if not problems:
        yield Finding(
            level="ok", where=where, message=f"posting {made.words['posting']}, status {made.words['status']}"
        )


def _of_base(database: Database, system_name: str, metadata: Metadata | None) -> Iterator[Finding]:
    for resource in RESOURCES:
        if metadata is not None and metadata.find_set(resource) is None:
            yield Finding(
                level="bad",
                where="the base",
                message=f"{resource} is not published",
                remedy="Add it to the composition of the standard OData interface.",
            )
    honoured = push_objects.honours_keys(database, system_name)
    if honoured is False:
        yield Finding(
            level="note",
            where="the base",
            message="it ignores the keys we choose: every order is looked up by its number before it is sent again",
            remedy="Nothing. After an update of the platform `onec outbox forget-keys` has it tried anew.",
        )
