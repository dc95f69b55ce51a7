"""From 1C to a held load and through: prices, stock, categories and customers of a simulated base change too much at once."""

from __future__ import annotations

import json
import shutil

import dagster as dg
import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.definitions import defs
from onec_pipelines.defs.keys import asset_key, layers_of, step_name
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.entities import BY_NAME
from onec_pipelines.settings import project_root
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines_tests.fixtures.pipeline import control, environment, query, value

GOODS, PARTNERS = "Catalog_Номенклатура", "Catalog_Партнеры"


@pytest.fixture
def shop():
    with Simulator.start_thread(products=60, seed=5, broken=False) as running:
        yield running


@pytest.fixture
def onec(shop, database_url, tmp_path, monkeypatch):
    """Runs `onec` and gives its exit code and JSON document, or its text."""
    for name, held in environment(shop, database_url, tmp_path, page_rows=500).items():
        monkeypatch.setenv(name, held)

    def run(*arguments, as_json=True):
        result = CliRunner().invoke(command_line.cli, [*arguments, *(["--json"] if as_json else [])])
        assert not as_json or result.stdout, result.exception
        return result.exit_code, json.loads(result.stdout) if as_json else result

    return run


@pytest.fixture
def catalog(onec):
    """Products in the shop."""
    assert onec("sync", "categories", "products")[0] == 0


def move_all(shop, database_url, category):
    """Take the products of a category into another one, as a user of 1C does."""
    keys = query(
        database_url,
        "SELECT c.ref::text FROM clean.products c WHERE c.category_ref = %s AND NOT c.deletion_mark",
        category,
    )
    other = value(database_url, "SELECT ref::text FROM clean.categories WHERE ref <> %s LIMIT 1", category)
    for (key,) in keys:
        control(shop, f"rows/{GOODS}/{key}", {"Parent_Key": other})
    return len(keys)


def largest_category(database_url):
    return value(
        database_url,
        "SELECT category_ref::text FROM clean.products WHERE NOT deletion_mark GROUP BY 1 ORDER BY count(*) DESC LIMIT 1",
    )


def names_in_shop(database_url):
    return query(database_url, "SELECT id, name, category_id FROM shop.products ORDER BY 1")


@pytest.mark.usefixtures("catalog")
def test_a_dry_run_reads_1c_and_leaves_the_shop_to_the_next_run(onec, shop, database_url):
    key = value(database_url, "SELECT ref::text FROM clean.products LIMIT 1")
    control(shop, f"rows/{GOODS}/{key}", {"Description": "Новое имя"})
    before = names_in_shop(database_url)

    code, document = onec("sync", "products", "--dry-run")

    assert code == 0
    diff = document["entities"]["products"]["diff"]
    assert (diff["changed"], diff["columns"]) == (1, {"name": 1})
    assert diff["sample"][0]["after"] == {"name": "Новое имя"}
    assert names_in_shop(database_url) == before
    assert value(database_url, "SELECT count(*) FROM clean.products WHERE name = 'Новое имя'") == 1
    assert value(database_url, "SELECT job_type FROM integ.sync_jobs ORDER BY id DESC LIMIT 1") == "dry_run"
    _, real = onec("sync", "products")
    assert (real["entities"]["products"]["rows_read"], real["entities"]["products"]["shop_changed"]) == (0, 1)


@pytest.mark.usefixtures("catalog")
def test_a_dry_run_is_readable(onec, shop, database_url):
    key = value(database_url, "SELECT ref::text FROM clean.products LIMIT 1")
    control(shop, f"rows/{GOODS}/{key}", {"Description": "Новое имя"})

    code, result = onec("sync", "products", "--dry-run", as_json=False)

    assert code == 0
    assert "products: 0 new, 1 changed, 0 deleted rows" in result.stdout
    assert "Новое имя" in result.stdout


@pytest.mark.usefixtures("catalog")
def test_an_emptied_category_is_held_until_somebody_says_yes(onec, shop, database_url, monkeypatch):
    monkeypatch.setenv("ONEC_LIMITS", "category_emptied=2")
    moved = move_all(shop, database_url, largest_category(database_url))
    assert moved >= 2
    before = names_in_shop(database_url)

    code, document = onec("sync", "categories", "products")

    assert code == 1
    found = document["entities"]
    assert (found["categories"]["status"], found["products"]["status"]) == ("succeeded", "held")
    assert names_in_shop(database_url) == before
    number = str(found["products"]["approval"])
    assert [one["id"] for one in onec("approve", "list")[1]] == [int(number)]
    assert "category_emptied: 1" in onec("approve", "show", number, as_json=False)[1].stdout
    assert value(database_url, "SELECT status FROM integ.sync_jobs ORDER BY id DESC LIMIT 1") == "held"
    assert onec("approve", "grant", number, "--reason", "new tree", as_json=False)[0] == 0

    code, document = onec("sync", "products")

    assert (code, document["entities"]["products"]["shop_changed"]) == (0, moved)
    told = (
        "SELECT action, details ->> 'reason' FROM integ.audit_log WHERE action LIKE 'approval%' ORDER BY id"
    )
    assert query(database_url, told) == [("approval.granted", "new tree"), ("approval.used", "new tree")]


@pytest.mark.usefixtures("catalog")
def test_a_rejected_load_ends_when_1c_is_mended(onec, shop, database_url, monkeypatch):
    monkeypatch.setenv("ONEC_LIMITS", "products.changed_share=1%:1")
    rows = query(database_url, "SELECT ref::text, name FROM clean.products ORDER BY 1 LIMIT 3")
    for key, _ in rows:
        control(shop, f"rows/{GOODS}/{key}", {"Description": "Ошибка"})
    number = str(onec("sync", "products")[1]["entities"]["products"]["approval"])
    assert onec("approve", "reject", number, "--reason", "typo", as_json=False)[0] == 0
    assert onec("sync", "products")[0] == 1
    for key, name in rows:
        control(shop, f"rows/{GOODS}/{key}", {"Description": name})

    code, document = onec("sync", "products")

    assert (code, document["entities"]["products"]["shop_changed"]) == (0, 0)
    assert onec("approve", "list")[1] == []


def test_customers_that_vanish_are_held_and_never_named(onec, shop, database_url, monkeypatch):
    monkeypatch.setenv("ONEC_LIMITS", "customers_vanished=5%:3")
    assert onec("sync", "customers")[0] == 0
    rows = query(database_url, "SELECT ref::text, name FROM clean.customers WHERE NOT deletion_mark LIMIT 8")
    for key, _ in rows:
        control(shop, f"rows/{PARTNERS}/{key}", {"DeletionMark": True})

    code, document = onec("sync", "customers")

    assert (code, document["entities"]["customers"]["status"]) == (1, "held")
    text = value(database_url, "SELECT breaches::text || diff::text FROM integ.approvals")
    assert not [name for _, name in rows if name in text]
    assert value(database_url, "SELECT count(*) FROM shop.customers WHERE is_deleted") == value(
        database_url, "SELECT count(*) FROM shop.customers WHERE is_deleted AND created_at = updated_at"
    )


@pytest.mark.usefixtures("catalog")
def test_rows_changed_by_hand_in_the_shop_show_in_a_dry_run_and_are_mended(onec, database_url):
    before = names_in_shop(database_url)
    query(
        database_url,
        "UPDATE shop.products SET name = 'hacked' WHERE id = (SELECT min(id) FROM shop.products)",
    )

    _, dry = onec("sync", "products", "--layer", "shop", "--dry-run")
    assert dry["entities"]["products"]["diff"]["columns"] == {"name": 1}
    assert names_in_shop(database_url) != before
    onec("sync", "products", "--layer", "shop")

    assert names_in_shop(database_url) == before


def test_a_limit_that_there_is_not_is_refused(onec, monkeypatch):
    monkeypatch.setenv("ONEC_LIMITS", "prices_fall=5%")

    code, result = onec("sync", "currencies", as_json=False)

    assert code != 0
    assert result.exception.code == "SETTINGS"


@pytest.mark.parametrize("arguments", [("show", "7"), ("grant", "7"), ("grant", "7", "--reason", "why")])
def test_what_cannot_be_decided_is_said(onec, arguments):
    code, _ = onec("approve", *arguments, as_json=False)

    assert code in {1, 2}


@pytest.fixture
def instance(onec, tmp_path, monkeypatch):
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as opened:
        yield opened


def materialize(instance, entity, config=None):
    assets = [one for one in defs.assets if isinstance(one, dg.AssetsDefinition)]
    wanted = next(one for one in assets if asset_key(entity, Layer.RAW) in one.keys)
    result = dg.materialize(
        [wanted],
        selection=[asset_key(entity, layer) for layer in layers_of(entity)],
        resources={"onec": OnecResource()},
        instance=instance,
        run_config={"ops": {step_name(entity): {"config": config or {}}}},
    )
    (check,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "diff"]
    return result, check


@pytest.mark.usefixtures("catalog")
def test_in_dagster_the_check_fails_the_step_does_not_and_a_job_grants(
    instance, shop, database_url, monkeypatch
):
    products = BY_NAME["products"]
    monkeypatch.setenv("ONEC_LIMITS", "products.changed_share=1%:1")
    for (key,) in query(database_url, "SELECT ref::text FROM clean.products LIMIT 5"):
        control(shop, f"rows/{GOODS}/{key}", {"Description": "Вместе"})
    _, dry = materialize(instance, products, {"dry_run": True})
    assert (dry.passed, dry.metadata["changed"].value) == (False, 5)
    assert query(database_url, "SELECT count(*) FROM integ.approvals") == [(0,)]

    result, held = materialize(instance, products)

    assert result.success
    assert (held.passed, held.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert held.metadata["columns"].records[0].data == {"column": "name", "values_changed": 5}
    number = held.metadata["approval"].value
    config = {"approval": number, "decision": "grant", "reason": "renamed"}
    granted = defs.resolve_job_def("approve_load").execute_in_process(
        instance=instance, run_config={"ops": {"decide_on_load": {"config": config}}}
    )
    assert granted.success
    _, passed = materialize(instance, products)
    assert (passed.passed, passed.metadata["approval"].value) == (True, number)
    assert value(database_url, "SELECT count(*) FROM shop.products WHERE name = 'Вместе'") == 5
    by = value(database_url, "SELECT decided_by FROM integ.approvals")
    assert by.startswith("dagster (run ")
