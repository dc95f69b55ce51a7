"""The shape that ships is the shape of UT 11.5.20, and `$metadata` says what the shape says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from onec_pipelines.simulator import edmx
from onec_pipelines.simulator.shape import Shape, from_json, shipped, to_json

SHARED = Path(__file__).parents[3].parent / "shared" / "onec"
needs_shared = pytest.mark.skipif(
    not SHARED.exists(), reason="the shared recordings are not beside the checkout"
)


def genuine(name: str) -> Shape:
    return edmx.parse((SHARED / name).read_bytes(), name="genuine")


def by_name(shape: Shape) -> dict[str, object]:
    """The shape by meaning: order of types, sets and functions says nothing."""
    return {
        "entities": {
            one.name: replace(one, properties=dict(one.properties)) for one in shape.entities.values()
        },
        "complexes": dict(shape.complexes),
        "sets": dict(shape.sets),
        "functions": {(one.binding, one.name): one for one in shape.functions},
        "enums": sorted(shape.enums),
    }


@needs_shared
def test_the_shipped_shape_equals_ut_11_5_20():
    assert by_name(shipped()) == by_name(genuine("ut_11.5.20.68.edmx"))


@needs_shared
@pytest.mark.parametrize(
    "name", ["ut_11.5.20.68.edmx", "ut_11.4.1.254.edmx", "recordings/msg001_metadata.xml"]
)
def test_a_genuine_metadata_survives_reading_and_writing(name):
    shape = genuine(name)
    assert by_name(edmx.parse(edmx.render(shape), name="genuine")) == by_name(shape)


@needs_shared
def test_the_duplicate_enumeration_of_genuine_bases_is_kept():
    names = [name for name, _ in genuine("recordings/msg001_metadata.xml").enums]
    assert names.count("AllowedLength") == 2


def test_the_shape_survives_its_json():
    assert from_json(to_json(shipped())) == shipped()


def test_a_smaller_composition_keeps_scalars_and_loses_navigation_to_what_is_not_published():
    full = shipped()
    small = full.restricted(["Catalog_Номенклатура", "Catalog_Марки"])
    goods = small.entities["Catalog_Номенклатура"]
    assert goods.properties == full.entities["Catalog_Номенклатура"].properties
    assert set(goods.navigation.values()) <= {"Catalog_Номенклатура", "Catalog_Марки"}
    assert "Catalog_Номенклатура_ДополнительныеРеквизиты" in small.sets
    assert "Catalog_Склады" not in small.sets
    assert small.functions == ()


def test_sections_belong_to_the_object_that_has_them_even_when_names_hold_underscores():
    owners = shipped().owners
    assert owners["Document_УстановкаЦенНоменклатуры_Товары2_5"] == "Document_УстановкаЦенНоменклатуры"
    assert (
        owners["InformationRegister_ЦеныНоменклатуры25_RecordType"]
        == "InformationRegister_ЦеныНоменклатуры25"
    )
    assert owners["Catalog_ЗначенияСвойствОбъектовИерархия"] == "Catalog_ЗначенияСвойствОбъектовИерархия"


def test_a_document_type_declaration_is_refused():
    with pytest.raises(ValueError, match="document type"):
        edmx.parse('<!DOCTYPE x [<!ENTITY a "b">]><x/>', name="x")


def test_a_file_that_is_no_metadata_is_refused():
    with pytest.raises(ValueError, match="StandardODATA"):
        edmx.parse("<x/>", name="x")
