"""Parts of virtual tables that the data computes directly equal those found by reading the register."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onec_pipelines.simulator.living import Life
from onec_pipelines.simulator.source import Shortcuts
from onec_pipelines.simulator.writing import Manner
from onec_pipelines_tests.unit.simulator.asker import Asker

PRICES = "InformationRegister_ЦеныНоменклатуры25_RecordType"
OLD_PRICES = "InformationRegister_ЦеныНоменклатуры_RecordType"
STOCK = "AccumulationRegister_ТоварыНаСкладах"
DOCUMENT = "Document_УстановкаЦенНоменклатуры"
KIND = "Catalog_ВидыЦен"
MOMENTS = ("", "2025-07-01T00:00:00", "2025-09-15T12:00:00", "2026-03-01T00:00:00", "2026-06-20T00:00:00")


def register_of(release):
    return OLD_PRICES if release == "11.4" else PRICES


def slices(ask, register, kind, period):
    """The slice by the shortcut, and by reading the register: two equalities have no shortcut."""
    one = f"ВидЦены_Key eq guid'{kind}'"
    moment = f"Period=datetime'{period}'," if period else ""
    found = [
        ask(f"{register}/SliceLast({moment}Condition='{condition}')").rows
        for condition in (one, f"{one} and {one}")
    ]
    return [sorted(rows, key=str) for rows in found]


def life_of(ask):
    return Life(ask.service.base, ask.service.writes.writer, Manner(now="2026-06-15T12:00:00"))


def kinds(ask):
    return [row["Ref_Key"] for row in ask(KIND).rows if not row["IsFolder"]]


@settings(max_examples=12, deadline=None)
@given(
    products=st.integers(1, 500),
    seed=st.integers(0, 99),
    broken=st.booleans(),
    period=st.sampled_from(MOMENTS),
    release=st.sampled_from(["11.4", "11.5.20", "11.5.27"]),
)
def test_a_slice_by_price_kind_is_the_same_both_ways(products, seed, broken, period, release):
    ask = Asker(products=products, seed=seed, broken=broken, release=release)
    for kind in kinds(ask):
        short, whole = slices(ask, register_of(release), kind, period)
        assert short == whole


@pytest.mark.parametrize("release", ["11.4", "11.5.20", "11.5.27"])
@pytest.mark.parametrize("period", ["", "2026-03-01T00:00:00"])
def test_new_and_back_dated_prices_are_in_the_slice_both_ways(release, period):
    ask = Asker(products=60, seed=3, release=release)
    life = life_of(ask)
    life.work(6, kind="price change")
    life.work(6, kind="back-dated price change")
    compared = 0
    for kind in kinds(ask):
        short, whole = slices(ask, register_of(release), kind, period)
        assert short == whole
        compared += len(short)
    assert compared


def test_a_reposted_generated_document_is_in_the_slice_both_ways(fresh):
    document = fresh(DOCUMENT).rows[0]["Ref_Key"]
    for action in ("Unpost", "Post"):
        assert fresh(f"{DOCUMENT}(guid'{document}')/{action}", "", method="POST").status == 200
        for kind in kinds(fresh):
            short, whole = slices(fresh, PRICES, kind, "")
            assert short == whole


def test_a_slice_of_broken_data_has_the_prices_of_deleted_goods(start):
    ask = start(products=400)
    goods = {row["Ref_Key"] for row in ask("Catalog_Номенклатура").rows}
    retail = next(row["Ref_Key"] for row in ask(KIND).rows if row["Description"] == "Розничная")
    short, whole = slices(ask, PRICES, retail, "")
    assert short == whole
    assert {row["Номенклатура_Key"] for row in short} - goods


def test_unpublished_recorders_have_their_unavailable_names_in_a_short_slice(start):
    ask = start(publish="InformationRegister_ЦеныНоменклатуры25,Catalog_ВидыЦен")
    short, whole = slices(ask, PRICES, kinds(ask)[-1], "")
    assert short == whole
    assert all(row["Recorder_Type"].startswith("UnavailableEntities.") for row in short)


def test_an_unknown_price_kind_has_an_empty_slice(ask):
    assert slices(ask, PRICES, "00000000-0000-0000-0000-000000000001", "") == [[], []]


@pytest.mark.parametrize("release", ["11.4", "11.5.20", "11.5.27"])
@pytest.mark.parametrize("worked", [0, 60])
def test_the_balance_of_a_warehouse_is_its_part_of_the_whole(release, worked):
    ask = Asker(products=50, seed=4, release=release)
    life_of(ask).work(worked)
    whole = ask(f"{STOCK}/Balance").rows
    places = {row["Склад_Key"] for row in whole}
    assert places
    for place in places:
        for _ in range(2):  # the second time it is kept
            part = ask(f"{STOCK}/Balance(Condition='Склад_Key eq guid''{place}''')").rows
            assert sorted(part, key=str) == sorted(
                (row for row in whole if row["Склад_Key"] == place), key=str
            )


def test_the_same_call_after_a_write_gives_the_new_state(fresh):
    query = "$format=json&$filter=ВНаличииBalance gt 0"
    before = fresh(f"{STOCK}/Balance", query).rows
    receipt = fresh("Document_ПриобретениеТоваровУслуг").rows[-1]["Ref_Key"]
    fresh(f"Document_ПриобретениеТоваровУслуг(guid'{receipt}')/Unpost", "", method="POST")
    after = fresh(f"{STOCK}/Balance", query).rows
    assert after != before
    assert all(row["ВНаличииBalance"] > 0 for row in after)


@pytest.mark.parametrize("options", [{}, {"release": "11.4"}])
def test_generated_data_offers_the_direct_ways(start, options):
    data = start(**options).service.base.data
    assert isinstance(data, Shortcuts)
    assert data.slice_last("AccumulationRegister_X", "ВидЦены_Key", "", "") is None
    assert data.balance_part(STOCK, "Номенклатура_Key", "") is None
