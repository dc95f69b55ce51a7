"""What a field is for, out of the declarations: shop columns, those of others that join it, rules."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.steps import feeds
from onec_pipelines.steps.contract import contract


@pytest.mark.parametrize(
    ("entity", "field", "columns"),
    [
        ("products", "sku", {"shop.products.sku"}),
        ("products", "ref", {"shop.products.id"}),
        ("products", "vat_rate_ref", {"shop.products.vat_rate_id", "shop.products.vat_percent"}),
        ("products", "attributes.long_text", {"shop.product_attributes.value"}),
        ("variants", "owner_type", {"shop.product_variants.product_id", "shop.product_variants.kind_id"}),
        ("prices", "series_ref", {"shop.prices (which rows)"}),
        ("products", "picture_ref", set()),
    ],
)
def test_a_field_feeds_the_columns_that_are_made_of_it(entity, field, columns):
    assert set(feeds.shop_columns(BY_NAME[entity], field)) == columns


def test_a_field_feeds_columns_of_others_that_join_its_table():
    found = feeds.shop_columns(BY_NAME["units"], "okei_code", ENTITIES)

    assert "shop.products.weight_kg" in found
    assert "shop.products.weight_kg" not in feeds.shop_columns(BY_NAME["units"], "okei_code")


def test_a_sentence_names_columns_and_counts_rules():
    products = BY_NAME["products"]

    assert feeds.sentence(products, "sku") == "→ shop.products.sku, 1 check (str_length)"
    assert feeds.sentence(products, "name") == "→ shop.products.name, 2 checks (not_nullable, str_length)"
    assert feeds.sentence(products, "picture_ref") == "→ no shop column"


def test_a_transform_that_refuses_values_is_a_rule_and_one_that_takes_all_is_not():
    assert feeds.rules(BY_NAME["products"], "product_type") == ("not_nullable", "known_value")
    assert feeds.rules(BY_NAME["units"], "measure") == ()
    assert feeds.rules(BY_NAME["units"], "owner_ref") == ()


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_the_rules_are_those_of_the_contract(entity):
    schema = contract(entity)
    for field in entity.fields:
        enforced = {check.error for check in schema.columns[field.name].checks}
        said = set(feeds.rules(entity, field.name))
        assert enforced <= said
        assert said - enforced <= {"not_nullable", "known_value", *(rule.name for rule in entity.rules)}


def test_an_unknown_field_is_an_error():
    with pytest.raises(KeyError, match=r"attributes\.nothing"):
        feeds.find_field(BY_NAME["products"], "attributes.nothing")
