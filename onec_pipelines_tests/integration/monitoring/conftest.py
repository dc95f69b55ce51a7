"""Alerts of a base called `test`, told to a receiver and a mailbox of this test."""

from __future__ import annotations

import pytest

from onec_pipelines.monitoring.alerting import Alerting
from onec_pipelines.settings import load_settings
from onec_pipelines_tests.fixtures.alerts import WEBHOOK_SECRET, http_receiver, smtp_server


@pytest.fixture
def receiver():
    with http_receiver() as running:
        yield running


@pytest.fixture
def mailbox():
    with smtp_server() as running:
        yield running


@pytest.fixture
def variables(receiver, database_url, tmp_path):
    return {
        "ONEC_SYSTEM": "test",
        "ONEC_TIMEZONE": "Europe/Moscow",
        "ONEC_DATABASE_URL": database_url,
        "ONEC_HOME": str(tmp_path),
        "ONEC_ALERT_WEBHOOK_URL": receiver.url,
        "ONEC_ALERT_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "ONEC_DAGSTER_URL": "http://dagster.example.com/",
    }


@pytest.fixture
def alerting(database, variables):
    """Makes an Alerting with these settings, as a fresh process would."""

    def made(**more):
        named = {f"ONEC_{name.upper()}": str(held) for name, held in more.items()}
        return Alerting(database, load_settings({**variables, **named}, require_onec=False))

    return made
