"""`onec reconcile`, `onec deletes`, `onec adopt` as people type them, and the same comparison as Dagster's job."""

from __future__ import annotations

import json
import shutil

import dagster as dg
import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.settings import project_root
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import control, environment, query, value

SET = "Catalog_Марки"


@pytest.fixture
def shop():
    with Simulator.start_thread(products=40, seed=5) as running:
        yield running


@pytest.fixture
def settings(shop, database_url, tmp_path, monkeypatch):
    for name, held in environment(shop, database_url, tmp_path, page_rows=500).items():
        monkeypatch.setenv(name, held)
    return monkeypatch


@pytest.fixture
def onec(settings):
    """Runs `onec` and gives its exit code and JSON document."""

    def run(*arguments):
        result = CliRunner().invoke(command_line.cli, [*arguments, "--json"])
        return result.exit_code, json.loads(result.stdout) if result.stdout.startswith("{") else result

    return run


def test_drift_is_told_by_the_exit_code_until_it_is_repaired(onec, database_url):
    onec("sync", "manufacturers", "brands")
    query(
        database_url, "UPDATE shop.brands SET name = 'Tampered' WHERE id = (SELECT min(id) FROM shop.brands)"
    )

    code, document = onec("reconcile", "brands")
    assert (code, document["ok"], document["entities"]["brands"]["rows_left"]) == (1, False, 1)

    code, document = onec("reconcile", "brands", "--repair")
    assert (code, document["ok"], document["entities"]["brands"]["status"]) == (0, True, "repaired")

    assert onec("reconcile", "brands")[1]["entities"]["brands"]["status"] == "same"
    shown = CliRunner().invoke(command_line.cli, ["reconcile", "brands"])
    assert (shown.exit_code, "same" in shown.output) == (0, True)


def test_what_1c_deletes_is_listed_and_the_shop_keeps_the_row(onec, shop, database_url):
    onec("sync", "manufacturers", "brands")
    key = value(
        database_url, "SELECT ref::text FROM clean.brands WHERE NOT deletion_mark ORDER BY ref LIMIT 1"
    )
    gone = value(
        database_url, "SELECT ref::text FROM clean.brands WHERE NOT deletion_mark ORDER BY ref DESC LIMIT 1"
    )
    rows = value(database_url, "SELECT count(*) FROM shop.brands")
    control(shop, f"rows/{SET}/{key}", {"DeletionMark": True})
    control(shop, f"rows/{SET}/{gone}", method="DELETE")
    onec("sync", "brands")
    onec("sync", "brands")

    code, document = onec("deletes", "brands", "--since", "2026-01-01")

    assert code == 0
    found = {row["external_id"]: row for row in document["deletions"]}
    assert (found[key]["why"], found[gone]["why"]) == ("mark", "absent")
    assert value(database_url, "SELECT count(*) FROM shop.brands") == rows
    marked = "SELECT count(*) FROM shop.brands WHERE is_deleted AND id = ANY(%s)"
    assert value(database_url, marked, [found[key]["internal_id"], found[gone]["internal_id"]]) == 2

    control(shop, f"rows/{SET}/{key}", {"DeletionMark": False})
    onec("sync", "brands")

    (back,) = onec("deletes", "brands", "--restored")[1]["deletions"]
    assert (back["external_id"], back["is_deleted"]) == (key, False)
    assert back["restored_job_id"] > back["job_id"]
    assert key in CliRunner().invoke(command_line.cli, ["deletes"]).output


def test_rows_of_an_earlier_system_are_adopted_at_the_first_load_when_asked_for(
    onec, shop, settings, database_url
):
    rows = [row for row in control(shop, f"rows/{SET}")["rows"] if not row["DeletionMark"]]
    names = [row["Description"] for row in rows if row["Description"] and not row.get("IsFolder")]
    name = next(one for one in names if names.count(one) == 1)
    old = value(
        database_url, "INSERT INTO shop.brands (id, name) VALUES (100500, %s) RETURNING id", name.upper()
    )
    settings.setenv("ONEC_ADOPT", "on")

    onec("sync", "manufacturers", "brands")

    mapped = "SELECT c.name FROM clean.brands c JOIN integ.external_id_mappings m ON m.external_id = c.ref"
    assert query(database_url, f"{mapped} WHERE m.internal_id = %s AND m.is_adopted", old) == [(name,)]
    assert query(database_url, "SELECT id FROM shop.brands WHERE lower(name) = lower(%s)", name) == [(old,)]


def test_a_dry_run_of_an_adoption_changes_nothing(onec, database_url):
    onec("sync", "manufacturers", "brands", "--layer", "raw", "--layer", "clean")
    name = value(
        database_url,
        "SELECT name FROM clean.brands WHERE NOT deletion_mark AND is_folder IS NOT TRUE"
        " GROUP BY name HAVING count(*) = 1 ORDER BY name LIMIT 1",
    )
    old = value(database_url, "INSERT INTO shop.brands (name) VALUES (%s) RETURNING id", name)

    code, document = onec("adopt", "brands", "--dry-run")

    assert (code, document["entities"]["brands"]["adopted"]) == (0, 1)
    assert value(database_url, "SELECT count(*) FROM integ.external_id_mappings") == 0

    assert onec("adopt", "brands")[1]["entities"]["brands"]["adopted"] == 1
    onec("sync", "brands")
    assert query(database_url, "SELECT id FROM shop.brands WHERE name = %s", name) == [(old,)]


def test_an_entity_without_a_natural_key_is_wrong_usage(onec):
    code, result = onec("adopt", "orders")

    assert code == 2
    assert "no natural key: orders" in result.output


def test_dagsters_job_compares_and_repairs(onec, settings, database_url, tmp_path):
    from onec_pipelines.definitions import build_definitions  # noqa: PLC0415 - heavy

    onec("sync", "manufacturers", "brands")
    query(
        database_url, "UPDATE shop.brands SET name = 'Tampered' WHERE id = (SELECT min(id) FROM shop.brands)"
    )
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    settings.setenv("DAGSTER_HOME", str(tmp_path))
    job = build_definitions().resolve_job_def("reconcile")

    def run(**config):
        with dg.DagsterInstance.get() as instance:
            done = job.execute_in_process(
                instance=instance, run_config={"ops": {"reconcile_with_1c": {"config": config}}}
            )
        found = {one.asset_key.path[-1]: one for one in done.get_asset_check_evaluations()}
        return found["brands"], found["products"]

    brands, products = run()
    assert (brands.passed, brands.metadata["drift"].value) == (False, 1)
    # Never read: nothing to complain about.
    assert (products.passed, products.metadata["status"].value) == (True, "skipped")

    brands, _ = run(repair=True)
    assert (brands.passed, brands.metadata["rows_repaired"].value) == (True, 1)
