"""`onec explain`: the trace of a value leads from the shop to 1C's property, the page, the job and what it was before."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256

import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.entities import BY_NAME
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync, value

PRODUCT = "Catalog_Номенклатура"
ORDER = (
    "currencies",
    "vat_rates",
    "units",
    "categories",
    "product_kinds",
    "brands",
    "manufacturers",
    "products",
    "price_types",
    "contact_kinds",
    "customers",
)


@pytest.fixture
def shop():
    with Simulator.start_thread(products=60, seed=7) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path, monkeypatch):
    variables = environment(shop, database_url, tmp_path, page_rows=50)
    for name, held in variables.items():
        monkeypatch.setenv(name, held)
    with open_fast(variables) as opened:
        sync(opened, [BY_NAME[name] for name in ORDER])
        yield opened


def explained(*arguments):
    result = CliRunner().invoke(command_line.cli, ["explain", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_product_is_traced_to_the_page_that_brought_it(shop, runtime, database_url):
    sku, guid, version = query(
        database_url,
        "SELECT sku, ref::text, data_version FROM clean.products WHERE sku IS NOT NULL AND deleted_at IS NULL"
        " AND NOT deletion_mark ORDER BY ref LIMIT 1",
    )[0]
    ((our_id,),) = query(
        database_url, "SELECT internal_id FROM integ.external_id_mappings WHERE external_id = %s", guid
    )
    control(shop, f"rows/{PRODUCT}/{guid}", {"Description": "Стол переименованный"})
    sync(runtime, [BY_NAME["products"]])

    (found,) = explained("product", sku)

    assert (found["key"], found["our_id"]["internal_id"]) == (guid, our_id)
    assert found["data_version"] != version
    name = next(v for v in found["values"] if v["column"] == "shop.products.name")
    assert name["value"] == "Стол переименованный"
    origin = name["from"][0]
    assert found["page"] is not None
    assert (origin["onec"], origin["onec_value"]) == ("Description", "Стол переименованный")
    assert origin["clean"] == "clean.products.name"
    change = found["history"][0]["changes"]
    assert {"Description"} <= {c["onec"] for c in change}
    assert found["job"]["id"] == found["page"]["job_id"]
    body = value(
        database_url, "SELECT body FROM raw.bodies WHERE encode(sha256, 'hex') = %s", found["page"]["sha256"]
    )
    raw = gzip.decompress(body)
    assert sha256(raw).hexdigest() == found["page"]["sha256"]
    assert "Стол переименованный" in raw.decode()


def test_personal_data_is_masked_unless_asked_for_and_asking_is_noted(runtime, database_url):
    our_id, name = query(
        database_url, "SELECT id, name FROM shop.customers WHERE email IS NOT NULL ORDER BY id LIMIT 1"
    )[0]

    masked = json.dumps(explained("customer", f"#{our_id}"), ensure_ascii=False)
    assert name not in masked
    assert query(database_url, "SELECT 1 FROM integ.audit_log WHERE action = 'explain.pii'") == []

    open_ = explained("customer", f"#{our_id}", "--show-pii")
    assert name in json.dumps(open_, ensure_ascii=False)
    assert len(query(database_url, "SELECT 1 FROM integ.audit_log WHERE action = 'explain.pii'")) == 1


def test_people_get_a_page_they_can_read(runtime, database_url):
    sku = value(database_url, "SELECT sku FROM shop.products WHERE sku IS NOT NULL ORDER BY id LIMIT 1")
    result = CliRunner().invoke(command_line.cli, ["explain", "product", sku])
    assert result.exit_code == 0
    assert {"DataVersion", "sha256", "shop.products.sku", "Артикул"} <= {
        word for word in ("DataVersion", "sha256", "shop.products.sku", "Артикул") if word in result.output
    }


def test_a_name_that_nobody_knows_is_said_so(runtime):
    result = CliRunner().invoke(command_line.cli, ["explain", "product", "нет такого"])
    assert result.exit_code == 1
    assert getattr(result.exception, "code", "") == "NOT_FOUND"
