"""Remembered scans and indexes find what a fresh look at every row finds, under any writes between."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.simulator import scanning
from onec_pipelines.simulator.kinds import Kinds
from onec_pipelines.simulator.scanning import Narrowing, Scanner
from onec_pipelines.simulator.shape import shipped
from onec_pipelines.simulator.tables import StoredTable

META = Kinds(shipped()).entity("Catalog_Марки")
SIZE = 30


class Source:
    """Rows that belong to one of five owners."""

    name = "Catalog_Марки"

    def __len__(self):
        return SIZE

    def rows(self, start, stop):
        return [
            {"Ref_Key": str(at), "Description": str(at % 5)} for at in range(max(start, 0), min(stop, SIZE))
        ]

    def find(self, key):
        return int(key[0]) if key[0].isdigit() and int(key[0]) < SIZE else None


def passes(row):
    return row["Description"] == "3"


WRITES = st.lists(
    st.tuples(st.sampled_from("pdk"), st.integers(0, SIZE + 5), st.sampled_from("234")), max_size=25
)


@pytest.mark.parametrize("indexed", [False, True])
@given(writes=WRITES)
def test_hits_after_writes_equal_a_fresh_look(monkeypatch_class, indexed, writes):
    monkeypatch_class(0 if indexed else 10_000)
    table, scanner = StoredTable(META, Source()), Scanner()
    narrowing = Narrowing(name="Description", values=("3",))

    async def look():
        return await scanner.positions(table, "X", "text", passes, narrowing)

    for what, number, text in writes:
        key = str(number)
        if what == "d":
            table.delete((key,))
        elif what == "p":
            table.put({"Ref_Key": key, "Description": text})
        else:
            asyncio.run(look())
    fresh = [at for at, row in enumerate(table.rows(0, len(table))) if passes(table.meta.complete(row))]
    assert list(asyncio.run(look())) == fresh


@pytest.fixture(scope="module")
def monkeypatch_class():
    """Sets from how many rows on an index is built."""
    before = scanning._INDEXED

    def change(value):
        scanning._INDEXED = value

    yield change
    scanning._INDEXED = before


def test_an_index_reads_the_rows_once_for_all_values():
    scanner, table = Scanner(), StoredTable(META, Source())
    scanning_limit, scanning._INDEXED = scanning._INDEXED, 0
    try:
        for value in "012":
            wanted = Narrowing(name="Description", values=(value,))
            found = asyncio.run(
                scanner.positions(
                    table, "X", value, lambda row, value=value: row["Description"] == value, wanted
                )
            )
            assert len(found) == SIZE // 5
    finally:
        scanning._INDEXED = scanning_limit
    assert scanner.scanned == SIZE
