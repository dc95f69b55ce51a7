"""Which limits hold: declared with the entity, set by ONEC_LIMITS, refused when they cannot be meant."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.errors import Stop
from onec_pipelines.settings import load_settings
from onec_pipelines.steps.limits import check_limits, limits_of

PRICES, PRODUCTS, CUSTOMERS, STOCK = (BY_NAME[n] for n in ("prices", "products", "customers", "stock"))


def held(entity, text="", **options):
    return {limit.name: (limit.share, limit.rows) for limit in limits_of(entity, text, **options)}


def test_what_holds_when_nothing_is_set():
    assert held(PRICES) == {"price_fall": (Decimal("0.5"), 20), "deleted_share": (Decimal("0.2"), 10)}
    assert held(CUSTOMERS) == {"customers_vanished": (Decimal("0.05"), 10)}
    assert held(STOCK) == {"stock_to_zero": (None, 200)}


@pytest.mark.parametrize(
    ("value", "expected"),
    [("70%", (Decimal("0.7"), 20)), ("12.5%:3", (Decimal("0.125"), 3)), ("5", (Decimal("0.5"), 5))],
)
def test_a_setting_replaces_the_declared_figures(value, expected):
    assert held(PRICES, f"price_fall={value}")["price_fall"] == expected


def test_a_number_without_a_share_counts_rows_alone():
    assert held(CUSTOMERS, "customers_vanished=50") == {"customers_vanished": (None, 50)}


def test_a_setting_for_one_entity_wins_over_one_for_all():
    text = "products.changed_share=60%:7, changed_share=30%"

    assert held(PRODUCTS, text)["changed_share"] == (Decimal("0.6"), 7)
    assert held(PRICES, text)["changed_share"] == (Decimal("0.3"), 10)


def test_off_is_off_and_may_be_on_for_one():
    text = "price_fall=off,deleted_share=off,products.deleted_share=1%"

    assert held(PRICES, text) == {}
    assert held(PRODUCTS, text)["deleted_share"] == (Decimal("0.01"), 10)


def test_allowed_deletes_lift_what_holds_deletes():
    assert held(PRODUCTS, deletes_allowed=True) == {}
    assert set(held(PRICES, deletes_allowed=True)) == {"price_fall"}


@pytest.mark.parametrize(
    "text", ["nothing=5", "goods.price_fall=5", "customers.price_fall=5%", "category_emptied=5%"]
)
def test_what_cannot_be_meant_is_refused_with_what_can(text):
    with pytest.raises(Stop, match="possible: ") as caught:
        check_limits(ENTITIES, text)

    assert caught.value.code == "SETTINGS"


@pytest.mark.parametrize("text", ["price_fall", "price_fall=-5", "price_fall=5:5", "a b=5", "x=5%:"])
def test_what_is_no_limit_at_all_is_refused_by_the_settings(text):
    with pytest.raises(Stop, match="ONEC_LIMITS"):
        load_settings({"ONEC_LIMITS": text}, require_onec=False)


def test_declared_limits_name_columns_of_their_table():
    for entity in ENTITIES:
        columns = {column.name for column in entity.target.columns}
        for limit in entity.limits:
            assert {limit.column or next(iter(columns)), *limit.by} <= columns, entity.name
