"""Alerts on a whole pipeline: silence while all is well, one alert and one recovery for what the simulator does to us; the commands."""

from __future__ import annotations

import json
import shutil

import dagster as dg
import pytest
from click.testing import CliRunner

from onec_pipelines.cli import cli
from onec_pipelines.definitions import defs
from onec_pipelines.defs.alerts import alerts_of_dagster, alerts_of_ledger
from onec_pipelines.defs.in_process import run_job
from onec_pipelines.settings import project_root
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.alerts import http_receiver
from onec_pipelines_tests.fixtures.pipeline import control, environment


@pytest.fixture
def receiver():
    with http_receiver() as running:
        yield running


@pytest.fixture
def shop(receiver, database_url, tmp_path, monkeypatch):
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with Simulator.start_thread(products=40, seed=5) as running:
        for name, held in environment(running, database_url, tmp_path, page_rows=500).items():
            monkeypatch.setenv(name, held)
        monkeypatch.setenv("ONEC_ALERT_WEBHOOK_URL", receiver.url)
        yield running


def onec(*arguments):
    return CliRunner().invoke(cli, arguments)


def test_schedules_on_a_healthy_base_raise_no_alert(shop, receiver):
    cursor = None
    for job in ("sync_all", "sync_prices_and_stock", "sync_catalog"):
        run_job(defs, job, lambda _outcome: None)
        with dg.DagsterInstance.get() as instance:
            context = dg.build_sensor_context(instance=instance, cursor=cursor)
            alerts_of_dagster(context)
            alerts_of_ledger(dg.build_sensor_context(instance=instance))
            cursor = context.cursor

    assert receiver.told == []


def test_a_refused_login_is_told_once_with_the_remedy_and_so_is_its_end(shop, receiver):
    control(shop, "faults", {"type": "status", "attributes": {"status": 401}})
    for _ in range(2):
        assert onec("sync", "manufacturers").exit_code != 0
        assert onec("alerts", "check").exit_code == 0
    control(shop, "faults", method="DELETE")
    onec("resume")
    assert onec("sync", "manufacturers").exit_code == 0
    for _ in range(2):
        onec("alerts", "check")

    begun = {one["kind"]: one for one in receiver.documents if one["event"] == "raised"}
    assert begun.keys() == {"breaker_open", "sync_failed"}
    assert "ONEC_PASSWORD" in begun["breaker_open"]["remedy"]
    assert begun["sync_failed"]["entity"] == "manufacturers"
    assert sorted(event for event, _ in receiver.told) == ["raised", "raised", "recovered", "recovered"]


def test_a_pool_of_sessions_that_is_used_up_is_told_in_1cs_words(shop, receiver):
    control(shop, "faults", {"type": "status", "attributes": {"status": 406}})
    onec("sync", "manufacturers")
    onec("alerts", "check")
    onec("alerts", "check")

    (found,) = [one for one in receiver.documents if one["kind"] == "exhausted"]
    assert found["code"] in {"ONEC_POOL_FULL", "ONEC_NO_LICENCE", "ONEC_OVERLOAD"}


def test_the_commands_test_list_take_and_silence(shop, receiver):
    tested = onec("alerts", "test")
    assert (tested.exit_code, receiver.documents[0]["code"]) == (0, "ALERT_TEST")
    control(shop, "faults", {"type": "status", "attributes": {"status": 401}})
    onec("alerts", "silence", "sync_failed:*", "--hours", "1")
    onec("sync", "manufacturers")
    onec("alerts", "check")
    listed = json.loads(onec("alerts", "list", "--json").stdout)
    found = {one["kind"]: one["id"] for one in listed["alerts"]}

    assert found.keys() == {"breaker_open", "sync_failed"}
    assert [one["pattern"] for one in listed["silences"]] == ["sync_failed:*"]
    assert {one["kind"] for one in receiver.documents} == {"test", "breaker_open"}
    assert onec("alerts", "ack", str(found["breaker_open"])).exit_code == 0
    assert onec("alerts", "ack", "999").exit_code == 2
    assert "onec resume" in onec("alerts", "list").output
    receiver.status = 500
    assert onec("alerts", "test").exit_code == 1


def test_a_remedy_is_found_by_foreign_codes_in_both_languages():
    assert "poolSize" in onec("remedy", "406").output
    assert "Что делать" in onec("remedy", "-1", "--lang", "ru").output
    assert onec("remedy", "ONEC_AUHT").exit_code == 1
