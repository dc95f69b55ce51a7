"""Hints are fetched together, and what cannot be fetched bears its error alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from onec_pipelines.db.engine import connect
from onec_pipelines.errors import PipelineError, Quarantine, RetryLater, Skip, Stop
from onec_pipelines.steps.hints import MOST_TOGETHER, Fetching, apply_hints
from onec_pipelines_tests.fixtures.pipeline import query

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Item:
    id: int
    payload: dict[str, Any]
    created_at: datetime = NOW


@dataclass
class Outcome:
    job_id: int = 1
    status: str = "succeeded"
    message: str = ""
    shop_changed: int = 0
    deleted: int = 0


@dataclass
class Base:
    """Answers readings, and refuses those that name a broken object."""

    broken: dict[str, PipelineError] = field(default_factory=dict)
    status: str = "succeeded"
    readings: list[tuple[str, list[str]]] = field(default_factory=list)

    def read(self, entity, refs) -> Outcome:
        self.readings.append((entity, list(refs)))
        for ref in refs:
            if ref in self.broken:
                raise self.broken[ref]
        return Outcome(status=self.status, shop_changed=len(refs))


@pytest.fixture
def fetching(database_url) -> Callable[[Base], Fetching]:
    with connect(database_url) as database:
        yield lambda base: Fetching(
            database=database,
            system_name="test",
            read=base.read,
            known={"stock", "reserves", "orders"},
            followed_by={"reserves": ("stock",)},
        )


def ref(number: int) -> str:
    return str(UUID(int=number + 1))


def items(count: int, entity: str = "stock") -> list[Item]:
    return [Item(number, {"entity": entity, "ref": ref(number)}) for number in range(count)]


def test_hints_of_one_entity_are_one_reading_and_one_note(fetching, database_url) -> None:
    base = Base()
    given = items(3)
    given += [Item(10, {"entity": "stock", "ref": ref(1)}, NOW - timedelta(minutes=1)), *items(1, "orders")]
    results = apply_hints(given, fetching(base))
    assert results == dict.fromkeys((0, 1, 2, 10))
    assert base.readings == [("stock", [ref(0), ref(1), ref(2)]), ("orders", [ref(0)])]
    noted = query(
        database_url,
        "SELECT entity_type, hints, rows_changed, oldest_at FROM integ.webhook_applied ORDER BY id",
    )
    assert noted == [("stock", 4, 3, NOW - timedelta(minutes=1)), ("orders", 1, 1, NOW)]


def test_a_reading_is_no_larger_than_a_batch(fetching) -> None:
    base = Base()
    apply_hints(items(MOST_TOGETHER + 1), fetching(base))
    assert [len(refs) for _, refs in base.readings] == [MOST_TOGETHER, 1]


@pytest.mark.parametrize(
    "error",
    [
        Stop("1C cannot give it", code="ONEC_SERVER_ERROR"),
        RetryLater("1C failed", code="ONEC_SERVER_ERROR"),
        Quarantine("a value", code="DB_DATA"),
    ],
    ids=["stop", "later", "quarantine"],
)
def test_an_object_that_breaks_the_reading_is_found_and_the_others_are_done(fetching, error) -> None:
    base = Base(broken={ref(37): error})
    results = apply_hints(items(100), fetching(base))
    assert results == {**dict.fromkeys(range(100)), 37: error}
    assert len(base.readings) < 20


@pytest.mark.parametrize(
    "error",
    [
        RetryLater("refused", code="ONEC_UNREACHABLE", sent=False),
        RetryLater("busy", code="ALREADY_RUNNING"),
        Stop("another password", code="ONEC_AUTH"),
        Stop("a property is gone", code="ONEC_COLUMN_MISSING"),
    ],
    ids=lambda error: error.code,
)
def test_what_every_object_would_meet_is_met_once(fetching, error) -> None:
    base = Base(broken={ref(0): error})
    assert apply_hints(items(50), fetching(base)) == dict.fromkeys(range(50), error)
    assert len(base.readings) == 1


def test_an_entity_that_follows_another_is_read_after_it(fetching) -> None:
    base = Base()
    apply_hints(items(2, "reserves"), fetching(base))
    assert [entity for entity, _ in base.readings] == ["reserves", "stock"]
    assert base.readings[0][1] == base.readings[1][1]


def test_what_follows_is_read_once_for_all_that_asks_for_it(fetching, database_url) -> None:
    base = Base(broken={ref(8): Stop("1C cannot give it", code="ONEC_SERVER_ERROR")})
    given = [
        *items(3),
        Item(20, {"entity": "reserves", "ref": ref(2)}),
        Item(21, {"entity": "reserves", "ref": ref(5)}),
    ]
    assert apply_hints(given, fetching(base)) == dict.fromkeys((0, 1, 2, 20, 21))
    assert base.readings == [("reserves", [ref(2), ref(5)]), ("stock", [ref(0), ref(1), ref(2), ref(5)])]
    noted = query(
        database_url, "SELECT entity_type, hints, rows_changed FROM integ.webhook_applied ORDER BY id"
    )
    assert noted == [("reserves", 2, 2), ("stock", 5, 4)]
    # Which could not be read itself is not followed, and bears its own error.
    base.readings.clear()
    results = apply_hints([Item(1, {"entity": "reserves", "ref": ref(8)})], fetching(base))
    assert (results[1], base.readings) == (base.broken[ref(8)], [("reserves", [ref(8)])])


def test_an_error_of_what_follows_is_the_hints_own(fetching) -> None:
    error = RetryLater("1C failed", code="ONEC_SERVER_ERROR")

    class Follower(Base):
        def read(self, entity, refs) -> Outcome:
            if entity == "stock" and ref(1) in refs:
                raise error
            return super().read(entity, refs)

    assert apply_hints(items(3, "reserves"), fetching(Follower())) == {0: None, 1: error, 2: None}


def test_an_entity_that_is_not_synced_or_not_published_is_passed_over(fetching) -> None:
    results = apply_hints(items(1, "dreams"), fetching(Base()))
    assert isinstance(results[0], Skip)
    results = apply_hints(items(1), fetching(Base(status="skipped")))
    assert isinstance(results[0], Skip)


@pytest.mark.parametrize(
    "payload", [{}, {"entity": "stock"}, {"entity": "stock", "ref": "' or 1=1"}, {"ref": ref(1)}]
)
def test_an_item_without_a_reference_is_dead_and_stops_no_other(fetching, payload) -> None:
    results = apply_hints([Item(7, payload), *items(1)], fetching(Base()))
    assert results[0] is None
    assert isinstance(results[7], Stop)
    assert results[7].code == "HINT_PAYLOAD"
