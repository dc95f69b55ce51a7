"""Kill -9 between any two steps of the intake and the application, run again: nothing lost, nothing doubled, nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.e2e.killed import until_alone
from onec_pipelines_tests.fixtures.changes import (
    NODE,
    PLAN,
    a_product,
    change,
    delete,
    new_product,
    open_changes,
    sync_changes,
    take_in,
    waiting,
)
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import environment, query, value
from onec_pipelines_tests.fixtures.state import debris_of

PLACES = (
    "changes.selected",
    "changes.staging",
    "changes.staged",
    "changes.notified",
    "changes.acknowledged",
    "changes.applying",
    "changes.applied",
)
ENTITIES = ["categories", "products"]


@pytest.fixture(scope="module")
def run_job():
    """Runs jobs one after the other in children of one process that has everything imported."""
    driver = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("killed_takes.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(job):
        driver.stdin.write(json.dumps(job) + "\n")
        driver.stdin.flush()
        return json.loads(driver.stdout.readline())

    yield run
    driver.stdin.close()
    assert driver.wait(PATIENCE_SECONDS) == 0
    driver.stdout.close()


def test_killed_anywhere_and_run_again_the_shop_is_what_1c_holds(run_job, database_url, tmp_path):
    """One base and one database through all places, so that the debris of each kill would meet the next."""

    keys = {}
    with Simulator.start_thread(products=40, seed=5, pool_size=1000, tombstones=True) as shop:
        variables = environment(shop, database_url, tmp_path)
        variables |= {"ONEC_EXCHANGE_PLAN": PLAN, "ONEC_EXCHANGE_NODE": NODE}
        with open_changes(shop, database_url, tmp_path) as runtime:
            take_in(runtime)
            sync_changes(runtime, ENTITIES)
        for number, place in enumerate(PLACES):
            keys[new_product(shop, f"Новый {number}")] = f"Новый {number}"
            gone = a_product(shop)["Ref_Key"]
            delete(shop, gone)
            job = {"environment": variables, "entities": ENTITIES, "kill_at": place}

            assert run_job(job) == -signal.SIGKILL, place
            until_alone(database_url)
            # Somebody works on while nobody reads.
            changed = next(iter(keys))
            keys[changed] = f"Иной {number}"
            change(shop, changed, Description=keys[changed])
            assert run_job({**job, "kill_at": None}) == 0, place

            assert waiting(shop) == 0, place
            assert names(database_url, keys) == keys, place
            why = "SELECT deleted_why FROM clean.products WHERE ref = %s"
            assert value(database_url, why, gone) == "tombstone", place

    assert value(database_url, "SELECT epoch FROM integ.exchange_nodes") == 1
    assert value(database_url, "SELECT count(*) FROM raw.packets WHERE acknowledged_at IS NULL") == 0
    assert debris_of(database_url) == []


def names(url, keys):
    rows = query(url, "SELECT ref::text, name FROM clean.products WHERE ref = ANY(%s::uuid[])", list(keys))
    return dict(rows)
