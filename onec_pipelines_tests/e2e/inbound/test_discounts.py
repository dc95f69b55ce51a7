"""Discounts: what, on which conditions, for which goods, where and when; all as 1C holds it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.simulator.releases import RELEASES
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync, value

DISCOUNT, SCOPES = "Catalog_СкидкиНаценки", "InformationRegister_ДействиеСкидокНаценок"
NAMES = (
    "currencies", "price_types", "warehouses", "contact_kinds", "customers", "counterparties", "organizations",
    "agreements", "loyalty_programs", "loyalty_card_kinds", "price_groups", "discount_conditions", "discounts",
    "discount_scopes",
)  # fmt: skip
MOSCOW = ZoneInfo("Europe/Moscow")
METHODS = {"Процент": "percent", "Сумма": "amount", "Подарок": "gift", "": None, None: None}
MAPPED = "JOIN integ.external_id_mappings {0} ON {0}.internal_id = {1} AND {0}.entity_type = '{2}'"
ITSELF = MAPPED.format("m", "t.id", "discounts")
OWNER = MAPPED.format("m", "t.owner_id", "discounts")


@pytest.fixture(params=RELEASES)
def release(request):
    return request.param


@pytest.fixture
def shop(release):
    with Simulator.start_thread(products=30, seed=3, release=release) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_fast(environment(shop, database_url, tmp_path, page_rows=10)) as opened:
        yield opened


def rows_of(shop, name):
    return control(shop, f"rows/{name}?top=10000")["rows"]


def load(runtime):
    return sync(runtime, [BY_NAME[name] for name in NAMES])


def discounts(url):
    rows = query(
        url,
        "SELECT m.external_id::text, t.name, t.is_folder, t.method, t.value, t.combination, p.external_id::text,"  # noqa: S608
        f" t.is_deleted FROM shop.discounts t {ITSELF} LEFT {MAPPED.format('p', 't.parent_id', 'discounts')}",
    )
    return {row[0]: row[1:] for row in rows}


def test_discounts_folders_and_sections_are_1cs(shop, runtime, database_url):
    outcomes = load(runtime)
    source = rows_of(shop, DISCOUNT)
    keys = {row["Ref_Key"] for row in source}
    assert discounts(database_url) == {
        row["Ref_Key"]: (
            row["Description"],
            row["IsFolder"],
            METHODS[row["СпособПредоставления"]],
            None if row["IsFolder"] else Decimal(str(row["ЗначениеСкидкиНаценки"])),
            row["ВариантСовместногоПрименения"] or None,
            row["Parent_Key"] if row["Parent_Key"] in keys else None,
            row["DeletionMark"],
        )
        for row in source
    }
    conditions = query(
        database_url,
        f"SELECT m.external_id::text, c.external_id::text FROM shop.discount_condition_rows t {OWNER}"  # noqa: S608
        f" {MAPPED.format('c', 't.condition_id', 'discount_conditions')}",
    )
    assert set(conditions) == {
        (row["Ref_Key"], line["УсловиеПредоставления_Key"])
        for row in source
        for line in row["УсловияПредоставления"] or ()
    }
    groups = query(
        database_url,
        f"SELECT m.external_id::text, g.external_id::text, t.value FROM shop.discount_price_groups t {OWNER}"  # noqa: S608
        f" {MAPPED.format('g', 't.price_group_id', 'price_groups')}",
    )
    assert set(groups) == {
        (row["Ref_Key"], line["ЦеноваяГруппа_Key"], Decimal(str(line["ЗначениеСкидкиНаценки"])))
        for row in source
        for line in row["ЦеновыеГруппы"] or ()
    }
    assert (len(conditions), len(groups)) == (3, 2)
    assert {one.status for one in outcomes.values()} == {"succeeded"}
    assert {(one.clean_changed, one.shop_changed) for one in load(runtime).values()} == {(0, 0)}


@pytest.mark.parametrize("release", ["11.5.20"])
def test_where_and_when_a_discount_is_switched_on(shop, runtime, database_url, release):
    load(runtime)
    now = datetime.now(MOSCOW).strftime("%Y-%m-%dT%H:%M:%S")
    last = {}
    for row in sorted(rows_of(shop, SCOPES), key=lambda row: row["Period"]):
        if row["Period"] <= now:
            last[row["СкидкаНаценка_Key"], row["Источник"]] = row["Статус"]
    expected = {key for key, status in last.items() if status == "Действует"}
    active = (
        f"SELECT m.external_id::text, w.external_id::text FROM shop.active_discounts t"  # noqa: S608
        f" {MAPPED.format('m', 't.discount_id', 'discounts')} {MAPPED.format('w', 't.warehouse_id', 'warehouses')}"
    )
    assert set(query(database_url, active)) == expected
    assert 0 < len(expected) < len(last)

    discount, place = next(iter(expected))
    switched_off = {
        "Period": now,
        "Источник": place,
        "Источник_Type": "StandardODATA.Catalog_Склады",
        "СкидкаНаценка_Key": discount,
        "Статус": "НеДействует",
    }
    control(shop, f"rows/{SCOPES}", switched_off)
    load(runtime)

    assert set(query(database_url, active)) == expected - {(discount, place)}
    closed = value(
        database_url,
        "SELECT count(*) FROM shop.discount_periods WHERE valid_until > now() - interval '1 hour'",
    )
    assert closed == 1


@pytest.mark.parametrize("release", ["11.5.20"])
def test_a_way_of_giving_that_is_a_catalog_is_external_and_a_mistake_is_refused(
    shop, runtime, database_url, release
):
    kinds = [row for row in rows_of(shop, DISCOUNT) if row["СпособПредоставления"] == "Процент"]
    outside, wrong, marked = (row["Ref_Key"] for row in kinds[:3])
    processor = {
        "СпособПредоставления": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
        "СпособПредоставления_Type": "UnavailableEntities.UnavailableEntity_604931cd-0000-4000-8000-000000000001",
    }
    control(shop, f"rows/{DISCOUNT}/{outside}", processor)
    control(shop, f"rows/{DISCOUNT}/{wrong}", {"ЗначениеСкидкиНаценки": 120})
    control(shop, f"rows/{DISCOUNT}/{marked}", {"DeletionMark": True})

    load(runtime)

    found = discounts(database_url)
    assert found[outside][2] == "external"
    assert wrong not in found
    assert found[marked][-1] is True
    rejected = query(
        database_url,
        "SELECT external_key, failures -> 0 ->> 'rule' FROM clean.quarantine WHERE entity_type = 'discounts'",
    )
    assert rejected == [(wrong, "percent_at_most_100")]
