"""What the doctor found is what the client does; the write probe leaves one marked object."""

from __future__ import annotations

import pytest

from onec_pipelines.errors import Stop
from onec_pipelines.ledger import push_objects
from onec_pipelines.onec.page_size import PagePolicy
from onec_pipelines.onec.paging import PageRows, read_pages
from onec_pipelines.onec.query import SetQuery
from onec_pipelines.runtime import open_runtime
from onec_pipelines.settings import load_settings
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.doctor import codes, visit
from onec_pipelines_tests.fixtures.pipeline import control, environment

PARTNERS = "Catalog_Партнеры"


def runtime_of(simulator, database_url, home):
    return open_runtime(load_settings(environment(simulator, database_url, home)))


def scratch(simulator):
    rows = control(simulator, f"rows/{PARTNERS}?top=1000")["rows"]
    return [row for row in rows if str(row["Description"]).startswith("onec doctor")]


def test_a_base_that_refuses_count_is_not_asked_for_it_again(database_url, tmp_path):
    with Simulator.start_thread(products=20, seed=5, count="refused") as base:
        report = visit(base, database_url, tmp_path)
        control(base, "stats", method="DELETE")
        with runtime_of(base, database_url, tmp_path) as runtime:
            counted = runtime.client.count("Catalog_Валюты")
        asked = list(control(base, "stats")["requests"])

    assert "ONEC_COUNT_REFUSED" in codes(report, "note")
    assert counted > 0
    assert not [name for name in asked if "$count" in name]


def test_a_pool_that_bears_one_call_gets_one_session(database_url, tmp_path):
    with Simulator.start_thread(products=20, seed=5, pool_size=1, pool_timeout=0.05) as base:
        # The second of its kind is the first of the calls at once: it holds the session until the others have come, too.
        held = {
            "type": "row_latency",
            "attributes": {"latency": 5000},
            "match": r"Catalog_Валюты\?\$format=json&\$select=Ref_Key&\$top=1$",
            "nth": [2],
        }
        control(base, "faults", held)
        visit(base, database_url, tmp_path)
        assert control(base, "faults")[0]["fired"] == 1
        with runtime_of(base, database_url, tmp_path) as runtime:
            assert runtime.connection.max_sessions == 1


def test_where_skip_is_ignored_a_set_larger_than_a_page_is_not_begun(database_url, tmp_path):
    with Simulator.start_thread(products=40, seed=5) as base:
        control(base, "faults", {"type": "skip_ignored"})
        visit(base, database_url, tmp_path)
        with runtime_of(base, database_url, tmp_path) as runtime:
            pages = read_pages(
                runtime.client,
                SetQuery(resource="Catalog_Номенклатура", select=("Ref_Key",)),
                key=("Ref_Key",),
                rows_of=lambda _: PageRows(0, None, None, ()),
                policy=PagePolicy(rows=10, max_rows=10),
            )
            with pytest.raises(Stop) as refused:
                next(pages)

    assert refused.value.code == "ONEC_SKIP_IGNORED"


def test_without_the_write_probe_nothing_is_written(simulator, database_url, tmp_path):
    report = visit(simulator, database_url, tmp_path)

    assert not any(one.check == "write probe" for one in report.findings)
    assert scratch(simulator) == []


@pytest.mark.parametrize("mode", ["honour", "ignore"])
def test_two_write_probes_leave_one_marked_partner_and_tell_what_the_base_does_with_keys(
    database_url, tmp_path, mode
):
    with Simulator.start_thread(products=20, seed=5, client_keys=mode) as base:
        first = visit(base, database_url, tmp_path, write_probe=True)
        second = visit(base, database_url, tmp_path, write_probe=True)
        left = scratch(base)
        with runtime_of(base, database_url, tmp_path) as runtime:
            known = push_objects.honours_keys(runtime.database, "test")

    assert [row["DeletionMark"] for row in left] == [True]
    assert ("ONEC_KEYS_IGNORED" in codes(first, "note")) is (mode == "ignore")
    assert first.capabilities["client_keys"] == second.capabilities["client_keys"] == (mode == "honour")
    assert known is (mode == "honour")


@pytest.mark.parametrize(("mode", "obeyed"), [("ignore", False), ("enforce", True)])
def test_the_write_probe_tells_what_if_match_is_worth(database_url, tmp_path, mode, obeyed):
    with Simulator.start_thread(products=20, seed=5, if_match=mode) as base:
        report = visit(base, database_url, tmp_path, write_probe=True)
        left = scratch(base)

    assert report.capabilities["if_match"] is obeyed
    assert [row["DeletionMark"] for row in left] == [True]
