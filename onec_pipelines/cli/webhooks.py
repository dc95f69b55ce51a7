"""`onec webhooks`: receive 1C's events, and what is needed to set that up and try it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from onec_pipelines.cli import output

if TYPE_CHECKING:
    from starlette.routing import Route


@click.group()
def webhooks() -> None:
    """Receive what 1C says has changed (docs/webhooks.md)."""


@webhooks.command()
def secret() -> None:
    """Make a secret for ONEC_WEBHOOK_SECRETS and for 1C."""
    from onec_pipelines.webhook.signature import new_secret

    click.echo(new_secret())


@webhooks.command()
@click.option("--host", help="Address to listen at; default ONEC_WEBHOOK_HOST.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Default ONEC_WEBHOOK_PORT; 0 takes a free one.")
@click.option(
    "--dashboard",
    "with_dashboard",
    is_flag=True,
    help="Serve /dashboard and /metrics too; needs ONEC_DASHBOARD_TOKEN.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document when ready.")
def serve(*, host: str | None, port: int | None, with_dashboard: bool, as_json: bool) -> None:
    """Receive events until interrupted. `onec worker` works off what they lead to."""
    from contextlib import ExitStack

    from onec_pipelines.monitoring.serve import hosts_for, open_site
    from onec_pipelines.runtime import database_url
    from onec_pipelines.settings import load_settings
    from onec_pipelines.webhook.serve import open_receiver

    def ready(url: str) -> None:
        if as_json:
            output.as_json({"url": url})
        else:
            click.echo(f"receiving at {url}, described at {url}/openapi.json; ctrl-C ends it")

    settings = load_settings(require_onec=False)
    with ExitStack() as stack:
        routes: list[Route] = []
        if with_dashboard:
            hosts_for("the receiver", settings.dashboard_token.get_secret_value(), others_reach_it=True)
            routes = stack.enter_context(open_site(settings, database_url(settings))).routes(
                with_health=False
            )
        receiver = stack.enter_context(open_receiver(settings, host=host, port=port, more_routes=routes))
        receiver.serve(on_ready=ready)


@webhooks.command()
@click.argument("event_type", metavar="TYPE")
@click.argument("refs", nargs=-1, metavar="[GUID]...")
@click.option("--url", help="Send it there and print the answer; without it a curl command is printed.")
@click.option("--id", "msg_id", help="webhook-id; default a new one.")
def sign(event_type: str, refs: tuple[str, ...], *, url: str | None, msg_id: str | None) -> None:
    """Make a signed event as 1C would send it, e.g. `stock.changed GUID`, for trying the way out."""
    from onec_pipelines.webhook.trial import curl, send, signed

    event = signed(event_type, refs, msg_id=msg_id)
    if url is None:
        click.echo(curl(event))
        return
    status, body = send(event, url)
    click.echo(f"{status} {body}")
    if status >= 400:  # noqa: PLR2004 - HTTP
        raise click.exceptions.Exit(1)
