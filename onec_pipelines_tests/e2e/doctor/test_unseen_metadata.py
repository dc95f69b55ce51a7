"""A `$metadata` that nobody has seen: additional fields are harmless, missing ones are named exactly."""

from __future__ import annotations

import re
import urllib.request
from base64 import b64encode

from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.doctor import codes, visit


def edmx_of(simulator: Simulator) -> str:
    login = b64encode(f"{simulator.user}:{simulator.password}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{simulator.url}/$metadata", headers={"Authorization": f"Basic {login}"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - loopback
        return answer.read().decode("utf-8-sig")


def in_type(text: str, name: str, change) -> str:
    pattern = rf'<EntityType Name="{name}".*?</EntityType>'
    changed, times = re.subn(pattern, lambda found: change(found[0]), text, count=1, flags=re.DOTALL)
    assert times == 1
    return changed


def without(*names: str):
    def change(body: str) -> str:
        for name in names:
            body, times = re.subn(rf'<Property Name="{name}"[^>]*/>', "", body)
            assert times == 1
        return body

    return change


def test_missing_fields_are_the_exact_list_and_extra_ones_are_no_complaint(simulator, database_url, tmp_path):
    text = in_type(edmx_of(simulator), "Catalog_Номенклатура", without("Артикул", "ВидНоменклатуры_Key"))
    text = in_type(text, "Catalog_Склады", without("Ref_Key"))
    text = in_type(
        text,
        "Catalog_Валюты",
        lambda body: body.replace(
            "</Key>", '</Key><Property Name="ДоработкаСвоя" Type="Edm.String" Nullable="true"/>'
        ),
    )
    file = tmp_path / "mine.edmx"
    file.write_text(text, encoding="utf-8")

    with Simulator.start_thread(metadata=str(file), products=20, rows=3) as base:
        before = visit(base, database_url, tmp_path)
    after = visit(simulator, database_url, tmp_path, accept_base=True)

    told = [one.saw for one in before.findings if one.code == "ONEC_COLUMN_MISSING"]
    assert {text.partition(":")[0] for text in told} == {"products", "warehouses"}
    products = next(text for text in told if text.startswith("products"))
    assert "sku (Артикул)" in products
    assert "kind_ref (ВидНоменклатуры_Key)" in products
    assert not any("ДоработкаСвоя" in one.saw for one in before.findings)
    assert codes(after) == []
