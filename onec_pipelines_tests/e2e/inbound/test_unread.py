"""A broken object in 1C: the rest of its entity arrives, nothing is taken for deleted, and it heals when 1C can give it."""

from __future__ import annotations

import json

import pytest

from onec_pipelines.dispatch import drain
from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import PipelineError
from onec_pipelines.inbound import inbound
from onec_pipelines.onec.links import deep_link
from onec_pipelines.onec.query import SetQuery
from onec_pipelines.reading import Reader
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Way
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query

BRANDS, SET = BY_NAME["brands"], "Catalog_Марки"
ITEMS = "SELECT state, payload -> 'keys', last_error ->> 'onec_message' FROM integ.retry_queue WHERE kind = 'page' AND state <> 'done'"
LIVE = "SELECT count(*) FROM clean.brands WHERE deleted_at IS NULL"
SHOP = "SELECT count(*) FROM integ.external_id_mappings WHERE entity_type = 'brands' AND external_id = %s"
DUE = "UPDATE integ.retry_queue SET run_at = now()"
WORDS = "Ошибка при вызове метода контекста (Записать)"


@pytest.fixture(scope="module")
def simulator():
    with Simulator.start_thread(products=120, seed=5) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_faults(simulator):
    yield
    control(simulator, "faults", method="DELETE")


@pytest.fixture
def runtime(simulator, database_url, tmp_path):
    with open_fast(environment(simulator, database_url, tmp_path)) as opened:
        yield opened


@pytest.fixture
def keys(runtime):
    """Of all objects, in 1C's own order."""
    answer = runtime.client.get(SetQuery(resource=SET, select=("Ref_Key",), orderby=("Ref_Key",)).target())
    return [row["Ref_Key"] for row in json.loads(answer.body)["value"]]


@pytest.fixture
def broken(simulator, keys):
    """Breaks the 36th object: the answers that would hold it fail, which are those of two pages, and all that name its key."""

    def fail(*, only_pages=False):
        words = {"type": "odata_error", "attributes": {"message": WORDS}}
        pages = {**words, "name": "pages", "match": f"{SET}\\?.*Description.*skip=[23]0$"}
        alone = {**words, "name": "alone", "match": f"{SET}\\?.*{keys[35]}"}
        control(simulator, "faults", [pages] if only_pages else [pages, alone])
        return keys[35]

    return fail


def test_everything_but_the_broken_object_arrives_and_it_waits_in_the_queue(
    simulator, runtime, database_url, broken
):
    key = broken()
    outcome = inbound(BRANDS, runtime)
    held = query(database_url, LIVE)[0][0] + outcome.quarantined
    assert held == control(simulator, f"rows/{SET}?top=1")["count"] - 1
    assert (outcome.status, outcome.complete, outcome.unread) == ("succeeded", False, 1)
    assert "1C could not give 1 objects" in outcome.completeness
    assert query(database_url, ITEMS) == [("ready", [key], WORDS)]

    # it is tried by key until a person has mended it, and each later reading looks, too, without a second item
    query(database_url, DUE)
    # Once: it may be due again before the drain is over.
    assert drain(runtime, kinds=["page"], limit=1).later == 1
    assert inbound(BRANDS, runtime).unread == 1
    ((state, keys, words),) = query(database_url, ITEMS)
    assert (state, keys, words) == ("ready", [key], WORDS)
    remedy = query(
        database_url, "SELECT last_error ->> 'remedy' FROM integ.retry_queue WHERE state = 'ready'"
    )[0][0]
    assert deep_link(SET, key) in remedy

    control(simulator, "faults", method="DELETE")
    query(database_url, DUE)
    assert drain(runtime, kinds=["page"]).done == 1
    assert query(database_url, SHOP, key) == [(1,)]
    assert inbound(BRANDS, runtime).complete is True


def test_an_object_that_breaks_later_is_not_taken_for_deleted(simulator, runtime, database_url, broken):
    inbound(BRANDS, runtime)
    before = query(database_url, LIVE)
    key = broken()
    for _ in range(3):
        outcome = inbound(BRANDS, runtime)
        assert (outcome.absent, outcome.deleted, outcome.unread) == (0, 0, 1)
    assert query(database_url, LIVE) == before
    assert query(database_url, "SELECT deleted_at FROM clean.brands WHERE ref = %s", key) == [(None,)]


def test_a_page_that_only_fails_as_a_whole_costs_nothing_but_requests(
    simulator, runtime, database_url, broken
):
    broken(only_pages=True)
    outcome = inbound(BRANDS, runtime)
    assert (outcome.complete, outcome.unread) == (True, 0)
    assert query(database_url, ITEMS) == []
    held = query(database_url, LIVE)[0][0] + outcome.quarantined
    assert held == control(simulator, f"rows/{SET}?top=1")["count"]


def test_a_dead_letter_is_ended_by_the_reading_that_gets_the_object(simulator, runtime, database_url, broken):
    broken()
    inbound(BRANDS, runtime)
    query(database_url, "UPDATE integ.retry_queue SET state = 'dead' WHERE state = 'ready'")
    control(simulator, "faults", method="DELETE")
    inbound(BRANDS, runtime, only=query(database_url, ITEMS)[0][1])
    assert query(database_url, ITEMS) == []


def test_by_versions_the_changed_object_that_breaks_waits_and_the_others_arrive(
    simulator, runtime, database_url, broken, keys
):
    inbound(BRANDS, runtime)
    key = broken()
    other = keys[36]
    for one in (key, other):
        control(simulator, f"rows/{SET}/{one}", {"Description": f"Марка {one[:4]}"})
    outcome = inbound(BRANDS, runtime, way=Way.VERSIONS)
    assert (outcome.complete, outcome.unread, outcome.clean_changed) == (False, 1, 1)
    assert query(database_url, ITEMS) == [("ready", [key], WORDS)]
    names = query(database_url, "SELECT name FROM clean.brands WHERE ref = %s", other)
    assert names == [(f"Марка {other[:4]}",)]


def test_a_base_that_cannot_give_any_object_is_not_asked_for_each(simulator, runtime, database_url):
    control(
        simulator,
        "faults",
        {"type": "odata_error", "match": f"{SET}\\?.*Description", "attributes": {"message": WORDS}},
    )
    control(simulator, "stats", method="DELETE")
    with pytest.raises(PipelineError) as told:
        inbound(BRANDS, runtime)
    assert told.value.code == "ONEC_HANDLER"
    asked = [
        line for line in control(simulator, "requests?last=10000") if SET in line and "Description" in line
    ]
    assert len(asked) < 70


def test_a_run_that_dies_behind_the_page_leaves_it_to_the_worker(
    simulator, runtime, database_url, broken, monkeypatch
):
    key = broken()
    with monkeypatch.context() as dying:
        dying.setattr(Reader, "_fetch_apart", die)
        with pytest.raises(KeyboardInterrupt):
            inbound(BRANDS, runtime)
    assert all(key in keys and len(keys) > 1 for _, keys, _ in query(database_url, ITEMS))

    query(database_url, DUE)
    # One after the other: a page that was asked for twice waits twice, and the second item would be put off while the first is read.
    drain(runtime, kinds=["page"], threads=1)
    assert {tuple(keys) for _, keys, _ in query(database_url, ITEMS)} == {(key,)}
    everything = control(simulator, f"rows/{SET}?top=1")["count"]
    again = inbound(BRANDS, runtime)
    assert query(database_url, LIVE)[0][0] + again.rejects_open == everything - 1
    assert (again.unread, again.clean_new) == (1, 0)
    assert len(query(database_url, ITEMS)) == 1


def die(*_):
    raise KeyboardInterrupt
