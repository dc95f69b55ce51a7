"""`onec doctor`: looks at settings, database, Dagster and 1C, says what is wrong and what to do, and what the base can do.

Each file holds a few checks: functions from a `Patient` to findings. Here is their order, and which of them need what: where something is
down, what rests on it is skipped with one word instead of twenty complaints. Nothing is repaired.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from onec_pipelines.db.engine import connect
from onec_pipelines.db.migrations import migrate
from onec_pipelines.errors import PipelineError
from onec_pipelines.ledger import capabilities, doctor_reports
from onec_pipelines.monitoring.doctor import (
    config,
    database,
    dialect,
    exchange,
    identity,
    orders,
    reach,
    schema,
    sessions,
    writes,
)
from onec_pipelines.monitoring.doctor.findings import Finding, Report, Severity, of_error
from onec_pipelines.monitoring.doctor.patient import Patient
from onec_pipelines.onec.marks import place_of
from onec_pipelines.onec.probe import Prober
from onec_pipelines.onec.throttle import LocalThrottle
from onec_pipelines.runtime import connection_of, database_url

__all__ = ["Finding", "Patient", "Report", "Severity", "examine"]

Check = Callable[[Patient], Iterator[Finding]]


class Need(StrEnum):
    """What a check rests on."""

    DATABASE = "the database"
    TABLES = "the tables of the database"
    ONEC = "1C"
    METADATA = "$metadata"
    SAMPLE = "a set to try it on"
    PROBE = "--write-probe"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One check, by name, with what it rests on."""

    name: str
    check: Check
    needs: tuple[Need, ...] = ()


STEPS = (
    Step(name="settings", check=config.connection),
    Step(name="webhooks", check=config.webhooks),
    Step(name="disk", check=config.disk),
    Step(name="database", check=database.server, needs=(Need.DATABASE,)),
    Step(name="database rights", check=database.rights, needs=(Need.DATABASE, Need.TABLES)),
    Step(name="dagster", check=database.dagster, needs=(Need.DATABASE,)),
    Step(name="throttle", check=reach.allowed, needs=(Need.DATABASE, Need.TABLES)),
    Step(name="reach", check=reach.first_call, needs=(Need.ONEC,)),
    Step(name="clock", check=reach.clock, needs=(Need.ONEC,)),
    Step(name="metadata", check=schema.metadata, needs=(Need.ONEC,)),
    Step(name="base", check=identity.base, needs=(Need.ONEC, Need.METADATA, Need.TABLES)),
    Step(name="fields", check=schema.resolution, needs=(Need.METADATA,)),
    Step(name="rights", check=schema.rights, needs=(Need.ONEC, Need.METADATA)),
    Step(name="counting", check=schema.sample, needs=(Need.ONEC, Need.METADATA)),
    Step(name="paging", check=dialect.pages, needs=(Need.ONEC, Need.SAMPLE)),
    Step(name="page size", check=dialect.page_limit, needs=(Need.ONEC, Need.SAMPLE)),
    Step(name="formats", check=dialect.formats, needs=(Need.ONEC, Need.SAMPLE)),
    Step(name="session mode", check=sessions.mode, needs=(Need.ONEC,)),
    Step(name="session pool", check=sessions.pool, needs=(Need.ONEC,)),
    Step(name="exchange plan", check=exchange.node, needs=(Need.ONEC, Need.METADATA)),
    Step(name="time zone", check=identity.zone, needs=(Need.ONEC, Need.METADATA)),
    Step(name="write probe", check=writes.keys, needs=(Need.ONEC, Need.METADATA, Need.TABLES, Need.PROBE)),
    Step(name="orders", check=orders.defaults, needs=(Need.DATABASE, Need.TABLES)),
)


def examine(patient: Patient) -> Report:
    """Make every check that can be made. Raises nothing for what is wrong with base or database: that is what the report says."""
    begun, made_at = time.monotonic(), datetime.now(UTC)
    findings: list[Finding] = []
    skipped: dict[str, str] = {}
    with ExitStack() as stack:
        findings += _open(patient, stack)
        prober = patient.prober
        for step in STEPS:
            lacking = [need for need in step.needs if not _has(patient, need)]
            if lacking:
                if Need.PROBE not in lacking:
                    skipped[step.name] = f"needs {lacking[0].value}"
                continue
            findings += _made(step, patient)
        report = Report(
            system_name=patient.settings.system,
            made_at=made_at,
            seconds=time.monotonic() - begun,
            requests=prober.requests if prober is not None else 0,
            findings=tuple(findings),
            skipped=skipped,
            capabilities=patient.capabilities.document,
        )
        _remember(patient, report)
    return report


def _remember(patient: Patient, report: Report) -> None:
    """Keep the report, and for the client what the base can do, if that showed; what only a write probe tells is not forgotten."""
    database, system = patient.database, patient.settings.system
    if database is None or not patient.migrated or not system:
        return
    with suppress(
        PipelineError
    ):  # a database that went away meanwhile does not take the report from the reader
        doctor_reports.add(database, report.document, system_name=system)
        if patient.sample is None:
            return
        place = place_of(patient.settings.url)
        before, now = (
            capabilities.read(database, system_name=system, place=place),
            patient.capabilities,
        )
        if not patient.write_probe:
            now = replace(now, client_keys=before.client_keys, if_match=before.if_match)
        capabilities.store(database, now, system_name=system, place=place)


def _open(patient: Patient, stack: ExitStack) -> Iterator[Finding]:
    """The two ways out: to the database and to 1C, each as far as it goes."""
    try:
        patient.database_url = database_url(patient.settings)
        if not patient.settings.database_url.get_secret_value():
            migrate(patient.database_url)  # as every command does with the embedded server
        patient.database = stack.enter_context(
            connect(patient.database_url, application_name="onec_doctor", pool_size=1)
        )
    except PipelineError as error:
        yield of_error("database", error)
    if not patient.ask_onec or not patient.settings.url:
        return
    try:
        # A throttle of its own: the shared one refuses when the breaker is open, which is when the doctor is called.
        throttle = LocalThrottle(
            rate_per_second=min(patient.pace, patient.settings.rate_per_second),
            max_calls=patient.settings.max_sessions,
        )
        patient.prober = stack.enter_context(Prober(connection_of(patient.settings), throttle))
    except PipelineError as error:
        yield of_error("settings", error)


def _made(step: Step, patient: Patient) -> list[Finding]:
    """The findings of a check; those before an error of its own count too."""
    found: list[Finding] = []
    try:
        for one in step.check(patient):
            found.append(one)  # noqa: PERF402 - what came before an error is kept
    except PipelineError as error:
        found.append(of_error(step.name, error, severity=Severity.WARNING))
    return found


def _has(patient: Patient, need: Need) -> bool:
    return {
        Need.DATABASE: patient.database is not None,
        Need.TABLES: patient.database is not None and patient.migrated,
        Need.ONEC: patient.prober is not None,
        Need.METADATA: patient.metadata is not None,
        Need.SAMPLE: patient.sample is not None,
        Need.PROBE: patient.write_probe,
    }[need]
