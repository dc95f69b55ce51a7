"""An attribute is renamed in the base: its entity stops and says what it feeds, the others go on, check and command tell."""

from __future__ import annotations

import json
import shutil

import dagster as dg
import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.definitions import defs
from onec_pipelines.defs.in_process import run_job
from onec_pipelines.defs.keys import METADATA_KEY, asset_key
from onec_pipelines.entities import BY_NAME
from onec_pipelines.settings import project_root
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines_tests.fixtures.pipeline import environment, query, value
from onec_pipelines_tests.fixtures.schemas import GOODS, renamed, with_own, write


@pytest.fixture(scope="module")
def shop():
    with Simulator.start_thread(products=60, seed=5) as running:
        yield running


@pytest.fixture(scope="module")
def updated(tmp_path_factory):
    """The same shop after an update of the configuration that renamed an attribute."""
    path = write(renamed(GOODS, "Артикул", "АртикулТовара"), tmp_path_factory.mktemp("base") / "metadata.xml")
    with Simulator.start_thread(products=60, seed=5, metadata=str(path)) as running:
        yield running


@pytest.fixture
def connect_to(database_url, tmp_path, monkeypatch):
    """Puts the settings that lead to a base into the environment; its `$metadata` is fetched anew."""
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))

    def connect(base):
        for name, held in environment(base, database_url, tmp_path, page_rows=500).items():
            monkeypatch.setenv(name, held)
        shutil.rmtree(tmp_path / "metadata", ignore_errors=True)

    return connect


def onec(*arguments):
    return CliRunner().invoke(command_line.cli, arguments)


def check_of(run_id, key):
    """The one check of an asset that a run reported."""
    with dg.DagsterInstance.get() as instance:
        found = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        checks = [record.event_log_entry.dagster_event.event_specific_data for record in found.records]
    (check,) = [one for one in checks if one.asset_key == key]
    return check


def test_a_renamed_attribute_stops_its_entity_and_nothing_else(shop, updated, connect_to, database_url):
    connect_to(shop)
    assert onec("sync", "--all", "--json").exit_code == 0
    products = query(database_url, "SELECT * FROM shop.products ORDER BY id")

    connect_to(updated)
    synced = onec("sync", "--all", "--json")

    document = json.loads(synced.stdout)
    assert synced.exit_code == 1
    assert set(document["errors"]) == {"products"}
    failed = document["errors"]["products"]
    assert failed["code"] == "ONEC_COLUMN_MISSING"
    assert "sku (Артикул) → shop.products.sku, 1 check (str_length)" in failed["message"]
    others = set(BY_NAME) - {"products"}
    assert {name for name, one in document["entities"].items() if one["status"] == "succeeded"} == others
    assert query(database_url, "SELECT * FROM shop.products ORDER BY id") == products


def test_the_check_of_the_metadata_asset_says_what_broke(shop, updated, connect_to, database_url):
    connect_to(shop)
    run = run_job(defs, "read_metadata", lambda _: None)
    check = check_of(run.run_id, METADATA_KEY)
    assert (run.problems, check.passed) == ([], True)
    assert value(database_url, "SELECT count(*) FROM integ.schema_versions") == 1

    connect_to(updated)
    run = run_job(defs, "sync_catalog", lambda _: None)

    check = check_of(run.run_id, METADATA_KEY)
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.ERROR
    assert "sku (Артикул) → shop.products.sku" in check.metadata["broken_entities"].value
    shown = [record.data for record in check.metadata["changes"].records]
    assert shown[0]["severity"] == "broken"
    assert "perhaps renamed to `АртикулТовара`" in shown[0]["change"]
    assert "products.sku has no source left" in shown[0]["impact"]
    assert (
        value(database_url, "SELECT count(*) FROM integ.schema_versions WHERE reported_at IS NOT NULL") == 2
    )
    ended = {name: outcome.status for name, outcome in run.outcomes.items()}
    assert run.problems == []
    assert ended.pop("products") == "stopped"
    assert {"brands", "variants", "barcodes"} < set(ended)
    assert set(ended.values()) == {"succeeded"}
    complete = check_of(run.run_id, asset_key(BY_NAME["products"], Layer.RAW))
    assert (complete.passed, complete.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "sku (Артикул)" in complete.metadata["reason"].value


def test_the_metadata_is_asked_for_once_a_day_and_at_once_by_its_own_job(shop, connect_to, database_url):
    connect_to(shop)
    run_job(defs, "sync_prices_and_stock", lambda _: None)
    first = value(database_url, "SELECT confirmed_at FROM integ.schema_versions")

    run_job(defs, "sync_prices_and_stock", lambda _: None)
    assert value(database_url, "SELECT confirmed_at FROM integ.schema_versions") == first

    run_job(defs, "read_metadata", lambda _: None)
    assert value(database_url, "SELECT confirmed_at FROM integ.schema_versions") > first
    assert value(database_url, "SELECT count(*) FROM integ.schema_versions") == 1


def test_the_command_shows_the_change_before_and_after_it_is_stored(shop, updated, connect_to):
    connect_to(shop)
    assert "nothing to compare with" in onec("schema", "diff").output
    run_job(defs, "read_metadata", lambda _: None)
    assert onec("schema", "diff").exit_code == 0

    connect_to(updated)
    before = onec("schema", "diff", "--json")
    run_job(defs, "read_metadata", lambda _: None)
    after = onec("schema", "diff", "--refresh", "--json")
    text = onec("schema", "diff")

    assert (before.exit_code, after.exit_code, text.exit_code) == (1, 1, 1)
    told = [json.loads(result.stdout) for result in (before, after)]
    assert told[0] == told[1]
    gone = told[0]["changes"][0]
    assert (gone["severity"], gone["change"]["name"], gone["change"]["renamed_to"]) == (
        "broken",
        "Артикул",
        "АртикулТовара",
    )
    assert gone["impacts"][0]["shop_columns"] == ["shop.products.sku"]
    assert set(told[0]["broken"]) == {"products"}
    assert "BROKEN   `Артикул` (Edm.String) is gone from Catalog_Номенклатура" in text.stdout


def test_attributes_and_objects_of_a_customer_are_fine(shop, connect_to, tmp_path):
    """A base that publishes more than we know is synced, and what was added is a note."""
    connect_to(shop)
    run_job(defs, "read_metadata", lambda _: None)
    path = write(with_own(GOODS, "БИТ_Цвет", "БИТ_Бренд_Key"), tmp_path / "metadata.xml")
    with Simulator.start_thread(products=20, seed=5, metadata=str(path)) as customised:
        connect_to(customised)
        told = onec("schema", "diff", "--json")
        synced = onec("sync", "categories", "units", "products", "--json")

    changes = json.loads(told.stdout)["changes"]
    assert told.exit_code == 0
    assert {(one["change"]["name"], one["severity"]) for one in changes} == {
        ("БИТ_Цвет", "note"),
        ("БИТ_Бренд_Key", "note"),
    }
    assert synced.exit_code == 0
