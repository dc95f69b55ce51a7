"""`onec status`, `onec advise` and `onec dashboard serve` as they are typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner

from onec_pipelines.cli import cli
from onec_pipelines.webhook.signature import new_secret
from onec_pipelines.webhook.trial import send
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import query
from onec_pipelines_tests.fixtures.webhooks import event

TOKEN = "a-token-of-enough-characters"


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


def test_status_says_in_both_languages_what_stopped_the_last_runs(variables, database_url):
    query(database_url, "DELETE FROM integ.sync_jobs WHERE id > (SELECT min(id) FROM integ.sync_jobs)")
    english, russian = run(variables, "status"), run(variables, "status", "--lang", "ru")

    assert "[ONEC_AUTH] 1C refused the login" in english
    assert "What to do: Check ONEC_USER" in english
    assert "Что делать: Проверьте ONEC_USER" in russian


def served(variables, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ONEC_")} | variables
    return subprocess.Popen(
        [sys.executable, "-m", "onec_pipelines.cli", *arguments, "--port", "0", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer_of(url, **headers):
    asked = urllib.request.Request(url, headers=headers)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_receiver_serves_the_dashboard_with_a_token_and_keeps_its_own_health(variables):
    secret = new_secret()
    held = {**variables, "ONEC_WEBHOOK_SECRETS": secret, "ONEC_DASHBOARD_TOKEN": TOKEN}
    with served(held, "webhooks", "serve", "--dashboard") as process:
        url = json.loads(process.stdout.readline())["url"]
        login = {"Authorization": f"Bearer {TOKEN}"}
        assert [answer_of(f"{url}{path}")[0] for path in ("/dashboard", "/metrics", "/audits/")] == [401] * 3
        status, page = answer_of(f"{url}/dashboard?lang=en", **login)
        assert (status, "RUN_FAILED" in page) == (200, True)
        assert answer_of(f"{url}/metrics", **login)[0] == 200
        assert json.loads(answer_of(f"{url}/health/ready", **login)[1])["status"] == "degraded"
        # The receiver can take events however the rest is.
        assert (answer_of(f"{url}/health")[0], "reasons" in answer_of(f"{url}/health", **login)[1]) == (
            200,
            False,
        )
        sent = event("stock.changed", "8b9660f6-6332-11ec-ad72-000c29b45b09", secret=secret)
        assert send(sent, url)[0] == 202
        process.send_signal(signal.SIGINT)
        process.wait(timeout=PATIENCE_SECONDS)


def test_a_receiver_does_not_show_the_dashboard_to_everybody(variables):
    with served(
        {**variables, "ONEC_WEBHOOK_SECRETS": new_secret()}, "webhooks", "serve", "--dashboard"
    ) as process:
        said = process.communicate(timeout=PATIENCE_SECONDS)[1]
    assert process.returncode == 1
    assert "DASHBOARD_OPEN" in said


def test_the_dashboard_is_served_until_it_is_interrupted(variables):
    with served(variables, "dashboard", "serve") as process:
        url = json.loads(process.stdout.readline())["url"]
        with urllib.request.urlopen(f"{url}/dashboard?lang=ru", timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - loopback
            assert "RUN_FAILED" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=PATIENCE_SECONDS)
