"""Weeks of business, faults on the wire, processes killed at any step; then one quiet hour: the shop is what 1C is, and nothing else."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onec_pipelines.db.migrations import migrate
from onec_pipelines.entities import ENTITIES
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.e2e.killed import until_alone
from onec_pipelines_tests.fixtures.clerk import work
from onec_pipelines_tests.fixtures.live import deleted_objects, live_rows
from onec_pipelines_tests.fixtures.oracle import check_barcodes, check_objects, check_prices, check_stock
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync
from onec_pipelines_tests.fixtures.state import debris_of
from onec_pipelines_tests.fixtures.whole import check_whole

DRIVER = Path(__file__).with_name("killed_runs.py")
SEED = int(os.environ.get("CHAOS_SEED", "20261123"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "20"))
STEPS_A_ROUND = 10
EDITS_A_ROUND = 8
# A run of all entities does some 3000 things to the database when little has changed.
LATEST_KILL = 3000
FAULTS = (
    {"type": "reset_peer", "attributes": {"phase": "before"}},
    {"type": "reset_peer", "attributes": {"phase": "after"}},
    {"type": "status", "attributes": {"status": 503}},
    {"type": "limit_data", "attributes": {"bytes": 700}},
    {"type": "html_200"},
    {"type": "lock_conflict"},
    {"type": "duplicates", "attributes": {"rows": 3}},
    {"type": "page_shift", "attributes": {"rows": 2}},
)


@pytest.fixture(scope="module")
def run_job():
    """Runs a job in a child of one process that has everything imported."""
    driver = subprocess.Popen(
        [sys.executable, DRIVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def run(job):
        driver.stdin.write(json.dumps(job) + "\n")
        driver.stdin.flush()
        code = json.loads(driver.stdout.readline())["code"]
        until_alone(job["environment"]["ONEC_DATABASE_URL"])
        return code

    yield run
    driver.stdin.close()
    assert driver.wait(PATIENCE_SECONDS) == 0
    driver.stdout.close()


@pytest.mark.timeout(3600)
def test_after_chaos_and_a_quiet_sync_the_shop_is_what_1c_is(
    database_url, empty_database_url, tmp_path, run_job
):
    """200 steps of business, a fault or two in most rounds, every other round killed; seeded, so that it can be repeated."""
    chance = random.Random(SEED)  # noqa: S311 - reproducible chance is the point
    codes = []
    with Simulator.start_process(products=40, seed=7, pool_size=1000, broken=False) as shop:
        variables = {
            **environment(shop, database_url, tmp_path, page_rows=25),
            "ONEC_OPEN_DAYS": "3650",
            "ONEC_HISTORY_START": "2010-01-01",
        }
        names = [entity.name for entity in ENTITIES]
        codes.append(run_job({"environment": variables, "entities": names, "kill_at": None}))
        born = ids(database_url)
        for number in range(ROUNDS):
            control(shop, "day", {"steps": STEPS_A_ROUND})
            work(shop, chance, EDITS_A_ROUND)
            for fault in chance.sample(FAULTS, chance.randint(0, 2)):
                control(shop, "faults", {**fault, "match": "Catalog|Document|Register", "toxicity": 0.03})
            kill_at = chance.randint(1, LATEST_KILL) if number % 2 else None
            codes.append(run_job({"environment": variables, "entities": names, "kill_at": kill_at}))
            control(shop, "faults", method="DELETE")

        with open_fast(variables) as runtime:
            for _ in range(
                3
            ):  # What is gone has to be missed twice, and what a round left half done is ended first.
                outcomes = sync(runtime)
        assert {name: one.status for name, one in outcomes.items() if one.status != "succeeded"} == {}
        migrate(empty_database_url)
        with open_fast({**variables, "ONEC_DATABASE_URL": empty_database_url}) as fresh:
            sync(fresh)

        assert len(check_whole(shop, database_url)) == len(ENTITIES)
        check_objects(shop, database_url)
        check_prices(shop, database_url)
        check_stock(shop, database_url)
        check_barcodes(shop, database_url)

    gone = deleted_objects(database_url)
    wanted, found = live_rows(empty_database_url), live_rows(database_url, gone)
    different = {
        table: {
            "missing": sorted(wanted[table] - found[table])[:2],
            "extra": sorted(found[table] - wanted[table])[:2],
        }
        for table in wanted
        if wanted[table] != found[table]
    }
    assert not different, json.dumps(different, ensure_ascii=False, indent=1)
    assert debris_of(database_url) == []
    kept = ids(database_url)
    assert {key: kept.get(key) for key in born} == born
    assert -signal.SIGKILL in codes
    assert codes.count(0) > 1


def ids(url):
    """Our id of every object of 1C that was ever seen."""
    rows = query(url, "SELECT entity_type, external_id::text, internal_id FROM integ.external_id_mappings")
    return {(entity, external): internal for entity, external, internal in rows}
