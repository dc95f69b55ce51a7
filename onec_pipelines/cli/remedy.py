"""`onec remedy`: what a code means and what to do; and the catalogue as documentation."""

from __future__ import annotations

import difflib
import sys
from dataclasses import asdict

import click

from onec_pipelines.cli import output
from onec_pipelines.cli.language import language_option, spoken


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("code", required=False)
@language_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--export", is_flag=True, help="Write docs/remedies.md and docs/remedies.ru.md.")
def remedy(code: str | None, lang: str | None, *, as_json: bool, export: bool) -> None:
    """Say what CODE means and what to do: ours (ONEC_AUTH), 1C's (20, -1), HTTP's (406), PostgreSQL's (53100).

    Without CODE: all of ours, in short.
    """
    from onec_pipelines.remedies import catalogue, remedy_of

    if export:
        _export()
        return
    language = spoken(lang)
    if code is None:
        rows = catalogue().values()
        if as_json:
            output.as_json([asdict(one) for one in rows])
        else:
            output.table(
                "Remedies",
                ["code", "severity", "what"],
                ([r.code, r.severity.value, r.words(language).title] for r in rows),
            )
        return
    found = remedy_of(code)
    if found is None:
        near = difflib.get_close_matches(code.upper(), catalogue(), n=3)
        click.echo(f"no entry for {code}" + (f"; near: {', '.join(near)}" if near else ""), err=True)
        sys.exit(1)
    if as_json:
        output.as_json(asdict(found))
        return
    words = found.words(language)
    labels = ("Почему", "Что делать") if language == "ru" else ("Why", "What to do")
    click.echo(f"{found.code} [{found.severity.value}] {words.title}")
    click.echo(f"{labels[0]}: {words.cause}\n{labels[1]}: {words.remedy}")


def _export() -> None:
    from onec_pipelines.monitoring.remedy_docs import render
    from onec_pipelines.settings import project_root

    for language, name in (("en", "remedies.md"), ("ru", "remedies.ru.md")):
        path = project_root() / "docs" / name
        path.write_text(render("ru" if language == "ru" else "en"), encoding="utf-8")
        click.echo(f"{path} written")
