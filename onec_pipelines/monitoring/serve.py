"""From the settings to a site that may be served: who may read it is decided here."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

from onec_pipelines.db.engine import Limits, connect
from onec_pipelines.errors import Stop
from onec_pipelines.monitoring.dashboard import View
from onec_pipelines.monitoring.health import Policy
from onec_pipelines.monitoring.web import LOCAL_NAMES, Site
from onec_pipelines.settings import Settings

LEAST_TOKEN = 16
"""Characters of a token that is worth being one."""


@contextmanager
def open_site(settings: Settings, database_url: str) -> Iterator[Site]:
    """The pages of the base of these settings, on connections of their own that wait for nothing long."""
    with connect(
        database_url,
        application_name="onec_dashboard",
        pool_size=2,
        limits=Limits(connect=3, lock=2, statement=20),
    ) as database:
        yield Site(
            database,
            system_name=settings.system,
            token=settings.dashboard_token.get_secret_value(),
            home=settings.home,
            view=View(
                language="en",
                zone=settings.zone if settings.timezone else ZoneInfo("UTC"),
                policy=policy_of(settings),
                page_rows=settings.page_rows,
                max_sessions=settings.max_sessions,
            ),
        )


def policy_of(settings: Settings) -> Policy:
    """What counts as healthy by the settings."""
    return Policy(stale_seconds=settings.stale_hours * 3600 or None)


def hosts_for(host: str, token: str, *, others_reach_it: bool = False) -> tuple[str, ...]:
    """Names of the machine that are answered to at this address: all with a token, else only those of this machine.

    Raises Stop DASHBOARD_OPEN when others could read it without a token, or when the token is too short to be one.
    """
    if token and len(token) < LEAST_TOKEN:
        raise _open(f"ONEC_DASHBOARD_TOKEN is shorter than {LEAST_TOKEN} characters")
    if token:
        return ("*",)
    if others_reach_it or not _is_local(host):
        raise _open(f"without ONEC_DASHBOARD_TOKEN everybody who reaches {host} could read the dashboard")
    return LOCAL_NAMES


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _open(message: str) -> Stop:
    return Stop(
        message,
        code="DASHBOARD_OPEN",
        remedy=f"Set ONEC_DASHBOARD_TOKEN to {LEAST_TOKEN} characters or more, or listen at 127.0.0.1.",
    )
