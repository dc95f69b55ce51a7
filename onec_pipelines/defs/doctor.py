"""The doctor's report as an asset with a check: what the base can do and what is wrong, once a week and whenever somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from onec_pipelines.defs.assets import POOL, as_failure
from onec_pipelines.defs.lineage import as_metadata
from onec_pipelines.defs.remedies import advised
from onec_pipelines.entities import ENTITIES
from onec_pipelines.errors import PipelineError
from onec_pipelines.monitoring.doctor import Patient, Report, Severity, examine
from onec_pipelines.settings import load_settings

DOCTOR_KEY = dg.AssetKey(["onec", "doctor"])
CHECK = "base_is_fit"


@dg.multi_asset(
    name="onec_doctor",
    specs=[
        dg.AssetSpec(
            DOCTOR_KEY,
            group_name="onec",
            kinds={"odata", "postgres"},
            owners=["team:data-engineering"],
            description="What `onec doctor` finds: settings, database, rights, publication, dialect of the base. The client obeys it.",
            metadata={"dagster/table_name": "integ.doctor_reports"},
        )
    ],
    pool=POOL,
    check_specs=[
        dg.AssetCheckSpec(
            CHECK, asset=DOCTOR_KEY, description="Nothing is in error. Each finding says what to do."
        )
    ],
)
def doctor() -> Iterator[dg.MaterializeResult[None]]:
    """Examine base and database; writes nothing into 1C."""
    try:
        report = examine(Patient(settings=load_settings(), entities=ENTITIES, by="dagster"))
    except PipelineError as error:
        raise as_failure(error) from error
    yield dg.MaterializeResult(metadata=_figures(report), check_results=[fitness(report)])


@advised("BASE_UNFIT")
def fitness(report: Report) -> dg.AssetCheckResult:
    """ERROR when something is in error, WARN for warnings; notes pass."""
    is_error = report.worst is Severity.ERROR
    return dg.AssetCheckResult(
        check_name=CHECK,
        asset_key=DOCTOR_KEY,
        passed=not is_error and report.worst is not Severity.WARNING,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        metadata=as_metadata({"findings": _table(report) if report.complaints else None}),
    )


def _figures(report: Report) -> dict[str, Any]:
    return as_metadata(
        {
            "worst": report.worst.value,
            "requests": report.requests,
            "seconds": round(report.seconds, 1),
            "not_looked_at": "\n".join(f"{name}: {why}" for name, why in report.skipped.items()) or None,
            "can": ", ".join(f"{name}: {value}" for name, value in report.capabilities.items()) or None,
            "findings": _table(report) if report.complaints else None,
        }
    )


def _table(report: Report) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(
                {
                    "severity": one.severity.value,
                    "check": one.check,
                    "code": one.code,
                    "what was seen": one.saw,
                    "what to do": one.remedy,
                }
            )
            for one in report.complaints
        ]
    )


examine_base = dg.define_asset_job(
    "examine_base",
    selection=dg.AssetSelection.assets(DOCTOR_KEY),
    description="What `onec doctor` does: some dozens of small requests to 1C, nothing is written there.",
)
