"""Rows that were in the shop before 1C came: recognised when there is no doubt, reported when there is, and never given another id."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import adoption, shop_rows
from onec_pipelines_tests.fixtures.tables import SYSTEM, guid, store, thing

PRODUCTS, CATEGORIES, CUSTOMERS = BY_NAME["products"], BY_NAME["categories"], BY_NAME["customers"]


def product(name, sku, **cells):
    return thing(name, name=name, product_type="goods", sku=sku, **cells)


def old_product(tx, sku, name="before 1C"):
    return insert(tx, "products", sku=sku, name=name, product_type="goods")


def insert(tx, table, **cells):
    names, places = ", ".join(cells), ", ".join(["%s"] * len(cells))
    statement = f"INSERT INTO shop.{table} ({names}) VALUES ({places}) RETURNING id"  # noqa: S608
    return tx.execute(statement, tuple(cells.values())).fetchone()[0]


def adopt(tx, entity, **options):
    with tx.transaction():
        return adoption.adopt(tx, entity, system_name=SYSTEM, **options)


def merge(tx, entity):
    with tx.transaction():
        return shop_rows.merge(tx, entity, system_name=SYSTEM, everything=False)


def ids(tx, entity="products"):
    rows = tx.execute(
        "SELECT external_id::text, internal_id, is_adopted FROM integ.external_id_mappings WHERE entity_type = %s",
        (entity,),
    )
    return {key: (internal, adopted) for key, internal, adopted in rows}


def test_a_unique_match_keeps_the_rows_id_and_the_sync_fills_the_row(tx):
    old = old_product(tx, " Ab-1  x ")
    store(tx, PRODUCTS, [product("p", "AB-1 X"), product("q", "Q")])

    found = adopt(tx, PRODUCTS)
    merge(tx, PRODUCTS)

    assert (found.waiting, found.adopted, found.ambiguous_count, found.unmatched) == (1, 1, 0, 0)
    assert ids(tx)[guid("p")] == (old, True)
    assert ids(tx)[guid("q")][1] is False
    assert tx.execute("SELECT name FROM shop.products WHERE id = %s", (old,)).fetchone() == ("p",)
    assert tx.execute("SELECT count(*) FROM shop.products").fetchone() == (2,)


@pytest.mark.parametrize(
    ("objects", "rows"), [((("p", "S"), ("q", "S")), ("S",)), ((("p", "S"),), ("S", "s"))]
)
def test_two_on_either_side_are_reported_and_not_guessed(tx, objects, rows):
    olds = {old_product(tx, sku) for sku in rows}
    store(tx, PRODUCTS, [product(name, sku) for name, sku in objects])

    found = adopt(tx, PRODUCTS)

    assert (found.adopted, found.ambiguous_count) == (0, len(olds))
    assert {(row, key) for row, key, _ in found.ambiguous} == {
        (row, guid(name)) for row in olds for name, _ in objects
    }
    assert ids(tx) == {}


def test_a_deleted_namesake_is_no_reason_to_doubt(tx):
    old = old_product(tx, "S")
    store(tx, PRODUCTS, [product("p", "S"), product("dead", "S", deletion_mark=True)])

    assert adopt(tx, PRODUCTS).adopted == 1
    assert ids(tx) == {guid("p"): (old, True)}


def test_an_empty_key_matches_nothing(tx):
    old_product(tx, "")
    store(tx, PRODUCTS, [product("p", None)])

    assert adopt(tx, PRODUCTS).unmatched == 1
    assert ids(tx) == {}


def test_what_has_a_row_already_keeps_its_id(tx):
    store(tx, PRODUCTS, [product("p", "S")])
    merge(tx, PRODUCTS)
    before = ids(tx)
    old = old_product(tx, "S")

    found = adopt(tx, PRODUCTS, used_in=adoption.users_of(PRODUCTS, ENTITIES))

    assert (found.adopted, found.taken_count) == (0, 1)
    assert found.taken == ((old, guid("p"), "sku"),)
    assert ids(tx) == before


def test_an_id_that_nobody_has_seen_yet_gives_way(tx):
    store(tx, PRODUCTS, [product("p", "S")])
    with tx.transaction():
        shop_rows.assign_ids(tx, PRODUCTS, system_name=SYSTEM, everything=True)
    old = old_product(tx, "S")

    assert adopt(tx, PRODUCTS).taken_count == 1
    assert adopt(tx, PRODUCTS, used_in=adoption.users_of(PRODUCTS, ENTITIES)).adopted == 1
    assert ids(tx) == {guid("p"): (old, True)}


def test_the_applications_own_customer_keeps_the_id_it_was_pushed_with(tx):
    """Push notes the id of shop.web_customers before 1C tells of the partner."""
    tx.execute("INSERT INTO shop.stores (code, system_name) VALUES ('main', %s)", (SYSTEM,))
    pushed = insert(tx, "web_customers", name="Иван", email="ivan@example.com")
    tx.execute(
        "INSERT INTO integ.external_id_mappings (entity_type, internal_id, external_id, system_name)"
        " VALUES ('customers', %s, %s, %s)",
        (pushed, guid("c"), SYSTEM),
    )
    contact = {"owner": "c", "line_number": 1, "contact_type": "email", "text_emails": "ivan@example.com"}
    store(tx, CUSTOMERS, [thing("c", name="Иван")], contacts=[contact])
    insert(tx, "customers", name="Иван", email="ivan@example.com")

    found = adopt(tx, CUSTOMERS, used_in=adoption.users_of(CUSTOMERS, ENTITIES))

    assert (found.adopted, found.taken_count) == (0, 1)
    assert ids(tx, "customers") == {guid("c"): (pushed, False)}


def test_telephone_numbers_match_however_they_are_written_and_must_not_contradict_the_e_mail(tx):
    by_phone = insert(tx, "customers", name="A", phone="8 (912) 345-67-89")
    torn = insert(tx, "customers", name="B", phone="+79120000001", email="c@example.com")

    def contact(owner, line, kind, text):
        return {"owner": owner, "line_number": line, "contact_type": kind, f"text_{kind}s": text}

    lines = [
        contact("a", 1, "phone", "+79123456789"),
        contact("b", 1, "phone", "+79120000001"),
        contact("c", 1, "email", "c@example.com"),
    ]
    store(tx, CUSTOMERS, [thing(name, name=name.upper()) for name in "abc"], contacts=lines)

    found = adopt(tx, CUSTOMERS)

    assert ids(tx, "customers") == {guid("a"): (by_phone, True)}
    assert {(row, key) for row, key, _ in found.ambiguous} == {(torn, guid("b")), (torn, guid("c"))}


def test_a_tree_is_adopted_from_its_root(tx):
    """The same name under two parents is two categories."""
    rows = {}
    for name, parent in (("Home", None), ("Garden", None), ("Lamps", "Home"), ("lamps", "Garden")):
        rows[name] = insert(tx, "categories", name=name, parent_id=rows.get(parent))
    store(
        tx,
        CATEGORIES,
        [
            thing("h", name="Home"),
            thing("g", name="Garden"),
            thing("hl", name="Lamps", parent_ref=guid("h")),
            thing("gl", name="Lamps", parent_ref=guid("g")),
        ],
    )

    found = adopt(tx, CATEGORIES)

    assert (found.adopted, found.ambiguous_count) == (4, 0)
    expected = {"h": "Home", "g": "Garden", "hl": "Lamps", "gl": "lamps"}
    assert ids(tx, "categories") == {guid(name): (rows[old], True) for name, old in expected.items()}


def test_an_entity_without_a_natural_key_says_so(tx):
    with pytest.raises(Stop, match="NO_NATURAL_KEY"):
        adopt(tx, BY_NAME["orders"])


@pytest.mark.parametrize(
    "entity", [one for one in ENTITIES if adoption.can_adopt(one)], ids=lambda one: one.name
)
def test_every_declared_key_can_be_asked_for(tx, entity):
    columns = {column.name for column in entity.target.columns}
    assert all(set(key.columns) <= columns for key in entity.target.natural_keys)

    assert adopt(tx, entity, used_in=adoption.users_of(entity, ENTITIES)).adopted == 0
