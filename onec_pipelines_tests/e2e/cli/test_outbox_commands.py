"""What an operator says about stores, and what `onec outbox check` answers."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines_tests.fixtures.pipeline import SYSTEM, query

GUID = "8b9660f6-6332-11ec-ad72-000c29b45b09"


@pytest.fixture
def onec(database_url, tmp_path, monkeypatch):
    """Runs `onec` with arguments, without a 1C that answers."""
    variables = {
        "ONEC_ENV_FILE": "",
        "ONEC_URL": "http://127.0.0.1:9/ut/odata/standard.odata",
        "ONEC_USER": "odata",
        "ONEC_PASSWORD": "odata",
        "ONEC_TIMEZONE": "Europe/Moscow",
        "ONEC_SYSTEM": SYSTEM,
        "ONEC_DATABASE_URL": database_url,
        "ONEC_HOME": str(tmp_path),
    }
    for name, held in variables.items():
        monkeypatch.setenv(name, held)
    return lambda *arguments: CliRunner().invoke(command_line.cli, ["outbox", *arguments])


def findings(result):
    return {(one["level"], one["where"]): one["message"] for one in json.loads(result.stdout)}


def test_without_a_store_nothing_goes_out_and_that_is_said(onec):
    result = onec("check", "--offline", "--json")
    assert result.exit_code == 0
    assert findings(result) == {("note", "shop.stores"): "no store sells through test, so nothing goes out"}


def test_a_store_gets_defaults_and_loses_them(onec, database_url):
    assert onec("store", "main", f"organization={GUID}", "prefix=WEB-").exit_code == 0
    assert onec("store", "main", "prefix=", "warehouse=Склад").exit_code == 0
    held = query(database_url, "SELECT system_name, defaults FROM shop.stores")
    assert held == [(SYSTEM, {"organization": GUID, "warehouse": "Склад"})]
    audited = query(
        database_url, "SELECT details FROM integ.audit_log WHERE action = 'store.changed' ORDER BY id"
    )
    assert [row[0]["defaults"] for row in audited] == [["organization", "prefix"], ["prefix", "warehouse"]]


def test_what_is_missing_is_named_and_the_exit_code_says_so(onec):
    onec("store", "main", f"organization={GUID}", "warehouse=Склад")
    result = onec("check", "--offline", "--json")
    assert result.exit_code == 1
    bad = [one["message"] for one in json.loads(result.stdout) if one["level"] == "bad"]
    assert bad == [
        "warehouse names warehouses by a name that nothing in 1C has (as far as it was synced)",
        "agreement is not set (ONEC_ORDER_AGREEMENT)",
    ]


def test_a_default_that_does_not_exist_is_refused(onec, database_url):
    result = onec("store", "main", "organisation=x")
    assert result.exit_code == 2
    assert "organisation" in result.output
    assert query(database_url, "SELECT count(*) FROM shop.stores") == [(0,)]


def test_the_status_counts_what_is_on_its_way(onec, database_url):
    onec("store", "main")
    query(database_url, "INSERT INTO shop.web_customers (name, phone) VALUES ('Мария', '+79001112233')")
    assert json.loads(onec("status", "--json").stdout) == {
        "counts": [["customer", "waiting", 1]],
        "attention": [],
    }


def test_the_base_is_tried_anew_when_told_so(onec, database_url):
    query(
        database_url,
        "INSERT INTO integ.sync_state (system_name, entity_type, kind, state)"
        " VALUES ('test', 'push', 'keys', '{\"honoured\": false}')",
    )
    assert onec("forget-keys").exit_code == 0
    assert query(database_url, "SELECT count(*) FROM integ.sync_state WHERE entity_type = 'push'") == [(0,)]
