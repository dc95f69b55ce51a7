"""The audit in Dagster: checks on the shop assets, in a job of its own, and nothing of it in a sync."""

from __future__ import annotations

import dagster as dg
import pytest

from onec_pipelines.definitions import build_definitions
from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.quality import AUDIT_SCHEDULE, QUALITY_KEYS, QUALITY_SPECS, results
from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.monitoring.expectations import Expectation, Finding, Severity
from onec_pipelines.monitoring.expectations.data_docs import KEPT, new_folder, newest, publish
from onec_pipelines.monitoring.expectations.rounds import Report
from onec_pipelines.spec import Layer

AUDIT = "audit_of_the_shop"


@pytest.fixture(scope="module")
def defs():
    return build_definitions()


@pytest.mark.parametrize("job", ["sync_all", "sync_catalog", "sync_images", "sync_documents"])
def test_a_sync_does_not_audit(defs, job):
    assert AUDIT not in {node.name for node in defs.resolve_job_def(job).nodes}


def test_the_audit_is_one_step_and_off_until_somebody_switches_it_on(defs):
    assert [node.name for node in defs.resolve_job_def("quality_audit").nodes] == [AUDIT]
    assert AUDIT_SCHEDULE.default_status is dg.DefaultScheduleStatus.STOPPED


def test_every_shop_asset_has_checks(defs):
    for entity in ENTITIES:
        key = asset_key(entity, Layer.SHOP)
        names = {one.name for one in QUALITY_KEYS if one.asset_key == key}
        assert {"freshness", "distribution"} <= names, entity.name
    assert all(spec.description for spec in QUALITY_SPECS)


def finding(severity, rows, **more):
    expectation = Expectation(
        check="uniqueness", words="No twins.", remedy="Mend.", severity=severity, rows="SELECT"
    )
    return Finding(
        entity="orders", table="shop.orders", expectation=expectation, passed=not rows, rows=rows, **more
    )


@pytest.mark.parametrize(
    ("found", "passed", "severity"),
    [
        ([finding(Severity.WARN, 0), finding(Severity.ERROR, 0)], True, "ERROR"),
        ([finding(Severity.WARN, 2), finding(Severity.ERROR, 0)], False, "WARN"),
        ([finding(Severity.WARN, 2), finding(Severity.ERROR, 1)], False, "ERROR"),
    ],
)
def test_a_check_is_as_bad_as_its_worst_finding(found, passed, severity, tmp_path):
    report = Report(number=1, findings=tuple(found), seconds=1.0, docs=tmp_path / "index.html")

    (result,) = results(report)

    assert (result.passed, result.severity.value) == (passed, severity)
    assert result.asset_key == asset_key(BY_NAME["orders"], Layer.SHOP)
    assert result.metadata["failed_rows"].value == sum(one.rows for one in found)
    assert result.metadata["data_docs"].value == (tmp_path / "index.html").as_uri()
    assert "all days" in result.metadata["window"].value


def test_a_partitioned_asset_says_which_days_are_bad():
    found = finding(Severity.WARN, 3, sample=("7",), days={"2026-05-02": 2, "2026-05-01": 1})

    (result,) = results(Report(number=1, findings=(found,), seconds=1.0, docs=None))

    rows = [record.data for record in result.metadata["rows_by_day"].records]
    assert rows == [{"partition": "2026-05-01", "rows": 1}, {"partition": "2026-05-02", "rows": 2}]
    assert "Broken by 3 rows of shop.orders" in result.metadata["message"].value


def test_only_the_newest_data_docs_are_kept(tmp_path):
    for _ in range(KEPT + 3):
        folder = new_folder(tmp_path)
        folder.mkdir(parents=True)
        (folder / "index.html").write_text("<p>one</p>")
    page = publish(tmp_path)

    sites = [one for one in page.parent.iterdir() if one.is_dir()]
    assert len(sites) == KEPT
    assert newest(tmp_path).parent in sites
    assert page.read_text().count("<li>") == KEPT
