"""`onec status`: what ran last, how old the data is, what waits and what is wrong. The same views as the dashboard."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING, Any

import click

from onec_pipelines.cli import output
from onec_pipelines.cli.language import language_option, spoken

if TYPE_CHECKING:
    from onec_pipelines.ledger.health import EntityHealth, Health
    from onec_pipelines.remedies import Language

_WORDS = {
    "en": {
        "base": "Base",
        "columns": "entity|job|status|started, UTC|seconds|lag|rows|rejected|in quarantine|waiting refs|error",
        "queue": "Queue",
        "queue columns": "kind|waiting|due|in work|dead|oldest due",
        "down": "down",
        "degraded": "degraded",
        "refusal": "1C is not called now",
        "nothing": "nothing has run yet: `onec sync --all`, or materialize in Dagster's UI",
    },
    "ru": {
        "base": "База",
        "columns": "сущность|задание|итог|начато, UTC|секунд|отставание|строк|отклонено|в карантине|ждёт ссылок|ошибка",
        "queue": "Очередь",
        "queue columns": "вид|ждёт|пора|в работе|мёртвых|дольше всех",
        "down": "не работает",
        "degraded": "замечание",
        "refusal": "1С сейчас не вызывается",
        "nothing": "запусков ещё не было: `onec sync --all` или материализация в Dagster",
    },
}


@click.command()
@language_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(*, lang: str | None, as_json: bool) -> None:
    """Show the last run of each entity, how old its data is, what waits, and what is wrong with what to do."""
    from onec_pipelines.ledger import health, jobs
    from onec_pipelines.monitoring.health import as_document, level, reasons_of
    from onec_pipelines.monitoring.serve import policy_of
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        found = health.read(runtime.database, runtime.system_name)
        latest = {job["entity_type"]: job for job in jobs.latest(runtime.database, runtime.system_name)}
        reasons = reasons_of(found, policy_of(runtime.settings))
        refusal = runtime.standing().refusal
        language = spoken(lang, runtime.settings)
    say = _WORDS[language]
    told = [as_document(reason, language) for reason in reasons]
    if as_json:
        entities = [_entity_json(one, latest.get(one.entity_type, {})) for one in found.entities]
        output.as_json(
            {
                "system": runtime.system_name,
                "status": level(reasons),
                "reasons": told,
                "entities": entities,
                "queue": [asdict(one) for one in found.queue],
                "base": asdict(found.base),
                "refusal": str(refusal) if refusal else None,
                "approvals": [asdict(one) for one in found.approvals],
                "alerts": [asdict(one) for one in found.alerts],
            }
        )
        return
    _print(found, latest, language)
    # What stopped the last runs, each code once; what the verdict rests on is told below.
    stopped = {one.error_code for one in found.entities if one.error_code} - {one.code for one in reasons}
    for code in sorted(stopped):
        output.advice(code, language)
    for reason in told:
        where = f" {reason['entity']}" if reason.get("entity") else ""
        level_said = say[reason["level"]]
        click.echo(
            f"{level_said}: [{reason['code']}]{where} {reason.get('title', '')}. {reason.get('remedy', '')}"
        )
    if refusal is not None:
        click.echo(f"{say['refusal']}: {refusal}")
    if not found.entities:
        click.echo(say["nothing"])


def _print(found: Health, latest: dict[str, dict[str, Any]], language: Language) -> None:
    from onec_pipelines.monitoring.words import span

    say = _WORDS[language]
    output.table(
        f"{say['base']} {found.system_name}",
        say["columns"].split("|"),
        (
            [
                one.entity_type,
                one.job_type,
                one.status,
                f"{one.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                f"{one.seconds:.1f}" if one.completed_at else "",
                span(one.lag_seconds, language),
                one.items_processed,
                one.items_failed or None,
                one.quarantined or None,
                one.waiting_references or None,
                one.error_code,
            ]
            for one in found.entities
        ),
    )
    # 1C's sentences are long: they would make the table unreadable.
    for one in found.entities:
        if words := latest.get(one.entity_type, {}).get("error_message"):
            click.echo(f"{one.entity_type}: {words}")
    if found.queue:
        output.table(
            say["queue"],
            say["queue columns"].split("|"),
            (
                [one.kind, one.ready, one.due, one.leased, one.dead, span(one.oldest_due_seconds, language)]
                for one in found.queue
            ),
        )


def _entity_json(one: EntityHealth, job: dict[str, Any]) -> dict[str, Any]:
    return {
        **asdict(one),
        "error_message": job.get("error_message"),
        "metadata": job.get("metadata"),
        "quarantined_open": one.quarantined,
    }
