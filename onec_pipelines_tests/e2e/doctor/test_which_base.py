"""Another base never fills the same database unless a person says so (RELIABILITY 42)."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import Stop
from onec_pipelines.inbound import inbound
from onec_pipelines.runtime import open_runtime
from onec_pipelines.settings import load_settings
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.doctor import codes, saw, visit
from onec_pipelines_tests.fixtures.pipeline import control, environment, value

CURRENCIES = BY_NAME["currencies"]


@pytest.fixture(scope="module")
def ours():
    with Simulator.start_thread(products=20, seed=5) as running:
        yield running


@pytest.fixture(scope="module")
def foreign():
    with Simulator.start_thread(products=20, seed=6) as running:
        yield running


@pytest.fixture(scope="module")
def copy():
    with Simulator.start_thread(products=20, seed=5, publication="ut_test") as running:
        yield running


def sync(simulator, database_url, home):
    with open_runtime(load_settings(environment(simulator, database_url, home))) as runtime:
        return inbound(CURRENCIES, runtime)


def test_a_run_on_another_base_at_the_same_address_is_refused_and_writes_nothing(
    ours, foreign, database_url, tmp_path
):
    sync(ours, database_url, tmp_path / "a")
    before = value(database_url, "SELECT count(*) FROM clean.currencies")

    with pytest.raises(Stop) as refused:
        sync(foreign, database_url, tmp_path / "b")

    assert refused.value.code == "BASE_OTHER"
    assert value(database_url, "SELECT count(*) FROM clean.currencies") == before


def test_a_copy_at_another_address_is_refused_before_any_request(ours, copy, database_url, tmp_path):
    sync(ours, database_url, tmp_path)
    control(copy, "stats", method="DELETE")

    with pytest.raises(Stop) as refused:
        sync(copy, database_url, tmp_path)

    assert refused.value.code == "BASE_MOVED"
    assert sum(control(copy, "stats")["requests"].values()) == 0


@pytest.mark.parametrize("other", [("foreign", "BASE_OTHER"), ("copy", "BASE_MOVED")], ids=lambda one: one[0])
def test_the_doctor_names_the_other_base_until_a_person_accepts_it(
    ours, other, request, database_url, tmp_path
):
    there, code = request.getfixturevalue(other[0]), other[1]
    visit(ours, database_url, tmp_path / "a")
    refused = visit(there, database_url, tmp_path / "b", write_probe=True)
    accepted = visit(there, database_url, tmp_path / "b", accept_base=True, by="anna@desk")
    after = visit(there, database_url, tmp_path / "b")

    assert codes(refused) == [code]
    assert "localhost/ut/odata/standard.odata" in saw(refused, code)
    assert not any(one.check == "write probe" for one in refused.findings)
    assert (codes(accepted), codes(after)) == ([], [])
    assert sync(there, database_url, tmp_path / "b").status == "succeeded"
    assert value(database_url, "SELECT details->>'by' FROM integ.audit_log WHERE action = 'base.accept'") == (
        "anna@desk"
    )


def test_one_base_under_two_names_is_warned_of_until_one_is_given_up(ours, database_url, tmp_path):
    visit(ours, database_url, tmp_path)
    report = visit(ours, database_url, tmp_path, settings={"ONEC_SYSTEM": "second"})

    after = visit(ours, database_url, tmp_path, forget_base="second", by="anna@desk")

    assert codes(report, "warning") == ["BASE_TWICE"]
    assert codes(after, "warning") == []
    assert value(
        database_url,
        "SELECT details->>'before' || ' ' || (details->>'by') FROM integ.audit_log WHERE action = 'base.forget'",
    ) == ("localhost/ut/odata/standard.odata anna@desk")


def test_a_second_machine_takes_the_metadata_from_the_database(ours, database_url, tmp_path):
    sync(ours, database_url, tmp_path / "first")
    control(ours, "stats", method="DELETE")

    sync(ours, database_url, tmp_path / "second")

    assert not [name for name in control(ours, "stats")["requests"] if "metadata" in name]
