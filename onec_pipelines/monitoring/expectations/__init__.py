"""What the shop's tables must look like: suites derived from the declarations, rules across tables, and their run by Great Expectations.

Importing this package does not import Great Expectations: only `audit.py` does, when it runs.
"""

from __future__ import annotations

from onec_pipelines.monitoring.expectations.model import Expectation, Finding, Form, Severity, Suite
from onec_pipelines.monitoring.expectations.suites import check_names, suites_of

__all__ = ["Expectation", "Finding", "Form", "Severity", "Suite", "check_names", "suites_of"]
