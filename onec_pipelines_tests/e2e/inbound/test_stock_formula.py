"""Available stock on every release: on hand less what is about to be shipped less the reserves of the register that the release has."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.ledger import stock_policy
from onec_pipelines.simulator.releases import RELEASES
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import SYSTEM, control, environment, open_fast, query, sync, value

NEEDED = (
    "price_types", "warehouses", "product_kinds", "vat_rates", "units", "brands", "manufacturers", "attributes",
    "attribute_values", "categories", "price_groups", "products", "pricing_variants", "variants", "reserves", "stock",
)  # fmt: skip
# The register of each release, its resource, and its warehouse.
REGISTERS = {
    "11.4": ("СвободныеОстатки", "ВРезервеСоСклада", "Склад_Key"),
    "11.5.8": ("ТоварыКОтгрузке", "ВРезерве", "Склад_Key"),
    "11.5.20": ("ЗапасыИПотребности", "РезервироватьНаСкладе", "Склад"),
    "11.5.27": ("ЗапасыИПотребности", "РезервироватьНаСкладе", "Склад"),
}


def wanted():
    return [BY_NAME[name] for name in NEEDED if name in BY_NAME]


@pytest.fixture(params=RELEASES)
def release(request):
    return request.param


@pytest.fixture
def shop(release):
    with Simulator.start_thread(products=40, seed=4, broken=False, release=release, day=60) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_fast(environment(shop, database_url, tmp_path, page_rows=1000)) as opened:
        yield opened


def balance(shop, register, resource, place):
    """What the records of a register leave, by warehouse, product and variant."""
    found = defaultdict(Decimal)
    name = f"rows/AccumulationRegister_{register}_RecordType?top=100000"
    for row in control(shop, name)["rows"]:
        if row["Active"]:
            sign = -1 if row["RecordType"] == "Expense" else 1
            key = (row[place], row["Номенклатура_Key"], row["Характеристика_Key"])
            found[key] += sign * Decimal(str(row[resource] or 0))
    return {key: total for key, total in found.items() if total}


def shown(url, column, table="shop.stock"):
    rows = query(
        url,
        f"SELECT w.external_id::text, g.external_id::text,"  # noqa: S608
        f" coalesce(v.external_id::text, '00000000-0000-0000-0000-000000000000'), t.{column} FROM {table} t"
        " JOIN integ.external_id_mappings w ON w.internal_id = t.warehouse_id AND w.entity_type = 'warehouses'"
        " JOIN integ.external_id_mappings g ON g.internal_id = t.product_id AND g.entity_type = 'products'"
        " LEFT JOIN integ.external_id_mappings v ON v.internal_id = t.variant_id AND v.entity_type = 'variants'",
    )
    return {row[:3]: row[3] for row in rows}


def live(shop, url):
    """Balances are read for the warehouses that are not marked for deletion."""
    rows = query(
        url, "SELECT ref::text FROM clean.warehouses WHERE NOT deletion_mark AND is_folder IS NOT TRUE"
    )
    return {ref for (ref,) in rows}


def check(shop, url, release):
    register, resource, place = REGISTERS[release]
    places = live(shop, url)
    on_hand = {
        key: n
        for key, n in balance(shop, "ТоварыНаСкладах", "ВНаличии", "Склад_Key").items()
        if key[0] in places
    }
    reserved = {key: n for key, n in balance(shop, register, resource, place).items() if key[0] in places}
    assert {key: n for key, n in shown(url, "reserved", "shop.stock_reserves").items() if n} == reserved
    expected = {key: max(number - reserved.get(key, 0), Decimal(0)) for key, number in on_hand.items()}
    found = shown(url, "available")
    assert {key: found[key] for key in expected} == expected
    assert not any(number for key, number in found.items() if key not in expected)
    assert reserved
    return {key for key in {*on_hand, *reserved} if on_hand.get(key, 0) < reserved.get(key, 0)}


def test_available_stock_is_less_the_reserves(shop, runtime, database_url, release):
    outcomes = sync(runtime, wanted())
    oversold = check(shop, database_url, release)
    assert outcomes["reserves"].resource == f"AccumulationRegister_{REGISTERS[release][0]}"
    assert set(shown(database_url, "left_over", "shop.negative_stock")) == oversold

    again = sync(runtime, wanted())

    assert (again["reserves"].shop_changed, again["stock"].shop_changed) == (0, 0)
    for kind in ("new order", "shipment", "new order", "receipt"):
        control(shop, "day", {"steps": 5, "kind": kind})
    sync(runtime, wanted())
    oversold = check(shop, database_url, release)
    assert stock_policy.negative_rows(runtime.database, system_name=SYSTEM) == len(oversold)


@pytest.mark.parametrize("release", ["11.5.20"])
def test_the_formula_and_the_policy_are_settings(shop, runtime, database_url, release):
    sync(runtime, wanted())
    on_hand = shown(database_url, "on_hand")
    reserved = shown(database_url, "reserved")
    less_reserves = shown(database_url, "available")

    def under(formula, negative):
        stock_policy.keep(runtime.database, system_name=SYSTEM, formula=formula, negative=negative)
        inbound(BY_NAME["stock"], runtime)
        return shown(database_url, "available")

    assert under("on_hand_minus_to_ship", "keep") == on_hand
    assert under("less_reserves", "keep") == {key: on_hand[key] - reserved[key] for key in on_hand}
    assert under("less_reserves", "zero") == less_reserves
    assert less_reserves != on_hand
    assert min(less_reserves.values()) == 0


@pytest.mark.parametrize("release", ["11.5.20"])
def test_the_settings_reach_the_database_at_the_start(shop, database_url, tmp_path, release):
    variables = {
        **environment(shop, database_url, tmp_path),
        "ONEC_STOCK_FORMULA": "on_hand_minus_to_ship",
        "ONEC_NEGATIVE_STOCK": "keep",
    }
    with open_fast(variables) as runtime:
        runtime.keep_policies()
        runtime.keep_policies()

    kept = query(database_url, "SELECT system_name, formula, negative FROM integ.stock_policy")
    assert kept == [(SYSTEM, "on_hand_minus_to_ship", "keep")]


@pytest.mark.parametrize("release", ["11.5.20"])
def test_without_a_register_of_reserves_the_stock_is_what_is_on_hand(database_url, tmp_path, release):
    published = "Catalog_ВидыЦен,Catalog_Склады,Catalog_Номенклатура,AccumulationRegister_ТоварыНаСкладах"
    with (
        Simulator.start_thread(products=10, seed=4, broken=False, publish=published) as small,
        open_fast(environment(small, database_url, tmp_path)) as runtime,
    ):
        inbound(BY_NAME["warehouses"], runtime)
        outcome = inbound(BY_NAME["reserves"], runtime)
        inbound(BY_NAME["stock"], runtime)

    assert outcome.status == "skipped"
    assert "ЗапасыИПотребности" in outcome.message
    assert value(database_url, "SELECT count(*) FROM clean.stock") > 0
