"""Outbox → what the application wrote → preflight → push to 1C → read back → id mapping → state back to the application.

One call delivers one thing: the newest version of an order, a customer or a return, whichever event asked for it. It may be called
again at any moment, after any failure: `steps/push/deliver.py` says why that doubles nothing. Who calls it and what happens to an error
is the queue's business (`dispatch.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from onec_pipelines.errors import PipelineError, Quarantine, RetryLater, Skip, Stop
from onec_pipelines.ledger import forgetting_web, push_objects, web_orders
from onec_pipelines.ledger.queue import Item
from onec_pipelines.ledger.web_orders import WebCustomer, WebOrder
from onec_pipelines.onec import query
from onec_pipelines.runtime import Runtime
from onec_pipelines.steps.masking import hush
from onec_pipelines.steps.push import customer_facts, defaults, lookup, payload
from onec_pipelines.steps.push.check_defaults import Finding, findings
from onec_pipelines.steps.push.declaration import Outgoing
from onec_pipelines.steps.push.defaults import Defaults
from onec_pipelines.steps.push.deliver import Delivered, Desk, Parcel, deliver
from onec_pipelines.steps.push.order_facts import Parties, order_facts
from onec_pipelines.steps.push.return_facts import SALE, return_facts

Range = Mapping[str, Outgoing]
"""Declarations by name: customers, counterparties, orders, return_requests."""


def push(runtime: Runtime, item: Item, outgoing: Range) -> None:
    """Deliver what a queue item of kind `push` stands for.

    Raises what the queue understands: RetryLater (later), Quarantine and Stop (a person), Skip (there is nothing to do).
    """
    aggregate, subject = str(item.payload.get("aggregate")), item.payload.get("id")
    deliveries = {"order": push_order, "customer": push_customer, "return": push_return}
    if aggregate not in deliveries or not isinstance(subject, int):
        raise Stop(
            f"item {item.id} asks to push {aggregate!r} {subject!r}, which nobody knows",
            code="PUSH_BAD_ITEM",
            remedy="Items are made by the triggers of the outbox (docs/outbox.md): drop this one.",
        )
    with push_objects.subject_lock(runtime.database, runtime.system_name, f"{aggregate}:{subject}"):
        try:
            deliveries[aggregate](runtime, subject, outgoing)
        except PipelineError as error:
            hush(error, forgetting_web.words_of_subject(runtime.database, str(aggregate), subject))
            raise


def push_order(runtime: Runtime, order_id: int, outgoing: Range) -> Delivered | None:
    """Deliver an order as it is now; None when it was cancelled before 1C ever heard of it."""
    order = web_orders.order(runtime.database, runtime.system_name, order_id)
    if order is None:
        raise _gone("order", order_id)
    known = push_objects.find(runtime.database, runtime.system_name, "orders", order_id)
    if order.status == "cancelled" and (known is None or known.sends == 0):
        raise Skip(
            f"order {order_id} was cancelled before it was sent",
            code="PUSH_NOT_NEEDED",
            remedy="Nothing: 1C never heard of it.",
        )
    own = defaults.load(runtime.database, runtime.settings, order.store)
    facts = order_facts(
        order, own, _parties(runtime, order, own), includes_vat=_includes_vat(runtime, order, own)
    )
    made = _payload(runtime, outgoing["orders"], facts)
    number, natural_key = str(facts["external_number"]), outgoing["orders"].natural_key or ""
    parcel = Parcel(
        payload=made,
        subject_id=order_id,
        version=order.version,
        posting=own.posting,
        finder=lambda: lookup.by_number(runtime.client, made.outgoing.resource, natural_key, number),
    )
    return deliver(_desk(runtime), parcel)


def push_customer(runtime: Runtime, customer_id: int, outgoing: Range) -> Delivered:
    """Deliver a customer: the partner, then its counterparty; one that 1C has already is taken instead of made."""
    customer = web_orders.customer(runtime.database, runtime.system_name, customer_id)
    if customer is None:
        raise _gone("customer", customer_id)
    own = defaults.load(runtime.database, runtime.settings, customer.store)
    kinds = web_orders.contact_kinds(runtime.database, runtime.system_name)
    search = _Search(runtime=runtime, customer=customer)
    parcel = Parcel(
        payload=_payload(runtime, outgoing["customers"], customer_facts.partner_facts(customer, own, kinds)),
        subject_id=customer_id,
        version=customer.version,
        posting=False,
        finder=search.partners,
        links=True,
    )
    partner = deliver(_desk(runtime), parcel)
    legal = Parcel(
        payload=_payload(
            runtime,
            outgoing["counterparties"],
            customer_facts.counterparty_facts(customer, str(partner.key), kinds),
        ),
        subject_id=customer_id,
        version=customer.version,
        posting=False,
        finder=lambda: search.counterparties(partner.key),
        links=True,
    )
    deliver(_desk(runtime), legal)
    web_orders.wake(runtime.database, runtime.system_name, customer_id)
    return partner


def push_return(runtime: Runtime, return_id: int, outgoing: Range) -> Delivered:
    """Deliver a return request against the shipments of its order."""
    request = web_orders.return_request(runtime.database, runtime.system_name, return_id)
    if request is None:
        raise _gone("return", return_id)
    if request.order_ref is None:
        raise _waits(f"its order {request.order_id} is not in 1C yet")
    own = defaults.load(runtime.database, runtime.settings, request.store)
    facts = return_facts(request, _sales(runtime, request.order_ref), own)
    made = _payload(runtime, outgoing["return_requests"], facts)
    parcel = Parcel(
        payload=made,
        subject_id=return_id,
        version=request.version,
        posting=False,
        finder=lambda: _requests_of(runtime, made, facts["sale"][1]),
    )
    return deliver(_desk(runtime), parcel)


@dataclass(frozen=True, kw_only=True)
class _Search:
    """Looks for a customer that 1C has already: by INN, then by telephone and e-mail (PROTOCOL §11.6)."""

    runtime: Runtime
    customer: WebCustomer

    def partners(self) -> Sequence[lookup.Row]:
        client = self.runtime.client
        if self.customer.inn:
            legal = self._by_inn()
            keys = {str(row.get("Партнер_Key")) for row in legal if row.get("DeletionMark") is not True}
            found = [lookup.by_key(client, "Catalog_Партнеры", UUID(key)) for key in sorted(keys)]
            if any(found):
                return [row for row in found if row is not None]
        condition = customer_facts.partner_condition(self.customer)
        rows = lookup.by_condition(client, "Catalog_Партнеры", condition) if condition else []
        return [row for row in rows if customer_facts.is_same_person(self.customer, row)]

    def counterparties(self, partner: UUID) -> Sequence[lookup.Row]:
        rows = lookup.by_condition(
            self.runtime.client, "Catalog_Контрагенты", f"Партнер_Key eq {query.guid(str(partner))}"
        )
        return [
            row
            for row in rows
            if not self.customer.inn or str(row.get("ИНН") or "").strip() == self.customer.inn
        ]

    def _by_inn(self) -> Sequence[lookup.Row]:
        condition = f"ИНН eq {query.string(self.customer.inn or '')}"
        return lookup.by_condition(self.runtime.client, "Catalog_Контрагенты", condition)


def _payload(runtime: Runtime, outgoing: Outgoing, facts: payload.Facts) -> payload.Payload:
    return payload.build(
        outgoing,
        facts,
        runtime.metadata,
        runtime.settings.zone,
        secret=push_objects.print_key(runtime.database),
    )


def _desk(runtime: Runtime) -> Desk:
    return Desk(
        database=runtime.database,
        client=runtime.client,
        writer=runtime.writer,
        system_name=runtime.system_name,
        settle_seconds=runtime.settings.order_settle_seconds,
    )


def _parties(runtime: Runtime, order: WebOrder, own: Defaults) -> Parties:
    """Who buys. RetryLater PUSH_WAITS while the customer is not in 1C."""
    if order.customer_id is None:
        if not own.refs.get("customer") or not own.refs.get("counterparty"):
            raise defaults.bad_defaults(
                f"order {order.id} has no customer, and no retail customer is set (ONEC_ORDER_CUSTOMER, ONEC_ORDER_COUNTERPARTY)"
            )
        return Parties(partner=own.refs["customer"], counterparty=own.refs["counterparty"])
    partner = _delivered(runtime, "customers", order.customer_id)
    legal = _delivered(runtime, "counterparties", order.customer_id)
    if partner is not None and legal is not None:
        return Parties(partner=str(partner), counterparty=str(order.counterparty_ref or legal))
    if web_orders.customer(runtime.database, runtime.system_name, order.customer_id) is not None:
        raise _waits(f"its customer {order.customer_id} is not in 1C yet")
    partner = push_objects.mapped_key(runtime.database, runtime.system_name, "customers", order.customer_id)
    if partner is None:
        raise _waits(f"its customer {order.customer_id} is known neither to the application nor to 1C")
    return Parties(partner=str(partner), counterparty=_counterparty(runtime, order, own, partner))


def _counterparty(runtime: Runtime, order: WebOrder, own: Defaults, partner: UUID) -> str:
    if order.counterparty_ref is not None:
        return str(order.counterparty_ref)
    known = web_orders.counterparties_of(runtime.database, runtime.system_name, partner)
    if len(known) == 1:
        return str(known[0])
    if own.refs.get("counterparty"):
        return own.refs["counterparty"]
    how = "no counterparty" if not known else f"{len(known)} counterparties"
    raise Quarantine(
        f"customer {order.customer_id} has {how} in 1C, and an order needs one",
        code="PUSH_COUNTERPARTY",
        remedy="Enter a counterparty in 1C, give the order its counterparty_id, or set ONEC_ORDER_COUNTERPARTY.",
    )


def _delivered(runtime: Runtime, name: str, subject_id: int) -> UUID | None:
    known = push_objects.find(runtime.database, runtime.system_name, name, subject_id)
    return known.onec_key if known is not None and known.done_version > 0 else None


def _includes_vat(runtime: Runtime, order: WebOrder, own: Defaults) -> bool:
    """Whether prices hold the VAT: said by the order's price list, else by the default one; true where nobody says it."""
    if order.price_includes_vat is not None:
        return order.price_includes_vat
    if own.words["price_includes_vat"]:
        return own.words["price_includes_vat"] in {"true", "on", "1"}
    price_type = own.refs.get("price_type")
    if price_type is None:
        return True
    row = web_orders.row_of(
        runtime.database, runtime.system_name, "price_types", UUID(price_type), "price_includes_vat"
    )
    return bool(row["price_includes_vat"]) if row else True


def _sales(runtime: Runtime, order_key: UUID) -> Sequence[lookup.Row]:
    """Posted shipments of an order, the newest first."""
    condition = f"ЗаказКлиента eq {query.cast(str(order_key), 'Document_ЗаказКлиента')} and Posted eq true"
    rows = lookup.by_condition(runtime.client, SALE, condition)
    return sorted(rows, key=lambda row: str(row.get("Date")), reverse=True)


def _requests_of(runtime: Runtime, made: payload.Payload, sale: str) -> Sequence[lookup.Row]:
    """Return requests against the sale that say the same date: found when the answer to the creation was lost."""
    date = next(cell.value for cell in made.cells if cell.name == "Date")
    condition = f"ДокументРеализации eq {query.cast(sale, SALE)} and Date eq datetime'{date}'"
    return lookup.by_condition(runtime.client, made.outgoing.resource, condition)


def _waits(why: str) -> RetryLater:
    return RetryLater(
        why, code="PUSH_WAITS", remedy="Nothing: it goes on by itself when that has come.", sent=False
    )


def _gone(what: str, subject_id: int) -> PipelineError:
    return Skip(
        f"{what} {subject_id} is no longer in the application's tables",
        code="PUSH_NOT_NEEDED",
        remedy="Nothing, if the application deleted it.",
    )


def check_order_defaults(runtime: Runtime, *, offline: bool = False) -> list[Finding]:
    """What `onec doctor` and `onec outbox check` show: can orders go out, store by store. `offline` leaves `$metadata` alone."""
    return findings(runtime.database, runtime.settings, None if offline else runtime.metadata)
