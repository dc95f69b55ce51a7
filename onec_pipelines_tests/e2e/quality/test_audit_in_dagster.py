"""The job quality_audit, whole, as the nightly schedule runs it: results in Dagster's event log, pages on the dashboard."""

from __future__ import annotations

import shutil
import urllib.request

import dagster as dg
import pytest

from onec_pipelines.definitions import defs
from onec_pipelines.defs.in_process import run_job
from onec_pipelines.defs.quality import QUALITY_KEYS
from onec_pipelines.monitoring.serve import open_site
from onec_pipelines.monitoring.web import build_app
from onec_pipelines.settings import load_settings, project_root
from onec_pipelines.webhook.server import Receiver
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import environment, query

BROKEN = ("shop/stock", "available_not_negative")


@pytest.fixture
def home(shop, copy_url, tmp_path, monkeypatch):
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    for name, held in environment(shop, copy_url, tmp_path).items():
        monkeypatch.setenv(name, held)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("ONEC_DASHBOARD_URL", "https://onec.example.com/")
    return tmp_path


def test_the_whole_job_leaves_a_result_for_every_check_and_pages_that_the_dashboard_serves(home, copy_url):
    query(
        copy_url,
        "UPDATE shop.stock SET available = -1 WHERE id IN (SELECT id FROM shop.stock WHERE available = 0 ORDER BY id LIMIT 2)",
    )
    done = run_job(defs, "quality_audit", lambda _: None)

    assert done.problems == []
    with dg.DagsterInstance.get() as instance:
        records = instance.get_records_for_run(
            done.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
    results = [record.event_log_entry.dagster_event.event_specific_data for record in records]
    found = {(one.asset_key.to_user_string(), one.check_name): one for one in results}
    assert len(results) == len(QUALITY_KEYS)
    assert [place for place, one in found.items() if not one.passed] == [BROKEN]
    broken = found[BROKEN]
    values = {name: held.value for name, held in broken.metadata.items()}
    assert (broken.severity, values["failed_rows"]) == (dg.AssetCheckSeverity.ERROR, 2)
    assert (values["code"], "onec quality run" in values["что_делать"]) == ("AUDIT_FAILED", True)
    assert broken.description.startswith("The shop's tables are not as expected.")

    address = values["data_docs"].removeprefix("https://onec.example.com")
    assert (home / "data_docs" / address.removeprefix("/audits/")).is_file()
    with (
        open_site(load_settings(), copy_url) as site,
        Receiver(build_app(site), host="127.0.0.1", port=0) as server,
        urllib.request.urlopen(f"{server.url}{address}", timeout=PATIENCE_SECONDS) as answer,  # noqa: S310 - loopback
    ):
        page = answer.read().decode()
    assert "shop.stock" in page
    assert "1 failed" in page
