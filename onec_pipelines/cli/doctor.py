"""`onec doctor`: what is wrong between us and 1C, and what to do about it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from onec_pipelines.cli import output
from onec_pipelines.cli.language import language_option, spoken
from onec_pipelines.cli.who import at_keyboard

if TYPE_CHECKING:
    from onec_pipelines.monitoring.doctor import Report
    from onec_pipelines.remedies import Language


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--all", "show_all", is_flag=True, help="Show what is well, too.")
@click.option(
    "--entity",
    "entities",
    multiple=True,
    metavar="ENTITY",
    help="Look at these entities only; may be repeated.",
)
@click.option(
    "--write-probe",
    is_flag=True,
    help="Also create one scratch partner in 1C, marked for deletion at once, to learn whether our keys are kept.",
)
@click.option(
    "--accept-base",
    is_flag=True,
    help="This base fills this database from now on, although it was another one before. A person decides that.",
)
@click.option(
    "--forget-base",
    metavar="NAME",
    default="",
    help="Nothing is filled under the system NAME any more (BASE_TWICE).",
)
@language_option
def doctor(
    *,
    as_json: bool,
    show_all: bool,
    entities: tuple[str, ...],
    write_probe: bool,
    accept_base: bool,
    forget_base: str,
    lang: str | None,
) -> None:
    """Look at settings, database, Dagster and 1C; say what is wrong and what to do. Exits 1 when something is in error.

    Reads a few dozen small answers and changes nothing in 1C, unless --write-probe is given. What the base can do is stored, and the
    client obeys it.
    """
    from onec_pipelines.entities import BY_NAME

    unknown = [name for name in entities if name not in BY_NAME]
    if unknown:
        raise click.UsageError(f"no entity {', '.join(unknown)}; there are: {', '.join(BY_NAME)}")
    report = _report(entities, write_probe=write_probe, accept_base=accept_base, forget_base=forget_base)
    if as_json:
        output.as_json(report.document)
    else:
        _print(report, spoken(lang), show_all=show_all)
    if report.worst == "error":
        sys.exit(1)
    if accept_base and not any(one.check == "base" for one in report.findings):
        click.echo("the base was not accepted: it could not be looked at", err=True)
        sys.exit(1)


def _report(names: tuple[str, ...], *, write_probe: bool, accept_base: bool, forget_base: str) -> Report:
    """The report; with settings that do not lead to 1C, of all else."""
    from dataclasses import replace

    from onec_pipelines.entities import BY_NAME, ENTITIES
    from onec_pipelines.errors import Stop
    from onec_pipelines.monitoring.doctor import Patient, examine
    from onec_pipelines.monitoring.doctor.findings import of_error
    from onec_pipelines.settings import load_settings
    from onec_pipelines.webhook.signature import parse_secrets

    wrong = []
    try:
        settings = load_settings()
    except Stop as error:
        wrong.append(of_error("settings", error))
        try:
            settings = load_settings(require_onec=False)
        except Stop:
            raise error from None
    report = examine(
        Patient(
            settings=settings,
            entities=[BY_NAME[name] for name in names] or ENTITIES,
            write_probe=write_probe,
            accept_base=accept_base,
            forget_base=forget_base,
            ask_onec=not wrong,
            parse_secrets=parse_secrets,
            by=at_keyboard(),
        )
    )
    return replace(report, findings=(*wrong, *report.findings)) if wrong else report


def _print(report: Report, language: Language, *, show_all: bool) -> None:
    shown = (*report.complaints, *(f for f in report.findings if f.severity == "ok" and show_all))
    if shown:
        output.table(
            f"Base {report.system_name}",
            ["", "check", "code", "what was seen", "what to do"],
            (
                [
                    one.severity.value.upper(),
                    one.check,
                    "" if one.code == "OK" else one.code,
                    one.saw,
                    one.in_language(language),
                ]
                for one in shown
            ),
            wrap=True,
        )
    for name, why in report.skipped.items():
        click.echo(f"not looked at: {name} ({why})")
    well = sum(one.severity == "ok" for one in report.findings)
    click.echo(
        f"{well} things are well, {len(report.complaints)} are not; {report.requests} requests to 1C, {report.seconds:.1f} s"
    )
