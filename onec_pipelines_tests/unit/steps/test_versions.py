"""Keys of a version scan: GUIDs go as they are, anything else under the key by which the quarantine knows it."""

from __future__ import annotations

import pytest

from onec_pipelines.ledger.quarantine import row_key
from onec_pipelines.steps.versions import versions_table

GUID = "8B9660f6-6332-11ec-ad72-000c29b45b09"


def test_guids_are_left_as_they_are():
    found = versions_table([GUID, GUID.lower()], ["AAA=", None])

    assert found.to_pydict() == {"row_key": [GUID, GUID.lower()], "data_version": ["AAA=", None]}
    assert versions_table([], []).num_rows == 0


@pytest.mark.parametrize(
    "odd",
    [
        GUID[:-1],
        GUID + "0",
        GUID.replace("-", "0"),
        "g" + GUID[1:],
        "x" * 36,
        "é" + GUID[2:],
        GUID[:-2] + "é",
        "",
        None,
    ],
)
def test_what_is_no_guid_has_the_key_of_the_quarantine(odd):
    assert versions_table([GUID, odd], ["A", "B"])["row_key"].to_pylist() == [
        row_key(GUID),
        row_key(str(odd)),
    ]


def test_neighbours_that_make_up_two_guids_are_none():
    assert versions_table([GUID + "0", GUID[1:]], ["A", "B"])["row_key"][0].as_py() == row_key(GUID + "0")
