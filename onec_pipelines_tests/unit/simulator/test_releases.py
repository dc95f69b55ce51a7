"""Other releases of UT 11: their shape, and the same shop said in it (PROTOCOL §11.1)."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest

from onec_pipelines.simulator.living import Life
from onec_pipelines.simulator.options import OptionError, build
from onec_pipelines.simulator.patches import Addition, Patch
from onec_pipelines.simulator.releases import RELEASES, shape_of
from onec_pipelines.simulator.shape import shipped
from onec_pipelines.simulator.writing import Manner
from onec_pipelines_tests.unit.simulator.asker import GOODS, ORDER, Asker
from onec_pipelines_tests.unit.simulator.test_shape import by_name, genuine, needs_shared

PRICES = "InformationRegister_ЦеныНоменклатуры25"
OLD_PRICES = "InformationRegister_ЦеныНоменклатуры"
BARCODES = "InformationRegister_ШтрихкодыНоменклатуры"
POINTS = "AccumulationRegister_БонусныеБаллы"
STOCK = "AccumulationRegister_ТоварыНаСкладах"
BYTES = "InformationRegister_ДвоичныеДанныеФайлов"
STORE, BINARY = "InformationRegister_ХранилищеФайлов", "Catalog_ХранилищеДвоичныхДанных"
DAY = 150


@pytest.fixture(scope="module", params=RELEASES)
def base(request):
    """A base of each release after a day in the shop, and its life."""
    ask = Asker(products=60, seed=8, release=request.param)
    life = Life(ask.service.base, ask.service.writes.writer, Manner(now="2026-06-15T12:00:00"))
    life.work(DAY)
    ask.service.writes.states.settle("")
    return request.param, ask, life


@needs_shared
def test_the_shipped_shape_of_11_4_equals_its_metadata():
    assert by_name(shape_of("11.4")) == by_name(genuine("ut_11.4.1.254.edmx"))


def test_the_default_release_is_the_shipped_shape():
    assert shape_of(build({}).release) == shipped()


def test_an_unknown_release_is_refused():
    with pytest.raises(OptionError, match=r"11\.5\.27"):
        build({"release": "10.3"})


@pytest.mark.parametrize(
    ("release", "there", "absent"),
    [
        (
            "11.4",
            {
                OLD_PRICES,
                "AccumulationRegister_СвободныеОстатки",
                "AccumulationRegister_ЗаказыКлиентов",
                BYTES,
            },
            {PRICES, "Catalog_СтавкиНДС", "AccumulationRegister_ЗапасыИПотребности", STORE},
        ),
        (
            "11.5.8",
            {OLD_PRICES, PRICES, "Catalog_СтавкиНДС", "AccumulationRegister_ЗаказыКлиентов", BYTES},
            {
                "AccumulationRegister_СвободныеОстатки",
                "AccumulationRegister_ЗапасыИПотребности",
                "AccumulationRegister_РаспоряженияНаОтгрузку",
                STORE,
                BINARY,
                "Document_ЗаказКлиента_НачислениеБонусныхБаллов",
            },
        ),
        (
            "11.5.27",
            {
                "AccumulationRegister_РаспоряженияНаОтгрузкуИВозврат",
                "AccumulationRegister_УдалитьРаспоряженияНаОтгрузку",
                "AccumulationRegister_ЗапасыИПотребности",
                STORE,
                BINARY,
            },
            {"AccumulationRegister_РаспоряженияНаОтгрузку", "AccumulationRegister_СвободныеОстатки", BYTES},
        ),
    ],
)
def test_a_release_has_its_registers_and_not_those_of_others(release, there, absent):
    sets = set(shape_of(release).sets)
    assert there <= sets
    assert not absent & sets


def test_the_facts_of_11_5_8_are_in_its_types():
    shape = shape_of("11.5.8")
    assert "Зарезервировано" not in shape.entities[f"{POINTS}_RecordType"].properties
    assert "ЗарезервированоBalance" not in shape.complexes[f"{POINTS}_Balance"].properties
    assert dict(shape.enums)["СтавкиНДС"][-2:] == ("НДС20", "НДС20_120")
    assert shape.entities[BARCODES].key == ("Штрихкод",)


def test_the_facts_of_11_5_27_are_in_its_types():
    shape = shape_of("11.5.27")
    barcodes = shape.entities[BARCODES]
    assert barcodes.key == ("Штрихкод", "Номенклатура_Key", "Характеристика_Key", "Серия_Key", "Упаковка_Key")
    assert "УдалитьНоменклатура_Key" in barcodes.properties
    assert not any(barcodes.properties[name].nullable for name in barcodes.key)
    assert "КонтролируемаяПартия_Key" in shape.complexes[f"{STOCK}_Balance"].properties
    assert shape.entities[f"{PRICES}_RecordType"].navigation["СтавкаНДС"] == "Catalog_СтавкиНДС"
    assert {"НДС22", "НДС22_122"} <= set(dict(shape.enums)["СтавкиНДС"])


def test_a_fact_about_an_object_that_is_not_there_is_an_error():
    patch = Patch(added={"Catalog_Нет": (Addition(name="X", type="Edm.String"),)})
    with pytest.raises(KeyError, match="Catalog_Нет"):
        patch.apply(shipped(), name="x", older=shipped())


def test_every_set_answers_with_rows_of_its_shape_after_a_day(base):
    _, ask, _ = base
    shape = ask.service.base.shape
    for name, type_ in shape.sets.items():
        wanted = {one.name for one in shape.entities[type_].properties.values() if one.type != "Edm.Stream"}
        for row in ask(name, "$format=json&$top=2").rows:
            assert {key for key in row if "@" not in key} == wanted


def test_rows_are_found_by_the_keys_they_show(base):
    _, ask, _ = base
    shape = ask.service.base.shape
    for name in (BARCODES, GOODS, OLD_PRICES, f"{OLD_PRICES}_RecordType", f"{PRICES}_RecordType", BYTES):
        if name not in shape.sets:
            continue
        table = ask.service.base.table(name)
        for at in range(0, len(table), max(len(table) // 20, 1)):
            row = table.meta.complete(table.rows(at, at + 1)[0])
            assert table.meta.complete(table.get(tuple(str(row[part]) for part in table.meta.key))) == row


def test_balances_are_the_sums_of_the_records(base):
    _, ask, _ = base
    compared = 0
    for function in ask.service.base.shape.functions:
        if function.name != "Balance":
            continue
        told = ask(f"{function.binding}/Balance").rows
        names = [name for name in (told[0] if told else ()) if not name.endswith("Balance")]
        amounts = [name for name in (told[0] if told else ()) if name.endswith("Balance")]
        sums: dict[tuple, list[Decimal]] = defaultdict(list)
        for row in ask(f"{function.binding}_RecordType").rows if told else ():
            sign = 1 if row["RecordType"] == "Receipt" else -1
            values = [sign * Decimal(str(row[name.removesuffix("Balance")] or 0)) for name in amounts]
            key = tuple(row[name] for name in names)
            sums[key] = [
                old + value for old, value in zip(sums[key] or [0] * len(values), values, strict=True)
            ]
        wanted = {
            tuple(row[name] for name in names): [Decimal(str(row[name])) for name in amounts] for row in told
        }
        assert wanted == {key: values for key, values in sums.items() if any(values)}
        compared += len(told)
    assert compared


def test_prices_and_stock_are_what_the_oracle_says(base):
    release, ask, life = base
    register = OLD_PRICES if release == "11.4" else PRICES
    truth = life.oracle.tell("prices")
    key = [name for name in truth[0] if name.endswith("_Key") and name != "Валюта_Key"]
    found = ask(f"{register}_RecordType/SliceLast").rows
    assert {tuple(row[name] for name in key): Decimal(str(row["Цена"])) for row in found} == {
        tuple(row[name] for name in key): Decimal(str(row["Цена"])) for row in truth
    }
    assert all(row["Валюта_Key"] != "00000000-0000-0000-0000-000000000000" for row in found)
    assert len(ask(f"{STOCK}/Balance").rows) == len(life.oracle.tell("stock"))


def test_variants_keep_their_prices_in_11_4():
    old, new = Asker(release="11.4"), Asker()
    links = {
        row["ХарактеристикаНоменклатурыДляЦенообразования_Key"]: row["Ref_Key"]
        for row in new("Catalog_ХарактеристикиНоменклатуры").rows
    }
    zero = "00000000-0000-0000-0000-000000000000"
    links[zero] = zero
    same = ("Номенклатура_Key", "ВидЦены_Key", "Цена", "Period", "Recorder")
    ours = {
        (links[row["ХарактеристикаЦО_Key"]], *(row[name] for name in same))
        for row in new(f"{PRICES}_RecordType").rows
    }
    assert len({row[0] for row in ours}) > 1
    assert ours == {
        (row["Характеристика_Key"], *(row[name] for name in same))
        for row in old(f"{OLD_PRICES}_RecordType").rows
    }


def test_vat_is_the_name_of_a_rate_in_11_4():
    ask = Asker(release="11.4")
    known = {"", *dict(shape_of("11.4").enums)["СтавкиНДС"]}
    rates = {row["СтавкаНДС"] for row in ask(GOODS, "$format=json&$filter=IsFolder eq false").rows}
    assert {"НДС18", "НДС10"} <= rates <= known
    assert {row["СтавкаНДС"] for row in ask(GOODS, "$format=json&$filter=IsFolder eq true").rows} == {None}
    lines = [line for row in ask(ORDER).rows for line in row["Товары"]]
    assert {line["СтавкаНДС"] for line in lines} <= known


def test_the_catalog_of_rates_is_that_of_the_release():
    for release in ("11.5.8", "11.5.20", "11.5.27"):
        rows = Asker(release=release)("Catalog_СтавкиНДС").rows
        assert {row["ПеречислениеСтавкаНДС"] for row in rows} == set(
            dict(shape_of(release).enums)["СтавкиНДС"]
        )


def test_a_price_of_11_5_27_knows_the_rate_of_its_goods():
    ask = Asker(release="11.5.27")
    rates = {row["Ref_Key"]: row["СтавкаНДС_Key"] for row in ask(GOODS).rows}
    prices = [
        row for row in ask(f"{PRICES}_RecordType").rows if rates.get(row["Номенклатура_Key"]) in _rates(ask)
    ]
    assert prices
    assert all(row["СтавкаНДС_Key"] == rates[row["Номенклатура_Key"]] for row in prices)


def _rates(ask):
    return {row["Ref_Key"] for row in ask("Catalog_СтавкиНДС").rows}


@pytest.mark.parametrize("release", ["11.4", "11.5.8"])
def test_files_keep_their_bytes_beside_them_before_11_5_20(release):
    old, new = Asker(release=release), Asker()
    bytes_of = {row["Ref_Key"]: row["ДвоичныеДанные_Base64Data"] for row in new(BINARY).rows}
    wanted = {row["Файл"]: bytes_of.get(row["ХранилищеДвоичныхДанных_Key"], "") for row in new(STORE).rows}
    assert wanted == {row["Файл"]: row["ДвоичныеДанныеФайла_Base64Data"] for row in old(BYTES).rows}
    assert any(wanted.values())


def test_a_barcode_of_11_5_27_may_belong_to_two_products():
    ask = Asker(release="11.5.27")
    row = ask.first(BARCODES)
    goods = next(one["Ref_Key"] for one in ask(GOODS).rows if one["Ref_Key"] != row["Номенклатура_Key"])
    key = {name: row[name] for name in ("Штрихкод", "Характеристика_Key", "Серия_Key", "Упаковка_Key")}
    assert ask.post(BARCODES, {**key, "Номенклатура_Key": goods}).status in {200, 201}
    assert ask.post(BARCODES, {**key, "Номенклатура_Key": row["Номенклатура_Key"]}).status == 400
    found = ask(BARCODES, f"$format=json&$filter=Штрихкод eq '{row['Штрихкод']}'").rows
    assert {one["Номенклатура_Key"] for one in found} == {row["Номенклатура_Key"], goods}
