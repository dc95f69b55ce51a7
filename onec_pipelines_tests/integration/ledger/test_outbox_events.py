"""The application's transaction makes the outbox event and the queue item, or nothing at all."""

from __future__ import annotations

import threading

import psycopg
import pytest

from onec_pipelines_tests.fixtures.outgoing import Shop
from onec_pipelines_tests.fixtures.pipeline import query


@pytest.fixture
def shop(database_url):
    application = Shop(database_url)
    application.store()
    application.execute(
        "INSERT INTO shop.products (name, product_type) VALUES ('Чайник', 'goods'), ('Стол', 'goods')"
    )
    yield application
    application.close()


@pytest.fixture
def events(database_url):
    def found():
        return query(
            database_url,
            "SELECT o.event_type, o.aggregate_id, o.version, q.payload, q.ordering_key, q.state"
            " FROM integ.outbox o JOIN integ.retry_queue q ON q.id = o.queue_id ORDER BY o.id",
        )

    return found


def line(product=1, quantity=1, price=100):
    return {"product_id": product, "quantity": quantity, "price": price}


def kinds(events):
    return [event[0] for event in events()]


def test_an_order_with_its_lines_is_one_event_and_one_item(shop, events):
    order = shop.order("1", [line(), line(2)])
    (event,) = events()
    assert event == (
        "order_created",
        order,
        1,
        {"event": "order_created", "aggregate": "order", "id": order, "version": 1},
        f"order:{order}",
        "ready",
    )
    assert shop.execute("SELECT line_code FROM shop.web_order_lines ORDER BY id") == [(1,), (2,)]


def test_a_transaction_that_is_rolled_back_leaves_no_event(shop, events, database_url):
    with pytest.raises(psycopg.errors.CheckViolation):
        shop.order("1", [line(), line(quantity=-1)])
    assert events() == []
    assert query(database_url, "SELECT count(*) FROM integ.retry_queue") == [(0,)]


def test_a_draft_goes_out_when_it_is_placed(shop, events):
    order = shop.order("1", [line()], status="draft")
    assert events() == []
    shop.execute("UPDATE shop.web_orders SET status = 'placed' WHERE id = %s", order)
    assert kinds(events) == ["order_created"]


def test_a_change_of_any_part_is_a_new_version_and_no_change_is_none(shop, events):
    order = shop.order("1", [line()])
    shop.execute("UPDATE shop.web_order_lines SET quantity = 3 WHERE order_id = %s", order)
    shop.execute(
        "INSERT INTO shop.web_order_payments (order_id, method, amount) VALUES (%s, 'card_online', 300)",
        order,
    )
    shop.execute("UPDATE shop.web_orders SET updated_at = now() WHERE id = %s", order)
    assert [(event[0], event[2]) for event in events()] == [
        ("order_created", 1),
        ("order_changed", 2),
        ("order_changed", 3),
    ]


def test_a_change_that_is_taken_back_in_the_same_transaction_is_none(shop, events):
    order = shop.order("1", [line()])
    with shop._connection.transaction():
        shop.execute("UPDATE shop.web_orders SET comment = 'a' WHERE id = %s", order)
        shop.execute("UPDATE shop.web_orders SET comment = NULL WHERE id = %s", order)
    assert kinds(events) == ["order_created"]


def test_cancelling_rows_and_orders_becomes_the_state_of_the_order(shop, events):
    order = shop.order("1", [line(), line(2)])
    shop.execute(
        "INSERT INTO shop.web_cancellations (order_id, line_id, reason)"
        " SELECT order_id, id, 'stock' FROM shop.web_order_lines WHERE order_id = %s AND line_code = 1",
        order,
    )
    rows = "SELECT line_code, is_cancelled, cancel_reason FROM shop.web_order_lines ORDER BY line_code"
    assert shop.execute(rows) == [(1, True, "stock"), (2, False, None)]
    assert shop.execute("SELECT status FROM shop.web_orders") == [("placed",)]
    shop.execute("INSERT INTO shop.web_cancellations (order_id) VALUES (%s)", order)
    assert shop.execute("SELECT status FROM shop.web_orders") == [("cancelled",)]
    assert kinds(events) == ["order_created", "order_cancelled", "order_cancelled"]


def test_cancelling_the_last_row_cancels_the_order(shop):
    order = shop.order("1", [line()])
    shop.execute(
        "INSERT INTO shop.web_cancellations (order_id, line_id) SELECT order_id, id FROM shop.web_order_lines"
        " WHERE order_id = %s",
        order,
    )
    assert shop.execute("SELECT status FROM shop.web_orders") == [("cancelled",)]


def test_customers_and_returns_have_events_of_their_own(shop, events):
    customer = shop.customer()
    shop.execute("UPDATE shop.web_customers SET phone = '+79990000000' WHERE id = %s", customer)
    with shop._connection.transaction():
        request = shop._row("shop.web_returns", {"number": "R1", "order_id": 1})
        shop._row("shop.web_return_lines", {"return_id": request, "product_id": 1, "quantity": 1})
    assert kinds(events) == ["customer_created", "customer_changed", "return_requested"]


def test_ids_are_shared_with_the_tables_of_1cs_side(shop, database_url):
    first = shop.order("1", [line()])
    query(database_url, "INSERT INTO shop.orders (date, is_posted) VALUES (now(), true)")
    second = shop.order("2", [line()])
    (of_1c,) = query(database_url, "SELECT id FROM shop.orders")[0]
    assert first < of_1c < second


def test_a_correction_revives_a_push_that_died(shop, events, database_url):
    order = shop.order("1", [line()])
    query(database_url, "UPDATE integ.retry_queue SET state = 'dead', finished_at = now(), attempts = 25")
    shop.execute("UPDATE shop.web_orders SET comment = 'corrected' WHERE id = %s", order)
    assert query(database_url, "SELECT state, attempts FROM integ.retry_queue ORDER BY id") == [
        ("ready", 0),
        ("ready", 0),
    ]


def test_the_outbox_and_the_queue_hold_no_personal_data(shop, database_url):
    customer = shop.customer(name="Каnarейкина", phone="+79991234567", email="canary@example.ru")
    shop.order("1", [line()], customer_id=customer, comment="canary comment", contact_phone="+79991234567")
    held = query(
        database_url, "SELECT o::text FROM integ.outbox o UNION ALL SELECT q::text FROM integ.retry_queue q"
    )
    assert not [row for (row,) in held if "canary" in row or "9991234567" in row or "Каnar" in row]


def test_two_sessions_that_change_one_order_make_two_versions(shop, events, database_url):
    order = shop.order("1", [line()])
    barrier = threading.Barrier(2)

    def change(column):
        other = Shop(database_url)
        barrier.wait()
        other.execute(f"UPDATE shop.web_orders SET {column} = 'changed' WHERE id = %s", order)  # noqa: S608 - two literals
        other.close()

    threads = [threading.Thread(target=change, args=(column,)) for column in ("comment", "contact_name")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event[2] for event in events()] == [1, 2, 3]


def test_the_application_needs_no_right_on_the_ledger(shop, events, database_url):
    query(database_url, "CREATE ROLE web_app")
    try:
        query(database_url, "GRANT USAGE ON SCHEMA shop TO web_app")
        query(
            database_url,
            "GRANT SELECT, INSERT, UPDATE, DELETE ON shop.web_orders, shop.web_order_lines, shop.web_cancellations TO web_app",
        )
        query(database_url, "GRANT SELECT ON shop.stores TO web_app")
        shop.execute("SET ROLE web_app")
        order = shop.order("1", [line()])
        shop.execute("INSERT INTO shop.web_cancellations (order_id) VALUES (%s)", order)
        shop.execute("RESET ROLE")
        assert kinds(events) == ["order_created", "order_cancelled"]
    finally:
        query(database_url, "DROP OWNED BY web_app")
        query(database_url, "DROP ROLE web_app")


def test_a_correction_gives_a_dead_push_back_all_its_patience(shop, database_url):
    order = shop.order("1", [line()])
    query(
        database_url,
        "UPDATE integ.retry_queue SET state = 'dead', attempts = 25, lost_leases = 5, delays = 7, finished_at = now()",
    )
    shop.execute("UPDATE shop.web_orders SET comment = 'исправлен' WHERE id = %s", order)
    revived = (
        "SELECT state, attempts, lost_leases, delays, finished_at FROM integ.retry_queue ORDER BY id LIMIT 1"
    )
    assert query(database_url, revived) == [("ready", 0, 0, 0, None)]


def test_an_event_s_hash_tells_nothing_to_whoever_guesses_the_content(shop, database_url):
    customer = shop.customer(name="Иванова", phone="+79001112233")
    guess = (
        "SELECT o.payload_hash IN (sha256(convert_to(c::text, 'UTF8')), sha256(sha256(convert_to(c::text, 'UTF8')))),"
        " o.payload_hash = integ.keyed(sha256(convert_to(c::text, 'UTF8'))) FROM integ.outbox o,"
        " (SELECT to_jsonb(w) - '{created_at,updated_at}'::text[] AS c FROM shop.web_customers w WHERE id = %s) x"
        " WHERE o.aggregate = 'customer'"
    )
    assert query(database_url, guess, customer) == [(False, True)]
    shop.execute("UPDATE shop.web_customers SET phone = phone, updated_at = now() WHERE id = %s", customer)
    assert query(database_url, "SELECT count(*) FROM integ.outbox") == [(1,)]
