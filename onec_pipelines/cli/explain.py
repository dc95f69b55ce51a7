"""`onec explain`: why a value is on the site (docs/audit.md)."""

from __future__ import annotations

import re
import textwrap
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from onec_pipelines.cli import output
from onec_pipelines.cli.language import language_option, spoken

if TYPE_CHECKING:
    from onec_pipelines.remedies import Language

# The names of columns are long, and those that matter stand in the table.
_SELECT = re.compile(r"\$select=[^&]*")
_WIDTH = 140
_KINDS = ("product", "order", "customer", "price", "stock")


@click.command()
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("name")
@click.option("--show-pii", is_flag=True, help="Show personal data; that you asked goes to the audit log.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000), help="Rows at most.")
@language_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain(kind: str, name: str, *, show_pii: bool, limit: int, lang: str | None, as_json: bool) -> None:
    """Say where the values of a row come from: NAME is a SKU, a number of an order, a GUID, or our id as #12.

    1C's property and value, the transform, the stored page with its request, the job and Dagster's run, what the values were before, and
    what waits: quarantine, references, deletions. Personal data is masked.
    """
    from onec_pipelines.entities import BY_NAME
    from onec_pipelines.monitoring import explain as reasons
    from onec_pipelines.runtime import open_runtime

    subject = reasons.SUBJECTS[kind]
    entity = BY_NAME[subject.entity]
    with open_runtime() as runtime:
        database, system_name = runtime.database, runtime.system_name
        keys = reasons.find(database, BY_NAME, subject, name, system_name=system_name)
        if show_pii:
            _note(runtime, entity.name, keys[:limit])
        found = [
            reasons.explain(database, BY_NAME, entity, key, system_name=system_name, show_pii=show_pii)
            for key in keys[:limit]
        ]
        language = spoken(lang, runtime.settings)
    if as_json:
        output.as_json(found)
        return
    for document in found:
        _print(document, language)
    if len(keys) > limit:
        click.echo(_WORDS[language]["more"].format(count=len(keys) - limit))


def _note(runtime: Any, entity: str, keys: list[str]) -> None:
    from onec_pipelines.cli.who import at_keyboard
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.ledger import audit

    with runtime.database.transaction() as connection:
        audit.record(
            driver_connection(connection),
            system_name=runtime.system_name,
            action="explain.pii",
            entity=entity,
            job_id=None,
            details={"by": at_keyboard(), "refs": keys},
        )


def _print(document: dict[str, Any], language: Language) -> None:
    say = _WORDS[language]
    click.secho(f"{document['entity']} {document['key']} · {document['system']}", bold=True)
    for title, value in _facts(document, say).items():
        if value:
            click.echo(f"  {say[title]:<18} {value}")
    _print_values(document["values"], say)
    for title in ("quarantine", "unresolved", "deletions", "pushes"):
        for entry in document[title]:
            told = ", ".join(f"{name}={_plain(value)}" for name, value in entry.items() if value is not None)
            click.echo(_folded(f"{say[title]}: {told}", 4))
    for packet in document["packets"]:
        state = say["applied" if packet["applied"] else "waits"]
        told = _told(packet["changes"] or [], language)
        click.echo(
            f"{say['packet']} {packet['packet_id']} (MessageNo {packet['message_no']}, {_moment(packet['received_at'])}):"
            f" {packet['kind']}, {state}{': ' + told if told else ''}"
        )
    for change in document["history"]:
        place = f"{say['page']} {change['id']}, {say['job']} {change['job_id']}"
        click.echo(
            _folded(f"{_moment(change['requested_at'])} ({place}): {_told(change['changes'], language)}", 4)
        )


def _facts(document: dict[str, Any], say: dict[str, str]) -> dict[str, str | None]:
    ids, clean, job, page = (document[name] for name in ("our_id", "clean", "job", "page"))
    gone = clean and clean["deleted_at"]
    forgotten = document["forgotten"]
    return {
        "our id": ids and f"{ids['internal_id']} ({say['since']} {_moment(ids['created_at'])})",
        "DataVersion": document["data_version"],
        "in the shop": say["yes"] if document["in_shop"] else say["NO"],
        "deleted": f"{_moment(gone)} ({clean['deleted_why']})" if gone else None,
        "forgotten": _moment(forgotten[0]["forgotten_at"]) if forgotten else None,
        "written": f"{_moment(clean['changed_at'])}, {say['job']} {job['id']} ({job['job_type']}, {job['status']})"
        if clean and job
        else None,
        "Dagster run": job and job["run_id"],
        "page": page and f"{page['id']}: {_SELECT.sub('$select=…', page['request'])}",
        "asked for": page and f"{_moment(page['requested_at'])}, {say['job']} {page['job_id']}",
        "sha256": page and page["sha256"],
    }


def _print_values(values: list[dict[str, Any]], say: dict[str, str]) -> None:
    """Each column with its value, and under it where that came from; the rules once at the end."""
    click.secho(f"\n{say['values']}", bold=True)
    rules: dict[str, str] = {}
    for value in values:
        how, _, what = value["made_by"].partition(": ")
        called = f" · {value['called']}" if value["called"] else ""
        made = {"copy": "", "our id of": f"{called} · {say['our id of']} {what}", "sql": f" · SQL: {what}"}[
            how
        ]
        click.echo(_folded(f"  {value['column']} = {_plain(value['value'], say['nothing'])}{made}", 6))
        for origin in value["from"]:
            click.echo(_folded(f"      ← {_origin(origin, say)}", 10))
            if origin["transform"]:
                rules[origin["transform"]] = origin["rule"]
    if rules:
        click.secho(f"\n{say['rules']}", bold=True)
    for name, rule in sorted(rules.items()):
        click.echo(_folded(f"  {name}: {rule}", 6))
    click.echo("")


def _origin(origin: dict[str, Any], say: dict[str, str]) -> str:
    sent, kept = (_plain(origin[name], say["nothing"]) for name in ("onec_value", "clean_value"))
    # What came as it is kept is said once.
    same = "" if sent == kept else f" = {kept}"
    rule = f" [{origin['transform']}]" if origin["transform"] else ""
    return f"{say['1C']} {origin['onec']} = {sent} → {origin['clean']}{same}{rule}"


def _folded(line: str, indent: int) -> str:
    return textwrap.fill(
        line,
        width=_WIDTH,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def _told(changes: list[dict[str, Any]], language: Language) -> str:
    nothing = _WORDS[language]["nothing"]
    return "; ".join(
        f"{one['onec']}: {one['before'] or nothing} → {one['after'] or nothing}" for one in changes
    )


def _moment(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S %Z}" if isinstance(value, datetime) else str(value)


def _plain(value: Any, nothing: str = "") -> str:
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, list):
        return "; ".join(map(_plain, value))
    if isinstance(value, dict):
        return " ".join(f"{name}={_plain(held)}" for name, held in value.items() if held not in {None, ""})
    return str(value) if value not in {None, ""} else nothing


_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "our id": "our id",
        "since": "since",
        "DataVersion": "DataVersion",
        "in the shop": "in the shop",
        "yes": "yes",
        "NO": "NO",
        "deleted": "deleted",
        "forgotten": "forgotten",
        "written": "written",
        "job": "job",
        "Dagster run": "Dagster run",
        "page": "page",
        "asked for": "asked for",
        "sha256": "sha256",
        "values": "Values",
        "our id of": "our id of",
        "1C": "1C",
        "rules": "Rules",
        "quarantine": "in quarantine",
        "unresolved": "waits for",
        "deletions": "deletion",
        "pushes": "sent by the shop",
        "packet": "packet",
        "applied": "applied",
        "waits": "NOT applied yet",
        "nothing": "nothing",
        "more": "{count} more rows; --limit shows them",
    },
    "ru": {
        "our id": "наш номер",
        "since": "с",
        "DataVersion": "DataVersion",
        "in the shop": "на сайте",
        "yes": "да",
        "NO": "НЕТ",
        "deleted": "удалено",
        "forgotten": "забыто",
        "written": "записано",
        "job": "задание",
        "Dagster run": "запуск Dagster",
        "page": "страница",
        "asked for": "запрошена",
        "sha256": "sha256",
        "values": "Значения",
        "our id of": "наш номер из",
        "1C": "1С",
        "rules": "Правила",
        "quarantine": "в карантине",
        "unresolved": "ждёт",
        "deletions": "удаление",
        "pushes": "отправлено сайтом",
        "packet": "пакет",
        "applied": "применён",
        "waits": "ещё НЕ применён",
        "nothing": "пусто",
        "more": "ещё строк: {count}; покажет --limit",
    },
}
