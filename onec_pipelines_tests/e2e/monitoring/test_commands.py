"""`onec status`, `onec advise` and `onec dashboard serve` as they are typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest
from click.testing import CliRunner

from onec_pipelines.cli import cli
from onec_pipelines_tests.fixtures.pipeline import query


@pytest.fixture
def variables(database_url, tmp_path):
    query(
        database_url,
        "INSERT INTO integ.sync_jobs (job_type, system_name, entity_type, status, completed_at, error_message)"
        " SELECT 'inbound', 'ut', 'products', 'failed', now(), '[ONEC_AUTH] 1C refused the login' FROM generate_series(1, 3)",
    )
    return {
        "ONEC_ENV_FILE": "",
        "ONEC_DATABASE_URL": database_url,
        "ONEC_HOME": str(tmp_path),
        "ONEC_URL": "http://127.0.0.1:9/ut/odata/standard.odata",
        "ONEC_USER": "reader",
        "ONEC_PASSWORD": "x",
        "ONEC_TIMEZONE": "Europe/Moscow",
        "ONEC_SYSTEM": "ut",
    }


def run(variables, *arguments):
    result = CliRunner(env=variables).invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_status_shows_runs_and_what_is_wrong_with_what_to_do(variables):
    text = run(variables, "status")
    assert "products" in text
    assert "[RUN_FAILED] products" in text
    document = json.loads(run(variables, "status", "--json"))
    assert (document["system"], document["status"]) == ("ut", "degraded")
    (entity,) = document["entities"]
    assert entity["entity_type"] == "products"
    assert entity["error_message"] == "[ONEC_AUTH] 1C refused the login"
    assert document["reasons"][0]["remedy"]


def test_advise_says_that_there_is_not_enough_data(variables):
    assert "not enough data" in run(variables, "advise")
    assert "мало данных" in run(variables, "advise", "--lang", "ru")
    document = json.loads(run(variables, "advise", "--json"))
    assert {one["verdict"] for one in document["advice"]} == {"no_data"}


def test_the_dashboard_is_served_until_it_is_interrupted(variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ONEC_")} | variables
    process = subprocess.Popen(
        [sys.executable, "-m", "onec_pipelines.cli", "dashboard", "serve", "--port", "0", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        url = json.loads(process.stdout.readline())["url"]
        with urllib.request.urlopen(f"{url}/dashboard?lang=ru", timeout=20) as answer:  # noqa: S310 - loopback
            assert "RUN_FAILED" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
