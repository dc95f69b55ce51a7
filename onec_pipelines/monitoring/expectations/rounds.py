"""One audit from beginning to end: suites against the last good figures, Data Docs, what is remembered. The CLI and Dagster call it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger import quality, schedules
from onec_pipelines.monitoring.expectations.audit import audit
from onec_pipelines.monitoring.expectations.data_docs import PREFIX, new_folder, publish, write_index
from onec_pipelines.monitoring.expectations.distribution import DISTRIBUTION, figures_of
from onec_pipelines.monitoring.expectations.model import Finding, Scope, Severity
from onec_pipelines.monitoring.expectations.suites import suites_of
from onec_pipelines.settings import Settings
from onec_pipelines.spec import Entity


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an audit found. `docs` is the index page of its Data Docs."""

    number: int
    findings: tuple[Finding, ...]
    seconds: float
    docs: Path | None
    day: date | None = None
    dashboard_url: str = ""

    @property
    def docs_url(self) -> str | None:
        """Where people open the Data Docs: on the dashboard when its address is set, else the file."""
        if self.docs is None:
            return None
        if self.dashboard_url:
            return f"{self.dashboard_url}/{PREFIX}/{self.docs.parent.name}/index.html"
        return self.docs.resolve().as_uri()

    @property
    def failed(self) -> tuple[Finding, ...]:
        """What is not as expected, errors first."""
        failed = [one for one in self.findings if not one.passed]
        return tuple(sorted(failed, key=lambda one: one.expectation.severity is not Severity.ERROR))

    def count(self, severity: Severity) -> int:
        """Failed expectations of a severity."""
        return sum(one.expectation.severity is severity for one in self.failed)


def run_audit(
    database: Database,
    settings: Settings,
    entities: Sequence[Entity],
    *,
    day: date | None = None,
    accept: bool = False,
    with_docs: bool = True,
    run_id: str | None = None,
) -> Report:
    """Audit the entities' tables, of `day` only those that are partitioned by it.

    Figures of a table become the last good ones when nothing of it is in error and its figures are as they were; with `accept` in any
    case. An audit of one day changes none.
    """
    begun = time.monotonic()
    with database.transaction() as connection:
        running = schedules.running(driver_connection(connection))
    scope = Scope(
        system_name=settings.system, timezone=settings.timezone or "UTC", day=day, schedules=running
    )
    last = quality.last_good(database, settings.system)
    suites = suites_of(scope, entities=entities, last=last)
    folder = new_folder(settings.home) if with_docs and suites else None
    findings = audit(database, suites, docs=folder)
    if folder is not None:
        write_index(folder, findings)
        publish(settings.home)
    docs = folder / "index.html" if folder is not None else None
    seconds = time.monotonic() - begun
    report = Report(
        number=0,
        findings=tuple(findings),
        seconds=seconds,
        docs=docs,
        day=day,
        dashboard_url=settings.dashboard_url,
    )
    number = quality.remember(
        database,
        system_name=settings.system,
        run_id=run_id,
        seconds=round(seconds, 1),
        expectations=len(findings),
        errors=report.count(Severity.ERROR),
        warnings=report.count(Severity.WARN),
        docs=str(docs) if docs else None,
        findings=[one.document for one in report.failed],
        figures={} if day is not None else _good_figures(findings, accept=accept),
    )
    return replace(report, number=number)


def _good_figures(findings: Sequence[Finding], *, accept: bool) -> dict[str, dict[str, Any]]:
    by_table: dict[str, list[Finding]] = {}
    for one in findings:
        by_table.setdefault(one.table, []).append(one)
    return {table: figures_of(found) for table, found in by_table.items() if accept or _is_good(found)}


def _is_good(findings: Sequence[Finding]) -> bool:
    return all(
        one.passed
        for one in findings
        if one.expectation.severity is Severity.ERROR or one.expectation.check == DISTRIBUTION
    )
