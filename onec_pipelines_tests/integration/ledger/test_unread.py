"""Objects that could not be read wait in one item each, and leave it when they were read."""

from __future__ import annotations

import pytest

from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import unread
from onec_pipelines_tests.fixtures.pipeline import SYSTEM, query

WHAT = {"system_name": SYSTEM, "entity": "brands", "resource": "Catalog_Марки"}
ERROR = Stop("1C fails", code="ONEC_HANDLER", onec_message="Ошибка")


@pytest.fixture
def within(database_url):
    """Runs a function in a transaction."""
    with connect(database_url) as database:

        def run(function):
            with database.transaction() as connection:
                return function(driver_connection(connection))

        yield run


@pytest.fixture
def items(database_url):
    statement = (
        "SELECT state, payload -> 'keys', payload -> 'apart', attempts FROM integ.retry_queue ORDER BY id"
    )
    return lambda: query(database_url, statement)


def settle(within, *, read=(), broken=()):
    within(lambda tx: unread.settle(tx, **WHAT, read=set(read), broken=dict.fromkeys(broken, ERROR)))


def test_a_page_shrinks_to_what_breaks(within, items):
    within(lambda tx: unread.note(tx, **WHAT, keys=["a", "b", "c"], error=ERROR))
    assert within(lambda tx: unread.whole_pages(tx, SYSTEM, "brands")) == ["a", "b", "c"]
    settle(within, read="ac", broken="b")
    assert items() == [("ready", ["b"], True, 0)]
    assert within(lambda tx: unread.whole_pages(tx, SYSTEM, "brands")) == []


def test_an_object_waits_once_and_keeps_its_attempts(within, items, database_url):
    settle(within, broken="ab")
    query(database_url, "UPDATE integ.retry_queue SET attempts = 3")
    within(lambda tx: unread.note(tx, **WHAT, keys=["a", "c", "d"], error=ERROR))
    settle(within, read="d", broken="ac")
    assert items() == [("ready", ["a", "b"], True, 3), ("ready", ["c"], True, 0)]


def test_what_was_read_ends_dead_letters_too_and_leaves_the_rest(within, items, database_url):
    settle(within, broken="ab")
    query(database_url, "UPDATE integ.retry_queue SET state = 'dead'")
    settle(within, broken="a")
    assert items() == [("dead", ["a", "b"], True, 0)]
    settle(within, read="a")
    assert items() == [("dead", ["b"], True, 0)]
    settle(within, read="b")
    assert [row[0] for row in items()] == ["done"]


def test_the_keys_of_a_page_that_nobody_took_apart_are_still_asked_for(within):
    within(lambda tx: unread.note(tx, **WHAT, keys=["a", "b", "c"], error=ERROR))
    settle(within, read="a")
    assert within(lambda tx: unread.whole_pages(tx, SYSTEM, "brands")) == ["b", "c"]


def test_other_entities_are_left_alone(within, items):
    within(lambda tx: unread.note(tx, **{**WHAT, "entity": "products"}, keys=["a"], error=ERROR))
    settle(within, read="a")
    assert items() == [("ready", ["a"], False, 0)]
