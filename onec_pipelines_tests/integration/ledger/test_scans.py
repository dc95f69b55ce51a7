"""Checkpoints of a reading: continued only by the same plan and only when nothing of it was lost."""

from __future__ import annotations

from dataclasses import replace

from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import clean_rows, scans, state
from onec_pipelines_tests.fixtures.tables import SYSTEM, guid, table, thing

BRANDS = BY_NAME["brands"]


def begun(tx, scan_id=1):
    with tx.transaction():
        return scans.begin(tx, SYSTEM, "brands", plan="plan", scan_id=scan_id)


def advanced(tx, checkpoint, names):
    """The checkpoint after a page group with these rows."""
    with tx.transaction():
        clean_rows.stage(tx, BRANDS, table(BRANDS.fields, [thing(name, name=name) for name in names]), {})
        seen = scans.note_seen(tx, BRANDS, checkpoint, [guid("rejected")])
        moved = replace(checkpoint, seen=checkpoint.seen + seen, parts_done=("x",), cursor={"skip": 5})
        scans.save(tx, SYSTEM, "brands", moved)
    return moved


def seen_tables(tx):
    rows = tx.execute("SELECT relname FROM pg_class WHERE relname LIKE 'seen%' AND relkind = 'r'").fetchall()
    return [name for (name,) in rows]


def test_a_scan_goes_on_where_it_was(tx):
    moved = advanced(tx, begun(tx), "ab")

    assert moved.seen == 3
    assert scans.resume(tx, SYSTEM, "brands", "plan") == moved


def test_another_plan_does_not_continue_it(tx):
    advanced(tx, begun(tx), "ab")

    assert scans.resume(tx, SYSTEM, "brands", "another") is None


def test_a_scan_whose_seen_keys_were_emptied_starts_anew(tx):
    """PostgreSQL empties unlogged tables after a crash of the server."""
    checkpoint = advanced(tx, begun(tx), "ab")
    tx.execute(f"TRUNCATE {checkpoint.table}")

    assert scans.resume(tx, SYSTEM, "brands", "plan") is None


def test_a_scan_whose_seen_keys_are_gone_starts_anew(tx):
    checkpoint = begun(tx)
    tx.execute(f"DROP TABLE {checkpoint.table}")

    assert scans.resume(tx, SYSTEM, "brands", "plan") is None


def test_a_new_scan_drops_what_the_old_one_left(tx):
    begun(tx, scan_id=1)

    begun(tx, scan_id=2)

    assert seen_tables(tx) == ["seen_2"]


def test_keys_seen_twice_count_once(tx):
    checkpoint = advanced(tx, begun(tx), "ab")

    again = advanced(tx, checkpoint, "bc")

    assert scans.distinct_seen(tx, again) == 4  # a, b, c and the rejected one


def test_the_end_leaves_the_summary_and_nothing_else(tx):
    checkpoint = begun(tx, scan_id=7)

    with tx.transaction():
        scans.end(tx, SYSTEM, "brands", checkpoint, {"complete": True})

    assert seen_tables(tx) == []
    assert state.read(tx, SYSTEM, "brands", "scan") is None
    assert state.read(tx, SYSTEM, "brands", "complete") == {"scan_id": 7, "complete": True}


def test_a_forgotten_scan_leaves_nothing(tx):
    begun(tx)

    with tx.transaction():
        scans.forget(tx, SYSTEM, "brands")
        scans.forget(tx, SYSTEM, "brands")

    assert seen_tables(tx) == []
    assert scans.resume(tx, SYSTEM, "brands", "plan") is None
