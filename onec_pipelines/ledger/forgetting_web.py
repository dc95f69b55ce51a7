"""A person on the application's side and on the way to 1C: which rows and ids, the words that name them, and taking those away.

Statements only, like `forgetting.py`, which is about what came from 1C. When and in which order is decided in `steps/forget.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger.audit import MASK

Tx = psycopg.Connection[Any]
_SHORTEST, _NAME_WORDS = 5, 4
_PERSONAL = re.compile(r"[^\x00-\x7f]|@|\s|^\+?[0-9]{10,15}$")
_PARTNER, _LEGAL = "customers", "counterparties"


@dataclass(frozen=True, kw_only=True)
class Things:
    """What of the application is the person's: rows of `shop.web_customers`, of `shop.web_orders`, and their names in the queue."""

    customers: Sequence[int]
    orders: Sequence[int]
    subjects: Sequence[str]
    returns: Sequence[int]


def customers_of(tx: Tx, system_name: str, key: str | None, internal_id: int | None) -> list[int]:
    """Ids of the application's customers that are this one of 1C; one that was recognised in 1C has an id of its own here."""
    rows = tx.execute(
        "SELECT id FROM shop.web_customers WHERE id = %(id)s UNION SELECT subject_id FROM integ.push_objects"
        " WHERE system_name = %(system)s AND outgoing = 'customers' AND coalesce(onec_key, own_key) = %(key)s::uuid ORDER BY 1",
        {"system": system_name, "id": internal_id, "key": key},
    )
    return [int(found) for (found,) in rows]


def key_of_customer(tx: Tx, system_name: str, customer: int) -> tuple[bool, str | None]:
    """Whether the application has such a customer in a store of this base, and its key in 1C if it was ever sent there."""
    row = tx.execute(
        "SELECT (SELECT coalesce(p.onec_key, p.own_key)::text FROM integ.push_objects p WHERE p.system_name = %(system)s"
        " AND p.outgoing = 'customers' AND p.subject_id = w.id AND (p.sends > 0 OR p.onec_key IS NOT NULL))"
        " FROM shop.web_customers w JOIN shop.stores s ON s.code = w.store"
        " WHERE w.id = %(id)s AND s.system_name = %(system)s",
        {"system": system_name, "id": customer},
    ).fetchone()
    return (False, None) if row is None else (True, row[0])


def things_of(tx: Tx, customers: Sequence[int], internal_id: int | None) -> Things:
    """Everything the application keeps of these customers; orders may name either of the ids."""
    owners = sorted({*customers, *([internal_id] if internal_id is not None else [])})
    orders = _ids(tx, "SELECT id FROM shop.web_orders WHERE customer_id = ANY(%s) ORDER BY id", owners)
    returns = _ids(tx, "SELECT id FROM shop.web_returns WHERE order_id = ANY(%s) ORDER BY id", orders)
    names = [f"customer:{found}" for found in owners] + [f"order:{found}" for found in orders]
    subjects = [*names, *(f"return:{found}" for found in returns)]
    return Things(customers=owners, orders=orders, subjects=subjects, returns=returns)


def sent_keys(tx: Tx, system_name: str, things: Things) -> dict[str, list[str]]:
    """Keys in 1C of what was sent of them, by entity, whether it has been read from there or not."""
    rows = tx.execute(
        "SELECT outgoing, coalesce(onec_key, own_key)::text FROM integ.push_objects WHERE system_name = %s"
        f" AND {_THEIRS} AND (sends > 0 OR onec_key IS NOT NULL)",
        (system_name, *_theirs(things)),
    )
    found: dict[str, list[str]] = {}
    for outgoing, key in rows:
        found.setdefault(outgoing, []).append(key)
    return found


def open_pushes(tx: Tx, system_name: str, subjects: Sequence[str]) -> int:
    """Queue items of the person that are not done: orders and changes on their way to 1C."""
    row = tx.execute(
        "SELECT count(*) FROM integ.retry_queue WHERE system_name = %s AND subject = ANY(%s)"
        " AND state IN ('ready', 'leased', 'dead')",
        (system_name, list(subjects)),
    ).fetchone()
    return int(row[0]) if row else 0


_WEB = (
    (
        "UPDATE shop.web_customers SET name = %(instead)s, full_name = NULL, phone = NULL,"
        " email = 'forgotten-' || id || '@invalid', address = NULL, inn = NULL, kpp = NULL, birth_date = NULL,"
        " gender = NULL, comment = NULL, updated_at = now() WHERE id = ANY(%(customers)s)"
    ),
    (
        "UPDATE shop.web_orders SET delivery_address = NULL, delivery_comment = NULL, contact_name = NULL,"
        " contact_phone = NULL, contact_email = NULL, comment = NULL, updated_at = now() WHERE id = ANY(%(orders)s)"
    ),
    "UPDATE shop.web_returns SET comment = NULL, updated_at = now() WHERE id = ANY(%(returns)s)",
    "UPDATE shop.web_cancellations SET comment = NULL WHERE order_id = ANY(%(orders)s)",
)


def blank_web(tx: Tx, system_name: str, things: Things, *, instead: str) -> int:
    """Contact data out of the application's rows; what its triggers put into the queue for that is dropped: 1C is not told."""
    row = tx.execute("SELECT coalesce(max(id), 0) FROM integ.retry_queue").fetchone()
    before = int(row[0]) if row else 0
    values = {
        "customers": list(things.customers),
        "orders": list(things.orders),
        "returns": list(things.returns),
        "instead": instead,
    }
    done = sum(tx.execute(statement.encode(), values).rowcount for statement in _WEB)
    tx.execute("SET CONSTRAINTS ALL IMMEDIATE")
    tx.execute(
        "UPDATE integ.retry_queue SET state = 'dropped', finished_at = now(), updated_at = now()"
        " WHERE system_name = %s AND id > %s AND kind = 'push' AND subject = ANY(%s) AND state = 'ready'",
        (system_name, before, list(things.subjects)),
    )
    _blank_outbox(tx, system_name, things.subjects)
    return done


def _blank_outbox(tx: Tx, system_name: str, subjects: Sequence[str]) -> None:
    # The newest is the hash of what is left, and what the next change is compared with.
    tx.execute(
        "UPDATE integ.outbox o SET payload_hash = '' WHERE system_name = %s AND aggregate || ':' || aggregate_id = ANY(%s)"
        " AND version < (SELECT max(n.version) FROM integ.outbox n"
        " WHERE n.aggregate = o.aggregate AND n.aggregate_id = o.aggregate_id)",
        (system_name, list(subjects)),
    )


def blank_queue(tx: Tx, system_name: str, subjects: Sequence[str]) -> int:
    """1C's words about failed pushes of the person; codes and remedies stay."""
    return tx.execute(
        "UPDATE integ.retry_queue SET last_error = last_error - '{message,onec_message}'::text[]"
        " WHERE system_name = %s AND subject = ANY(%s) AND last_error IS NOT NULL",
        (system_name, list(subjects)),
    ).rowcount


def blank_push(tx: Tx, system_name: str, things: Things) -> int:
    """Hashes of personal values that the push remembers of the customer's own objects, and of the whole payload."""
    rows = tx.execute(
        f"SELECT id, intended, confirmed FROM integ.push_objects WHERE system_name = %s AND {_THEIRS}",
        (system_name, *_theirs(things)),
    ).fetchall()
    for row_id, intended, confirmed in rows:
        tx.execute(
            "UPDATE integ.push_objects SET intended = %s, confirmed = %s, payload_hash = '' WHERE id = %s",
            (Jsonb(_no_hashes(intended)), Jsonb(_no_hashes(confirmed)) if confirmed else None, row_id),
        )
    return len(rows)


_THEIRS = (
    "(outgoing IN ('customers', 'counterparties') AND subject_id = ANY(%s)"
    " OR outgoing = 'orders' AND subject_id = ANY(%s) OR outgoing = 'return_requests' AND subject_id = ANY(%s))"
)


def _theirs(things: Things) -> tuple[list[int], list[int], list[int]]:
    return list(things.customers), list(things.orders), list(things.returns)


def words_of_subject(database: Database, aggregate: str, subject: int) -> set[str]:
    """Texts that name the person of a thing that is pushed: a customer, an order, a return."""
    owner = {
        "customer": "SELECT %(id)s::bigint, NULL::bigint",
        "order": "SELECT customer_id, id FROM shop.web_orders WHERE id = %(id)s",
        "return": "SELECT o.customer_id, o.id FROM shop.web_returns r JOIN shop.web_orders o ON o.id = r.order_id WHERE r.id = %(id)s",
    }[aggregate]
    with database.transaction() as connection:
        tx = driver_connection(connection)
        row = tx.execute(owner.encode(), {"id": subject}).fetchone() or (None, None)
        customers, orders = [[found] if found is not None else [] for found in row]
        return words_of(tx, Things(customers=customers, orders=orders, subjects=(), returns=()))


def words_of(tx: Tx, things: Things) -> set[str]:
    """Texts by which the person can be recognised in somebody's sentence: names, addresses, numbers, as the application has them."""
    rows = tx.execute(
        "SELECT unnest(ARRAY[name, full_name, phone, email, address, inn, comment]) FROM shop.web_customers WHERE id = ANY(%s)"
        " UNION SELECT unnest(ARRAY[delivery_address, delivery_comment, contact_name, contact_phone, contact_email, comment])"
        " FROM shop.web_orders WHERE id = ANY(%s)"
        " UNION SELECT unnest(ARRAY[name, full_name, email, phone]) FROM shop.customers WHERE id = ANY(%s)",
        (list(things.customers), list(things.orders), list(things.customers)),
    )
    return distinct(text for (text,) in rows)


def distinct(texts: Iterable[str | None]) -> set[str]:
    """What of some texts can only mean somebody: the texts themselves, and the words of those that are names.

    Left out is what could as well be a code, a key or a number of ours: it is replaced inside JSON.
    """
    found = {text.strip() for text in texts if text}
    words = {
        word.strip('"«»,.()') for text in found if text.count(" ") < _NAME_WORDS for word in text.split()
    }
    return {text for text in found | words if len(text) >= _SHORTEST and _PERSONAL.search(text)}


_SENTENCES = (
    ("integ.sync_jobs", "error_message", False),
    ("integ.retry_queue", "last_error", True),
    ("integ.alerts", "facts", True),
    ("integ.approvals", "diff", True),
)


def blank_sentences(tx: Tx, system_name: str, words: Iterable[str]) -> int:
    """Take these words out of what was noted of errors, and out of Dagster's records of them; gives the number of rows."""
    done = 0
    dagster = tx.execute("SELECT to_regclass('dagster.event_logs') IS NOT NULL").fetchone()
    # The longer first: a name is gone before one of its words is looked for.
    for word in sorted(words, key=len, reverse=True):
        for table, column, is_json in _SENTENCES:
            text, cast = (_in_json(word), "::jsonb") if is_json else (word, "")
            done += tx.execute(
                f"UPDATE {table} SET {column} = replace({column}::text, %(word)s, %(mask)s){cast}"
                f" WHERE system_name = %(system)s AND position(%(word)s in {column}::text) > 0".encode(),
                {"word": text, "mask": MASK, "system": system_name},
            ).rowcount
        if dagster and dagster[0]:
            done += _blank_dagster(tx, word)
    return done


def _blank_dagster(tx: Tx, word: str) -> int:
    # It writes JSON in ASCII.
    return tx.execute(
        "UPDATE dagster.event_logs SET event = replace(event, %(word)s, '***') WHERE position(%(word)s in event) > 0",
        {"word": json.dumps(word)[1:-1]},
    ).rowcount


def _in_json(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)[1:-1]


def _no_hashes(prints: Any) -> Any:
    if isinstance(prints, dict):
        kept = {name: _no_hashes(value) for name, value in prints.items()}
        return {name: value for name, value in kept.items() if value is not None}
    return None if isinstance(prints, str) and prints.startswith("#") else prints


def _ids(tx: Tx, statement: str, among: Sequence[int]) -> list[int]:
    return [int(found) for (found,) in tx.execute(statement.encode(), (list(among),))]
