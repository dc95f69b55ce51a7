"""Tables behave like a list of rows under any sequence of writes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.simulator.kinds import Kinds
from onec_pipelines.simulator.shape import shipped
from onec_pipelines.simulator.tables import EmptyTable, FlatTable, GroupedTable, StoredTable, gather

META = Kinds(shipped()).entity("Catalog_Марки")
SIZE = 12


class Numbers:
    """A source of rows 0..SIZE-1."""

    name = "Catalog_Марки"

    def __len__(self):
        return SIZE

    def rows(self, start, stop):
        return [
            {"Ref_Key": str(at), "Description": f"old {at}"} for at in range(max(start, 0), min(stop, SIZE))
        ]

    def find(self, key):
        return int(key[0]) if key[0].isdigit() and int(key[0]) < SIZE else None


WRITES = st.lists(st.tuples(st.sampled_from(["put", "delete"]), st.integers(0, SIZE + 6)), max_size=30)


@given(WRITES, st.integers(0, 20), st.integers(0, 20))
def test_a_table_under_writes_equals_a_list_under_the_same_writes(writes, start, size):
    table = StoredTable(META, Numbers())
    generated = {str(at): f"old {at}" for at in range(SIZE)}
    added = {}
    for step, (what, number) in enumerate(writes):
        key = str(number)
        if what == "put":
            table.put({"Ref_Key": key, "Description": f"new {step}"})
            target = generated if key in generated and key not in added else added
            target[key] = f"new {step}"
        else:
            there = key in generated or key in added
            assert table.delete((key,)) is there
            if added.pop(key, None) is None:
                generated.pop(key, None)
    expected = [*generated.items(), *added.items()]
    assert len(table) == len(expected)
    rows = table.rows(start, start + size)
    assert [(row["Ref_Key"], row["Description"]) for row in rows] == expected[start : start + size]
    for key, text in expected:
        assert table.get((key,))["Description"] == text


def test_rows_given_out_can_be_changed_without_changing_the_table():
    table = StoredTable(META, Numbers())
    table.put({"Ref_Key": "3", "Description": "new"})
    table.rows(3, 4)[0]["Description"] = "spoiled"
    table.get(("3",))["Description"] = "spoiled"
    assert table.get(("3",))["Description"] == "new"


def test_every_write_changes_the_version():
    table = StoredTable(META, Numbers())
    versions = [table.version]
    table.put({"Ref_Key": "1"})
    versions.append(table.version)
    table.delete(("1",))
    versions.append(table.version)
    assert len(set(versions)) == 3


@given(st.lists(st.integers(0, SIZE - 1), max_size=20))
def test_gather_gives_rows_of_any_positions_in_the_order_asked(positions):
    rows = gather(StoredTable(META, Numbers()), positions)
    assert [row["Ref_Key"] for row in rows] == [str(at) for at in positions]


REGISTER = Kinds(shipped()).entity("AccumulationRegister_ТоварыНаСкладах")
RECORD = Kinds(shipped()).entity("AccumulationRegister_ТоварыНаСкладах_RecordType")


class Records:
    """Records of recorders: recorder n has n records."""

    name = "records"
    all = tuple(
        {"Recorder": str(recorder), "Recorder_Type": "T", "LineNumber": line + 1}
        for recorder in range(40)
        for line in range(recorder)
    )

    def __len__(self):
        return len(self.all)

    def rows(self, start, stop):
        return [dict(row) for row in self.all[max(start, 0) : max(stop, 0)]]

    def find(self, key):
        raise AssertionError(key)


def test_records_grouped_into_sets_and_flattened_again_are_the_same():
    grouped = StoredTable(REGISTER, GroupedTable(REGISTER, Records()))
    assert len(grouped) == 39
    assert len(grouped.get(("7", "T"))["RecordSet"]) == 7
    flat = FlatTable(RECORD, grouped, "RecordSet", REGISTER.key)
    assert flat.rows(0, len(flat)) == Records().rows(0, len(Records()))
    assert flat.rows(100, 130) == Records().rows(100, 130)
    assert flat.get(("7", "3", "T"))["LineNumber"] == 3


def test_a_set_that_nobody_filled_is_empty():
    table = StoredTable(META, EmptyTable("Catalog_Марки"))
    assert (len(table), table.rows(0, 10), table.get(("1",))) == (0, [], None)
