"""`onec doctor` as people and scripts call it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import environment, value

CANARY = "canary-4713"


def onec(*arguments, **variables):
    kept = {name: text for name, text in os.environ.items() if not name.startswith("ONEC_")}
    return subprocess.run(
        [sys.executable, "-m", "onec_pipelines.cli", "doctor", *arguments],
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_a_good_base_exits_0_with_a_report_that_is_kept(simulator, database_url, tmp_path):
    done = onec("--json", "--entity", "currencies", **environment(simulator, database_url, tmp_path))

    report = json.loads(done.stdout)
    assert (done.returncode, report["worst"]) == (0, "note")
    assert report["requests"] > 5
    assert (
        value(database_url, "SELECT (document->>'requests')::int FROM integ.doctor_reports")
        == (report["requests"])
    )


def test_wrong_credentials_exit_1_with_the_remedy_in_russian_and_without_the_password(
    simulator, database_url, tmp_path
):
    variables = environment(simulator, database_url, tmp_path) | {"ONEC_PASSWORD": CANARY}
    done = onec("--lang", "ru", **variables)

    assert done.returncode == 1
    assert "ONEC_AUTH" in done.stdout
    assert "Проверьте" in done.stdout
    assert CANARY not in done.stdout + done.stderr


def test_settings_that_do_not_lead_to_1c_leave_the_database_to_be_looked_at(
    simulator, database_url, tmp_path
):
    variables = environment(simulator, database_url, tmp_path)
    del variables["ONEC_PASSWORD"]
    done = onec("--json", **variables)

    report = json.loads(done.stdout)
    errors = [one["code"] for one in report["findings"] if one["severity"] == "error"]
    assert (done.returncode, errors, report["requests"]) == (1, ["SETTINGS"], 0)
    assert any(one["check"] == "database" and one["severity"] == "ok" for one in report["findings"])


def test_an_unknown_entity_is_wrong_usage():
    done = onec("--entity", "nothing")

    assert done.returncode == 2
    assert "no entity nothing" in done.stderr
