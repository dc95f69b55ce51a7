"""Faults of 1C during a sync: the right error, noted in `sync_jobs`, and nothing half-written."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, value
from onec_pipelines_tests.fixtures.state import debris_of

PAGES = r"GET .*Catalog_Производители\?"
MANUFACTURERS = BY_NAME["manufacturers"]


@pytest.fixture(scope="module")
def faulty():
    with Simulator.start_thread(products=60, seed=5) as running:
        yield running


@pytest.fixture
def runtime(faulty, database_url, tmp_path):
    with open_fast(environment(faulty, database_url, tmp_path)) as opened:
        assert opened.metadata.sets  # fetched before anything goes wrong
        yield opened
    control(faulty, "faults", method="DELETE")
    control(faulty, "options", {"maintenance": False})


def break_it(simulator, kind, **fault):
    control(simulator, "faults", {"type": kind, "match": PAGES, **fault})


def attributes(**values):
    return {"attributes": values}


FAULTS = {
    "HTML under 200": ("html_200", {}, RetryLater, "ONEC_BAD_ANSWER", "not JSON"),
    "truncated JSON": ("limit_data", attributes(bytes=700), RetryLater, None, ""),
    "401": ("status", attributes(status=401), Stop, "ONEC_AUTH", "ONEC_PASSWORD"),
    "406": ("status", attributes(status=406), RetryLater, "ONEC_POOL_FULL", "ONEC_MAX_SESSIONS"),
    "500 with code -1": ("odata_error", {}, Stop, "ONEC_HANDLER", "Произошла внутренняя ошибка"),
    "a lock in 1C": ("lock_conflict", {}, RetryLater, "ONEC_LOCK", "Конфликт блокировок"),
    "503 with Retry-After": (
        "status",
        attributes(status=503, retry_after=120),
        RetryLater,
        "ONEC_OVERLOAD",
        "",
    ),
    "reset": ("reset_peer", {}, RetryLater, None, ""),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_ends_the_run_with_its_name_and_nothing_written(name, runtime, faulty, database_url):
    kind, fault, error_class, code, text = FAULTS[name]
    break_it(faulty, kind, **fault)

    with pytest.raises(error_class) as caught:
        inbound(MANUFACTURERS, runtime)

    assert code is None or caught.value.code == code
    assert text in str(caught.value)
    assert query(database_url, "SELECT status, error_message FROM integ.sync_jobs") == [
        ("failed", str(caught.value))
    ]
    assert value(database_url, "SELECT count(*) FROM clean.manufacturers") == 0
    assert value(database_url, "SELECT count(*) FROM raw.pages") == 0


def test_retry_after_reaches_whoever_repeats_later(runtime, faulty):
    break_it(faulty, "status", **attributes(status=503, retry_after=120))

    with pytest.raises(RetryLater) as caught:
        inbound(MANUFACTURERS, runtime)

    assert caught.value.retry_after == pytest.approx(120)


def test_maintenance_is_told_in_the_words_of_1c(runtime, faulty):
    control(faulty, "options", {"maintenance": True})

    with pytest.raises(RetryLater) as caught:
        inbound(MANUFACTURERS, runtime)

    assert caught.value.code == "ONEC_MAINTENANCE"
    assert caught.value.http_status == 403
    assert "запрещено" in str(caught.value)


def test_a_wrong_password_is_tried_once(faulty, runtime):
    """Repeats lock accounts (RELIABILITY C-4 #15)."""
    break_it(faulty, "status", **attributes(status=401))
    control(faulty, "stats", method="DELETE")

    with pytest.raises(Stop):
        inbound(MANUFACTURERS, runtime)

    (fault,) = control(faulty, "faults")
    # The pages that were asked for ahead at the same moment are no repeats.
    assert fault["fired"] <= runtime.settings.max_sessions


@pytest.mark.parametrize("kind", ["html_200", "limit_data", "reset_peer"])
def test_a_fault_that_passes_is_not_noticed(kind, runtime, faulty):
    break_it(faulty, kind, times=1)

    outcome = inbound(MANUFACTURERS, runtime)

    assert outcome.complete
    assert outcome.status == "succeeded"


def test_a_fault_in_the_middle_is_made_good_by_the_next_run(runtime, faulty, database_url, monkeypatch):
    """What was committed before stays, the checkpoint is where it stopped, and the next run asks only for the rest."""
    monkeypatch.setattr("onec_pipelines.steps.grouping.GROUP_ROWS", 20)
    # By position and not by number: several pages are asked for at once, in no order.
    control(
        faulty,
        "faults",
        {"type": "status", "match": PAGES + r".*skip=[4-9]\d", **attributes(status=503)},
    )
    with pytest.raises(RetryLater):
        inbound(MANUFACTURERS, runtime)
    before = value(database_url, "SELECT count(*) FROM clean.manufacturers")
    assert before > 0

    control(faulty, "faults", method="DELETE")
    outcome = inbound(MANUFACTURERS, runtime)

    total = value(database_url, "SELECT count(*) FROM clean.manufacturers")
    assert outcome.complete
    assert outcome.clean_new == total - before
    assert debris_of(database_url) == []
