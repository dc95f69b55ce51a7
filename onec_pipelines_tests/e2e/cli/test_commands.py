"""The command line against a simulated 1C: exit codes and JSON that a script can rely on."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.db.engine import connect
from onec_pipelines.ledger import jobs
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import SYSTEM, control, environment, query


@pytest.fixture(scope="module")
def shop():
    with Simulator.start_thread(products=60, seed=5) as running:
        yield running


@pytest.fixture
def onec(shop, database_url, tmp_path, monkeypatch):
    """Runs `onec` with arguments; the settings are in the environment as in real life."""
    for name, value in environment(shop, database_url, tmp_path).items():
        monkeypatch.setenv(name, value)
    yield lambda *arguments: CliRunner().invoke(command_line.cli, arguments)
    control(shop, "faults", method="DELETE")


def test_one_failing_entity_does_not_stop_the_others(onec, shop, database_url):
    control(
        shop,
        "faults",
        {
            "type": "odata_error",
            "match": r"Catalog_Производители\?",
            "attributes": {"status": 401, "code": "20", "message": "Ошибка прав доступа"},
        },
    )

    result = onec("sync", "currencies", "manufacturers", "brands", "--json")

    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["ok"] is False
    assert document["errors"]["manufacturers"]["code"] == "ONEC_RIGHTS"
    assert set(document["entities"]) == {"currencies", "brands"}
    assert query(database_url, "SELECT entity_type, status FROM integ.sync_jobs ORDER BY id") == [
        ("currencies", "succeeded"),
        ("manufacturers", "failed"),
        ("brands", "succeeded"),
    ]


def test_what_may_succeed_later_has_an_exit_code_of_its_own(onec, database_url):
    with connect(database_url) as database, jobs.entity_lock(database, SYSTEM, "brands"):
        result = onec("sync", "brands", "--json")

    assert result.exit_code == 75
    assert json.loads(result.stdout)["errors"]["brands"]["code"] == "ALREADY_RUNNING"


def test_a_sync_is_shown_by_status_and_quarantine(onec):
    synced = onec("sync", "currencies", "brands", "--json")
    status = json.loads(onec("status", "--json").stdout)
    listed = json.loads(onec("quarantine", "list", "--json").stdout)
    shown = json.loads(onec("quarantine", "show", str(listed[0]["id"]), "--json").stdout)

    assert synced.exit_code == 0
    assert json.loads(synced.stdout)["entities"]["currencies"]["rows_loaded"] > 0
    assert {one["entity_type"]: one["status"] for one in status["entities"]} == {
        "currencies": "succeeded",
        "brands": "succeeded",
    }
    assert [one["entity_type"] for one in listed] == ["brands"]
    assert shown["failures"][0].keys() == {"field", "rule", "reason", "value"}
    assert json.loads(shown["source_row"])["Ref_Key"] == shown["external_key"]


def test_people_get_tables(onec):
    assert "succeeded" in onec("sync", "currencies").output
    assert "currencies" in onec("status").output
    assert onec("quarantine", "list").exit_code == 0
    assert "no entry 17" in onec("quarantine", "show", "17").output


def test_a_database_without_tables_says_what_to_do(onec, empty_database_url, monkeypatch):
    monkeypatch.setenv("ONEC_DATABASE_URL", empty_database_url)

    result = onec("status")

    assert result.exit_code == 1
    assert "onec migrate" in str(result.exception)
    assert onec("migrate").exit_code == 0
    assert onec("status").exit_code == 0
