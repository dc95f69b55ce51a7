"""`onec alerts`: what is wrong now, who knows of it, a test of the channels, and a round for cron."""

from __future__ import annotations

import sys

import click

from onec_pipelines.cli import output
from onec_pipelines.cli.language import spoken
from onec_pipelines.cli.who import at_keyboard


@click.group()
def alerts() -> None:
    """Look at alerts, take them on, silence them, and try the channels (docs/alerts.md)."""


@alerts.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that ended.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def listing(*, everything: bool, limit: int, as_json: bool) -> None:
    """List open alerts with what to do; and silences."""
    from onec_pipelines.ledger import alerts as rows
    from onec_pipelines.monitoring.alert_text import words_of
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        found = rows.listing(runtime.database, runtime.system_name, resolved=everything, limit=limit)
        silences = rows.silences(runtime.database, runtime.system_name)
        language = spoken(None, runtime.settings)
    if as_json:
        output.as_json({"alerts": found, "silences": silences})
        return
    words = [
        words_of(rows.Alert(**{name: one[name] for name in rows.Alert.__annotations__}), language)
        for one in found
    ]
    output.table(
        "Alerts",
        ["id", "severity", "since", "until", "what", "about", "taken by", "notices", "what to do"],
        (
            [
                one["id"],
                one["severity"],
                f"{one['since']:%Y-%m-%d %H:%M}",
                f"{one['resolved_at']:%Y-%m-%d %H:%M}" if one["resolved_at"] else "",
                told.title,
                one["fingerprint"],
                one["acknowledged_by"],
                f"{one['sent']} sent" + (f", {one['waiting']} waiting" if one["waiting"] else ""),
                "" if one["resolved_at"] else told.remedy,
            ]
            for one, told in zip(found, words, strict=True)
        ),
        wrap=True,
    )
    for silence in silences:
        click.echo(
            f"silenced until {silence['until']:%Y-%m-%d %H:%M} UTC by {silence['by']}: {silence['pattern']}"
        )
    if not found:
        click.echo("nothing is wrong")


@alerts.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(*, as_json: bool) -> None:
    """Look at the ledger once and send what waits, as the sensor does: for cron, where Dagster does not run."""
    from dataclasses import asdict

    from onec_pipelines.monitoring.alerting import Alerting
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        done = Alerting(runtime.database, runtime.settings).check()
    if as_json:
        output.as_json(asdict(done))
    else:
        click.echo(f"{done.open} alerts are open, {done.sent} notices sent, {done.refused} refused")


@alerts.command()
def test() -> None:
    """Send a test to every channel, those of escalation too. Exit 1 when one does not take it."""
    from onec_pipelines.monitoring.alerting import Alerting
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        results = Alerting(runtime.database, runtime.settings).test()
    for name, why in results.items():
        click.echo(f"{name}: {why or 'taken'}")
    if any(results.values()):
        sys.exit(1)


@alerts.command()
@click.argument("alert_ids", type=int, nargs=-1, required=True, metavar="ID...")
def ack(alert_ids: tuple[int, ...]) -> None:
    """Say that you take care of these: they are not escalated."""
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.ledger import alerts as rows
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime, runtime.database.transaction() as connection:
        taken = rows.acknowledge(
            driver_connection(connection), alert_ids, system_name=runtime.system_name, by=at_keyboard()
        )
    click.echo(f"{len(taken)} alerts taken")
    left = sorted(set(alert_ids) - set(taken))
    if left:
        raise click.UsageError(f"not open: {', '.join(map(str, left))}")


@alerts.command()
@click.argument("pattern")
@click.option(
    "--hours", default=8.0, show_default=True, type=click.FloatRange(min=0, min_open=True, max=24 * 90)
)
@click.option("--off", is_flag=True, help="End the silences of this pattern.")
@click.option("--reason", default="", help="Why, for those who look.")
def silence(pattern: str, *, hours: float, off: bool, reason: str) -> None:
    """Announce nothing whose fingerprint fits PATTERN for a while, e.g. "check:shop/stock:*". It is still listed."""
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.ledger import alerts as rows
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime, runtime.database.transaction() as connection:
        tx = driver_connection(connection)
        system, by = runtime.system_name, at_keyboard()
        if off:
            ended = rows.speak_again(tx, pattern, system_name=system, by=by)
            click.echo(f"{ended} silences ended")
            return
        until = rows.silence(tx, pattern, system_name=system, hours=hours, by=by, reason=reason)
    click.echo(f"silenced until {until:%Y-%m-%d %H:%M} UTC")
