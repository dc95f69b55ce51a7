"""`onec quality`: the audit of the shop's tables without Dagster, and where its Data Docs are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from onec_pipelines.cli import output

if TYPE_CHECKING:
    from datetime import datetime

    from onec_pipelines.monitoring.expectations.rounds import Report


@click.group()
def quality() -> None:
    """Check the shop's tables with Great Expectations, inside PostgreSQL (docs/quality.md)."""


@quality.command()
@click.argument("names", nargs=-1, metavar="[ENTITY]...")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Only this day of what is partitioned by day.")
@click.option(
    "--accept", is_flag=True, help="Later audits compare with the figures of this one, whatever they are."
)
@click.option("--no-docs", is_flag=True, help="Do not build Data Docs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def run(*, names: tuple[str, ...], day: datetime | None, accept: bool, no_docs: bool, as_json: bool) -> None:
    """Audit the tables of ENTITY... (all without a name). Exits 1 when an expectation of severity error fails; warnings pass."""
    from onec_pipelines.db.engine import connect
    from onec_pipelines.entities import BY_NAME, ENTITIES
    from onec_pipelines.monitoring.expectations import Severity
    from onec_pipelines.monitoring.expectations.rounds import run_audit
    from onec_pipelines.runtime import database_url
    from onec_pipelines.settings import load_settings

    if unknown := [name for name in names if name not in BY_NAME]:
        raise click.UsageError(f"unknown: {', '.join(unknown)}; known: {', '.join(BY_NAME)}")
    settings = load_settings(require_onec=False)
    with connect(database_url(settings), application_name="onec_quality") as database:
        report = run_audit(
            database,
            settings,
            [one for one in ENTITIES if not names or one.name in names],
            day=day.date() if day else None,
            accept=accept,
            with_docs=not no_docs,
        )
    if as_json:
        output.as_json(
            {
                "number": report.number,
                "expectations": len(report.findings),
                "errors": report.count(Severity.ERROR),
                "warnings": report.count(Severity.WARN),
                "seconds": round(report.seconds, 1),
                "docs": str(report.docs) if report.docs else None,
                "failed": [one.document for one in report.failed],
            }
        )
    else:
        _print(report)
    if report.count(Severity.ERROR):
        sys.exit(1)


@quality.command()
def docs() -> None:
    """Print where the Data Docs of the latest audit are."""
    from onec_pipelines.monitoring.expectations.data_docs import newest
    from onec_pipelines.settings import load_settings

    page = newest(load_settings(require_onec=False).home)
    if page is None:
        raise click.ClickException("there are none yet: `onec quality run` builds them")
    click.echo(page.resolve().as_uri())


def _print(report: Report) -> None:
    if report.failed:
        output.table(
            "Not as expected",
            ["", "table", "check", "expected", "rows", "our ids", "what to do"],
            (
                [
                    one.expectation.severity.value.upper(),
                    one.table,
                    one.expectation.check,
                    one.error or one.expectation.words,
                    one.rows if one.observed is None else f"{one.observed:.6g}",
                    ", ".join(one.sample),
                    one.expectation.remedy,
                ]
                for one in report.failed
            ),
            wrap=True,
        )
    click.echo(
        f"{len(report.findings)} expectations, {len(report.failed)} failed; {report.seconds:.0f} s"
        + (f"; Data Docs: {report.docs.resolve().as_uri()}" if report.docs else "")
    )
