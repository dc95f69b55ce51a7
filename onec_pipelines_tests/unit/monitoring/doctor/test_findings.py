"""Every code that the doctor says is in the catalogue; the report orders and translates."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from onec_pipelines.monitoring import doctor
from onec_pipelines.monitoring.doctor.findings import Report, Severity, complaint, ok
from onec_pipelines.onec.marks import place_of
from onec_pipelines.remedies import catalogue

FOLDER = Path(doctor.__file__).parent


def report(*findings):
    made = datetime(2026, 1, 1, tzinfo=UTC)
    return Report(system_name="t", made_at=made, seconds=1, requests=3, findings=findings)


def test_every_code_of_the_doctor_has_an_entry():
    said = {
        code
        for file in FOLDER.glob("*.py")
        for code in re.findall(
            r'Severity\.\w+[^"]{0,80}"([A-Z][A-Z0-9_]{3,})"', file.read_text(encoding="utf-8")
        )
    }
    assert len(said) > 15
    assert sorted(said - catalogue().keys()) == []


def test_a_complaint_takes_its_remedy_from_the_catalogue_in_both_languages():
    one = complaint("clock", Severity.WARNING, "CLOCK_SKEW", "90 s")

    assert one.remedy == catalogue()["CLOCK_SKEW"].en.remedy
    assert one.in_language("ru") == catalogue()["CLOCK_SKEW"].ru.remedy


def test_the_gravest_complaint_comes_first_and_is_the_reports_severity():
    found = report(
        ok("a", "well"),
        complaint("b", Severity.NOTE, "WEBHOOKS_OFF", "none"),
        complaint("c", Severity.ERROR, "ONEC_RIGHTS", "no"),
    )

    assert found.worst is Severity.ERROR
    assert [one.check for one in found.complaints] == ["c", "b"]


def test_one_place_has_one_spelling():
    assert place_of("https://ERP.example.com:443/ut/odata/standard.odata/") == (
        place_of("http://erp.example.com/ut/odata/standard.odata")
    )
    assert place_of("http://127.0.0.1:4000/ut/odata/standard.odata") == (
        place_of("http://localhost:5000/ut/odata/standard.odata")
    )
    assert place_of("https://erp.example.com/ut") != place_of("https://erp.example.com/ut_test")
    assert place_of("https://erp.example.com:8443/ut") != place_of("https://erp.example.com/ut")
