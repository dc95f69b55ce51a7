"""The simulator serves bases of other shapes: other releases, and any `$metadata` file a user has."""

from __future__ import annotations

from pathlib import Path

import pytest

from onec_pipelines.simulator import edmx
from onec_pipelines_tests.unit.simulator.asker import Asker
from onec_pipelines_tests.unit.simulator.test_shape import by_name

SHARED = Path(__file__).parents[3].parent / "shared" / "onec"
FILES = ["ut_11.4.1.254.edmx", "recordings/msg001_metadata.xml"]
pytestmark = pytest.mark.skipif(
    not SHARED.exists(), reason="the shared recordings are not beside the checkout"
)


@pytest.fixture(scope="module", params=FILES)
def variant(request):
    return Asker(products=15, metadata=str(SHARED / request.param), rows=7), SHARED / request.param


def test_its_metadata_is_that_of_the_file(variant):
    ask, file = variant
    served = edmx.parse(ask("$metadata", "").body, name="x")
    assert by_name(served) == by_name(edmx.parse(file.read_bytes(), name="x"))


def test_every_set_has_rows_of_its_shape_in_both_formats(variant):
    ask, _ = variant
    shape = ask.service.base.shape
    for name, type_ in shape.sets.items():
        answer = ask(name, "$format=json&$top=2")
        assert answer.status == 200
        wanted = {one.name for one in shape.entities[type_].properties.values() if one.type != "Edm.Stream"}
        for row in answer.rows:
            assert {key for key in row if "@" not in key} == wanted
        assert ask(name, "$top=1").xml.tag.endswith("feed")


def test_rows_are_found_by_the_addresses_they_give(variant):
    ask, _ = variant
    for name in ask.service.base.shape.objects():
        row = next(iter(ask(name, "$format=json&$top=1").rows), None)
        if row is None or "Ref_Key" not in row:
            continue
        assert ask(f"{name}(guid'{row['Ref_Key']}')").json["Ref_Key"] == row["Ref_Key"]


def test_goods_of_the_shop_are_there_with_the_attributes_of_that_release(variant):
    ask, _ = variant
    row = ask.first("Catalog_Номенклатура", "&$filter=IsFolder eq false&$orderby=Ref_Key desc")
    assert row["Артикул"]
    assert ("СтавкаНДС" in row) or ("СтавкаНДС_Key" in row)


def test_virtual_tables_answer(variant):
    ask, _ = variant
    for function in ask.service.base.shape.functions:
        if function.returns is not None:
            assert ask(f"{function.binding}/{function.name}()").status == 200
