"""Kill -9 at any moment of fetching pictures, run again: everything is there, whole, once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from onec_pipelines.db.urls import conninfo, with_database
from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.pictures import image_store, verify_pictures
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.e2e.killed import until_alone
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import environment, open_fast, query

DRIVER = Path(__file__).with_name("killed_fetches.py")
POINTS = 7
RESULT = "SELECT ref::text, state, sha256 FROM integ.image_files ORDER BY ref"
SHOP = "SELECT id, state, path FROM shop.images ORDER BY id"


@pytest.fixture
def driver():
    with subprocess.Popen(
        [sys.executable, DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:

        def run(variables, kill_at=None):
            running.stdin.write(json.dumps({"environment": variables, "kill_at": kill_at}) + "\n")
            running.stdin.flush()
            return json.loads(running.stdout.readline())

        yield run
        running.stdin.close()
        assert running.wait(PATIENCE_SECONDS) == 0


@pytest.fixture
def copies(postgres, database_url):
    """Copies of this test's database, made on demand, dropped at the end."""
    template = database_url.rpartition("/")[2].partition("?")[0]
    made = []

    def execute(statement, *names):
        server = conninfo(with_database(postgres.url, "postgres"))
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def copy(name):
        execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
        made.append(name)
        return with_database(postgres.url, name)

    yield copy
    for name in made:
        execute("DROP DATABASE {} WITH (FORCE)", name)


def test_a_killed_fetch_ends_like_one_that_was_not(driver, copies, database_url, tmp_path):
    with Simulator.start_process(products=30, seed=4, pool_size=1000) as simulator:
        with open_fast(environment(simulator, database_url, tmp_path / "rows", page_rows=1000)) as runtime:
            for name in ("categories", "products", "images"):
                inbound(BY_NAME[name], runtime)

        def variables(name):
            made = environment(simulator, copies(f"pictures_{name}"), tmp_path / name)
            # How often a shared throttle asks the database depends on time, and the steps are counted.
            return {**made, "ONEC_THROTTLE": "local"}

        unharmed = variables("unharmed")
        steps = driver(unharmed)["steps"]
        for number in range(POINTS):
            point = 1 + round(number * (steps - 1) / (POINTS - 1))
            killed = variables(f"killed_{number}")
            assert driver(killed, point)["code"] == -signal.SIGKILL
            until_alone(killed["ONEC_DATABASE_URL"])
            assert driver(killed)["code"] == 0

            url = killed["ONEC_DATABASE_URL"]
            assert query(url, RESULT) == query(unharmed["ONEC_DATABASE_URL"], RESULT)
            assert query(url, SHOP) == query(unharmed["ONEC_DATABASE_URL"], SHOP)
            with open_fast(killed) as runtime:
                assert verify_pictures(runtime).is_good
                known = {path for (path,) in query(url, "SELECT path FROM integ.image_blobs")}
                assert set(image_store(runtime).paths()) == known
