"""Loyalty programmes, cards and points: the shop is what 1C holds as of now, on the releases that differ in it."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync, value

POINTS = "AccumulationRegister_БонусныеБаллы"
CARD, PROGRAM = "Catalog_КартыЛояльности", "Catalog_БонусныеПрограммыЛояльности"
SALE = "Document_РеализацияТоваровУслуг"
NAMES = (
    "currencies", "price_types", "contact_kinds", "customers", "counterparties",
    "loyalty_programs", "loyalty_card_kinds", "loyalty_cards", "loyalty_balances",
)  # fmt: skip
WANTED = [BY_NAME[name] for name in NAMES]
MOSCOW = ZoneInfo("Europe/Moscow")
MAPPED = "JOIN integ.external_id_mappings {0} ON {0}.internal_id = t.{1} AND {0}.entity_type = '{2}'"
PROGRAMS = MAPPED.format("p", "program_id", "loyalty_programs")
CUSTOMERS = MAPPED.format("c", "customer_id", "customers")


@pytest.fixture(params=["11.4", "11.5.20"])
def shop(request):
    with Simulator.start_thread(products=300, seed=7, broken=False, release=request.param) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_fast(environment(shop, database_url, tmp_path, page_rows=100)) as opened:
        yield opened


def rows_of(shop, name):
    return control(shop, f"rows/{name}?top=100000")["rows"]


def points_of_1c(shop):
    """What the records leave now, without those of the future."""
    now = datetime.now(MOSCOW).strftime("%Y-%m-%dT%H:%M:%S")
    found = defaultdict(Decimal)
    for row in rows_of(shop, f"{POINTS}_RecordType"):
        if row["Active"] and row["Period"] < now:
            sign = -1 if row["RecordType"] == "Expense" else 1
            account = (row["БонуснаяПрограммаЛояльности_Key"], row["Партнер_Key"])
            left = Decimal(str(row["Начислено"])) - Decimal(str(row["КСписанию"] or 0))
            found[account] += sign * left
    return {account: left for account, left in found.items() if left}


def points_of_shop(url):
    rows = query(
        url,
        f"SELECT p.external_id::text, c.external_id::text, t.balance FROM shop.loyalty_balances t {PROGRAMS} {CUSTOMERS}",  # noqa: S608
    )
    return {(program, customer): balance for program, customer, balance in rows if balance}


def test_points_are_those_of_1c_and_follow_sales(shop, runtime, database_url):
    outcomes = sync(runtime, WANTED)
    expected = points_of_1c(shop)
    assert points_of_shop(database_url) == expected
    assert len(expected) > 3
    assert {name for name, one in outcomes.items() if one.status != "succeeded"} == set()

    control(shop, "day", {"steps": 60})
    sync(runtime, WANTED)

    assert points_of_shop(database_url) == points_of_1c(shop)


def test_points_that_begin_later_do_not_count_yet(shop, runtime, database_url):
    sync(runtime, WANTED)
    before = points_of_shop(database_url)
    later = (datetime.now(MOSCOW) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%S")
    earned = rows_of(shop, f"{POINTS}_RecordType")
    kept = {name: held for name, held in earned[0].items() if not name.startswith("Recorder")}
    record = {**kept, "LineNumber": "1", "RecordType": "Expense", "Period": later}
    recorders = {row["Recorder"] for row in earned}
    recorder = next(row["Ref_Key"] for row in rows_of(shop, SALE) if row["Ref_Key"] not in recorders)
    control(
        shop,
        f"rows/{POINTS}",
        {"Recorder": recorder, "Recorder_Type": f"StandardODATA.{SALE}", "RecordSet": [record]},
    )

    outcomes = sync(runtime, WANTED)

    assert later in {row["Period"] for row in rows_of(shop, f"{POINTS}_RecordType")}
    assert outcomes["loyalty_balances"].shop_changed == 0
    assert points_of_shop(database_url) == before


def test_cards_and_programmes_are_1cs(shop, runtime, database_url):
    sync(runtime, WANTED)

    found = query(
        database_url,
        "SELECT m.external_id::text, t.name, t.barcode, t.magnetic_code, t.status, c.external_id::text"  # noqa: S608
        f" FROM shop.loyalty_cards t {MAPPED.format('m', 'id', 'loyalty_cards')} {CUSTOMERS}",
    )
    expected = [
        (
            row["Ref_Key"],
            row["Description"],
            row["Штрихкод"].strip(),
            row["МагнитныйКод"].strip(),
            {"Действует": "active", "Аннулирована": "cancelled"}[row["Статус"]],
            row["Партнер_Key"],
        )
        for row in rows_of(shop, CARD)
    ]
    assert sorted(found) == sorted(expected)
    programs = query(database_url, "SELECT name, point_value, max_paid_percent FROM shop.loyalty_programs")
    assert programs == [
        (row["Description"], row["КурсКонвертацииБонусовВВалюту"], row["МаксимальныйПроцентОплатыБонусами"])
        for row in rows_of(shop, PROGRAM)
    ]
    linked = (
        "SELECT count(*) FROM shop.loyalty_card_kinds k JOIN shop.loyalty_programs p ON p.id = k.program_id"
    )
    assert value(database_url, linked) == 1


def test_a_cancelled_marked_or_lost_card_is_seen(shop, runtime, database_url):
    sync(runtime, WANTED)
    cancelled, marked, gone = [row["Ref_Key"] for row in rows_of(shop, CARD) if row["Статус"] == "Действует"][
        :3
    ]
    control(shop, f"rows/{CARD}/{cancelled}", {"Статус": "Аннулирована"})
    control(shop, f"rows/{CARD}/{marked}", {"DeletionMark": True})
    control(shop, f"rows/{CARD}/{gone}", method="DELETE")

    for _ in range(2):
        sync(runtime, WANTED)

    rows = query(
        database_url,
        f"SELECT m.external_id::text, t.status, t.is_deleted FROM shop.loyalty_cards t {MAPPED.format('m', 'id', 'loyalty_cards')}",  # noqa: S608
    )
    found = {row[0]: row[1:] for row in rows}
    assert [found[key] for key in (cancelled, marked, gone)] == [
        ("cancelled", False),
        ("active", True),
        ("active", True),
    ]
