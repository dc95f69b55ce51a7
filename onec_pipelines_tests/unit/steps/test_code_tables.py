"""Names of enumerations → our codes: all that real releases have, and what becomes of others."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.simulator.releases import RELEASES, shape_of
from onec_pipelines.steps.code_tables import CODE_TABLES
from onec_pipelines.steps.transforms import TRANSFORMS
from onec_pipelines_tests.fixtures.schemas import GENUINE

ENUMERATIONS = {
    "order_status": "СтатусыЗаказовКлиентов",
    "order_state": "СостоянияЗаказовКлиентов",
    "return_request_status": "СтатусыЗаявокНаВозвратТоваровОтКлиентов",
    "payment_form": "ФормыОплаты",
    "delivery_method": "СпособыДоставки",
    "compensation": "СпособыКомпенсацииВозвратовТоваров",
    "supply_option": "ВариантыОбеспечения",
}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", ENUMERATIONS)
def test_every_member_of_a_release_has_a_code(name, release):
    members = dict(shape_of(release).enums)[ENUMERATIONS[name]]

    assert set(members) <= set(CODE_TABLES[name])


@pytest.mark.skipif(not GENUINE, reason="no genuine metadata beside this checkout")
@pytest.mark.parametrize("name", ENUMERATIONS)
def test_every_member_of_the_genuine_metadata_has_a_code(name):
    for path in GENUINE:
        members = parse_metadata(path).enums[ENUMERATIONS[name]]
        assert set(members) <= set(CODE_TABLES[name]), path.name


@pytest.mark.parametrize("name", CODE_TABLES)
def test_codes_are_latin_so_that_an_unknown_name_can_be_told_from_them(name):
    assert all(re.fullmatch("[a-z][a-z_]*", ours) for ours in CODE_TABLES[name].values())
    assert all(re.search("[А-я]", theirs) for theirs in CODE_TABLES[name])


def test_an_unknown_name_stands_for_itself_and_an_empty_one_is_nothing():
    given = pa.array(["Закрыт", " КОтгрузке ", "НаПаузе", "", None])

    assert TRANSFORMS["order_status"](given).to_pylist() == ["closed", "to_ship", "НаПаузе", None, None]


@pytest.mark.parametrize("name", CODE_TABLES)
def test_each_table_is_a_transform_that_says_what_it_does(name):
    theirs, ours = next(iter(CODE_TABLES[name].items()))

    assert f"{theirs} → {ours}" in (TRANSFORMS[name].__doc__ or "")
