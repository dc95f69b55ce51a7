"""The audit of the shop's tables as asset checks, in a job of its own. Only the step that runs imports Great Expectations."""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import groupby
from typing import Any

import dagster as dg
from pydantic import Field

from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.lineage import as_metadata
from onec_pipelines.defs.partitions import DAILY, today_key
from onec_pipelines.defs.remedies import advised
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.monitoring.expectations import Finding, check_names
from onec_pipelines.monitoring.expectations.model import Severity
from onec_pipelines.monitoring.expectations.rounds import Report, run_audit
from onec_pipelines.spec import Entity, Layer

JOB = "quality_audit"
_SENTENCES = 8


class AuditConfig(dg.Config):
    """What is looked at."""

    day: str = Field(default="", description="YYYY-MM-DD: only this day of what is partitioned by day.")
    accept: bool = Field(
        default=False, description="Make the figures of this audit the ones that later audits compare with."
    )


def _specs() -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(name, asset=asset_key(entity, Layer.SHOP), description=_description(sentences))
        for entity in ENTITIES
        for name, sentences in check_names(entity).items()
    ]


def _description(sentences: list[str]) -> str:
    more = f" … and {len(sentences) - _SENTENCES} more." if len(sentences) > _SENTENCES else ""
    return f"{' '.join(sentences[:_SENTENCES])}{more}"


QUALITY_SPECS = _specs()
"""A check for each kind of expectation of each entity."""

QUALITY_KEYS = frozenset(spec.key for spec in QUALITY_SPECS)


@dg.multi_asset_check(
    name="audit_of_the_shop",
    specs=QUALITY_SPECS,
    can_subset=True,
    description="Great Expectations inside PostgreSQL; no table is read into memory.",
)
def quality(
    context: dg.AssetCheckExecutionContext, config: AuditConfig, onec: OnecResource
) -> Iterator[dg.AssetCheckResult]:
    """The selected checks, from one audit of their entities. In a run that materializes assets they are left for the night."""
    if context.run.asset_selection:
        context.log.info("left for the job %s: a sync does not wait for it", JOB)
        return
    wanted = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
    assets = {asset for asset, _ in wanted}
    report = run_audit(
        onec.runtime.database,
        onec.runtime.settings,
        [entity for entity in ENTITIES if asset_key(entity, Layer.SHOP) in assets],
        day=date.fromisoformat(config.day) if config.day else None,
        accept=config.accept,
        run_id=context.run.run_id,
    )
    for result in results(report):
        if (result.asset_key, result.check_name) in wanted:
            yield result


def results(report: Report) -> Iterator[dg.AssetCheckResult]:
    """The findings as results, one for each check of an entity."""
    for (entity, check), found in groupby(
        sorted(report.findings, key=_place), key=lambda one: (one.entity, one.expectation.check)
    ):
        yield _result(BY_NAME[entity], check, list(found), report)


def _place(finding: Finding) -> tuple[str, str]:
    return finding.entity, finding.expectation.check


@advised("AUDIT_FAILED")
def _result(entity: Entity, check: str, found: list[Finding], report: Report) -> dg.AssetCheckResult:
    failed = [one for one in found if not one.passed]
    is_error = any(one.expectation.severity is Severity.ERROR for one in failed)
    is_warning = all(one.expectation.severity is Severity.WARN for one in found)
    return dg.AssetCheckResult(
        check_name=check,
        asset_key=asset_key(entity, Layer.SHOP),
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR
        if is_error or not (failed or is_warning)
        else dg.AssetCheckSeverity.WARN,
        metadata=as_metadata(
            {
                "expectations": len(found),
                "failed_rows": sum(one.rows or 0 for one in failed),
                "window": _window(entity, report),
                "failed": _table(failed) if failed else None,
                "rows_by_day": _days(failed),
                "message": " ".join(_sentence(one) for one in failed) or None,
                "remedy": " ".join(dict.fromkeys(one.expectation.remedy for one in failed)) or None,
                **_link(report),
            }
        ),
    )


def _window(entity: Entity, report: Report) -> str | None:
    """Of which days a partitioned asset was looked at: checks have partitions only as a preview (DAGSTER.md §1.1)."""
    if entity.source.window is None:
        return None
    return report.day.isoformat() if report.day else f"all days up to {today_key()}"


def _sentence(one: Finding) -> str:
    if one.error:
        return f"{one.expectation.words} Not evaluated: {one.error}"
    if one.rows is not None:
        return f"{one.expectation.words} Broken by {one.rows} rows of {one.table}."
    return f"{one.expectation.words} Now {one.observed:.6g}."


def _table(failed: Iterable[Finding]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(
                {
                    "table": one.table,
                    "expected": one.expectation.words,
                    "rows": one.rows if one.rows is not None else "",
                    "now": "" if one.observed is None else f"{one.observed:.6g}",
                    "our ids": ", ".join(one.sample),
                    "remedy": one.expectation.remedy,
                    "not evaluated": one.error,
                }
            )
            for one in failed
        ]
    )


def _days(failed: Iterable[Finding]) -> dg.TableMetadataValue | None:
    """Failing rows by partition."""
    days: dict[str, int] = {}
    for one in failed:
        for day, rows in one.days.items():
            days[day] = days.get(day, 0) + rows
    if not days:
        return None
    return dg.MetadataValue.table(
        records=[dg.TableRecord({"partition": day, "rows": rows}) for day, rows in sorted(days.items())]
    )


def _link(report: Report) -> dict[str, Any]:
    if report.docs is None:
        return {}
    return {
        "data_docs": dg.MetadataValue.url(str(report.docs_url)),
        "data_docs_file": dg.MetadataValue.path(str(report.docs)),
    }


quality_audit = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.checks(*QUALITY_KEYS),
    description="Every expectation of the shop's tables: keys, references, ranges, codes, freshness, figures, rules across tables.",
)


# 1C is not asked, so that it runs whatever is said of 1C.
AUDIT_SCHEDULE = dg.ScheduleDefinition(
    name="audit_every_night",
    job=quality_audit,
    cron_schedule="0 5 * * *",
    execution_timezone=DAILY.timezone,
    description="Проверка качества витрины. Every expectation of the shop's tables; 1C is not called.",
)
