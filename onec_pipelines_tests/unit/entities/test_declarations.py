"""What every declared entity promises, new ones included."""

from __future__ import annotations

import re

import pytest

from onec_pipelines.db import shop_sql
from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.spec import ColumnType, Reading
from onec_pipelines.steps.rules import RULES
from onec_pipelines.steps.transforms import TRANSFORMS

EACH = pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)


def all_fields(entity):
    return [*entity.fields, *(field for section in entity.sections for field in section.fields)]


def targets(entity):
    return [entity.target, *entity.target.children]


@EACH
def test_fields_name_what_exists(entity):
    for field in all_fields(entity):
        assert field.source, field.name
        assert field.transform is None or field.transform in TRANSFORMS
        assert field.references is None or field.references in BY_NAME
        assert field.references is None or field.type is ColumnType.GUID
    assert {rule.function for rule in entity.rules} <= set(RULES)
    assert {name for group in entity.any_of for name in group} <= {field.name for field in entity.fields}


@EACH
def test_what_it_depends_on_comes_before_it(entity):
    names = [one.name for one in ENTITIES]
    before = names[: names.index(entity.name)]

    assert set(entity.depends_on) <= set(before)


@EACH
def test_it_depends_on_all_that_its_shop_table_points_to(entity):
    wanted = {ref.entity for ref in shop_sql.references(entity.target, entity.fields)}
    for child in entity.target.children:
        section = shop_sql.section_of(entity, child)
        wanted |= {ref.entity for ref in shop_sql.references(child, section.fields)}
    if entity.source.split:
        wanted.add(entity.source.split.entity)

    assert wanted - {entity.name} <= set(entity.depends_on)


@EACH
def test_every_shop_column_says_what_it_is_made_of(entity):
    for target in targets(entity):
        for column in target.columns:
            assert sum(map(bool, (column.copy, column.reference, column.sql))) == 1, column.name
            assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)


@EACH
def test_shop_columns_are_made_of_declared_fields(entity):
    names = {field.name for field in entity.fields}
    for column in entity.target.columns:
        used = {*column.inputs, *filter(None, (column.copy, column.reference))}
        assert used <= names, column.name


@EACH
def test_a_split_source_is_a_virtual_table(entity):
    if entity.source.split or entity.source.function:
        assert entity.source.reading is Reading.WHOLE
        assert entity.source.function


def test_names_are_there_once():
    assert len(BY_NAME) == len(ENTITIES)
    assert len({entity.target.table for entity in ENTITIES}) == len(ENTITIES)


def test_a_change_behind_a_join_concerns_single_rows():
    """Else every change of the joined entity compares the whole table: `links` must be able to read the join."""
    whole = {
        (entity.name, name)
        for entity in ENTITIES
        for target in (entity.target, *entity.target.children)
        for name in target.reads
        if name not in shop_sql.links(entity)
    }

    # It is joined by our id; price groups change once a year.
    assert whole == {("products", "price_groups")}
