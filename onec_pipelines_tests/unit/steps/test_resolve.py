"""Alternatives resolved against real `$metadata`, and exactly what is missing when it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.errors import Skip, Stop
from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.spec import ColumnType, Field
from onec_pipelines.steps.resolve import from_document, published, resolve


@pytest.fixture(scope="module")
def genuine(request):
    """The `$metadata` of real releases, where this checkout has them beside it."""
    folder = request.config.rootpath.parent / "shared" / "onec"
    found = sorted(folder.glob("ut_*.edmx"))
    if not found:
        pytest.skip("no genuine metadata beside this checkout")
    return {path.name: parse_metadata(path) for path in found}


def assert_says_what_is_missing(refusal, entity):
    assert any(resource in refusal.message for resource in entity.source.resources)
    assert isinstance(refusal, Skip) == entity.optional


def test_every_entity_resolves_or_says_what_is_missing(genuine):
    for name, metadata in genuine.items():
        for entity in ENTITIES:
            try:
                plan = resolve(entity, metadata)
            except (Skip, Stop) as refusal:
                assert not published(entity, metadata), (name, entity.name)
                assert_says_what_is_missing(refusal, entity)
            else:
                held = metadata.find_set(plan.resource)
                assert held is not None
                assert {wire for _, wire in plan.columns} <= set(plan.select)
                assert not {f.name for f in entity.fields if f.required} & set(plan.missing)


@pytest.fixture
def metadata(genuine):
    return next(iter(genuine.values()))


def with_field(entity, **changes):
    field = Field(**{"name": "extra", "source": ("НетТакого", "ИТакогоНет"), **changes})
    return replace(entity, fields=(*entity.fields, field))


BRANDS = BY_NAME["brands"]


def test_the_first_alternative_that_the_base_has_wins(metadata):
    entity = with_field(BRANDS, source=("НетТакого", "Description", "Code"))

    assert dict(resolve(entity, metadata).columns)["extra"] == "Description"


def test_a_required_field_that_no_base_has_is_named_with_its_alternatives(metadata):
    with pytest.raises(Stop, match=r"ONEC_COLUMN_MISSING.*extra \(НетТакого or ИТакогоНет\)"):
        resolve(with_field(BRANDS), metadata)


def test_an_optional_field_is_reported_and_stays_empty(metadata):
    plan = resolve(with_field(BRANDS, required=False), metadata)

    assert "extra" in plan.missing
    assert "extra" not in dict(plan.columns)


def test_of_a_group_of_fields_one_is_needed(metadata):
    entity = replace(with_field(BRANDS, required=False), any_of=(("extra",),))

    with pytest.raises(Stop, match="НетТакого or ИТакогоНет"):
        resolve(entity, metadata)


@pytest.mark.parametrize(
    "kind", [ColumnType.DECIMAL, ColumnType.BOOLEAN, ColumnType.TIMESTAMP, ColumnType.INTEGER]
)
def test_a_property_of_another_type_stops_the_entity(metadata, kind):
    """A release that retypes a property must not reach the converters (RELIABILITY C-4 #12)."""
    with pytest.raises(Stop, match=r"ONEC_COLUMN_RETYPED.*Description"):
        resolve(with_field(BRANDS, source=("Description",), type=kind), metadata)


def test_a_plan_out_of_storage_is_the_plan(metadata):
    for name in ("brands", "products", "currency_rates"):
        plan = resolve(BY_NAME[name], metadata)

        again = from_document(BY_NAME[name], plan.document)

        assert (again.resource, again.key, again.shape) == (plan.resource, plan.key, plan.shape)
        assert again.fingerprint == plan.fingerprint


def test_a_field_that_was_not_asked_for_then_cannot_be_replayed(metadata):
    document = resolve(BRANDS, metadata).document

    with pytest.raises(Stop, match=r"ONEC_COLUMN_MISSING.*extra"):
        from_document(with_field(BRANDS), document)
