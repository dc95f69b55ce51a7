"""Can orders go out: the defaults of each store against the base (`steps/push/check_defaults.py` looks, this only tells)."""

from __future__ import annotations

from collections.abc import Iterator

from onec_pipelines.monitoring.doctor.findings import Finding, Severity, complaint, ok
from onec_pipelines.monitoring.doctor.patient import Patient
from onec_pipelines.steps.push import check_defaults


def defaults(patient: Patient) -> Iterator[Finding]:
    """What is missing for orders; of what was never synced nothing can be said yet."""
    for one in check_defaults.findings(patient.stores(), patient.settings, patient.metadata):
        saw = f"{one.where}: {one.message}"
        if one.level == "ok":
            yield ok("orders", saw)
        elif one.level == "note":
            yield complaint("orders", Severity.NOTE, "ORDERS_NOT_READY", saw, one.remedy)
        else:
            yield complaint("orders", Severity.WARNING, "ORDERS_NOT_READY", saw, one.remedy)
