"""What an order needs and no application says: organisation, agreement, warehouse and the like, by base and by store.

Settings give the base's defaults, `shop.stores.defaults` those of a store, and the store's win. References are given as
the object's GUID or as its exact name in 1C.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from onec_pipelines.db.engine import Database
from onec_pipelines.errors import PipelineError, Quarantine
from onec_pipelines.ledger import web_orders
from onec_pipelines.settings import Settings

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
REFERENCES: dict[str, str | None] = {
    "organization": "organizations",
    "agreement": "agreements",
    "warehouse": "warehouses",
    "price_type": "price_types",
    "customer": "customers",
    "counterparty": "counterparties",
    "manager": None,
    "priority": None,
    "contract": None,
    "access_group": None,
    "cancel_reason": "cancel_reasons",
}
"""Names of references → the entity in which a name is looked up; None: only a GUID will do."""
NEEDED = ("organization", "agreement")
_WORDS = {
    "status": "НеСогласован",
    "operation": "РеализацияКлиенту",
    "taxation": "ПродажаОблагаетсяНДС",
    "supply": "to_supply",
    "settlement": "ПоЗаказам",
    "return_operation": "ВозвратТоваровОтКлиента",
    "return_status": "НеСогласована",
    "prefix": "",
    "posting": "on",
    "price_includes_vat": "",
}
NAMES = frozenset({*REFERENCES, *_WORDS})
"""Every default there is. `cancel_reason.CODE` gives a reason of the application its object in 1C."""


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """The defaults of one store of one base; references are GUID texts."""

    refs: Mapping[str, str]
    words: Mapping[str, str]

    @property
    def posting(self) -> bool:
        """Whether documents are posted."""
        return self.words["posting"] == "on"

    def reason(self, code: str | None) -> str | None:
        """The reason of a cancellation in 1C: of its own code, else the general one."""
        return self.refs.get(f"cancel_reason.{code}") or self.refs.get("cancel_reason")


def load(database: Database, settings: Settings, store: str) -> Defaults:
    """The defaults of a store. Quarantine PUSH_DEFAULTS with everything that is wrong with them."""
    defaults, problems = resolve(database, settings, web_orders.store_defaults(database, store))
    if problems:
        raise bad_defaults(f"store {store}: " + "; ".join(problems))
    return defaults


def resolve(database: Database, settings: Settings, own: Mapping[str, str]) -> tuple[Defaults, list[str]]:
    """The defaults, and what is wrong with them: unknown names, names that 1C does not have, what is missing."""
    given = {
        **from_settings(settings),
        **{name: value.strip() for name, value in own.items() if value.strip()},
    }
    problems = [
        f"{name!r} is no default"
        for name in given
        if name not in NAMES and not name.startswith("cancel_reason.")
    ]
    refs: dict[str, str] = {}
    for name, value in given.items():
        kind = name.partition(".")[0]
        if kind in REFERENCES:
            key, problem = _key(database, settings.system, REFERENCES[kind], value)
            if problem:
                problems.append(f"{name} {problem}")
            else:
                refs[name] = key
    problems += [f"{name} is not set (ONEC_ORDER_{name.upper()})" for name in NEEDED if not given.get(name)]
    words = {**_WORDS, **{name: value for name, value in given.items() if name in _WORDS}}
    return Defaults(refs=refs, words=words), problems


def from_settings(settings: Settings) -> dict[str, str]:
    """The base's defaults as the settings give them."""
    given = {
        "organization": settings.order_organization,
        "agreement": settings.order_agreement,
        "warehouse": settings.order_warehouse,
        "price_type": settings.order_price_type,
        "customer": settings.order_customer,
        "counterparty": settings.order_counterparty,
        "manager": settings.order_manager,
        "priority": settings.order_priority,
        "access_group": settings.order_access_group,
        "cancel_reason": settings.order_cancel_reason,
        "status": settings.order_status,
        "posting": settings.order_posting,
    }
    return {name: value for name, value in given.items() if value}


def bad_defaults(what: str) -> PipelineError:
    """The error for defaults that cannot be used."""
    return Quarantine(
        what,
        code="PUSH_DEFAULTS",
        remedy="Set ONEC_ORDER_* or shop.stores.defaults (docs/outbox.md), then `onec queue retry`.",
    )


def _key(database: Database, system_name: str, entity: str | None, value: str) -> tuple[str, str]:
    if _GUID.fullmatch(value.lower()):
        return value.lower(), ""
    if entity is None:
        return "", "must be the GUID of the object in 1C"
    found = web_orders.keys_by_name(database, system_name, entity, value)
    if len(found) == 1:
        return str(found[0]), ""
    how = "nothing in 1C has" if not found else f"{len(found)} objects in 1C have"
    return "", f"names {entity} by a name that {how} (as far as it was synced)"
