"""Each kind of alert, provoked by what a base and its people do: told exactly once however often it is looked at, its end once.

The causes are real: faults and changes of the simulator, a killed process, hands in the database. Only time is helped along.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._daemon.types import DaemonHeartbeat

from onec_pipelines.cli import cli
from onec_pipelines.definitions import defs
from onec_pipelines.defs.alerts import alerts_of_dagster
from onec_pipelines.defs.in_process import run_job
from onec_pipelines.settings import project_root
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.alerts import http_receiver, smtp_server
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until
from onec_pipelines_tests.fixtures.pipeline import control, environment, query, value
from onec_pipelines_tests.fixtures.schedules import switch_on
from onec_pipelines_tests.fixtures.schemas import renamed, write
from onec_pipelines_tests.fixtures.webhooks import event, post, receiving

MANUFACTURERS, CURRENCIES = "Catalog_Производители", "Catalog_Валюты"


@pytest.fixture(scope="module")
def base():
    with Simulator.start_thread(products=60, seed=5, broken=False) as running:
        yield running


@pytest.fixture(scope="module")
def updated(tmp_path_factory):
    """The same base after updates of its configuration: one emptied a field that may be absent, one took a needed one."""
    folder = tmp_path_factory.mktemp("updates")
    with (
        Simulator.start_thread(
            products=5,
            seed=5,
            metadata=str(write(renamed(CURRENCIES, "НаименованиеПолное", "А"), folder / "a.xml")),
        ) as emptied,
        Simulator.start_thread(
            products=5, seed=5, metadata=str(write(renamed(CURRENCIES, "Code", "Б"), folder / "b.xml"))
        ) as broken,
    ):
        yield {"emptied": emptied, "broken": broken}


@pytest.fixture
def receiver():
    with http_receiver() as running:
        yield running


@pytest.fixture
def lead_to(receiver, database_url, tmp_path, monkeypatch):
    """Puts the settings that lead to a base into the environment; its `$metadata` is fetched anew."""
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("ONEC_ALERT_WEBHOOK_URL", receiver.url)

    def lead(there):
        for name, held in environment(there, database_url, tmp_path, page_rows=500).items():
            monkeypatch.setenv(name, held)
        shutil.rmtree(tmp_path / "metadata", ignore_errors=True)

    return lead


@pytest.fixture
def shop(base, lead_to, monkeypatch):
    lead_to(base)
    yield base
    control(base, "faults", method="DELETE")


@pytest.fixture
def told(receiver):
    """What has arrived after two more looks, as (event, fingerprint)."""

    def look(*, of=""):
        for _ in range(2):
            assert onec("alerts", "check").exit_code == 0
        return [(event, name) for event, name in receiver.told if name.startswith(of)]

    return look


def onec(*arguments):
    return CliRunner().invoke(cli, arguments)


def both(fingerprint):
    return [("raised", fingerprint), ("recovered", fingerprint)]


def test_dead_letters_and_a_worker_that_does_not_come(shop, told, database_url, receiver, monkeypatch):
    monkeypatch.setenv("ONEC_ALERT_WAITING_MINUTES", "0")
    assert onec("sync", "currencies").exit_code == 0
    key = value(database_url, "SELECT ref::text FROM clean.currencies LIMIT 1")
    query(
        database_url,
        "SELECT integ.enqueue('test', 'webhook', 'currencies:' || %s, 'currencies:' || %s,"
        " jsonb_build_object('entity', 'currencies', 'ref', %s::text))",
        *(key, key, key),
    )
    assert told() == [("raised", "worker_dead:test")]

    control(
        shop, "faults", {"type": "odata_error", "attributes": {"status": 400, "code": 6, "message": "Ошибка"}}
    )
    onec("worker", "--once")
    dead = value(database_url, "SELECT state || ':' || (last_error ->> 'code') FROM integ.retry_queue")
    assert dead.startswith("dead:"), dead
    name = f"dead_letters:webhook:{dead.removeprefix('dead:')}"
    assert set(told()[1:]) == {("recovered", "worker_dead:test"), ("raised", name)}

    control(shop, "faults", method="DELETE")
    assert onec("queue", "retry", "--all", "--rate", "1000").exit_code == 0
    onec("worker", "--once")
    assert told(of="dead_letters") == both(name)
    (document,) = [
        one for one in receiver.documents if one["kind"] == "dead_letters" and one["event"] == "raised"
    ]
    assert (document["rows"], document["facts"]["subjects"]) == (1, [f"currencies:{key}"])


def test_a_pause_that_somebody_forgot(shop, told, database_url):
    assert onec("pause", "--reason", "inventory").exit_code == 0
    assert told() == []
    query(database_url, "UPDATE integ.throttle SET paused_at = now() - interval '3 hours'")
    assert told() == [("raised", "paused:test")]
    assert onec("resume").exit_code == 0
    assert told() == both("paused:test")


def test_licences_that_are_used_up(shop, told, database_url):
    control(
        shop,
        "faults",
        {"type": "odata_error", "attributes": {"status": 500, "message": "Не обнаружено свободной лицензии"}},
    )
    onec("sync", "currencies")
    assert told(of="exhausted") == [("raised", "exhausted:ONEC_NO_LICENCE")]
    control(shop, "faults", method="DELETE")
    onec("resume")
    assert onec("sync", "currencies").exit_code == 0
    query(database_url, "UPDATE integ.sync_jobs SET completed_at = completed_at - interval '40 minutes'")
    assert told(of="exhausted") == both("exhausted:ONEC_NO_LICENCE")


def test_an_attribute_that_an_update_took(base, updated, lead_to, told):
    lead_to(base)
    assert onec("sync", "currencies").exit_code == 0
    lead_to(updated["broken"])
    assert onec("sync", "currencies").exit_code == 1
    assert told() == [("raised", "schema_break:currencies")]
    lead_to(base)
    assert onec("sync", "currencies").exit_code == 0
    assert told() == both("schema_break:currencies")


def test_a_schema_that_changed_and_breaks_nothing_is_told_once_and_has_no_end(
    base, updated, lead_to, told, receiver
):
    lead_to(base)
    assert run_job(defs, "read_metadata", lambda _: None).problems == []
    assert told() == []
    lead_to(updated["emptied"])
    assert run_job(defs, "read_metadata", lambda _: None).problems == []

    assert [event for event, _ in told(of="schema_changed:")] == ["raised"]
    (document,) = receiver.documents
    assert document["code"] == "SCHEMA_CHANGED"
    assert "НаименованиеПолное" in document["facts"]["message"]


def test_rows_that_were_rejected_at_once(shop, told, database_url):
    rows = control(shop, f"rows/{MANUFACTURERS}?top=1000")["rows"]
    names = {row["Ref_Key"]: row["Description"] for row in rows[:15]}
    assert onec("sync", "manufacturers").exit_code == 0
    for key in names:
        control(shop, f"rows/{MANUFACTURERS}/{key}", {"Description": ""})
    onec("sync", "manufacturers", "--full")
    assert told() == [("raised", "quarantine_spike:manufacturers")]
    for key, name in names.items():
        control(shop, f"rows/{MANUFACTURERS}/{key}", {"Description": name})
    assert onec("sync", "manufacturers", "--full").exit_code == 0
    assert told() == both("quarantine_spike:manufacturers")


def test_rows_that_are_gone_at_once_are_braked(lead_to, told):
    with Simulator.start_thread(products=60, seed=5, broken=False) as shop:
        lead_to(shop)
        _lose_manufacturers(shop, told)


def _lose_manufacturers(shop, told):
    rows = control(shop, f"rows/{MANUFACTURERS}?top=1000")["rows"]
    assert onec("sync", "manufacturers").exit_code == 0
    for row in rows[: len(rows) * 2 // 3]:
        control(shop, f"rows/{MANUFACTURERS}/{row['Ref_Key']}", method="DELETE")
    assert onec("sync", "manufacturers", "--full").exit_code == 1
    assert told() == [("raised", "deletion_brake:manufacturers")]
    assert onec("sync", "manufacturers", "--full", "--allow-deletes").exit_code == 0
    assert told() == both("deletion_brake:manufacturers")


def test_a_load_that_waits_for_somebody(shop, told, monkeypatch):
    monkeypatch.setenv("ONEC_LIMITS", "currencies.changed_share=10%:0")
    rows = control(shop, f"rows/{CURRENCIES}")["rows"]
    assert onec("sync", "currencies").exit_code == 0
    for row in rows:
        control(shop, f"rows/{CURRENCIES}/{row['Ref_Key']}", {"Description": f"{row['Description']}!"})
    assert onec("sync", "currencies", "--full").exit_code == 1
    assert told() == [("raised", "approval_held:currencies")]
    assert onec("approve", "grant", "1", "--reason", "meant").exit_code == 0
    assert onec("sync", "currencies").exit_code == 0
    assert told() == both("approval_held:currencies")
    for row in rows:
        control(shop, f"rows/{CURRENCIES}/{row['Ref_Key']}", {"Description": row["Description"]})


def test_a_shop_that_differs_from_1c(shop, told, database_url):
    assert onec("sync", "currencies").exit_code == 0
    query(
        database_url,
        "UPDATE shop.currencies SET symbol = 'by hand' WHERE id = (SELECT min(id) FROM shop.currencies)",
    )
    assert onec("reconcile", "currencies").exit_code == 1
    assert told() == [("raised", "reconciliation:currencies")]
    assert onec("reconcile", "currencies", "--repair").exit_code == 0
    assert told() == both("reconciliation:currencies")


def test_a_sync_whose_process_was_killed(shop, told, database_url, monkeypatch):
    # It does not give up before it is killed.
    monkeypatch.setenv("ONEC_DEADLINE_SECONDS", str(PATIENCE_SECONDS))
    control(
        shop,
        "faults",
        {"type": "latency", "attributes": {"latency": PATIENCE_SECONDS * 1000}, "match": CURRENCIES},
    )
    with subprocess.Popen(
        [sys.executable, "-m", "onec_pipelines.cli", "sync", "currencies"],
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as syncing:
        until(lambda: query(database_url, "SELECT 1 FROM integ.sync_jobs WHERE status = 'running'"))
        syncing.send_signal(signal.SIGKILL)
    control(shop, "faults", method="DELETE")
    assert told() == []
    query(database_url, "UPDATE integ.sync_jobs SET started_at = now() - interval '20 minutes'")
    assert told() == [("raised", "stuck_job:currencies")]
    assert onec("sync", "currencies").exit_code == 0
    assert told() == both("stuck_job:currencies")


def test_events_whose_time_is_far_off(shop, told, database_url):
    with receiving(database_url) as running:
        for _ in range(3):
            assert post(running, event(timestamp=int(time.time()) - 200)).status == 202
    assert told(of="clock") == [("raised", "clock_skew:test")]
    with receiving(database_url) as running:
        for _ in range(4):
            assert post(running, event()).status == 202
    assert told(of="clock") == both("clock_skew:test")


def test_a_clock_that_the_doctor_saw_to_be_wrong(shop, told, receiver):
    control(shop, "faults", {"type": "clock_skew", "attributes": {"seconds": 3600}})
    onec("doctor", "--entity", "currencies")
    assert told() == [("raised", "clock_skew:test")]
    assert "s ahead of ours" in receiver.documents[0]["facts"]["message"]
    control(shop, "faults", method="DELETE")
    onec("doctor", "--entity", "currencies")
    assert told() == both("clock_skew:test")


def test_a_run_and_a_check_of_dagsters_that_failed(shop, receiver):
    def tick():
        with dg.DagsterInstance.get() as instance:
            for _ in range(2):
                context = dg.build_sensor_context(instance=instance, cursor=tick.cursor)
                alerts_of_dagster(context)
                tick.cursor = context.cursor
        return receiver.told

    tick.cursor = None
    control(shop, "options", {"denied": MANUFACTURERS}, method="PATCH")
    run_job(defs, "examine_base", lambda _: None)
    assert tick() == [("raised", "check:onec/doctor:base_is_fit")]
    assert "onec doctor" in receiver.documents[0]["remedy"]
    control(shop, "options", {"denied": ""}, method="PATCH")
    with dg.DagsterInstance.get() as instance:
        # The doctor misses the daemon too, now that Dagster has tables here.
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SCHEDULER", None, []))
    run_job(defs, "examine_base", lambda _: None)
    check = both("check:onec/doctor:base_is_fit")
    assert tick() == check

    control(shop, "options", {"publication_off": True}, method="PATCH")
    assert run_job(defs, "read_metadata", lambda _: None).problems
    assert tick() == [*check, ("raised", "run:ONEC_NO_SERVICE")]
    control(shop, "options", {"publication_off": False}, method="PATCH")
    onec("resume")
    assert run_job(defs, "read_metadata", lambda _: None).problems == []
    assert tick() == [*check, *both("run:ONEC_NO_SERVICE")]


def test_data_that_a_running_schedule_does_not_keep_fresh(shop, told, database_url):
    assert onec("sync", "currencies").exit_code == 0
    query(database_url, "UPDATE integ.sync_jobs SET started_at = started_at - interval '2 days'")
    assert told() == []
    switch_on(database_url, "catalog_every_hour")
    assert told() == [("raised", "freshness:assets")]
    assert onec("sync", "currencies").exit_code == 0
    assert told() == both("freshness:assets")


def test_a_channel_that_takes_nothing(shop, told, receiver, database_url, monkeypatch):
    with smtp_server() as mailbox:
        for name, held in {"SMTP_URL": mailbox.url, "EMAIL_FROM": "a@b.ru", "EMAIL_TO": "c@d.ru"}.items():
            monkeypatch.setenv(f"ONEC_ALERT_{name}", held)
        receiver.status = 500
        onec("pause")
        query(database_url, "UPDATE integ.throttle SET paused_at = now() - interval '3 hours'")
        told()
        query(
            database_url, "UPDATE integ.alert_deliveries SET created_at = created_at - interval '20 minutes'"
        )
        told()
        receiver.status = 204
        query(database_url, "UPDATE integ.alert_deliveries SET run_at = now() WHERE state = 'waiting'")
        told()
        subjects = [message["Subject"] for message in mailbox.messages]

    down = [subject for subject in subjects if "channel" in subject]
    assert len(subjects) == 3
    assert [subject.startswith("RECOVERED") for subject in down] == [False, True]
    assert told(of="paused") == [("raised", "paused:test")]
