"""Work ahead in a thread: order, errors where they belong, and an end when nobody listens any more."""

from __future__ import annotations

import threading

import pytest

from onec_pipelines.steps.ahead import ahead


def test_items_come_in_order():
    assert list(ahead(range(100), depth=3)) == list(range(100))


def test_an_error_comes_where_its_item_would_have():
    def source():
        yield 1
        raise ValueError("broken")

    items = ahead(source(), depth=5)

    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_no_more_is_made_than_asked_for():
    made = []

    def source():
        for number in range(50):
            made.append(number)
            yield number

    items = ahead(source(), depth=2)
    next(items)
    items.close()

    assert len(made) <= 4


def test_closing_early_closes_the_source_and_ends_the_thread():
    closed = threading.Event()

    def source():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    items = ahead(source(), depth=1)
    next(items)
    items.close()

    assert closed.is_set()
    assert "onec-ahead" not in {thread.name for thread in threading.enumerate()}
