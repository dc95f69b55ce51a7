"""The demo's shop sells: web orders by the SQL contract of docs/outbox.md, pushed to 1C, moved on by the people there, and read back.

Here belong the application's side of the demo and its check against what 1C holds; the people of 1C are in `demo_people.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import dict_row

from onec_pipelines.cli.demo_people import People
from onec_pipelines.db.engine import driver_connection
from onec_pipelines.dispatch import drain
from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.ledger import outbox
from onec_pipelines.runtime import Runtime
from onec_pipelines.steps.push import lookup

Tx = psycopg.Connection[Any]

ORDER = "Document_ЗаказКлиента"
REQUEST = "Document_ЗаявкаНаВозвратТоваровОтКлиента"
_STORE = {
    "organization": 'Торговый дом "Комплексный"',
    "agreement": "Типовое соглашение: розничное",
    "warehouse": "Основной склад",
    "price_type": "Розничная",
    "cancel_reason": "Отказ покупателя",
    "prefix": "SITE-",
}
_PATIENCE_SECONDS = 60.0


@dataclass(kw_only=True)
class Placed:
    """An order of the demo: what happens to it, and what 1C must hold in the end (sum, and stage for the customer)."""

    id: int
    number: str
    story: str
    total: Decimal
    stage: str
    key: str | None = None


@dataclass(kw_only=True)
class Sold:
    """What came of it all: one row an order as the application sees it, and what is not right, in words."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    note: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """For the JSON of the demo."""
        return {"seconds": round(self.seconds, 2), "orders": self.rows, "note": self.note}


def sell(runtime: Runtime, people: People) -> Sold:
    """Place orders, change one, cancel one, have one shipped in 1C and goods of it sent back; everything is told by the shop's own views.

    The customers of each demo are new ones, because the simulated 1C is.
    """
    begun, sold = time.monotonic(), Sold()
    outbox.set_store(runtime.database, runtime.system_name, "main", title="Demo", values=_STORE)
    placed = _place(runtime)
    if not placed:
        sold.note = "Nothing is in stock, so nothing was sold: start the demo with more --products."
        return sold
    _push(runtime, sold)
    _note_keys(runtime, placed)
    shipped, changed, cancelled = placed
    _change(runtime, changed)
    _cancel(runtime, cancelled)
    if shipped.key is not None:
        people.ship(ORDER, shipped.key)
        _send_back(runtime, shipped)
    _push(runtime, sold)
    _read_back(runtime, [one.key for one in placed if one.key is not None])
    sold.rows = [_row(runtime, one) for one in placed]
    sold.problems += [problem for one in placed for problem in _check(runtime, one)]
    sold.problems += _check_request(runtime, shipped)
    sold.seconds = time.monotonic() - begun
    return sold


def _place(runtime: Runtime) -> list[Placed]:
    """Two new customers and three orders: each transaction makes its events in the outbox by itself."""
    with runtime.database.transaction() as connection:
        tx = driver_connection(connection)
        serial = tx.execute("SELECT count(*) FROM shop.web_orders").fetchone()
        first = int(serial[0]) if serial else 0
        goods = _goods(tx)
    if not goods:
        return []
    stories = (
        ("placed; shipped in 1C; one piece sent back", "shipped"),
        ("placed, then 3 pieces of the first line", "accepted"),
        ("placed, then cancelled", "cancelled"),
    )
    placed: list[Placed] = []
    customer = 0
    for place, (story, stage) in enumerate(stories):
        with runtime.database.transaction() as connection:
            tx = driver_connection(connection)
            if place < 2:  # noqa: PLR2004 - the third order is the second customer's
                customer = _customer(tx, first + place)
            lines = goods[place % len(goods) :][:2]
            total = sum((price * 2 for _, price in lines), Decimal(0))
            number = f"{first + place + 1:06d}"
            order = _id(
                tx.execute(
                    "INSERT INTO shop.web_orders (number, customer_id, payment_method, delivery_method, total, comment)"
                    " VALUES (%s, %s, 'card_online', 'pickup', %s, 'onec demo') RETURNING id",
                    (number, customer, total),
                )
            )
            for product, price in lines:
                tx.execute(
                    "INSERT INTO shop.web_order_lines (order_id, product_id, quantity, price) VALUES (%s, %s, 2, %s)",
                    (order, product, price),
                )
        placed.append(Placed(id=order, number=number, story=story, total=total, stage=stage))
    return placed


def _goods(tx: Tx) -> list[tuple[int, Decimal]]:
    """Goods without variants that are in stock, with their retail price."""
    rows = tx.execute(
        "SELECT p.id, max(c.price) FROM shop.products p JOIN shop.prices c ON c.product_id = p.id AND NOT c.is_deleted"
        " JOIN shop.price_types t ON t.id = c.price_type_id AND t.name = %(price_type)s"
        " JOIN shop.stock s ON s.product_id = p.id AND s.variant_id IS NULL AND s.available >= 2"
        " JOIN shop.warehouses w ON w.id = s.warehouse_id AND w.name = %(warehouse)s"
        " WHERE NOT p.is_deleted AND p.vat_rate_id IS NOT NULL AND p.vat_percent IS NOT NULL AND c.variant_id IS NULL AND c.price > 0"
        " AND c.package_id IS NULL GROUP BY p.id ORDER BY max(s.available) DESC, p.id LIMIT 4",
        _STORE,
    ).fetchall()
    return [(int(product), Decimal(price)) for product, price in rows]


def _customer(tx: Tx, number: int) -> int:
    """A customer with a telephone that nobody in the simulated 1C has."""
    return _id(
        tx.execute(
            "INSERT INTO shop.web_customers (name, phone, email) VALUES (%s, %s, %s) RETURNING id",
            (f"Покупатель {number + 1}", f"+7 999 {number:07d}", f"buyer{number + 1}@shop.example"),
        )
    )


def _push(runtime: Runtime, sold: Sold) -> None:
    """What `onec worker` does, until nothing is open any more."""
    ends_at = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        drained = drain(runtime, kinds=["push"], until=ends_at)
        with runtime.database.transaction() as connection:
            row = (
                driver_connection(connection)
                .execute(
                    "SELECT count(*) FROM integ.retry_queue WHERE system_name = %s AND kind = 'push'"
                    " AND state IN ('ready', 'leased')",
                    (runtime.system_name,),
                )
                .fetchone()
            )
        if not row or not row[0]:
            break
        if not drained.done:
            if outbox.attention(runtime.database, runtime.system_name, 1):
                break  # the others may be waiting for what 1C refused
            time.sleep(0.2)
    found = outbox.attention(runtime.database, runtime.system_name, 10)
    sold.problems += [
        f"{one['aggregate']} {one['aggregate_id']}: {one['onec_message'] or one['message']}" for one in found
    ]


def _note_keys(runtime: Runtime, placed: Sequence[Placed]) -> None:
    for one in placed:
        row = _status(runtime, one)
        one.key = str(row["onec_key"]) if row.get("onec_key") else None


def _change(runtime: Runtime, order: Placed) -> None:
    with runtime.database.transaction() as connection:
        tx = driver_connection(connection)
        row = tx.execute(
            "UPDATE shop.web_order_lines SET quantity = 3 WHERE order_id = %s AND line_code = 1 RETURNING price",
            (order.id,),
        ).fetchone()
        order.total += Decimal(row[0]) if row else Decimal(0)
        tx.execute("UPDATE shop.web_orders SET total = %s WHERE id = %s", (order.total, order.id))


def _cancel(runtime: Runtime, order: Placed) -> None:
    order.total = Decimal(0)
    with runtime.database.transaction() as connection:
        driver_connection(connection).execute(
            "INSERT INTO shop.web_cancellations (order_id, reason) VALUES (%s, 'customer')", (order.id,)
        )


def _send_back(runtime: Runtime, order: Placed) -> None:
    with runtime.database.transaction() as connection:
        tx = driver_connection(connection)
        request = _id(
            tx.execute(
                "INSERT INTO shop.web_returns (number, order_id, reason) VALUES (%s, %s, 'Не подошёл размер') RETURNING id",
                (f"R-{order.number}", order.id),
            )
        )
        tx.execute(
            "INSERT INTO shop.web_return_lines (return_id, product_id, quantity)"
            " SELECT %s, product_id, 1 FROM shop.web_order_lines WHERE order_id = %s AND line_code = 1",
            (request, order.id),
        )


def _read_back(runtime: Runtime, keys: Sequence[str]) -> None:
    """What a webhook or the next incremental run does: the documents and their states as 1C has them now."""
    if not keys:
        return
    for name in ("orders", "order_states"):
        inbound(BY_NAME[name], runtime, only=keys)
    with runtime.database.transaction() as connection:
        rows = driver_connection(connection).execute(
            "SELECT onec_key::text FROM shop.web_return_status WHERE onec_key IS NOT NULL"
            " AND order_id IN (SELECT order_id FROM shop.web_order_status WHERE onec_key = ANY(%s::uuid[]))",
            (list(keys),),
        )
        requests = [str(key) for (key,) in rows]
    if requests:
        inbound(BY_NAME["return_requests"], runtime, only=requests)


def _row(runtime: Runtime, order: Placed) -> dict[str, Any]:
    found = _status(runtime, order)
    names = ("push_state", "onec_number", "is_posted", "onec_status", "stage", "onec_amount", "returned")
    return {
        "number": order.number,
        "story": order.story,
        **{name: found.get(name) for name in names},
    }


def _status(runtime: Runtime, order: Placed) -> dict[str, Any]:
    """The row of the application's own view, with the return of the order."""
    with (
        runtime.database.transaction() as connection,
        driver_connection(connection).cursor(row_factory=dict_row) as cursor,
    ):
        cursor.execute(
            "SELECT s.*, r.onec_number AS returned FROM shop.web_order_status s"
            " LEFT JOIN shop.web_return_status r ON r.order_id = s.order_id WHERE s.order_id = %s",
            (order.id,),
        )
        return cursor.fetchone() or {}


def _check(runtime: Runtime, order: Placed) -> Iterator[str]:
    """Exactly one document, posted, with the sum that the customer saw; and the application sees what became of it."""
    told = _status(runtime, order)
    number = f"{_STORE['prefix']}{order.number}"
    held = lookup.by_number(runtime.client, ORDER, "НомерПоДаннымКлиента", number)
    if len(held) != 1:
        yield f"order {order.number}: 1C holds {len(held)} documents"
        return
    if held[0].get("Posted") is not True or Decimal(str(held[0].get("СуммаДокумента"))) != order.total:
        yield f"order {order.number}: 1C holds {held[0].get('СуммаДокумента')} of {order.total}, posted: {held[0].get('Posted')}"
    if (told["push_state"], told["stage"], told["onec_amount"]) != ("done", order.stage, order.total):
        yield f"order {order.number}: the shop sees {told['push_state']}, {told['stage']}, {told['onec_amount']}"


def _check_request(runtime: Runtime, order: Placed) -> Iterator[str]:
    row = _status(runtime, order)
    if not row.get("returned"):
        yield f"order {order.number}: the request to return goods of it has not come back from 1C"


def _id(cursor: psycopg.Cursor[Any]) -> int:
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - RETURNING gives a row
    return int(row[0])
