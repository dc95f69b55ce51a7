"""What every generated table promises, checked for all of them at once."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import pytest

from onec_pipelines.simulator.data import Shop, generate
from onec_pipelines.simulator.shape import Structure, shipped

SHAPE = shipped()
_PYTHON = {
    "Edm.Guid": str,
    "Edm.String": str,
    "Edm.DateTime": str,
    "Edm.Binary": str,
    "Edm.Boolean": bool,
    "Edm.Int16": int,
    "Edm.Int32": int,
    "Edm.Int64": int,
    "Edm.Double": (Decimal, int),
}


@cache
def shop(products: int = 1200, seed: int = 1) -> Shop:
    return generate(seed=seed, products=products)


NAMES = sorted(shop().tables)


@cache
def rows(name: str) -> list[dict]:
    table = shop().tables[name]
    return list(table.rows(0, len(table)))


def key_of(name: str, row: dict) -> tuple[str, ...]:
    return tuple(str(row[part]) for part in SHAPE.entities[SHAPE.sets[name]].key)


def check(structure: Structure, row: dict) -> None:
    for name, value in row.items():
        found = structure.properties.get(name)
        assert found is not None, f"{structure.name} has no {name}"
        if found.rows is not None:
            assert [line["LineNumber"] for line in value] == list(range(1, len(value) + 1))
            for line in value:
                check(SHAPE.complexes[found.rows], line)
        elif value is not None and found.type in _PYTHON:
            assert isinstance(value, _PYTHON[found.type]), (structure.name, name, value)
            assert not (isinstance(value, bool) and found.type != "Edm.Boolean"), (structure.name, name)


@pytest.mark.parametrize("name", NAMES)
def test_every_property_exists_in_the_published_type_and_has_its_type(name):
    structure = SHAPE.entities[SHAPE.sets[name]]
    for row in rows(name):
        check(structure, row)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_found_by_its_key(name):
    table = shop().tables[name]
    keys = [key_of(name, row) for row in rows(name)]
    assert len(keys) == len(table)
    assert len(set(keys)) == len(keys)
    assert [table.find(key) for key in keys] == list(range(len(keys)))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_the_same_rows_as_the_whole_table_has_there(name):
    whole, table = rows(name), shop().tables[name]
    for start in range(0, len(whole), max(1, len(whole) // 7)):
        assert list(table.rows(start, start + 13)) == whole[start : start + 13]
    assert list(table.rows(len(whole), len(whole) + 5)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_foreign_key_is_not_found(name):
    key = tuple("3f0c5f6e-7c1b-4a2e-9d1b-0a6f3c2b1d00" for _ in SHAPE.entities[SHAPE.sets[name]].key)
    assert shop().tables[name].find(key) is None


@pytest.mark.parametrize("name", [name for name in NAMES if len(shop().tables[name])])
def test_rows_may_be_changed_by_the_caller(name):
    table = shop().tables[name]
    first = table.rows(0, 1)[0]
    for value in first.values():
        if isinstance(value, list):
            value.append({"LineNumber": 99})
    first.clear()
    assert list(table.rows(0, 1)) == rows(name)[:1]


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(("Catalog_", "Document_"))])
def test_catalogs_are_ordered_by_name_and_documents_by_date(name):
    broken = {defect.position for defect in shop().broken if defect.table == name}
    kept = [row for at, row in enumerate(rows(name)) if at not in broken]
    if name.startswith("Document_"):
        order = [(row["Date"], row["Number"]) for row in kept]
    else:
        order = [row.get("Description", "").casefold() for row in kept]
    assert order == sorted(order)


def test_the_same_seed_gives_the_same_base_and_another_seed_another():
    again, other = generate(seed=1, products=1200), generate(seed=2, products=1200)
    for name in NAMES:
        assert list(again.tables[name].rows(0, 40)) == rows(name)[:40]
    assert other.tables["Catalog_Номенклатура"].rows(5, 9) != rows("Catalog_Номенклатура")[5:9]


def _references(structure: Structure, row: dict):
    for name, target in structure.navigation.items():
        yield target, row.get(f"{name}_Key")
    for name, value in row.items():
        found = structure.properties[name]
        if found.rows is not None:
            for line in value:
                yield from _references(SHAPE.complexes[found.rows], line)
        elif name.endswith("_Type") and isinstance(value, str):
            set_name = value.removeprefix("StandardODATA.")
            if set_name in SHAPE.sets:
                yield set_name, row.get(name.removesuffix("_Type"))


ZERO = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("name", NAMES)
def test_references_lead_to_rows_of_the_base_unless_the_row_is_broken(name):
    broken = {defect.position for defect in shop().broken if defect.table == name}
    structure = SHAPE.entities[SHAPE.sets[name]]
    for at, row in enumerate(rows(name)):
        if at in broken:
            continue
        for target, guid in _references(structure, row):
            table = shop().tables.get(target)
            if guid not in {None, ZERO, ""} and table is not None:
                assert table.find((guid,)) is not None, (name, at, target, guid)
