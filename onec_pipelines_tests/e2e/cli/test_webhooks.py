"""`onec webhooks`: a secret, a receiver, an event sent to it, and what is refused at the start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import query

ROOT = Path(__file__).resolve().parents[3]
ONEC = [sys.executable, "-m", "onec_pipelines.cli", "webhooks"]
REF = "0a1b2c3d-1111-2222-3333-444455556666"


@pytest.fixture
def environment(database_url, tmp_path) -> dict[str, str]:
    return {
        **os.environ,
        "ONEC_SYSTEM": "test",
        "ONEC_DATABASE_URL": database_url,
        "ONEC_HOME": str(tmp_path),
        "ONEC_WEBHOOK_SECRETS": onec({**os.environ}, "secret").stdout.strip(),
        "ONEC_WEBHOOK_DIRECT_STOCK": "on",
    }


def onec(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ONEC, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_an_event_made_by_hand_reaches_the_inbox_of_a_receiver_started_by_hand(
    environment, database_url
) -> None:
    with subprocess.Popen(
        [*ONEC, "serve", "--port", "0", "--json"],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stdout
        url = json.loads(serving.stdout.readline())["url"]
        first = onec(environment, "sign", "stock.changed", REF, "--id", "once", "--url", url)
        again = onec(environment, "sign", "stock.changed", REF, "--id", "once", "--url", url)
        other = {**environment, "ONEC_WEBHOOK_SECRETS": onec(environment, "secret").stdout.strip()}
        refused = onec(other, "sign", "stock.changed", REF, "--url", url)
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(PATIENCE_SECONDS) in {0, -signal.SIGTERM}
    assert (first.returncode, first.stdout.strip()) == (0, '202 {"status":"accepted"}')
    assert (again.returncode, again.stdout.strip()) == (0, '200 {"status":"duplicate"}')
    assert (refused.returncode, refused.stdout.strip()) == (1, '401 {"error":"unauthorized"}')
    assert query(database_url, "SELECT msg_id, type FROM integ.webhook_inbox") == [("once", "stock.changed")]
    counted = dict(query(database_url, "SELECT name, count FROM integ.webhook_counts"))
    assert counted == {
        "accepted": 1,
        "duplicate": 1,
        "secret_1": 2,
        "refused": 1,
        "refused_signature": 1,
    }


@pytest.mark.parametrize("secrets", ["", "whsec_c2hvcnQ=", "changeme"])
def test_a_receiver_does_not_start_with_a_secret_that_is_none(environment, secrets) -> None:
    ended = onec({**environment, "ONEC_WEBHOOK_SECRETS": secrets}, "serve", "--port", "0")
    assert ended.returncode == 1
    assert "WEBHOOK_SECRET" in ended.stderr


def test_without_an_address_a_command_to_send_it_is_printed(environment) -> None:
    printed = onec({**environment, "ONEC_WEBHOOK_PORT": "9"}, "sign", "ping").stdout
    assert printed.startswith("curl ")
    assert "http://127.0.0.1:9/webhooks/1c" in printed
    assert environment["ONEC_WEBHOOK_SECRETS"] not in printed
