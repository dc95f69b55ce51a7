"""The doctor's check in the UI: red for errors, yellow for warnings, passed with notes."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from onec_pipelines.defs.doctor import DOCTOR_KEY, examine_base, fitness
from onec_pipelines.defs.schedules import SCHEDULES
from onec_pipelines.monitoring.doctor.findings import Report, Severity, complaint


@pytest.mark.parametrize(
    ("severity", "passed", "shown"),
    [
        (Severity.ERROR, False, dg.AssetCheckSeverity.ERROR),
        (Severity.WARNING, False, dg.AssetCheckSeverity.WARN),
        (Severity.NOTE, True, dg.AssetCheckSeverity.WARN),
    ],
)
def test_the_check_shows_the_gravest_finding_with_its_remedy(severity, passed, shown):
    finding = complaint("rights", severity, "ONEC_RIGHTS", "units: no right")
    report = Report(
        system_name="t",
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
        seconds=1,
        requests=1,
        findings=(finding,),
    )

    result = fitness(report)

    assert (result.asset_key, result.passed, result.severity) == (DOCTOR_KEY, passed, shown)
    table = result.metadata["findings"]
    assert isinstance(table, dg.TableMetadataValue)
    assert table.records[0].data["what to do"] == finding.remedy


def test_the_weekly_schedule_is_off_until_somebody_switches_it_on():
    schedule = next(one for one in SCHEDULES if one.name == "doctor_every_week")

    assert schedule.job_name == examine_base.name
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
