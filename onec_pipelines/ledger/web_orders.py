"""The application's orders, customers and returns as the push reads them: rows with the 1C keys of what they point to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from onec_pipelines.db.engine import Database, driver_connection

Tx = psycopg.Connection[Any]
Part = TypeVar("Part")


@dataclass(frozen=True, kw_only=True)
class WebLine:
    """A line of an order or a return. `*_ref` is the 1C key of what `*_id` points to, None while it has none; prices per package."""

    line_code: int
    product_id: int
    product_ref: UUID | None
    product_name: str
    product_gone: bool
    variant_id: int | None
    variant_ref: UUID | None
    package_id: int | None
    package_ref: UUID | None
    numerator: Decimal
    denominator: Decimal
    quantity: Decimal
    price: Decimal
    discount_percent: Decimal
    discount_amount: Decimal | None
    bonus_points: Decimal
    bonus_amount: Decimal
    vat_ref: UUID | None
    vat_code: str | None
    vat_percent: Decimal | None
    warehouse_id: int | None
    warehouse_ref: UUID | None
    is_cancelled: bool
    cancel_reason: str | None


@dataclass(frozen=True, kw_only=True)
class WebPayment:
    """A payment that the application took."""

    method: str
    amount: Decimal
    paid_at: datetime
    reference: str | None


@dataclass(frozen=True, kw_only=True)
class WebOrder:
    """An order with its lines and payments; `version` is that of its newest event. Times are aware UTC."""

    id: int
    version: int
    store: str
    number: str
    status: str
    customer_id: int | None
    counterparty_id: int | None
    counterparty_ref: UUID | None
    placed_at: datetime
    currency: str
    currency_ref: UUID | None
    price_type_id: int | None
    price_type_ref: UUID | None
    price_includes_vat: bool | None
    warehouse_id: int | None
    warehouse_ref: UUID | None
    payment_method: str
    delivery_method: str
    delivery_address: str | None
    delivery_date: date | None
    delivery_from: time | None
    delivery_to: time | None
    delivery_comment: str | None
    contact_name: str | None
    contact_phone: str | None
    contact_email: str | None
    comment: str | None
    loyalty_card_id: int | None
    loyalty_card_ref: UUID | None
    total: Decimal | None
    lines: tuple[WebLine, ...] = ()
    payments: tuple[WebPayment, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WebCustomer:
    """A customer of the application."""

    id: int
    version: int
    store: str
    kind: str
    name: str
    full_name: str | None
    phone: str | None
    email: str | None
    address: str | None
    inn: str | None
    kpp: str | None
    birth_date: date | None
    gender: str | None
    comment: str | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class WebReturnLine:
    """A line of a return: what comes back; price and VAT are those of the sale."""

    line_code: int
    product_ref: UUID | None
    variant_ref: UUID | None
    quantity: Decimal


@dataclass(frozen=True, kw_only=True)
class WebReturn:
    """A return that a customer asked for; `order_ref` is the key of the order in 1C."""

    id: int
    version: int
    store: str
    number: str
    order_id: int
    order_ref: UUID | None
    reason: str | None
    compensation: str
    comment: str | None
    requested_at: datetime
    is_cancelled: bool
    lines: tuple[WebReturnLine, ...] = ()


def _ref(entity: str, column: str) -> str:
    return (
        "(SELECT m.external_id FROM integ.external_id_mappings m WHERE m.system_name = %(system)s"
        f" AND m.entity_type = '{entity}' AND m.internal_id = {column})"
    )


def _version(aggregate: str, column: str) -> str:
    return (
        "coalesce((SELECT max(x.version) FROM integ.outbox x"
        f" WHERE x.aggregate = '{aggregate}' AND x.aggregate_id = {column}), 0)"
    )


_ORDER = (
    f"SELECT o.id, {_version('order', 'o.id')} AS version, o.store, o.number, o.status, o.customer_id, o.counterparty_id,"
    f" {_ref('counterparties', 'o.counterparty_id')} AS counterparty_ref, o.placed_at, o.currency,"
    f" {_ref('currencies', '(SELECT min(k.id) FROM shop.currencies k WHERE k.code = o.currency AND NOT k.is_deleted)')} AS currency_ref,"
    f" o.price_type_id, {_ref('price_types', 'o.price_type_id')} AS price_type_ref, t.price_includes_vat,"
    f" o.warehouse_id, {_ref('warehouses', 'o.warehouse_id')} AS warehouse_ref, o.payment_method, o.delivery_method,"
    " o.delivery_address, o.delivery_date, o.delivery_from, o.delivery_to, o.delivery_comment, o.contact_name, o.contact_phone,"
    f" o.contact_email, o.comment, o.loyalty_card_id, {_ref('loyalty_cards', 'o.loyalty_card_id')} AS loyalty_card_ref, o.total"
    " FROM shop.web_orders o LEFT JOIN shop.price_types t ON t.id = o.price_type_id WHERE o.id = %(id)s"
)
_LINES = (
    f"SELECT l.line_code, l.product_id, {_ref('products', 'l.product_id')} AS product_ref, p.name AS product_name,"
    f" p.is_deleted AS product_gone, l.variant_id, {_ref('variants', 'l.variant_id')} AS variant_ref, l.package_id,"
    f" {_ref('units', 'l.package_id')} AS package_ref, coalesce(u.numerator, 1) AS numerator,"
    " coalesce(u.denominator, 1) AS denominator, l.quantity, l.price, l.discount_percent, l.discount_amount, l.bonus_points,"
    f" l.bonus_amount, {_ref('vat_rates', 'coalesce(l.vat_rate_id, p.vat_rate_id)')} AS vat_ref,"
    " coalesce(r.code, (SELECT c.vat_rate_code FROM clean.products c WHERE c.system_name = %(system)s AND c.row_key ="
    f" {_ref('products', 'l.product_id')})) AS vat_code,"
    " CASE WHEN l.vat_rate_id IS NULL THEN p.vat_percent ELSE coalesce(r.percent, integ.vat_percent(r.code)) END AS vat_percent,"
    f" l.warehouse_id, {_ref('warehouses', 'l.warehouse_id')} AS warehouse_ref, l.is_cancelled, l.cancel_reason"
    " FROM shop.web_order_lines l JOIN shop.products p ON p.id = l.product_id LEFT JOIN shop.units u ON u.id = l.package_id"
    " LEFT JOIN shop.vat_rates r ON r.id = coalesce(l.vat_rate_id, p.vat_rate_id)"
    " WHERE l.order_id = %(id)s ORDER BY l.line_code"
)
_PAYMENTS = "SELECT method, amount, paid_at, reference FROM shop.web_order_payments WHERE order_id = %(id)s ORDER BY id"
_CUSTOMER = (
    f"SELECT w.id, {_version('customer', 'w.id')} AS version, w.store, w.kind, w.name, w.full_name, w.phone, w.email, w.address,"
    " w.inn, w.kpp, w.birth_date, w.gender, w.comment, w.created_at FROM shop.web_customers w WHERE w.id = %(id)s"
)
_RETURN = (
    f"SELECT w.id, {_version('return', 'w.id')} AS version, w.store, w.number, w.order_id,"
    " coalesce((SELECT b.onec_key FROM integ.push_objects b WHERE b.system_name = %(system)s AND b.outgoing = 'orders'"
    f" AND b.subject_id = w.order_id AND b.phase <> 'not_needed'), {_ref('orders', 'w.order_id')}) AS order_ref, w.reason,"
    " w.compensation, w.comment, w.requested_at, w.is_cancelled FROM shop.web_returns w WHERE w.id = %(id)s"
)
_RETURN_LINES = (
    f"SELECT l.line_code, {_ref('products', 'l.product_id')} AS product_ref, {_ref('variants', 'l.variant_id')} AS variant_ref,"
    " l.quantity FROM shop.web_return_lines l WHERE l.return_id = %(id)s ORDER BY l.line_code"
)


def order(database: Database, system_name: str, order_id: int) -> WebOrder | None:
    """An order as it is now, all parts of one moment."""
    values = {"system": system_name, "id": order_id}
    with database.transaction() as connection:
        tx = _snapshot(driver_connection(connection))
        head = _one(tx, _ORDER, values)
        if head is None:
            return None
        return WebOrder(
            **head,
            lines=tuple(_all(tx, WebLine, _LINES, values)),
            payments=tuple(_all(tx, WebPayment, _PAYMENTS, values)),
        )


def customer(database: Database, system_name: str, customer_id: int) -> WebCustomer | None:
    """A customer of the application as it is now; None for customers that only 1C knows."""
    with database.transaction() as connection:
        head = _one(driver_connection(connection), _CUSTOMER, {"system": system_name, "id": customer_id})
        return None if head is None else WebCustomer(**head)


def return_request(database: Database, system_name: str, return_id: int) -> WebReturn | None:
    """A return as it is now."""
    values = {"system": system_name, "id": return_id}
    with database.transaction() as connection:
        tx = _snapshot(driver_connection(connection))
        head = _one(tx, _RETURN, values)
        return (
            None
            if head is None
            else WebReturn(**head, lines=tuple(_all(tx, WebReturnLine, _RETURN_LINES, values)))
        )


def store_defaults(database: Database, store: str) -> dict[str, str]:
    """What a store says otherwise than the settings."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute("SELECT defaults FROM shop.stores WHERE code = %s", (store,))
            .fetchone()
        )
    return {} if row is None else {str(name): str(value) for name, value in row[0].items()}


def stores_of(database: Database, system_name: str) -> dict[str, dict[str, str]]:
    """The stores that sell through a base, with what they say otherwise than the settings."""
    with database.transaction() as connection:
        rows = driver_connection(connection).execute(
            "SELECT code, defaults FROM shop.stores WHERE system_name = %s ORDER BY code", (system_name,)
        )
        return {str(code): {str(k): str(v) for k, v in found.items()} for code, found in rows}


def keys_by_name(
    database: Database, system_name: str, entity: str, name: str, column: str = "name"
) -> list[UUID]:
    """Keys of the live objects of an entity that have this name in 1C."""
    with database.transaction() as connection:
        rows = driver_connection(connection).execute(
            f"SELECT ref FROM clean.{entity} WHERE system_name = %s AND {column} = %s"
            " AND deleted_at IS NULL AND deletion_mark IS NOT TRUE".encode(),
            (system_name, name),
        )
        return [UUID(str(key)) for (key,) in rows]


def row_of(
    database: Database, system_name: str, entity: str, key: UUID, columns: str
) -> dict[str, Any] | None:
    """Some columns of a live object in clean."""
    with (
        database.transaction() as connection,
        driver_connection(connection).cursor(row_factory=dict_row) as cursor,
    ):
        return cursor.execute(
            f"SELECT {columns} FROM clean.{entity} WHERE system_name = %s AND ref = %s AND deleted_at IS NULL".encode(),
            (system_name, key),
        ).fetchone()


def counterparties_of(database: Database, system_name: str, partner: UUID) -> list[UUID]:
    """Live counterparties of a partner that 1C told us of."""
    with database.transaction() as connection:
        rows = driver_connection(connection).execute(
            "SELECT ref FROM clean.counterparties WHERE system_name = %s AND partner_ref = %s"
            " AND deleted_at IS NULL AND deletion_mark IS NOT TRUE ORDER BY ref",
            (system_name, partner),
        )
        return [UUID(str(key)) for (key,) in rows]


def wake(database: Database, system_name: str, customer_id: int) -> int:
    """Have the orders that wait for a customer tried at once; gives how many."""
    with database.transaction() as connection:
        return (
            driver_connection(connection)
            .execute(
                "UPDATE integ.retry_queue q SET run_at = now(), updated_at = now() FROM shop.web_orders o"
                " WHERE o.customer_id = %s AND q.system_name = %s AND q.kind = 'push' AND q.state = 'ready'"
                " AND q.ordering_key = 'order:' || o.id AND q.run_at > now()",
                (customer_id, system_name),
            )
            .rowcount
        )


def _snapshot(tx: Tx) -> Tx:
    """All statements of the transaction see one moment."""
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    return tx


def _one(tx: Tx, statement: str, values: dict[str, Any]) -> dict[str, Any] | None:
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), values).fetchone()


def _all(tx: Tx, part: type[Part], statement: str, values: dict[str, Any]) -> list[Part]:
    with tx.cursor(row_factory=class_row(part)) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()


def contact_kinds(database: Database, system_name: str) -> dict[str, str]:
    """Keys of the predefined kinds of contact information by their predefined names."""
    with database.transaction() as connection:
        rows = driver_connection(connection).execute(
            "SELECT predefined_name, ref::text FROM clean.contact_kinds WHERE system_name = %s"
            " AND predefined_name IS NOT NULL AND deleted_at IS NULL AND deletion_mark IS NOT TRUE",
            (system_name,),
        )
        return {str(name): str(key) for name, key in rows}
