"""From the settings to a receiver that is ready to serve: secrets checked, database migrated, port bound, in this order."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from starlette.routing import Route

from onec_pipelines.db.engine import Limits, connect
from onec_pipelines.db.migrations import migrate, pending
from onec_pipelines.errors import Stop
from onec_pipelines.ledger.inbox import InboxWriter
from onec_pipelines.runtime import database_url
from onec_pipelines.settings import Settings, load_settings
from onec_pipelines.webhook.app import Policy, build_app
from onec_pipelines.webhook.direct import DirectStock
from onec_pipelines.webhook.server import Receiver
from onec_pipelines.webhook.signature import parse_secrets


@contextmanager
def open_receiver(
    settings: Settings | None = None,
    *,
    host: str | None = None,
    port: int | None = None,
    more_routes: Sequence[Route] = (),
) -> Iterator[Receiver]:
    """A receiver on a bound port, serving `more_routes` too.

    Raises Stop for a secret that is none, a missing migration, a name of the base that is not set.
    """
    settings = settings or load_settings(require_onec=False)
    if not settings.system:
        raise Stop("ONEC_SYSTEM is missing: the name of the base whose events these are", code="SETTINGS")
    secrets = parse_secrets(settings.webhook_secrets.get_secret_value())
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    with connect(
        _ready(settings), application_name="onec_webhooks", pool_size=2, limits=Limits(lock=2, statement=30)
    ) as database:
        direct = DirectStock(database, system_name=settings.system, limits=settings.limits)
        app = build_app(
            InboxWriter(database, system_name=settings.system),
            Policy(
                secrets=secrets,
                tolerance_seconds=settings.webhook_tolerance_seconds,
                keep_days=settings.webhook_keep_days,
            ),
            on_stored=direct.offer if settings.webhook_direct_stock == "on" else lambda _messages: None,
            more_routes=more_routes,
        )
        with direct:
            yield Receiver(
                app,
                host=settings.webhook_host if host is None else host,
                port=settings.webhook_port if port is None else port,
            )


def _ready(settings: Settings) -> str:
    url = database_url(settings)
    if not settings.database_url.get_secret_value():
        migrate(url)
    elif waiting := pending(url):
        raise Stop(
            f"the database lacks {len(waiting)} migrations, the first is {waiting[0]}",
            code="MIGRATIONS_PENDING",
            remedy="Run `onec migrate`.",
        )
    return url
