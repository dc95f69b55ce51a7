"""What every test stands on: no settings from outside, and the fixtures of `fixtures/`."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["onec_pipelines_tests.fixtures.postgres", "onec_pipelines_tests.fixtures.simulator"]

# In the background of a shell SIGINT is ignored, Dagster copies that to SIGTERM, and processes started here would inherit both.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No example fails because the machine is slow. A test that names health checks of its own names this one, too.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    """The developer's settings and the `.env` of the checkout reach neither tests nor what they start."""
    for name in [name for name in os.environ if name.startswith(("ONEC_", "DAGSTER_", "PG"))]:
        del os.environ[name]
    os.environ["ONEC_ENV_FILE"] = ""
    # Commands speak the language of the terminal.
    os.environ["LC_ALL"] = "C.UTF-8"
    # Instances made without our dagster.yaml would send usage data.
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
