"""Each thing that can be wrong is one precise finding, and its remedy, when followed, makes it disappear."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from onec_pipelines.db.migrations import migrate
from onec_pipelines.entities import ENTITIES
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.doctor import codes, saw, visit
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import control, query

ONEC_CHECKS = {"reach", "login", "publication", "fields", "rights", "dialect", "sessions", "base", "metadata"}


@pytest.fixture(scope="module")
def base():
    with Simulator.start_thread(products=40, seed=5, latency_ms=0) as running:
        yield running


@pytest.fixture
def switches(base):
    """Changes options of the base and puts them back."""
    before = control(base, "options")
    changed: set[str] = set()

    def change(**options):
        changed.update(options)
        control(base, "options", options, method="PATCH")

    yield change
    control(base, "options", {name: before[name] for name in changed}, method="PATCH")


@pytest.fixture
def faults(base):
    def script(**fault):
        control(base, "faults", fault)

    yield script
    control(base, "faults", method="DELETE")


def test_a_good_base_has_no_complaint_worse_than_a_note(base, database_url, tmp_path):
    report = visit(base, database_url, tmp_path, slow_seconds=PATIENCE_SECONDS)

    assert report.worst == "note"
    assert not report.skipped
    assert set(codes(report, "note")) == {
        "WEBHOOKS_OFF",
        "DAGSTER_UNUSED",
        "ONEC_FIELDS_MISSING",
        "ORDERS_NOT_READY",
    }


def test_the_requests_that_are_told_are_those_that_1c_got_and_they_are_few(base, database_url, tmp_path):
    control(base, "stats", method="DELETE")

    report = visit(base, database_url, tmp_path)

    assert report.requests == sum(control(base, "stats")["requests"].values())
    assert report.requests < 70


@pytest.mark.parametrize("option", ["denied", "rls"])
def test_a_right_that_is_missing_names_entity_and_set_until_it_is_given(
    base, switches, database_url, tmp_path, option
):
    hidden = option == "rls"
    switches(**{option: "Catalog_Склады:1" if hidden else "Catalog_Склады"})
    before = visit(base, database_url, tmp_path)
    switches(**{option: ""})
    after = visit(base, database_url, tmp_path)

    code = "ONEC_ROWS_HIDDEN" if hidden else "ONEC_RIGHTS"
    assert codes(before) == [code]
    assert "warehouses (Catalog_Склады)" in saw(before, code)
    assert codes(after) == []


def test_a_wrong_password_is_one_finding_after_one_request_and_is_not_shown(base, database_url, tmp_path):
    report = visit(base, database_url, tmp_path, settings={"ONEC_PASSWORD": "canary-4711"})

    assert codes(report) == ["ONEC_AUTH"]
    assert report.requests == 1
    assert "canary-4711" not in str(report)
    assert codes(visit(base, database_url, tmp_path)) == []


def test_a_dead_host_is_one_finding_that_says_where_the_way_ends(base, database_url, tmp_path):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/ut/odata/standard.odata"
        report = visit(base, database_url, tmp_path, settings={"ONEC_URL": url})

    assert codes(report) == ["ONEC_UNREACHABLE"]
    assert "nothing listens at port" in saw(report, "ONEC_UNREACHABLE")
    assert [one.check for one in report.findings if one.check in ONEC_CHECKS] == ["reach"]
    assert report.skipped["rights"] == "needs 1C"


def test_a_name_that_dns_does_not_know_is_told_so(base, database_url, tmp_path):
    url = "https://no-such-host.invalid/ut/odata/standard.odata"
    report = visit(base, database_url, tmp_path, settings={"ONEC_URL": url})

    assert "no-such-host.invalid, is not known to DNS" in saw(report, "ONEC_UNREACHABLE")


@pytest.mark.parametrize(
    "trouble",
    [
        ("maintenance", "ONEC_MAINTENANCE"),
        ("version_mismatch", "ONEC_VERSION_MISMATCH"),
        ("publication_off", "ONEC_NO_SERVICE"),
    ],
    ids=lambda trouble: trouble[0],
)
def test_a_base_that_is_not_there_is_one_finding_until_it_is_back(
    base, switches, database_url, tmp_path, trouble
):
    option, code = trouble
    switches(**{option: True})
    before = visit(base, database_url, tmp_path)
    switches(**{option: False})
    after = visit(base, database_url, tmp_path)

    assert (codes(before), before.requests) == ([code], 1)
    assert codes(after) == []


def test_an_empty_composition_is_told_from_a_missing_publication(database_url, tmp_path):
    with Simulator.start_thread(products=20, seed=5, publish="none") as empty:
        report = visit(empty, database_url, tmp_path)

    assert codes(report) == ["ONEC_COMPOSITION_EMPTY"]
    assert report.requests == 1


def test_a_reduced_publication_lists_exactly_the_sets_that_are_missing_until_they_are_published(
    base, database_url, tmp_path
):
    missing = {"Catalog_Склады", "Catalog_Партнеры"}
    wanted = {name.removesuffix("_RecordType") for one in ENTITIES for name in one.source.resources}
    kept = ",".join(sorted((wanted & set(control(base, "tables"))) - missing))
    with Simulator.start_thread(products=40, seed=5, publish=kept) as reduced:
        before = visit(reduced, database_url, tmp_path)
    after = visit(base, database_url, tmp_path)

    told = {one.saw for one in before.findings if one.severity == "error"}
    assert told == {
        "warehouses: Catalog_Склады is not published",
        "customers: Catalog_Партнеры is not published",
    }
    assert codes(after) == []


def test_another_release_resolves_and_the_chosen_alternatives_are_named(database_url, tmp_path):
    with Simulator.start_thread(products=20, seed=5, release="11.4") as old:
        report = visit(old, database_url, tmp_path)

    chosen = next(one.saw for one in report.findings if one.check == "fields" and one.severity == "ok")
    assert codes(report) == []
    assert "prices reads InformationRegister_ЦеныНоменклатуры_RecordType" in chosen
    assert "reserves reads AccumulationRegister_СвободныеОстатки" in chosen


def test_a_clock_that_is_wrong_is_told_until_it_is_right(base, faults, database_url, tmp_path):
    faults(type="clock_skew", attributes={"seconds": 3600})
    before = visit(base, database_url, tmp_path)
    control(base, "faults", method="DELETE")
    after = visit(base, database_url, tmp_path)

    assert codes(before, "warning") == ["CLOCK_SKEW"]
    assert "s ahead of ours" in saw(before, "CLOCK_SKEW")
    assert codes(after, "warning") == []


def test_a_base_that_ignores_skip_is_in_error_until_it_does_not(base, faults, database_url, tmp_path):
    faults(type="skip_ignored")
    before = visit(base, database_url, tmp_path)
    control(base, "faults", method="DELETE")
    after = visit(base, database_url, tmp_path)

    assert codes(before) == ["ONEC_SKIP_IGNORED"]
    assert before.capabilities["skip"] is False
    assert (codes(after), after.capabilities["skip"]) == ([], True)


def test_a_pool_smaller_than_our_sessions_is_told_until_it_is_larger(
    base, switches, faults, database_url, tmp_path
):
    switches(pool_size=1, pool_timeout=0.05)
    # The second of its kind is the first of the calls at once: it holds the session until the others have come, too.
    faults(
        type="row_latency",
        attributes={"latency": 5000},
        match=r"Catalog_Валюты\?\$format=json&\$select=Ref_Key&\$top=1$",
        nth=[2],
    )
    before = visit(base, database_url, tmp_path, settings={"ONEC_MAX_SESSIONS": "3"})
    assert control(base, "faults")[0]["fired"] == 1
    switches(pool_size=10, pool_timeout=PATIENCE_SECONDS)
    after = visit(base, database_url, tmp_path, settings={"ONEC_MAX_SESSIONS": "3"})

    assert codes(before, "warning") == ["ONEC_POOL_FULL"]
    assert before.capabilities["sessions"] == 1
    assert codes(after, "warning") == []


def test_an_exchange_plan_without_our_node_names_those_there_are(base, database_url, tmp_path):
    plan = next(name for name in control(base, "tables") if name.startswith("ExchangePlan_"))
    wrong = visit(
        base,
        database_url,
        tmp_path,
        settings={"ONEC_EXCHANGE_PLAN": plan, "ONEC_EXCHANGE_NODE": "no-such-node"},
    )
    ref = control(base, f"rows/{plan}")["rows"][0]["Ref_Key"]
    right = visit(
        base, database_url, tmp_path, settings={"ONEC_EXCHANGE_PLAN": plan, "ONEC_EXCHANGE_NODE": ref}
    )

    assert codes(wrong) == ["ONEC_NODE_UNKNOWN"]
    assert "there are:" in saw(wrong, "ONEC_NODE_UNKNOWN")
    assert codes(right) == []


def test_a_database_without_migrations_is_told_and_1c_is_looked_at_all_the_same(
    base, empty_database_url, tmp_path
):
    before = visit(base, empty_database_url, tmp_path)
    migrate(empty_database_url)
    after = visit(base, empty_database_url, tmp_path)

    assert codes(before) == ["MIGRATIONS_PENDING"]
    assert any(one.check == "rights" and one.severity == "ok" for one in before.findings)
    assert codes(after) == []


def test_a_database_that_is_down_is_one_finding_and_1c_is_looked_at_all_the_same(base, tmp_path):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        report = visit(base, f"postgresql://postgres:canary-4712@127.0.0.1:{port}/onec", tmp_path)

    assert codes(report) == ["DB_DOWN"]
    assert any(one.check == "rights" and one.severity == "ok" for one in report.findings)
    assert "canary-4712" not in str(report)


def test_dagsters_daemon_is_missed_when_its_last_sign_of_life_is_old(base, database_url, tmp_path):
    query(database_url, "CREATE SCHEMA dagster")
    query(database_url, "CREATE TABLE dagster.daemon_heartbeats (daemon_type text, body text)")
    body = "jsonb_build_object('timestamp', extract(epoch FROM now()) - %s)::text"
    beat = f"INSERT INTO dagster.daemon_heartbeats VALUES ('SCHEDULER', {body})"  # noqa: S608 - no value of ours
    query(database_url, beat, 4000)
    before = visit(base, database_url, tmp_path, ask_onec=False)
    query(database_url, "DELETE FROM dagster.daemon_heartbeats")
    query(database_url, beat, 5)
    after = visit(base, database_url, tmp_path, ask_onec=False)

    assert "DAGSTER_DAEMON" in codes(before, "warning")
    assert codes(after, "warning") == []
