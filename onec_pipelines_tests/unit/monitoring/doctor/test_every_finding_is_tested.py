"""No finding of the doctor's without a test that provokes it: each code stands in a test of `e2e/doctor`."""

from __future__ import annotations

import re
from pathlib import Path

import onec_pipelines
import onec_pipelines_tests
from onec_pipelines.remedies import catalogue

DOCTOR = Path(onec_pipelines.__file__).parent / "monitoring" / "doctor"
TESTS = (
    Path(onec_pipelines_tests.__file__).parent if onec_pipelines_tests.__file__ else Path(__file__).parents[3]
)
_CODE = re.compile(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"')


def codes_of_findings() -> set[str]:
    found = {code for file in DOCTOR.glob("*.py") for code in _CODE.findall(file.read_text(encoding="utf-8"))}
    return found & catalogue().keys()


def test_every_code_of_a_finding_is_named_by_a_test_of_the_doctor():
    tests = "".join(file.read_text(encoding="utf-8") for file in (TESTS / "e2e" / "doctor").glob("*.py"))
    named = set(_CODE.findall(tests))

    assert sorted(codes_of_findings() - named) == []


def test_the_search_finds_the_codes_that_checks_give():
    assert {"DB_CLOCK", "DISK_LOW", "ONEC_PAGE_LIMIT", "BASE_TWICE", "CLOCK_SKEW"} <= codes_of_findings()
