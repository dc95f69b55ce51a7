"""`onec dashboard` and `onec advise`: how the pipeline is, for browsers and monitoring, and what measurements advise."""

from __future__ import annotations

import click

from onec_pipelines.cli import output
from onec_pipelines.cli.language import language_option, spoken


@click.group()
def dashboard() -> None:
    """Show how the integration is (docs/health.md)."""


@dashboard.command()
@click.option("--host", help="Address to listen at; default ONEC_DASHBOARD_HOST.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Default ONEC_DASHBOARD_PORT; 0 takes a free one."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document when ready.")
def serve(*, host: str | None, port: int | None, as_json: bool) -> None:
    """Serve /dashboard, /health and /metrics until interrupted."""
    from onec_pipelines.db.migrations import migrate
    from onec_pipelines.errors import Stop
    from onec_pipelines.monitoring.serve import hosts_for, open_site
    from onec_pipelines.monitoring.web import build_app
    from onec_pipelines.runtime import database_url
    from onec_pipelines.settings import load_settings
    from onec_pipelines.webhook.server import Receiver

    settings = load_settings(require_onec=False)
    if not settings.system:
        raise Stop("ONEC_SYSTEM is missing: the name of the base to show", code="SETTINGS")
    host = settings.dashboard_host if host is None else host
    hosts = hosts_for(host, settings.dashboard_token.get_secret_value())
    address = database_url(settings)
    if not settings.database_url.get_secret_value():
        migrate(address)

    def ready(url: str) -> None:
        if as_json:
            output.as_json({"url": url})
        else:
            click.echo(f"dashboard: {url}/dashboard, metrics: {url}/metrics; ctrl-C ends it")

    with open_site(settings, address) as site:
        try:
            server = Receiver(
                build_app(site, hosts=hosts),
                host=host,
                port=settings.dashboard_port if port is None else port,
            )
        except Stop as error:
            raise Stop(
                error.message,
                code="DASHBOARD_ADDRESS",
                remedy="Choose another with ONEC_DASHBOARD_HOST and ONEC_DASHBOARD_PORT.",
            ) from None
        server.serve(on_ready=ready)


@click.command()
@language_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def advise(*, lang: str | None, as_json: bool) -> None:
    """Say what the measurements of the last week advise: page size, calls at once, cadence, slow requests, trends."""
    from dataclasses import asdict

    from onec_pipelines.ledger import measurements
    from onec_pipelines.monitoring.advice import advise as advices
    from onec_pipelines.monitoring.words import words
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        language = spoken(lang, runtime.settings)
        found = advices(
            measurements.read(runtime.database, runtime.system_name),
            page_rows=runtime.settings.page_rows,
            max_sessions=runtime.settings.max_sessions,
        )
    if as_json:
        output.as_json({"advice": [{**asdict(one), "text": one.text(language)} for one in found]})
        return
    say = words(language)
    for one in found:
        click.echo(f"[{say['verdict_' + one.verdict]}] {one.text(language)}")
