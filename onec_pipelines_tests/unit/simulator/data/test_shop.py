"""The shop as a whole makes sense: books agree with each other, broken rows are where the list says."""

from __future__ import annotations

import base64
import zlib
from collections import defaultdict
from decimal import Decimal
from functools import cache

import pytest

from onec_pipelines.simulator.data import Shop, generate
from onec_pipelines.simulator.data.barcodes import check_digit
from onec_pipelines.simulator.data.customers import inn
from onec_pipelines.simulator.shape import shipped

SHAPE = shipped()
RESOURCES = {
    "AccumulationRegister_ТоварыНаСкладах": ("ВНаличии", "КОтгрузке"),
    "AccumulationRegister_ЗапасыИПотребности": (
        "ВНаличии",
        "Заказано",
        "РезервироватьНаСкладе",
        "КОбеспечению",
    ),
    "AccumulationRegister_ТоварыКОтгрузке": ("ВРезерве", "КОтгрузке"),
    "AccumulationRegister_БонусныеБаллы": ("Начислено", "КСписанию"),
}


@cache
def shop(products: int = 1500) -> Shop:
    return generate(seed=3, products=products)


@cache
def rows(name: str) -> list[dict]:
    table = shop().tables[name]
    return list(table.rows(0, len(table)))


def dimensions(register: str) -> list[str]:
    function = SHAPE.functions_of(register)["Balance"]
    return [name for name in SHAPE.complexes[function.returns].properties if not name.endswith("Balance")]


def totals(found, names: list[str], resources: tuple[str, ...]) -> dict:
    sums: dict = defaultdict(lambda: [Decimal(0)] * len(resources))
    for row in found:
        sign = -1 if row.get("RecordType") == "Expense" else 1
        key = tuple(row.get(name) for name in names)
        sums[key] = [
            total + sign * row.get(name, 0) for total, name in zip(sums[key], resources, strict=True)
        ]
    return {key: values for key, values in sums.items() if any(values)}


@pytest.mark.parametrize("register", RESOURCES)
def test_a_balance_is_the_sum_of_the_movements(register):
    resources, names = RESOURCES[register], dimensions(register)
    summed = totals((row for one in rows(register) for row in one["RecordSet"]), names, resources)
    assert summed
    assert totals(shop().balance(register), names, resources) == summed
    assert all(any(row.get(name) for name in resources) for row in shop().balance(register))


@pytest.mark.parametrize("register", list(RESOURCES)[:2])
def test_the_balance_of_one_warehouse_is_its_part_of_the_whole(register):
    name = "Склад" if "Запасы" in register else "Склад_Key"
    whole = list(shop().balance(register))
    guid = whole[0][name]
    assert list(shop().balance(register, warehouse=guid)) == [row for row in whole if row[name] == guid]


@pytest.mark.parametrize(
    "register",
    [*RESOURCES, "InformationRegister_ЦеныНоменклатуры25", "AccumulationRegister_РаспоряженияНаОтгрузку"],
)
def test_single_records_are_the_record_sets_spelled_out(register):
    spelled = [
        {"Recorder": one["Recorder"], "Recorder_Type": one["Recorder_Type"], **row}
        for one in rows(register)
        for row in one["RecordSet"]
    ]
    assert rows(f"{register}_RecordType") == spelled


@pytest.mark.parametrize("register", RESOURCES)
def test_every_recorder_is_a_posted_document(register):
    for one in rows(register):
        table = shop().tables[one["Recorder_Type"].removeprefix("StandardODATA.")]
        position = table.find((one["Recorder"],))
        assert position is not None
        assert table.rows(position, position + 1)[0]["Posted"] is True


def test_stock_is_sometimes_negative_and_sometimes_fractional():
    left = [row["ВНаличии"] for row in shop().balance("AccumulationRegister_ТоварыНаСкладах")]
    assert min(left) < 0
    assert any(quantity % 1 for quantity in left)


def test_broken_rows_are_listed_by_table_and_position():
    found = list(shop().broken)
    assert {
        "Catalog_Номенклатура",
        "Catalog_Партнеры",
        "InformationRegister_ЦеныНоменклатуры25_RecordType",
    } <= {defect.table for defect in found}
    assert all(0 <= defect.position < len(shop().tables[defect.table]) for defect in found)
    assert len(found) < 0.05 * len(shop().tables["Catalog_Номенклатура"]) + 60


def defective(kind: str) -> dict:
    defect = next(one for one in shop().broken if one.kind == kind)
    return shop().tables[defect.table].rows(defect.position, defect.position + 1)[0]


def test_each_kind_of_product_defect_is_what_it_says():
    assert defective("empty name")["Description"] == ""
    assert defective("trailing spaces")["Description"].endswith("  ")
    assert "\u00a0" in defective("non-breaking spaces")["Description"]
    assert "\t" in defective("control characters")["Description"]
    assert len(defective("overlong description")["Описание"]) > 10_000
    assert "<script>" in defective("html description")["Описание"]
    articles = [row["Артикул"] for row in rows("Catalog_Номенклатура")]
    assert articles.count(defective("duplicate article")["Артикул"]) == 2
    units = shop().tables["Catalog_УпаковкиЕдиницыИзмерения"]
    assert units.find((defective("dangling unit")["ЕдиницаИзмерения_Key"],)) is None


def test_folders_are_three_deep_and_broken_ones_form_a_cycle_and_an_orphan():
    folders = {row["Ref_Key"]: row for row in rows("Catalog_Номенклатура") if row["IsFolder"]}
    depths = []
    for folder in folders.values():
        seen, one = [], folder
        while one is not None and one["Ref_Key"] not in seen:
            seen.append(one["Ref_Key"])
            one = folders.get(one["Parent_Key"])
        depths.append((len(seen), one is not None))
    assert max(depth for depth, _ in depths) == 3
    assert sum(cyclic for _, cyclic in depths) == 2
    assert all(row["Артикул"] is None and row["СтавкаНДС_Key"] is None for row in folders.values())
    assert defective("orphan folder")["Parent_Key"] not in folders


def test_without_broken_rows_nothing_is_listed_and_names_are_filled():
    clean = generate(seed=3, products=500, broken=False)
    assert list(clean.broken) == []
    table = clean.tables["Catalog_Номенклатура"]
    assert all(row["Description"].strip() == row["Description"] != "" for row in table.rows(0, len(table)))


def test_characters_illegal_in_xml_come_only_when_asked_for():
    def illegal(base: Shop) -> bool:
        table = base.tables["Catalog_Номенклатура"]
        return any("\u0002" in (row["Описание"] or "") for row in table.rows(0, len(table)))

    assert not illegal(shop())
    assert illegal(generate(seed=3, products=300, illegal_xml=True))


def test_barcodes_have_right_check_digits_unless_they_are_broken():
    broken = {
        one.position for one in shop().broken if one.table == "InformationRegister_ШтрихкодыНоменклатуры"
    }
    for at, row in enumerate(rows("InformationRegister_ШтрихкодыНоменклатуры")):
        code = row["Штрихкод"]
        if at not in broken:
            assert len(code) == 13
            assert code[12] == check_digit(code[:12])
    assert check_digit("400638133393") == "1"


def test_taxpayer_numbers_have_right_check_digits():
    genuine = {"4825005381": ("48", 2500538), "7705260674": ("77", 526067)}
    assert {inn(region, number, person=False) for region, number in genuine.values()} == set(genuine)
    assert inn("50", 100732259, person=True)[:2] == "50"
    assert inn("50", 1007322, person=True) == "500100732259"


def test_orders_add_up():
    broken = {one.position for one in shop().broken if one.table == "Document_ЗаказКлиента"}
    for at, row in enumerate(rows("Document_ЗаказКлиента")):
        if at in broken:
            continue
        kept = [line for line in row["Товары"] if not line["Отменено"]]
        assert row["СуммаДокумента"] == sum(line["Сумма"] for line in kept)
        for line in row["Товары"]:
            exact = line["Цена"] * line["Количество"] - line["СуммаАвтоматическойСкидки"]
            assert abs(exact - line["Сумма"]) <= Decimal("0.01")
            assert 0 <= line["СуммаНДС"] < line["Сумма"] or line["Сумма"] == 0


def test_nothing_happens_after_today():
    last = shop().world.now.isoformat()
    for name in shop().tables:
        if name.startswith("Document_"):
            assert all(row["Date"] <= last for row in rows(name)), name


def test_a_price_history_has_several_periods_for_a_part_of_the_products():
    periods = defaultdict(set)
    for row in rows("InformationRegister_ЦеныНоменклатуры25_RecordType"):
        periods[row["Номенклатура_Key"]].add(row["Period"])
    counts = {len(found) for found in periods.values()}
    assert {1, 2, 3} <= counts


def test_pictures_are_valid_png_files_and_products_name_their_own():
    body = base64.b64decode(rows("Catalog_ХранилищеДвоичныхДанных")[0]["ДвоичныеДанные_Base64Data"])
    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    start = body.index(b"IDAT")
    length = int.from_bytes(body[start - 4 : start])
    assert len(zlib.decompress(body[start + 4 : start + 4 + length])) == 16 * (16 * 3 + 1)
    files = {
        row["Ref_Key"]: row["ВладелецФайла_Key"] for row in rows("Catalog_НоменклатураПрисоединенныеФайлы")
    }
    pictured = [row for row in rows("Catalog_Номенклатура") if row.get("ФайлКартинки_Key") in files]
    assert len(pictured) > 500
    assert all(files[row["ФайлКартинки_Key"]] == row["Ref_Key"] for row in pictured)


def test_a_million_products_cost_no_memory_and_any_page_is_at_hand():
    base = generate(seed=3, products=1_000_000)
    for name, table in base.tables.items():
        if name.startswith("Catalog_") or "Цены" in name or "Штрихкоды" in name:
            middle = len(table) // 2
            for row in table.rows(middle, middle + 3):
                key = tuple(str(row[part]) for part in SHAPE.entities[SHAPE.sets[name]].key)
                assert table.find(key) is not None
    assert len(base.tables["Catalog_Номенклатура"]) > 1_000_000
