"""What an operator does with the queue from the command line; a worker process that wakes at once and ends with grace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.errors import Quarantine
from onec_pipelines.ledger import queue
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until
from onec_pipelines_tests.fixtures.pipeline import SYSTEM, environment, query, value

# A worker that was not woken would not look again before the test is over.
WITHOUT_A_POLL = (
    f"from onec_pipelines import dispatch; dispatch._POLL_SECONDS = {2.0 * PATIENCE_SECONDS}"
    "\nfrom onec_pipelines.cli import cli; cli()"
)


@pytest.fixture(scope="module")
def shop():
    with Simulator.start_thread(products=60, seed=5) as running:
        yield running


@pytest.fixture
def onec(shop, database_url, tmp_path, monkeypatch):
    """Runs `onec` with arguments."""
    for name, held in environment(shop, database_url, tmp_path).items():
        monkeypatch.setenv(name, held)
    return lambda *arguments: CliRunner().invoke(command_line.cli, arguments)


@pytest.fixture
def refused(database_url):
    """A dead item with 1C's words, and one behind it."""
    with connect(database_url) as database:
        with database.transaction() as connection:
            ids = [
                queue.enqueue(
                    driver_connection(connection),
                    system_name=SYSTEM,
                    kind="push",
                    subject="order:1",
                    ordering_key="order:1",
                    payload={"version": number},
                )
                for number in (1, 2)
            ]
        (item,) = queue.claim(
            database, system_name=SYSTEM, kinds=["push"], limit=5, lease_seconds=60, worker="w"
        )
        error = Quarantine(
            "1C refused",
            code="ONEC_HANDLER",
            remedy="Open the period.",
            onec_message="Период закрыт для изменений",
        )
        with database.transaction() as connection:
            queue.settle(driver_connection(connection), item, error)
    return ids


def test_a_refused_push_is_shown_with_1cs_words_and_what_to_do(onec, refused):
    listed = onec("queue", "list", "--state", "dead")
    assert listed.exit_code == 0, listed.output
    assert "ONEC_HANDLER" in listed.stdout
    shown = onec("queue", "show", str(refused[0]))
    assert "1C says: Период закрыт для изменений" in shown.stdout
    assert "what to do: Open the period." in shown.stdout
    assert f"holds_up: [{refused[1]}]" in shown.stdout
    document = json.loads(onec("queue", "list", "--json").stdout)
    assert {(row["state"], row["items"]) for row in document["counts"]} == {("dead", 1), ("ready", 1)}


def test_one_command_tries_it_again_and_names_who_did_it(onec, refused, database_url):
    assert onec("queue", "edit", str(refused[0]), "--payload", '{"version": 3}').exit_code == 0
    result = onec("queue", "retry", "--all", "--class", "refused", "--reason", "period opened")
    assert result.exit_code == 0, result.output
    assert value(database_url, "SELECT payload FROM integ.retry_queue WHERE id = %s", refused[0]) == {
        "version": 3
    }
    ((by, reason),) = query(
        database_url,
        "SELECT details ->> 'by', details ->> 'reason' FROM integ.audit_log WHERE action = 'queue.retry'",
    )
    assert "@" in by
    assert reason == "period opened"


def test_what_cannot_be_done_is_said_and_exits_2(onec, refused):
    assert onec("queue", "drop", str(refused[0])).exit_code == 0
    for arguments in (
        ("drop", str(refused[0])),
        ("show", "999"),
        ("retry",),
        ("retry", "1", "--all"),
        ("edit", str(refused[1]), "--payload", "[]"),
    ):
        assert onec("queue", *arguments).exit_code == 2


def test_a_pause_refuses_a_sync_with_exit_code_75_until_resumed(onec):
    assert onec("pause", "--reason", "month end").exit_code == 0
    result = onec("sync", "currencies", "--json")
    assert result.exit_code == 75
    assert json.loads(result.stdout)["errors"]["currencies"]["code"] == "ONEC_PAUSED"
    assert onec("resume").exit_code == 0
    assert onec("sync", "currencies", "--json").exit_code == 0


@pytest.mark.parametrize("until", ["yesterday", "2001-01-01T10:00", "25:00"])
def test_a_pause_until_no_time_is_refused(onec, until):
    assert onec("pause", "--until", until).exit_code == 2


def test_a_worker_is_woken_by_an_item_and_ends_with_grace(shop, database_url, tmp_path):
    variables = {**os.environ, **environment(shop, database_url, tmp_path)}
    worker = subprocess.Popen(
        [sys.executable, "-c", WITHOUT_A_POLL, "worker", "--json"],
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        listening = (
            "SELECT 1 FROM integ.workers, pg_stat_activity WHERE workers.state = 'running'"
            " AND datname = current_database() AND query LIKE 'LISTEN %%'"
        )
        until(lambda: query(database_url, listening) or worker.poll() is not None)
        assert worker.poll() is None
        with connect(database_url) as database, database.transaction() as connection:
            queue.enqueue(
                driver_connection(connection),
                system_name=SYSTEM,
                kind="webhook",
                subject="x",
                ordering_key="x",
                payload={"entity": "no such entity", "ref": "00000000-0000-0000-0000-000000000001"},
            )
        until(lambda: query(database_url, "SELECT 1 FROM integ.retry_queue WHERE state = 'done'"))
    finally:
        worker.send_signal(signal.SIGTERM)
        out, _ = worker.communicate(timeout=PATIENCE_SECONDS)
    assert worker.returncode == 0
    assert json.loads(out)["done"] == 1
    assert value(database_url, "SELECT state FROM integ.workers") == "stopped"
