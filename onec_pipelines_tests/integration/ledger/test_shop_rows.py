"""The merge into the shop: stable ids, resolved references, rows that wait, and nothing written that does not differ."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import shop_rows
from onec_pipelines_tests.fixtures.tables import SYSTEM, guid, store, thing

BRANDS = BY_NAME["brands"]
MAKERS = BY_NAME["manufacturers"]
CATEGORIES = BY_NAME["categories"]
PRODUCTS = BY_NAME["products"]
STOCK = BY_NAME["stock"]


def merge(tx, entity, *, everything=False):
    with tx.transaction():
        return shop_rows.merge(tx, entity, system_name=SYSTEM, everything=everything)


def product(name, **cells):
    return thing(name, name=name, product_type="goods", **cells)


def one_stock(tx, job=1, **cells):
    row = {"warehouse_ref": guid("w"), "product_ref": guid("p"), **cells}
    return store(tx, STOCK, [row], job=job)


def test_references_become_our_ids(tx):
    store(tx, MAKERS, [thing("m", name="M")])
    store(tx, BRANDS, [thing("b", name="B", manufacturer_ref=guid("m"))])
    merge(tx, MAKERS)

    merged = merge(tx, BRANDS)

    assert (merged.ids_new, merged.new, merged.changed, merged.unresolved) == (1, 1, 1, 0)
    row = tx.execute(
        "SELECT b.name, m.name FROM shop.brands b JOIN shop.manufacturers m ON m.id = b.manufacturer_id"
    ).fetchone()
    assert row == ("B", "M")


@pytest.mark.parametrize("everything", [False, True])
def test_an_unchanged_shop_is_not_written(tx, everything):
    store(tx, BRANDS, [thing("b", name="B")])
    merge(tx, BRANDS)
    before = tx.execute("SELECT id, ctid::text, xmin::text FROM shop.brands").fetchall()

    merged = merge(tx, BRANDS, everything=everything)

    assert (merged.ids_new, merged.new, merged.changed) == (0, 0, 0)
    assert tx.execute("SELECT id, ctid::text, xmin::text FROM shop.brands").fetchall() == before


def test_ids_stay_when_the_object_changes(tx):
    store(tx, BRANDS, [thing("b", name="B")])
    merge(tx, BRANDS)
    (before,) = tx.execute("SELECT id FROM shop.brands").fetchone()

    store(tx, BRANDS, [thing("b", name="B2")], job=2)
    merged = merge(tx, BRANDS)

    assert (merged.new, merged.changed) == (0, 1)
    assert tx.execute("SELECT id, name FROM shop.brands").fetchall() == [(before, "B2")]


def test_a_reference_to_what_has_not_come_is_reported_and_heals(tx):
    store(tx, BRANDS, [thing("b", name="B", manufacturer_ref=guid("m"))])
    first = merge(tx, BRANDS)
    store(tx, MAKERS, [thing("m", name="M")], job=2)
    merge(tx, MAKERS)

    second = merge(tx, BRANDS)

    assert (first.new, first.held, first.unresolved) == (1, 0, 1)
    assert (second.changed, second.unresolved) == (1, 0)
    assert tx.execute("SELECT manufacturer_id IS NOT NULL FROM shop.brands").fetchall() == [(True,)]


def test_a_row_without_what_it_needs_is_held_until_that_comes(tx):
    store(tx, BY_NAME["warehouses"], [thing("w", name="W")])
    merge(tx, BY_NAME["warehouses"])
    one_stock(tx, on_hand=5)
    held = merge(tx, STOCK)
    assert (held.new, held.held, held.unresolved) == (0, 1, 1)

    store(tx, PRODUCTS, [product("p")], job=2)
    merge(tx, PRODUCTS)
    healed = merge(tx, STOCK)

    assert (healed.new, healed.held, healed.unresolved) == (1, 0, 0)


def test_what_waits_says_for_what(tx):
    store(tx, BRANDS, [thing("b", name="B", manufacturer_ref=guid("m"))])

    merge(tx, BRANDS)

    rows = tx.execute(
        "SELECT entity_type, row_key::text, field, target_entity, missing_id::text, holds_row"
        " FROM integ.unresolved_refs"
    ).fetchall()
    assert rows == [("brands", guid("b"), "manufacturer_ref", "manufacturers", guid("m"), False)]


def test_an_object_that_is_gone_from_1c_is_deleted_in_the_shop(tx):
    store(tx, BRANDS, [thing("b", name="B")])
    merge(tx, BRANDS)

    tx.execute("UPDATE clean.brands SET deleted_at = now(), deleted_why = 'absent', changed_in = 2")
    merge(tx, BRANDS)

    assert tx.execute("SELECT is_deleted FROM shop.brands").fetchall() == [(True,)]


def test_an_object_marked_for_deletion_is_deleted_in_the_shop(tx):
    store(tx, BRANDS, [thing("b", name="B") | {"deletion_mark": True}])

    merge(tx, BRANDS)

    assert tx.execute("SELECT is_deleted FROM shop.brands").fetchall() == [(True,)]


def test_a_balance_that_is_gone_is_zero(tx):
    store(tx, BY_NAME["warehouses"], [thing("w", name="W")])
    store(tx, PRODUCTS, [product("p")])
    for name in ("warehouses", "products"):
        merge(tx, BY_NAME[name])
    one_stock(tx, on_hand=5, to_ship=7)
    merge(tx, STOCK)
    before = tx.execute("SELECT on_hand, to_ship, available FROM shop.stock").fetchone()

    tx.execute("UPDATE clean.stock SET deleted_at = now(), changed_in = 2")
    merge(tx, STOCK)

    assert before == (5, 7, 0)
    assert tx.execute("SELECT on_hand, to_ship, available FROM shop.stock").fetchone() == (0, 0, 0)


def test_folders_form_a_tree_and_a_cycle_is_cut(tx):
    rows = {"root": None, "leaf": "root", "x": "y", "y": "x", "under": "x", "orphan": "gone"}
    store(
        tx,
        CATEGORIES,
        [thing(name, name=name, parent_ref=parent and guid(parent)) for name, parent in rows.items()],
    )

    merge(tx, CATEGORIES)
    merge(tx, CATEGORIES)

    tree = tx.execute("SELECT name, path, depth, is_cut FROM shop.categories ORDER BY name").fetchall()
    assert tree == [
        ("leaf", "root / leaf", 1, False),
        ("orphan", "orphan", 0, False),
        ("root", "root", 0, False),
        ("under", "under", 0, True),
        ("x", "x", 0, True),
        ("y", "y", 0, True),
    ]


def attribute_lines(*numbers):
    return [
        {
            "owner": "p",
            "line_number": n,
            "attribute_ref": guid("a"),
            "value": f"{n}",
            "value_type": "Edm.String",
        }
        for n in numbers
    ]


def attributes_of(tx):
    return tx.execute("SELECT line_number, value FROM shop.product_attributes ORDER BY 1").fetchall()


def test_tabular_rows_follow_their_owner(tx):
    store(tx, BY_NAME["attributes"], [thing("a", full_name="A")])
    merge(tx, BY_NAME["attributes"])
    store(tx, PRODUCTS, [product("p")], attributes=attribute_lines(1, 2))
    merge(tx, PRODUCTS)
    assert attributes_of(tx) == [(1, "1"), (2, "2")]

    store(tx, PRODUCTS, [product("p") | {"data_version": "2"}], job=2, attributes=attribute_lines(2))
    merge(tx, PRODUCTS)

    assert attributes_of(tx) == [(2, "2")]


def test_tabular_rows_wait_for_what_they_point_to(tx):
    store(tx, PRODUCTS, [product("p")], attributes=attribute_lines(1))
    first = merge(tx, PRODUCTS)
    assert (first.new, first.held, first.unresolved, attributes_of(tx)) == (1, 0, 1, [])

    store(tx, BY_NAME["attributes"], [thing("a", full_name="A")], job=2)
    merge(tx, BY_NAME["attributes"])
    second = merge(tx, PRODUCTS)

    assert (second.unresolved, attributes_of(tx)) == (0, [(1, "1")])


def test_unchanged_tabular_rows_are_not_written(tx):
    store(tx, BY_NAME["attributes"], [thing("a", full_name="A")])
    merge(tx, BY_NAME["attributes"])
    store(tx, PRODUCTS, [product("p")], attributes=attribute_lines(1))
    merge(tx, PRODUCTS)
    before = tx.execute("SELECT ctid::text, xmin::text FROM shop.product_attributes").fetchall()

    merge(tx, PRODUCTS, everything=True)

    assert tx.execute("SELECT ctid::text, xmin::text FROM shop.product_attributes").fetchall() == before


def test_a_change_behind_the_joins_reaches_rows_that_did_not_change(tx):
    """The weight of a product depends on its unit's code, which is no column of the product."""
    units, kg = BY_NAME["units"], thing("kg", name="кг", okei_code="166")
    heavy = product("p", weight_numerator=2000, weight_denominator=1, weight_unit_ref=guid("kg"))
    store(tx, units, [kg])
    store(tx, PRODUCTS, [heavy])
    merge(tx, PRODUCTS)
    assert tx.execute("SELECT weight_kg FROM shop.products").fetchone() == (2000,)

    store(tx, units, [kg | {"okei_code": "163"}], job=2)
    merge(tx, PRODUCTS)

    assert tx.execute("SELECT weight_kg FROM shop.products").fetchone() == (2,)


def test_an_absurd_weight_does_not_stop_the_others(tx):
    store(tx, BY_NAME["units"], [thing("t", name="т", okei_code="168")])
    weight = {"weight_denominator": 1, "weight_unit_ref": guid("t")}
    store(
        tx,
        PRODUCTS,
        [product("p", weight_numerator=10**15, **weight), product("q", weight_numerator=1, **weight)],
    )

    merge(tx, PRODUCTS)

    assert tx.execute("SELECT name, weight_kg FROM shop.products ORDER BY 1").fetchall() == [
        ("p", None),
        ("q", 1000),
    ]


def test_ids_alone_can_be_given(tx):
    store(tx, BRANDS, [thing("b", name="B"), thing("f", name="F", is_folder=True)])

    with tx.transaction():
        given = shop_rows.assign_ids(tx, BRANDS, system_name=SYSTEM, everything=True)
    merged = merge(tx, BRANDS)

    assert given == 1
    assert (merged.ids_new, merged.new) == (0, 1)
    mapped = "SELECT count(*) FROM integ.external_id_mappings WHERE system_name = %s AND entity_type = %s"
    assert tx.execute(mapped, (SYSTEM, "brands")).fetchone() == (1,)


def test_two_bases_have_ids_of_their_own(tx):
    store(tx, BRANDS, [thing("b", name="B")])
    merge(tx, BRANDS)
    tx.execute(
        "INSERT INTO clean.brands SELECT 'other', row_key, ref, data_version, deletion_mark, name,"
        " is_folder, manufacturer_ref, changed_in FROM clean.brands"
    )

    with tx.transaction():
        shop_rows.merge(tx, BRANDS, system_name="other", everything=False)

    rows = tx.execute("SELECT count(DISTINCT internal_id) FROM integ.external_id_mappings").fetchone()
    assert rows == (2,)


def looked_at(tx, entity):
    """Keys of the rows that a merge compares with the shop."""
    keys = []

    def examine(_tx):
        keys.extend(tx.execute("SELECT row_key::text FROM pg_temp.merge_source ORDER BY 1").fetchall())

    with tx.transaction():
        shop_rows.merge(tx, entity, system_name=SYSTEM, everything=False, examine=examine)
    return {key for (key,) in keys}


def reserve(tx, job, *names, reserved=1):
    rows = [{"warehouse_ref": guid("w"), "product_ref": guid(name), "reserved": reserved} for name in names]
    store(tx, BY_NAME["reserves"], rows, job=job)


def key_of(tx, name):
    return tx.execute(
        "SELECT row_key::text FROM clean.stock WHERE product_ref = %s", (guid(name),)
    ).fetchone()[0]


def stocked(tx, *names):
    """Products in stock, merged, with reserves read once before."""
    store(tx, BY_NAME["warehouses"], [thing("w", name="W")])
    store(tx, PRODUCTS, [product(name) for name in names])
    rows = [{"warehouse_ref": guid("w"), "product_ref": guid(name), "on_hand": 5} for name in names]
    store(tx, STOCK, rows)
    reserve(tx, 1, names[0])
    for name in ("warehouses", "products", "stock"):
        merge(tx, BY_NAME[name])


def test_a_changed_reserve_concerns_its_own_row_of_stock_only(tx):
    stocked(tx, "a", "b", "c")

    reserve(tx, 2, "a", "b", reserved=2)

    assert looked_at(tx, STOCK) == {key_of(tx, "a"), key_of(tx, "b")}
    assert looked_at(tx, STOCK) == set()
    assert tx.execute("SELECT available FROM shop.stock ORDER BY available").fetchall() == [(3,), (3,), (5,)]


def test_what_a_job_under_way_still_writes_is_seen_by_the_next_merge(tx):
    """It commits group by group, all under one number; the stock may be merged in between."""
    stocked(tx, "a", "b")
    (job,) = tx.execute(
        "INSERT INTO integ.sync_jobs (id, job_type, system_name, entity_type, status)"
        " OVERRIDING SYSTEM VALUE VALUES (9, 'inbound', %s, 'reserves', 'running') RETURNING id",
        (SYSTEM,),
    ).fetchone()
    reserve(tx, job, "a", reserved=2)
    merge(tx, STOCK)
    reserve(tx, job, "b", reserved=4)
    tx.execute("UPDATE integ.sync_jobs SET status = 'succeeded' WHERE id = %s", (job,))

    merge(tx, STOCK)

    assert tx.execute("SELECT available FROM shop.stock ORDER BY available").fetchall() == [(1,), (3,)]


def test_a_new_main_picture_concerns_the_pictures_of_its_product_only(tx):
    pictures = [thing(name, owner_ref=guid(owner), name=name) for name, owner in (("x", "a"), ("y", "b"))]
    store(tx, BY_NAME["images"], pictures)
    store(tx, PRODUCTS, [product("a"), product("b")])
    for name in ("products", "images"):
        merge(tx, BY_NAME[name])

    store(tx, PRODUCTS, [product("a", picture_ref=guid("x"))], job=2)

    assert looked_at(tx, BY_NAME["images"]) == {guid("x")}
    assert tx.execute("SELECT name, is_main FROM shop.images ORDER BY name").fetchall() == [
        ("x", True),
        ("y", False),
    ]


def test_a_changed_value_of_an_attribute_concerns_the_products_that_have_it(tx):
    values = BY_NAME["attribute_values"]
    store(tx, values, [thing("v", name="Red", value_type="Catalog_ЗначенияСвойствОбъектов")])
    line = {"owner": "a", "line_number": 1, "attribute_ref": guid("q"), "value_ref": guid("v")}
    store(tx, PRODUCTS, [product("a"), product("b")], attributes=[line])
    merge(tx, values)
    merge(tx, PRODUCTS)

    store(tx, values, [thing("v", name="Blue", value_type="Catalog_ЗначенияСвойствОбъектов")], job=2)

    assert looked_at(tx, PRODUCTS) == {guid("a")}
