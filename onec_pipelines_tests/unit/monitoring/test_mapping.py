"""The mapping as documentation: complete, readable, and the committed file is what the declarations say."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from onec_pipelines.cli import cli
from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.monitoring.mapping import mapping_of, promise
from onec_pipelines.monitoring.mapping_docs import render
from onec_pipelines.settings import project_root
from onec_pipelines.steps.transforms import TRANSFORMS


def test_the_committed_docs_are_what_the_declarations_say():
    """`onec mapping export` writes them anew."""
    assert (project_root() / "docs" / "mapping.md").read_text(encoding="utf-8") == render(ENTITIES)


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_every_field_and_alternative_is_in_the_docs_under_a_russian_heading(entity):
    text = render([entity])

    assert f"## {entity.title_ru} · `{entity.name}`" in text
    for resource in entity.source.resources:
        assert resource in text
    for field in entity.fields:
        assert f"| `{field.name}` | {' or '.join(f'`{name}`' for name in field.source)} |" in text
    for section in entity.sections:
        for field in section.fields:
            assert f"`{section.name}.{field.name}`" in text


def test_every_column_of_the_shop_is_fed_by_a_field_or_computed():
    for entity in ENTITIES:
        mapping = mapping_of(entity, ENTITIES)
        named = {column for field in mapping.fields for column in field.shop}
        named |= {one.column for one in mapping.computed}
        for target in (entity.target, *entity.target.children):
            assert {f"{target.table}.{column.name}" for column in target.columns} <= named


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_promises_something_in_one_sentence(name):
    assert promise(name).endswith(".") or promise(name).endswith(")")
    assert len(promise(name)) > 20


def test_a_field_tells_its_limits_references_and_whether_it_is_personal():
    fields = {f.field: f for f in mapping_of(BY_NAME["prices"]).fields}
    people = {f.field: f for f in mapping_of(BY_NAME["counterparties"]).fields}

    assert fields["price"].limits == ("not empty", "≥ 0", "≤ 9999999999999.99", "2 decimals")
    assert fields["product_ref"].references == ("products",)
    assert "the row waits until the object is known" in fields["product_ref"].limits
    assert people["inn"].is_pii
    assert mapping_of(BY_NAME["variants"]).fields[5].references == ("products", "product_kinds")


def test_cells_do_not_break_the_tables():
    for line in render(ENTITIES).splitlines():
        if line.startswith("| `shop."):
            assert line.replace("\\|", "").count("|") in {5, 10}


def test_the_command_shows_one_entity_all_in_short_and_json():
    run = CliRunner()

    assert "Номенклатура (товары)" in run.invoke(cli, ["mapping", "show"]).output
    assert "Артикул" in run.invoke(cli, ["mapping", "show", "products"]).output
    (document,) = json.loads(run.invoke(cli, ["mapping", "show", "products", "--json"]).output)
    sku = next(field for field in document["fields"] if field["field"] == "sku")
    assert (sku["onec"], sku["shop"]) == (["Артикул"], ["shop.products.sku"])
    assert sku["transform_promise"].startswith("One line")
    assert run.invoke(cli, ["mapping", "show", "nothing"]).exit_code == 2


def test_a_stale_file_fails_the_check_and_is_written_anew(tmp_path):
    run, path = CliRunner(), tmp_path / "docs" / "mapping.md"
    check = ["mapping", "export", "--check", "--output", str(path)]

    assert run.invoke(cli, check).exit_code == 1
    assert run.invoke(cli, ["mapping", "export", "--output", str(path)]).exit_code == 0
    assert run.invoke(cli, check).exit_code == 0
    path.write_text(path.read_text(encoding="utf-8") + "edited", encoding="utf-8")
    assert run.invoke(cli, check).exit_code == 1
