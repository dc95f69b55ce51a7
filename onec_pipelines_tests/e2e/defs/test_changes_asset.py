"""The asset onec/changes: takes packets in, tells what came, and lets the entities run whatever is wrong with the packets."""

from __future__ import annotations

import json
import shutil
import time

import dagster as dg
import pytest
from click.testing import CliRunner

from onec_pipelines.cli import cli
from onec_pipelines.defs.changes import INTAKE, changes
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.settings import project_root
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.changes import GOODS, NODE, PLAN, add, change, new_product, waiting
from onec_pipelines_tests.fixtures.pipeline import control, environment, value


@pytest.fixture
def shop():
    with Simulator.start_thread(products=40, seed=5) as running:
        yield running


@pytest.fixture
def settings(shop, database_url, tmp_path, monkeypatch):
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    variables = environment(shop, database_url, tmp_path, page_rows=500)
    for name, held in {**variables, "ONEC_EXCHANGE_PLAN": PLAN, "ONEC_EXCHANGE_NODE": NODE}.items():
        monkeypatch.setenv(name, held)
    return monkeypatch


@pytest.fixture
def instance(settings):
    with dg.DagsterInstance.get() as opened:
        yield opened


def materialize(instance):
    run = dg.materialize([changes], resources={"onec": OnecResource()}, instance=instance)
    (event,) = run.asset_materializations_for_node("onec_changes")
    (check,) = run.get_asset_check_evaluations()
    assert check.check_name == INTAKE
    return {name: held.value for name, held in event.metadata.items()}, check


def test_what_came_is_told_by_type(instance, shop):
    begun = time.monotonic()
    add(shop)

    figures, check = materialize(instance)

    assert (figures["packets"], figures["entries"], figures["queue_empty"]) == (1, 1, True)
    assert figures["message_no"] == 34
    (row,) = figures["types"].records
    assert row.data == {"type": GOODS, "kind": "entry", "entries": 1, "read_by": "categories, products"}
    assert figures["lag_seconds"] <= time.monotonic() - begun + 1
    assert check.passed


def test_a_broken_packet_fails_the_check_and_not_the_step(instance, shop):
    add(shop, Артикул="А\x0bБ")

    figures, check = materialize(instance)

    assert figures["packets"] == 0
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.ERROR
    assert "ONEC_PACKET_BROKEN" in check.metadata["problems"].value


def test_without_a_node_it_costs_no_request(settings, instance, shop):
    settings.setenv("ONEC_EXCHANGE_NODE", "")
    control(shop, "stats", method="DELETE")

    figures, check = materialize(instance)

    assert figures["status"] == "no node is set"
    assert check.passed
    assert control(shop, "stats")["requests_total"] == 0


def test_the_commands_register_take_and_tell(settings, shop, database_url):
    runner = CliRunner()

    registered = runner.invoke(cli, ["changes", "register"], catch_exceptions=False)
    key = new_product(shop, "По команде")
    taken = json.loads(runner.invoke(cli, ["changes", "take", "--json"], catch_exceptions=False).stdout)
    synced = runner.invoke(cli, ["sync", "products", "--way", "changes", "--json"], catch_exceptions=False)
    change(shop, key, Description="Ещё раз")
    again = runner.invoke(cli, ["sync", "products", "--way", "changes", "--json"], catch_exceptions=False)
    status = json.loads(runner.invoke(cli, ["changes", "status", "--json"], catch_exceptions=False).stdout)
    shown = runner.invoke(cli, ["changes", "status"], catch_exceptions=False)

    assert "node 001" in registered.output
    assert (taken["packets"], taken["counts"]) == (1, {GOODS: {"entry": 1}})
    assert json.loads(synced.stdout)["ok"]
    assert json.loads(again.stdout)["entities"]["products"]["rows_read"] == 1
    assert value(database_url, "SELECT name FROM shop.products WHERE name = 'Ещё раз'") == "Ещё раз"
    assert [(one["entity"], one["packets_behind"]) for one in status["entities"]] == [("products", 0)]
    assert [one["message_no"] for one in status["packets"]] == [35, 34]
    assert "products" in shown.output
    assert waiting(shop) == 0
