from __future__ import annotations

import uuid
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.simulator.data.guids import Guids
from onec_pipelines.simulator.data.layout import Periodic, Runs

NUMBERS = st.integers(min_value=0, max_value=2**60 - 1)


@given(NUMBERS)
def test_a_number_comes_back_from_its_guid(number):
    assert Guids(1, "Catalog_X").number(Guids(1, "Catalog_X").make(number)) == number


@given(NUMBERS)
def test_a_guid_is_a_valid_random_looking_uuid(number):
    parsed = uuid.UUID(Guids(1, "Catalog_X").make(number))
    assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)
    assert str(parsed) == Guids(1, "Catalog_X").make(number)


@given(NUMBERS)
def test_a_guid_of_another_entity_or_seed_is_foreign(number):
    guid = Guids(1, "Catalog_X").make(number)
    assert Guids(1, "Catalog_Y").number(guid) is None
    assert Guids(2, "Catalog_X").number(guid) is None


def test_guids_are_not_ordered_like_their_numbers():
    guids = [Guids(1, "Catalog_X").make(number) for number in range(1000)]
    ascending = sum(before < after for before, after in pairwise(guids))
    assert len(set(guids)) == 1000
    assert 400 < ascending < 600


def test_garbage_is_nobodys_guid():
    keys = Guids(1, "Catalog_X")
    assert [keys.number(text) for text in ("", "x" * 36, "00000000-0000-0000-0000-000000000000")] == [
        None
    ] * 3


@given(
    st.integers(0, 400),
    st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1))),
)
def test_a_periodic_subset_agrees_with_a_list(total, pattern):
    period, residues = pattern
    subset = Periodic(total=total, period=period, residues=residues)
    expected = [number for number in range(total) if number % period in residues]
    assert [subset.at(rank) for rank in range(len(subset))] == expected
    assert [subset.rank(number) for number in expected] == list(range(len(expected)))
    assert all(subset.rank(number) is None for number in range(-1, total + 2) if number not in expected)
    assert [subset.below(number) for number in range(total + 1)] == [
        sum(member < number for member in expected) for number in range(total + 1)
    ]


@given(st.lists(st.integers(0, 9)), st.integers(0, 60), st.integers(0, 60))
def test_runs_cut_any_range_into_its_parts(lengths, start, stop):
    runs = Runs(list(enumerate(lengths)))
    flat = [(run, offset) for run, length in enumerate(lengths) for offset in range(length)]
    parts = [(cut.value, offset) for cut in runs.cut(start, stop) for offset in range(cut.low, cut.high)]
    assert parts == flat[start:stop]
    assert [runs.locate(position) for position in range(len(flat))] == flat
