"""The ledger of keys counts as sets would, at any page and at any overlap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.onec.completeness import KeyLedger, key_mark

KEYS = st.integers(0, 12).map(lambda number: (f"key {number}", "я"))


@given(st.lists(st.lists(KEYS, max_size=8), max_size=6))
def test_new_keys_and_distinct_ones_are_those_of_sets(pages):
    ledger, seen, first, last = KeyLedger(), set(), set(), set()
    for page in pages:
        keys = set(page)
        assert ledger.add(page) == len(keys - first - last)
        seen |= keys
        first, last = first or keys, keys or last
        assert ledger.distinct() == len(seen)


def test_what_an_earlier_run_left_is_not_new():
    ledger = KeyLedger(distinct=7, known=[key_mark("b"), key_mark("c")])

    assert ledger.add(["b", "c", "d"]) == 1
    assert ledger.distinct() == 8
    assert ledger.add(["c", "e"]) == 2
