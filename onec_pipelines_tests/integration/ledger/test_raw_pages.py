"""The raw layer: the bytes as they came, each once, in the order of the scan."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from onec_pipelines.ledger import raw_pages
from onec_pipelines.ledger.raw_pages import NewPage
from onec_pipelines_tests.fixtures.tables import SYSTEM

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def page(body, index=0, part=""):
    return NewPage(
        part=part,
        page_index=index,
        request="GET Catalog_X?…",
        format="json",
        requested_at=MOMENT,
        elapsed_seconds=0.25,
        row_count=1,
        body=raw_pages.pack(body),
    )


def store(tx, *pages, scan=1):
    with tx.transaction():
        return [
            raw_pages.store(tx, one, system_name=SYSTEM, entity="brands", job_id=1, scan_id=scan)
            for one in pages
        ]


def stored(tx, scan=1):
    return [raw_pages.read(tx, mark.id) for mark in raw_pages.pages_since_scan(tx, SYSTEM, "brands", scan)]


def test_a_page_comes_back_byte_for_byte(tx):
    body = b"\xef\xbb\xbf" + '{"value":[{"Ссылка":"я"}]}'.encode() + b"\x00\xff"

    (digest,) = store(tx, page(body, index=3, part="p"))

    (back,) = stored(tx)
    assert (back.body, back.page_index, back.part, back.requested_at) == (body, 3, "p", MOMENT)
    assert digest == hashlib.sha256(body).digest()


def test_the_same_bytes_are_stored_once(tx):
    store(tx, page(b"{}"), page(b"{}", index=1))
    store(tx, page(b"{}"), scan=2)

    counts = tx.execute(
        "SELECT (SELECT count(*) FROM raw.bodies), (SELECT count(*) FROM raw.pages)"
    ).fetchone()
    assert counts == (1, 3)


def test_a_scan_and_what_came_after_it_are_read_in_the_order_in_which_they_came(tx):
    store(tx, page(b"before"))
    store(tx, page(b"b", index=1), page(b"a", index=0), scan=2)
    store(tx, page(b"after"), scan=3)

    assert [one.body for one in stored(tx, scan=2)] == [b"b", b"a", b"after"]


def test_a_page_that_is_rolled_back_leaves_no_body(tx):
    with tx.transaction(force_rollback=True):
        raw_pages.store(tx, page(b"x"), system_name=SYSTEM, entity="brands", job_id=1, scan_id=1)

    assert tx.execute("SELECT count(*) FROM raw.bodies").fetchone() == (0,)
