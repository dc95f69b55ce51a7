"""`onec pause` and `onec resume`: leave 1C alone, for all processes at once, and go on."""

from __future__ import annotations

from datetime import datetime

import click

from onec_pipelines.cli.who import at_keyboard


@click.command()
@click.option("--reason", default="", help="Why; shown to everybody who is refused.")
@click.option(
    "--until",
    metavar="TIME",
    help="When it ends by itself: 2026-11-23T18:00 or 18:00 (next one), by the infobase's clock.",
)
def pause(*, reason: str, until: str | None) -> None:
    """Stop all calls to 1C of all processes; those under way end. Nothing is lost: work waits in the queue."""
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.ledger import controls
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        ends_at = _moment(until, datetime.now(runtime.settings.zone)) if until else None
        with runtime.database.transaction() as connection:
            controls.pause(
                driver_connection(connection),
                system_name=runtime.system_name,
                by=at_keyboard(),
                reason=reason,
                until=ends_at,
            )
        click.echo(
            f"{runtime.system_name}: no calls to 1C"
            + (f" until {ends_at:%Y-%m-%d %H:%M}." if ends_at else ", until `onec resume`.")
        )


@click.command()
@click.option("--reason", default="", help="Why, for the audit log.")
def resume(*, reason: str) -> None:
    """End the pause and close the breaker, so that calls to 1C go at once. Quiet hours stay."""
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.ledger import controls
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        with runtime.database.transaction() as connection:
            was_stopped = controls.resume(
                driver_connection(connection),
                system_name=runtime.system_name,
                by=at_keyboard(),
                reason=reason,
            )
        refusal = runtime.standing().refusal
        click.echo("calls to 1C go on" if was_stopped else "there was no pause, and the breaker is closed")
        if refusal is not None:
            click.echo(f"but: {refusal}")


def _moment(text: str, now: datetime) -> datetime:
    """The moment that a person means, in the zone of `now`."""
    from datetime import time, timedelta

    try:
        if ":" in text and "-" not in text:
            today = datetime.combine(now.date(), time.fromisoformat(text), tzinfo=now.tzinfo)
            return today if today > now else today + timedelta(days=1)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time such as 18:00 or 2026-11-23T18:00") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
    if moment <= now:
        raise click.BadParameter(f"{moment:%Y-%m-%d %H:%M} is over")
    return moment
