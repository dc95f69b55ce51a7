"""A synced shop without the simulator's planted mistakes, and copies of it that a test may damage."""

from __future__ import annotations

import itertools

import psycopg
import pytest
from psycopg import sql

from onec_pipelines.db.engine import connect
from onec_pipelines.db.urls import conninfo, with_database
from onec_pipelines.settings import load_settings
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import environment, open_fast, query, sync
from onec_pipelines_tests.fixtures.postgres import _database

_copies = itertools.count(1)


@pytest.fixture(scope="package")
def shop():
    with Simulator.start_thread(products=60, seed=5, broken=False) as running:
        yield running


@pytest.fixture(scope="package")
def synced_url(postgres, postgres_template, shop, tmp_path_factory):
    databases = _database(postgres, postgres_template)
    url = next(databases)
    with open_fast(environment(shop, url, tmp_path_factory.mktemp("home"), page_rows=500)) as runtime:
        sync(runtime)
    # The simulator's shop never prices one product in each batch, with or without planted mistakes.
    query(
        url,
        "UPDATE shop.stock SET available = 0 WHERE product_id NOT IN (SELECT product_id FROM shop.prices WHERE NOT is_deleted)",
    )
    yield url
    next(databases, None)


@pytest.fixture
def copy_url(postgres, synced_url):
    """A copy of the synced database."""
    name = f"quality_{next(_copies)}"
    with psycopg.connect(conninfo(with_database(postgres.url, "postgres")), autocommit=True) as server:
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                *map(sql.Identifier, (name, conninfo_name(synced_url)))
            )
        )
        yield with_database(postgres.url, name)
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def conninfo_name(url):
    """Name of the database of a URL."""
    return psycopg.conninfo.conninfo_to_dict(url)["dbname"]


@pytest.fixture
def settings_of(shop, tmp_path):
    """Settings that lead to a database, their home in this test's folder."""

    def made(url):
        return load_settings(environment(shop, url, tmp_path))

    return made


@pytest.fixture
def database(copy_url):
    with connect(copy_url) as opened:
        yield opened
