"""`onec audit`: what the integration did, event by event (docs/audit.md)."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from onec_pipelines.cli import output

if TYPE_CHECKING:
    from onec_pipelines.ledger.audit import Filter

_HASH = re.compile(r"[0-9a-f]{40,}")
_SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_POLL_SECONDS = 1.0


class _Moment(click.ParamType[datetime]):
    """A span back from now (`30m`, `2h`, `7d`) or an ISO date or time; without a zone it is UTC."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, aware."""
        text = str(value)
        if text[-1:] in _SPANS and text[:-1].isdigit():
            return datetime.now(UTC) - timedelta(**{_SPANS[text[-1]]: int(text[:-1])})
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is neither a span such as 2h nor a date or time", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


@click.command()
@click.option("--entity", help="Only events of this entity.")
@click.option("--action", help="Only this action, or all that begin so: queue.")
@click.option("--since", type=_Moment(), help="Since a time, or for so long: 2026-03-01, 30m, 2h, 7d.")
@click.option("--job", "job_id", type=int, help="Only events of this job.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="The newest.")
@click.option("--follow", is_flag=True, help="Go on with new events until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
def audit(
    *,
    entity: str | None,
    action: str | None,
    since: datetime | None,
    job_id: int | None,
    limit: int,
    follow: bool,
    as_json: bool,
) -> None:
    """Show the audit log, oldest first: ids, hashes, counts and codes, no personal data."""
    from dataclasses import replace

    from onec_pipelines.ledger.audit import Filter, listing
    from onec_pipelines.runtime import open_runtime

    wanted = Filter(entity=entity, action=action, since=since, job_id=job_id, limit=limit)
    with open_runtime() as runtime:
        while True:
            found = listing(runtime.database, runtime.system_name, wanted)
            _print(found, wanted, as_json=as_json, follow=follow)
            if not follow:
                return
            wanted = replace(wanted, after=max((e["id"] for e in found), default=wanted.after))
            time.sleep(_POLL_SECONDS)


def _print(found: list[dict[str, Any]], wanted: Filter, *, as_json: bool, follow: bool) -> None:
    if as_json:
        for event in found:
            output.as_json(event)
    elif follow:
        for event in found:
            click.echo("  ".join(_cells(event)))
    else:
        output.table(
            "Audit", ["id", "at", "action", "entity", "job", "details"], map(_cells, found), wrap=True
        )
        if len(found) == wanted.limit:
            click.echo(f"the newest {wanted.limit}; --limit shows more")


def _cells(event: dict[str, Any]) -> list[str]:
    return [
        str(event["id"]),
        f"{event['at']:%Y-%m-%d %H:%M:%S}",
        event["action"],
        event["entity"] or "",
        str(event["job_id"] or ""),
        _brief(event["details"]),
    ]


def _brief(details: dict[str, Any]) -> str:
    """What an event says, for people: what is empty is left out and hashes are short; --json gives all."""
    told = []
    for name, value in details.items():
        if isinstance(value, dict):
            inner = ", ".join(f"{key} {_shown(held)}" for key, held in value.items() if not _is_empty(held))
            told += [f"{name}: {inner}"] if inner else []
        elif not _is_empty(value):
            told.append(f"{name}={_shown(value)}")
    return "; ".join(told)


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {}) or (value == 0 and value is not False)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, dict):
        return " ".join(f"{key} {_shown(held)}" for key, held in value.items())
    text = {True: "yes", False: "NO"}[value] if isinstance(value, bool) else str(value)
    return f"{text[:12]}…" if _HASH.fullmatch(text) else text
