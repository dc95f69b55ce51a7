"""What was deleted, why, when, by which job, and what came back: told by the tables themselves, whoever writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.ledger import deletions, shop_rows
from onec_pipelines_tests.fixtures.tables import SYSTEM, guid, store, thing

BRANDS = BY_NAME["brands"]


def listed(database, **options):
    rows = deletions.listing(database, system_name=SYSTEM, **options)
    return [(str(row["external_id"]), row["why"], row["job_id"], row["restored_job_id"]) for row in rows]


def gone(tx, why, job):
    tx.execute(
        "UPDATE clean.brands SET deleted_at = now(), deleted_why = %s, changed_in = %s WHERE row_key = %s",
        (why, job, guid("b")),
    )


@pytest.mark.parametrize("why", ["absent", "tombstone"])
def test_what_is_gone_and_comes_back_is_listed_with_both_jobs(tx, database, why):
    store(tx, BRANDS, [thing("b", name="B")], job=1)
    gone(tx, why, 2)
    assert listed(database) == [(guid("b"), why, 2, None)]

    store(tx, BRANDS, [thing("b", name="B")], job=3)

    assert listed(database) == [(guid("b"), why, 2, 3)]
    assert listed(database, restored=False) == []


def test_a_deletion_mark_is_listed_and_taken_back(tx, database):
    store(tx, BRANDS, [thing("b", name="B")], job=1)
    store(tx, BRANDS, [thing("b", name="B", deletion_mark=True)], job=2)
    store(tx, BRANDS, [thing("b", name="B again")], job=3)
    store(tx, BRANDS, [thing("b", name="B again", deletion_mark=True)], job=4)

    assert listed(database) == [(guid("b"), "mark", 4, None), (guid("b"), "mark", 2, 3)]


def test_a_mark_and_an_absence_are_two_things(tx, database):
    store(tx, BRANDS, [thing("b", name="B", deletion_mark=True)], job=1)
    gone(tx, "absent", 2)

    assert listed(database) == [(guid("b"), "absent", 2, None), (guid("b"), "mark", 1, None)]


def test_a_time_and_an_entity_narrow_the_list(tx, database):
    store(tx, BRANDS, [thing("b", name="B", deletion_mark=True)], job=1)
    now = datetime.now(UTC)

    assert len(listed(database, since=now - timedelta(minutes=1), entity="brands")) == 1
    assert listed(database, since=now + timedelta(minutes=1)) == []
    assert listed(database, entity="products") == []
    (row,) = deletions.summary(database, system_name=SYSTEM)
    assert (row["entity_type"], row["why"], row["deleted"], row["restored"]) == ("brands", "mark", 1, 0)


def test_the_list_names_our_id(tx, database):
    store(tx, BRANDS, [thing("b", name="B", deletion_mark=True)])
    with tx.transaction():
        shop_rows.merge(tx, BRANDS, system_name=SYSTEM, everything=False)

    (row,) = deletions.listing(database, system_name=SYSTEM)

    assert tx.execute("SELECT id, is_deleted FROM shop.brands").fetchall() == [(row["internal_id"], True)]


def test_every_clean_table_is_watched_but_balances(tx):
    """Of a balance absence is the way in which 1C says zero."""
    rows = tx.execute(
        "SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgname = 'deletions_gone'"
    ).fetchall()

    assert {name for (name,) in rows} == {
        entity.name for entity in ENTITIES if entity.source.function != "Balance"
    }


def test_every_shop_table_says_what_is_deleted_instead_of_deleting(tx):
    for entity in ENTITIES:
        names = {column.name for column in entity.target.columns}
        assert "is_deleted" in names or entity.source.function == "Balance", entity.name
