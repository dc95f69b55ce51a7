"""Kill -9 at any moment of a sync, run again: the end state of a run without the kill, and nothing left behind."""

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
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.e2e.killed import until_alone
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync, value
from onec_pipelines_tests.fixtures.state import debris_of, state_of

# Paged objects with and without tabular sections, a paged register with rejects, virtual tables split by another entity, documents by
# windows. After the first load units and products are read by versions, orders by those of the open horizon.
ENTITIES = ("currencies", "currency_rates", "units", "products", "price_types", "prices", "orders")
DRIVER = Path(__file__).with_name("killed_runs.py")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def changed_shop():
    with Simulator.start_process(products=60, seed=7, pool_size=1000) as running:
        yield running


@pytest.fixture(scope="module")
def copies(postgres):
    """Makes databases from others; all are dropped at the end."""
    made = []

    def execute(statement, *names):
        with psycopg.connect(
            conninfo(with_database(postgres.url, "postgres")), autocommit=True
        ) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def copy(template, name):
        execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
        made.append(name)
        return with_database(postgres.url, name)

    yield copy
    for name in made:
        execute("DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="module")
def run_jobs():
    """Runs jobs one after the other in children of one process that has everything imported."""
    driver = subprocess.Popen(
        [sys.executable, DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def run(jobs):
        results = []
        for one in jobs:
            driver.stdin.write(json.dumps(one) + "\n")
            driver.stdin.flush()
            results.append(json.loads(driver.stdout.readline()))
            until_alone(one["environment"]["ONEC_DATABASE_URL"])
        return results

    yield run
    driver.stdin.close()
    assert driver.wait(PATIENCE_SECONDS) == 0
    driver.stdout.close()


@pytest.fixture(scope="module")
def scenarios(copies, postgres_template, changed_shop, home, run_jobs):
    """Two beginnings: an empty database, and one that was synced before somebody worked in 1C."""
    synced = copies(postgres_template, "kill_synced")
    variables = settings(changed_shop, synced, home)
    before = run_jobs([job(variables)])
    work_in_1c(changed_shop)
    # Deleted rows are missed for the first time here, so that the next reading is the one that deletes them.
    after = run_jobs([{**job(variables), "entities": ["units"]}])
    assert [one["code"] for one in before + after] == [0, 0]
    return {"first load": postgres_template, "changes": "kill_synced"}


def settings(simulator, database_url, home):
    """The simulated business stands in June 2026, which has to be within the open horizon.

    How often a shared throttle asks the database depends on time, and the steps at which a run is killed are counted.
    """
    return {
        **environment(simulator, database_url, home),
        "ONEC_OPEN_DAYS": "3650",
        "ONEC_THROTTLE": "local",
    }


def work_in_1c(simulator):
    """New, changed and deleted rows in objects and in a register."""
    rows = control(simulator, "rows/Catalog_Номенклатура?top=1000")["rows"]
    goods = [row for row in rows if not row["IsFolder"] and row["ТипНоменклатуры"] == "Товар"]
    for row in goods[:25]:
        control(
            simulator,
            f"rows/Catalog_Номенклатура/{row['Ref_Key']}",
            {"Description": f"Новое имя {row['Code']}"},
        )
    units = control(simulator, "rows/Catalog_УпаковкиЕдиницыИзмерения")["rows"]
    control(simulator, f"rows/Catalog_УпаковкиЕдиницыИзмерения/{units[-1]['Ref_Key']}", method="DELETE")
    control(
        simulator, "rows/Catalog_УпаковкиЕдиницыИзмерения", {**units[0], "Ref_Key": None, "Description": "ящ"}
    )
    edited, gone = control(simulator, "rows/Document_ЗаказКлиента?top=2")["rows"]
    control(simulator, f"rows/Document_ЗаказКлиента/{edited['Ref_Key']}", {"Комментарий": "правка"})
    control(simulator, f"rows/Document_ЗаказКлиента/{gone['Ref_Key']}", method="DELETE")


def job(variables, kill_at=None):
    return {"environment": variables, "entities": ENTITIES, "kill_at": kill_at}


@pytest.fixture
def runs(scenarios, copies, changed_shop, home):
    """Makes the settings of a run on a new copy of a scenario's database."""

    def variables(scenario, name):
        copy = copies(scenarios[scenario], f"kill_{scenario.replace(' ', '_')}_{name}")
        return settings(changed_shop, copy, home)

    return variables


@pytest.mark.parametrize(("scenario", "count"), [("first load", 8), ("changes", 5)])
def test_a_killed_sync_ends_like_one_that_was_not(scenario, count, runs, run_jobs):
    unharmed = runs(scenario, "unharmed")
    (reference,) = run_jobs([job(unharmed)])
    steps = reference["steps"]
    points = [1 + round(number * (steps - 1) / (count - 1)) for number in range(count)]
    killed = {point: runs(scenario, str(point)) for point in points}

    jobs = [one for point, each in killed.items() for one in (job(each, point), job(each))]
    results = run_jobs(jobs)

    expected = state_of(unharmed["ONEC_DATABASE_URL"])
    assert [one["code"] for one in results[::2]] == [-signal.SIGKILL] * count
    assert [one["code"] for one in results[1::2]] == [0] * count
    for point, each in killed.items():
        found = state_of(each["ONEC_DATABASE_URL"])
        differing = {
            name: set(found[name]) ^ set(expected[name]) for name in expected if found[name] != expected[name]
        }
        assert not differing, f"killed at step {point} of {steps}"
        assert debris_of(each["ONEC_DATABASE_URL"]) == []


def test_the_run_after_a_kill_goes_on_at_the_checkpoint(runs, run_jobs):
    """Pages that were stored before the kill are not asked for again."""
    rates = {"entities": ["currency_rates"]}
    (whole,) = run_jobs([{**job(runs("first load", "whole")), **rates}])
    variables = runs("first load", "resumed")
    url = variables["ONEC_DATABASE_URL"]
    (killed,) = run_jobs([{**job(variables, whole["steps"] * 3 // 4), **rates}])
    assert killed["code"] == -signal.SIGKILL
    assert int(value(url, "SELECT state ->> 'rows' FROM integ.sync_state WHERE kind = 'scan'")) > 0

    with open_fast(variables) as runtime:
        outcome = sync(runtime, [BY_NAME["currency_rates"]])["currency_rates"]

    total = query(url, "SELECT count(*) FROM clean.currency_rates")[0][0]
    assert outcome.complete
    assert outcome.rows_read < total
    statuses = query(url, "SELECT status FROM integ.sync_jobs ORDER BY id")
    assert statuses == [("abandoned",), ("succeeded",)]
