"""A synced shop that orders can be sent from, and workers that can be killed."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from onec_pipelines.db.urls import conninfo, with_database
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.outgoing import NEEDED, Shop
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import environment, open_fast, sync

DRIVER = Path(__file__).with_name("push_workers.py")
OPTIONS = {"products": 60, "seed": 7, "pool_size": 1000}
_numbers = itertools.count(1)


class Workers:
    """The driver's side of the tests."""

    def __init__(self) -> None:
        self._driver = subprocess.Popen(
            [sys.executable, DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def say(self, **words):
        self._driver.stdin.write(json.dumps(words) + "\n")
        self._driver.stdin.flush()
        return json.loads(self._driver.stdout.readline())

    def close(self) -> None:
        self._driver.stdin.close()
        self._driver.stdout.close()
        self._driver.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="session")
def workers():
    driver = Workers()
    yield driver
    driver.close()


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """Holds the base's $metadata, which all releases of one simulator share."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def synced(postgres, postgres_template, home):
    """A database that knows the base as it is before anything is sent to it."""
    _execute(postgres, "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", "push_synced", postgres_template)
    url = with_database(postgres.url, "push_synced")
    with (
        Simulator.start_process(**OPTIONS) as simulator,
        open_fast(environment(simulator, url, home)) as runtime,
    ):
        sync(runtime, NEEDED)
    yield "push_synced"
    _execute(postgres, "DROP DATABASE {} WITH (FORCE)", "push_synced")


@pytest.fixture
def shop_url(postgres, synced):
    """A copy of the synced database, of this test's own."""
    name = f"push_{next(_numbers)}"
    _execute(postgres, "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, synced)
    yield with_database(postgres.url, name)
    _execute(postgres, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def shop(shop_url):
    """The application, with ids that no other test of the same 1C uses: our keys there are made of them."""
    application = Shop(shop_url)
    application.store()
    for table in ("orders", "customers", "return_requests"):
        sequence = "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)"
        application.execute(sequence, f"shop.{table}", 10_000 * next(_numbers))
    yield application
    application.close()


def _execute(postgres, statement, *names):
    with psycopg.connect(conninfo(with_database(postgres.url, "postgres")), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
