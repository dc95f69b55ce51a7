"""The merge into clean: only what differs is written, and only complete readings say that something is gone."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.ledger import clean_rows, scans
from onec_pipelines.steps.ways import has_versions
from onec_pipelines_tests.fixtures.tables import SYSTEM, guid, store, thing

BRANDS = BY_NAME["brands"]
PRODUCTS = BY_NAME["products"]


def versions(tx, table="clean.brands"):
    """Physical versions of the rows: an unchanged row keeps its place."""
    return tx.execute(f"SELECT row_key, ctid::text, xmin::text FROM {table} ORDER BY 1").fetchall()  # noqa: S608


def read_whole(tx, entity, seen, *, sweeps=2, job=9):
    """A complete reading that saw these rows."""
    with tx.transaction():
        checkpoint = scans.begin(tx, SYSTEM, entity.name, plan="p", scan_id=job)
        for key in seen:
            tx.execute(f"INSERT INTO {checkpoint.table} VALUES (%s)", (key,))  # noqa: S608
        return clean_rows.mark_absent(
            tx, entity, checkpoint.table, system_name=SYSTEM, job_id=job, scan_id=job, sweeps=sweeps
        )


def test_new_changed_and_unchanged_rows_are_told_apart(tx):
    store(tx, BRANDS, [thing("a", name="A"), thing("b", name="B")])

    written = store(tx, BRANDS, [thing("a", name="A"), thing("b", name="B2"), thing("c", name="C")], job=2)

    assert (written.new, written.changed) == (1, 2)
    rows = tx.execute("SELECT name, changed_in FROM clean.brands ORDER BY 1").fetchall()
    assert rows == [("A", 1), ("B2", 2), ("C", 2)]


def test_an_unchanged_reload_writes_nothing(tx):
    rows = [thing("a", name="A"), thing("b", name="B", manufacturer_ref=guid("m"))]
    store(tx, BRANDS, rows)
    before = versions(tx)

    written = store(tx, BRANDS, rows, job=2)

    assert (written.new, written.changed) == (0, 0)
    assert versions(tx) == before


def test_a_row_is_deleted_when_two_complete_readings_did_not_show_it(tx):
    store(tx, BRANDS, [thing("a", name="A"), thing("b", name="B")])

    first = read_whole(tx, BRANDS, [guid("a")])
    second = read_whole(tx, BRANDS, [guid("a")])
    third = read_whole(tx, BRANDS, [guid("a")])

    assert [(one.missed, one.deleted) for one in (first, second, third)] == [(1, 0), (1, 1), (0, 0)]
    deleted = tx.execute("SELECT name, deleted_why FROM clean.brands WHERE deleted_at IS NOT NULL").fetchall()
    assert deleted == [("B", "absent")]


@pytest.mark.parametrize("readings", [1, 2])
def test_a_row_that_comes_again_is_alive(tx, readings):
    store(tx, BRANDS, [thing("a", name="A")])
    for _ in range(readings):
        read_whole(tx, BRANDS, [])

    written = store(tx, BRANDS, [thing("a", name="A")], job=3)

    assert (written.new, written.changed) == (0, 1)
    row = tx.execute("SELECT deleted_at, deleted_why, absent_sweeps, changed_in FROM clean.brands").fetchone()
    assert row == (None, None, 0, 3)


def test_a_tabular_section_is_replaced_with_its_owner(tx):
    product = thing("p", name="P", product_type="goods")
    lines = [{"owner": "p", "line_number": n, "value": str(n)} for n in (1, 2, 3)]
    store(tx, PRODUCTS, [product], attributes=lines)

    store(tx, PRODUCTS, [{**product, "data_version": "2"}], job=2, attributes=[{**lines[0], "value": "new"}])

    rows = tx.execute("SELECT line_number, value FROM clean.products_attributes").fetchall()
    assert rows == [(1, "new")]


def test_the_sections_of_other_owners_are_left_alone(tx):
    products = [thing(name, name=name, product_type="goods") for name in "pq"]
    lines = [{"owner": name, "line_number": 1, "value": name} for name in "pq"]
    store(tx, PRODUCTS, products, attributes=lines)
    before = versions(
        tx, "(SELECT owner_key AS row_key, ctid, xmin FROM clean.products_attributes WHERE value = 'q') x"
    )

    store(tx, PRODUCTS, [{**products[0], "data_version": "2"}, products[1]], job=2, attributes=lines)

    after = versions(
        tx, "(SELECT owner_key AS row_key, ctid, xmin FROM clean.products_attributes WHERE value = 'q') x"
    )
    assert after == before


def test_bases_do_not_touch_each_other(tx):
    store(tx, BRANDS, [thing("a", name="A")])
    tx.execute("UPDATE clean.brands SET system_name = 'other'")

    written = store(tx, BRANDS, [thing("a", name="A")], job=2)
    read_whole(tx, BRANDS, [])

    assert written.new == 1
    rows = tx.execute("SELECT system_name, absent_sweeps FROM clean.brands ORDER BY 1").fetchall()
    assert rows == [("other", 0), ("test", 1)]


def test_a_first_load_into_tables_analysed_while_empty_is_quick(tx):
    """The planner takes them for tiny and would join by nested loops (PERFORMANCE §4)."""
    tx.execute("VACUUM ANALYZE")
    tx.execute("SET statement_timeout = '20s'")

    for start in range(0, 20_000, 5_000):
        store(tx, BRANDS, [thing(f"{start + n}", name=f"{n}") for n in range(5_000)])
    again = store(tx, BRANDS, [thing(f"{n}", name=f"{n % 5_000}") for n in range(20_000)], job=2)

    assert again.changed == 0
    assert tx.execute("SELECT count(*) FROM clean.brands").fetchone() == (20_000,)


def test_live_objects_are_listed_by_a_condition(tx):
    store(tx, BRANDS, [thing("a", name="A"), thing("b", name="B", is_folder=True), thing("c", name="C")])
    tx.execute("UPDATE clean.brands SET deleted_at = now() WHERE name = 'C'")

    assert clean_rows.live_refs(tx, "brands", "c.is_folder IS NOT TRUE", system_name=SYSTEM) == [guid("a")]


def test_versions_are_compared_in_the_index_of_the_key(tx):
    """Else a scan without changes reads the whole table: of a million products 900 MB instead of 70."""
    rows = tx.execute(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'clean' AND i.indisprimary AND (SELECT array_agg(a.attname::text ORDER BY a.attname)"
        " FROM pg_attribute a WHERE a.attrelid = i.indexrelid)"
        " @> '{absent_sweeps,changed_in,data_version,deleted_at,row_key,system_name}'"
    ).fetchall()

    assert {name for (name,) in rows} == {entity.name for entity in ENTITIES if has_versions(entity)}
