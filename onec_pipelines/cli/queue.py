"""`onec queue`: what waits, what is dead and why, and what a person can do about it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from onec_pipelines.cli import output, queue_advice
from onec_pipelines.cli.language import language_option, spoken
from onec_pipelines.cli.who import at_keyboard

_REASON = click.option("--reason", default="", help="Why, for the audit log.")


@click.group("queue")
def queue_group() -> None:
    """Look at items of work, and try again, drop or correct those that are stuck (docs/queue.md)."""


@queue_group.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(["ready", "leased", "dead", "done", "dropped"]),
    help="May be given again. Default: all that is not finished.",
)
@click.option("--kind", help="Only items of this kind: push, webhook, image, page.")
@click.option("--class", "error_class", help="Only items whose last error is of this class or has this code.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def listing(
    *, states: tuple[str, ...], kind: str | None, error_class: str | None, limit: int, as_json: bool
) -> None:
    """List items, dead ones first, with why they are not done; then how many there are of each."""
    from onec_pipelines.ledger import queue, workers
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        items = queue.listing(
            runtime.database,
            runtime.system_name,
            states=states or ("dead", "leased", "ready"),
            kind=kind,
            error_class=error_class,
            limit=limit,
        )
        counts = queue.counts(runtime.database, runtime.system_name)
        alive = workers.listing(runtime.database, runtime.system_name)
        refusal = runtime.standing().refusal
    if as_json:
        output.as_json(
            {
                "items": items,
                "counts": counts,
                "workers": alive,
                "refusal": str(refusal) if refusal else None,
            }
        )
        return
    _print_items(items)
    output.table(
        "Not finished",
        ["kind", "state", "class", "items", "due", "oldest"],
        (
            [
                row["kind"],
                row["state"],
                row["class"],
                row["items"],
                row["due"],
                f"{row['oldest']:%Y-%m-%d %H:%M}",
            ]
            for row in counts
        ),
    )
    living = sum(bool(one["is_alive"]) for one in alive)
    click.echo(f"{living} workers live" + (f"; nothing is worked off: {refusal}" if refusal else ""))


@queue_group.command()
@click.argument("item_id", type=int)
@language_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(item_id: int, *, lang: str | None, as_json: bool) -> None:
    """Show one item whole: payload, 1C's words, the object's link, what to do, what it waits for and holds up."""
    from onec_pipelines.ledger import queue
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        found = queue.entry(runtime.database, runtime.system_name, item_id)
        language, root = spoken(lang, runtime.settings), runtime.settings.url
    if found is None:
        raise click.UsageError(f"there is no item {item_id}")
    advice = queue_advice.advise(found["last_error"] or {}, root, language)
    if as_json:
        output.as_json({**found, "advice": asdict(advice)})
        return
    error = found.pop("last_error") or {}
    for name, value in found.items():
        if value not in (None, []):
            click.echo(f"{name}: {json.dumps(value, ensure_ascii=False) if name == 'payload' else value}")
    for label, text in queue_advice.lines(error, advice, language, item_id):
        click.echo(f"{label}: {text}")


@queue_group.command()
@click.argument("item_ids", type=int, nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All dead items, as narrowed by --class and --kind.")
@click.option(
    "--class", "error_class", help="With --all: only this class (refused, exhausted…) or error code."
)
@click.option("--kind", help="With --all: only this kind.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="With --all: so many a second become due.",
)
@_REASON
def retry(
    item_ids: tuple[int, ...],
    *,
    everything: bool,
    error_class: str | None,
    kind: str | None,
    rate: float,
    reason: str,
) -> None:
    """Try items again from their first attempt. One that is done is never tried again."""
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.ledger import queue
    from onec_pipelines.runtime import open_runtime

    if bool(item_ids) == everything or (item_ids and (error_class or kind)):
        raise click.UsageError("name items, or say --all with --class or --kind to narrow it")
    chosen = queue.Chosen(ids=item_ids or None, error_class=error_class, kind=kind)
    with open_runtime() as runtime, runtime.database.transaction() as connection:
        found = queue.retry(
            driver_connection(connection),
            system_name=runtime.system_name,
            chosen=chosen,
            by=at_keyboard(),
            reason=reason,
            per_second=rate if everything else None,
        )
    click.echo(f"{len(found)} items will be tried again{_named(found)}")
    _complain(item_ids, found, "is not dead, dropped or waiting")


@queue_group.command()
@click.argument("item_ids", type=int, nargs=-1, required=True, metavar="ID...")
@_REASON
def drop(item_ids: tuple[int, ...], *, reason: str) -> None:
    """Give items up for good, so that those behind them go on."""
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.ledger import queue
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime, runtime.database.transaction() as connection:
        found = queue.drop(
            driver_connection(connection),
            system_name=runtime.system_name,
            ids=item_ids,
            by=at_keyboard(),
            reason=reason,
        )
    click.echo(f"{len(found)} items dropped{_named(found)}")
    _complain(item_ids, found, "is not dead or waiting")


@queue_group.command()
@click.argument("item_id", type=int)
@click.option("--payload", help="The new payload as a JSON object. Without it an editor opens.")
@_REASON
def edit(item_id: int, *, payload: str | None, reason: str) -> None:
    """Correct the payload of a dead or waiting item; the audit log keeps both fingerprints. `retry` it afterwards."""
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.ledger import queue
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        found = queue.entry(runtime.database, runtime.system_name, item_id)
        if found is None:
            raise click.UsageError(f"there is no item {item_id}")
        if payload is None:
            text = json.dumps(found["payload"], ensure_ascii=False, indent=2)
            payload = click.edit(text, extension=".json")
            if payload is None:
                click.echo("nothing changed")
                return
        with runtime.database.transaction() as connection:
            queue.edit(
                driver_connection(connection),
                system_name=runtime.system_name,
                item_id=item_id,
                payload=_object(payload),
                by=at_keyboard(),
                reason=reason,
            )
    click.echo(f"item {item_id} has a new payload")


def _print_items(items: list[dict[str, Any]]) -> None:
    output.table(
        "Queue",
        ["id", "kind", "subject", "state", "attempts", "due", "class", "code", "1C says, or what happened"],
        (
            [
                item["id"],
                item["kind"],
                item["subject"],
                item["state"],
                f"{item['attempts']}/{item['max_attempts']}",
                f"{item['run_at']:%Y-%m-%d %H:%M:%S}" if item["state"] == "ready" else "",
                *_words(item["last_error"] or {}),
            ]
            for item in items
        ),
        wrap=True,
    )


def _words(error: dict[str, Any]) -> list[str]:
    return [
        error.get("kind") or "",
        error.get("code") or "",
        error.get("onec_message") or error.get("message") or "",
    ]


def _named(ids: list[int]) -> str:
    return f": {', '.join(map(str, ids))}" if 0 < len(ids) <= 20 else ""  # noqa: PLR2004 - a line's worth


def _complain(asked: tuple[int, ...], found: list[int], why: str) -> None:
    left = [item_id for item_id in asked if item_id not in found]
    if left:
        raise click.UsageError("; ".join(f"item {item_id} {why}, or there is none" for item_id in left))


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"the payload is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.BadParameter("the payload must be a JSON object")
    return found
