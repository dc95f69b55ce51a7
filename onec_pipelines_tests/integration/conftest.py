"""Small entities and pages of their own for the tests of the ledger, on a migrated database."""

from __future__ import annotations

import psycopg
import pytest

from onec_pipelines.db.engine import connect
from onec_pipelines.db.urls import conninfo


@pytest.fixture
def database(database_url):
    with connect(database_url) as opened:
        yield opened


@pytest.fixture
def tx(database_url):
    """A psycopg connection in UTC; each statement commits at once unless the test opens a transaction."""
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
