"""The quarantine: one entry a row, written once, open until the row passes."""

from __future__ import annotations

from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import clean_rows, quarantine
from onec_pipelines.ledger.quarantine import QuarantinedRow
from onec_pipelines_tests.fixtures.tables import SYSTEM, guid, table, thing

BRANDS = BY_NAME["brands"]
FAILURES = [{"field": "name", "rule": "not_nullable", "reason": "must not be empty", "value": ""}]


def put(tx, *keys, job=1, failures=FAILURES):
    rows = [QuarantinedRow(external_key=key, failures=failures, source_row="{}") for key in keys]
    with tx.transaction():
        quarantine.put(tx, rows, system_name=SYSTEM, entity="brands", job_id=job, body_sha256=b"x")


def pass_again(tx, entity, rows):
    with tx.transaction():
        clean_rows.stage(tx, entity, table(entity.fields, rows), {})
        quarantine.resolve_staged(tx, entity, SYSTEM)


def entries(tx):
    return tx.execute(
        "SELECT external_key, job_id, resolved_at IS NULL, xmin::text FROM clean.quarantine ORDER BY id"
    ).fetchall()


def test_a_row_rejected_again_for_the_same_reasons_is_not_written_again(tx):
    put(tx, "a")
    before = entries(tx)

    put(tx, "a", job=2)

    assert entries(tx) == before


def test_other_reasons_replace_the_old_ones(tx):
    put(tx, "a")

    put(tx, "a", job=2, failures=[{**FAILURES[0], "rule": "str_length"}])

    assert [row[:3] for row in entries(tx)] == [("a", 2, True)]


def test_a_row_that_passes_closes_its_entry(tx):
    put(tx, guid("a"), guid("b"))

    pass_again(tx, BRANDS, [thing("a", name="A")])

    assert [row[2] for row in entries(tx)] == [False, True]


def test_an_entry_is_opened_again_by_the_same_fault(tx):
    put(tx, guid("a"))
    pass_again(tx, BRANDS, [thing("a", name="A")])

    put(tx, guid("a"), job=3)

    assert [row[:3] for row in entries(tx)] == [(guid("a"), 3, True)]


def test_closing_is_idempotent(tx):
    put(tx, guid("a"))
    pass_again(tx, BRANDS, [thing("a", name="A")])
    before = entries(tx)

    pass_again(tx, BRANDS, [thing("a", name="A")])

    assert entries(tx) == before


def test_a_register_row_is_found_by_its_dimensions(tx):
    stock = BY_NAME["stock"]
    key = f"{guid('w')}|{guid('p')}|"
    with tx.transaction():
        row = QuarantinedRow(external_key=key, failures=FAILURES, source_row="{}")
        quarantine.put(tx, [row], system_name=SYSTEM, entity="stock", job_id=1, body_sha256=None)

    pass_again(tx, stock, [{"warehouse_ref": guid("w"), "product_ref": guid("p")}])

    assert [entry[2] for entry in entries(tx)] == [False]


def test_people_see_counts_lists_and_single_entries(tx, database):
    put(tx, "a", "b")

    assert quarantine.counts(database, SYSTEM) == {"brands": 2}
    listed = quarantine.listing(database, SYSTEM, None, 10)
    assert [one["external_key"] for one in listed] == ["b", "a"]
    assert quarantine.listing(database, SYSTEM, "products", 10) == []
    assert quarantine.entry(database, listed[0]["id"])["failures"] == FAILURES
    assert quarantine.entry(database, 999) is None


def test_an_entry_closes_when_a_complete_reading_no_longer_shows_its_row(tx):
    put(tx, guid("a"), guid("b"), "row:without a key")
    with tx.transaction():
        tx.execute("CREATE UNLOGGED TABLE integ.seen_7 (row_key uuid)")
        for key in (guid("a"), quarantine.row_key("row:without a key")):
            tx.execute("INSERT INTO integ.seen_7 VALUES (%s)", (key,))
        quarantine.resolve_unseen(tx, BRANDS, "integ.seen_7", SYSTEM)

    assert {key: is_open for key, _, is_open, _ in entries(tx)} == {
        guid("a"): True,
        guid("b"): False,
        "row:without a key": True,
    }
