"""Declarations that cannot work are refused when they are made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.spec import Field, Section

BRANDS = BY_NAME["brands"]
RATES = BY_NAME["currency_rates"]


@pytest.mark.parametrize("name", ["Brands", "brands; drop", "", "1brand", "марки", "a" * 42, "brand-s"])
def test_names_that_are_no_plain_sql_names_are_refused(name):
    with pytest.raises(ValueError, match="no plain ASCII name"):
        replace(BRANDS, name=name)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fields": (*BRANDS.fields, BRANDS.fields[0])}, "declared twice"),
        ({"fields": (*BRANDS.fields, Field(name="Имя", source=("X",)))}, "no plain ASCII name"),
        ({"key": ("ref", "nothing")}, "unknown fields.*nothing"),
        ({"sections": (Section(name="x y", source="X", fields=()),)}, "no plain ASCII name"),
    ],
)
def test_a_contradictory_entity_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        replace(BRANDS, **changes)


def test_only_objects_have_tabular_sections():
    with pytest.raises(ValueError, match="tabular sections"):
        replace(RATES, sections=(Section(name="lines", source="X", fields=()),))


def test_a_field_is_found_by_its_name():
    assert BRANDS.field("name").source == ("Description",)
    with pytest.raises(KeyError, match="brands has no field"):
        BRANDS.field("nothing")
