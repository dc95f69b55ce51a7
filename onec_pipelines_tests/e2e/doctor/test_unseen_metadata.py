"""A `$metadata` that nobody has seen: additional fields are harmless, missing ones are named exactly."""

from __future__ import annotations

import re
import urllib.request
from base64 import b64encode

import pytest

from onec_pipelines.entities import ENTITIES
from onec_pipelines.errors import PipelineError
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.doctor import codes, visit
from onec_pipelines_tests.fixtures.mutations import STANDARD, named, truth, unseen
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import environment, open_fast
from onec_pipelines_tests.fixtures.schemas import write

SCHEMA = {"ONEC_COLUMN_MISSING", "ONEC_COLUMN_RETYPED", "ONEC_NOT_PUBLISHED"}


def edmx_of(simulator: Simulator) -> str:
    login = b64encode(f"{simulator.user}:{simulator.password}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{simulator.url}/$metadata", headers={"Authorization": f"Basic {login}"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - loopback
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


@pytest.mark.parametrize(("seed", "release"), [(2, "11.4"), (4, "11.5.20"), (10, "11.5.27")])
def test_a_release_changed_at_random_is_told_exactly_and_the_rest_is_synced(
    seed, release, database_url, tmp_path
):
    """Removed, renamed, retyped fields, sets that are gone, own objects: the doctor tells the truth, and a sync agrees."""
    base = unseen(seed, ENTITIES, release=release, changes=14, spare=STANDARD)
    told = truth(ENTITIES, base.shape)
    assert told.broken
    file = write(base.shape, tmp_path / "unseen.edmx")

    with Simulator.start_thread(metadata=str(file), products=15, rows=3, broken=False) as running:
        report = visit(running, database_url, tmp_path)
        with open_fast(environment(running, database_url, tmp_path, page_rows=1000)) as runtime:
            fared = {entity.name: how_it_fares(entity, runtime) for entity in ENTITIES}

    errors = [one for one in report.findings if one.code in SCHEMA and one.severity == "error"]
    stopped = {one.saw.partition(":")[0]: named(one.saw) for one in errors}
    assert {name: fields for name, fields in stopped.items() if fields} == told.broken
    assert {name for name, fields in stopped.items() if not fields} == told.unpublished
    assert {one.saw.partition(":")[0] for one in errors if one.code == "ONEC_COLUMN_RETYPED"} == told.retyped
    assert {name for name, how in fared.items() if how in SCHEMA} == told.broken.keys() | told.unpublished
    assert {name for name, how in fared.items() if how == "skipped"} == told.skipped
    # What is read by a stopped entity's rows has nothing to be read by.
    rest = {name: how for name, how in fared.items() if how not in {"succeeded", "skipped", *SCHEMA}}
    split_by_stopped = {
        entity.name
        for entity in ENTITIES
        if entity.source.split and entity.source.split.entity in told.broken.keys() | told.unpublished
    }
    assert rest == dict.fromkeys(split_by_stopped & rest.keys(), "NOTHING_TO_SPLIT_BY")


def how_it_fares(entity, runtime):
    try:
        return inbound(entity, runtime).status
    except PipelineError as error:
        return error.code
