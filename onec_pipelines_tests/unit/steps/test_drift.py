"""What a change of the base's schema does to the entities."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.errors import Stop
from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.onec.metadata_document import restored
from onec_pipelines.steps.drift import Severity, condition, drifts
from onec_pipelines.steps.resolve import published, resolve
from onec_pipelines_tests.fixtures.schemas import GENUINE, GOODS, WANTED, shipped_document

BARCODES = "InformationRegister_ШтрихкодыНоменклатуры"
PRICES = "InformationRegister_ЦеныНоменклатуры25_RecordType"
OLD_PRICES = "InformationRegister_ЦеныНоменклатуры_RecordType"
TYPES = ["Edm.String", "Edm.Guid", "Edm.Double", "Edm.Int64", "Edm.Boolean", "Edm.DateTime"]


def goods(document):
    return document[GOODS]["type"]["properties"]


def judge(edit, before=lambda _: None):
    """Drifts and the condition after an edit of the shipped schema."""
    old, new = shipped_document(), shipped_document()
    before(old)
    edit(new)
    after = restored(new)
    return drifts(ENTITIES, restored(old), after, WANTED), condition(ENTITIES, after)


def impacts(found, severity):
    return {impact.text for drift in found for impact in drift.impacts if impact.severity is severity}


def test_a_required_field_without_a_source_breaks_its_entity_and_names_what_it_feeds():
    def edit(document):
        goods(document)["АртикулТовара"] = goods(document).pop("Артикул")

    found, state = judge(edit)

    gone = found[0]
    assert gone.severity is Severity.BROKEN
    assert "perhaps renamed to `АртикулТовара`" in gone.change.sentence
    (impact,) = gone.impacts
    assert (impact.entity, impact.field) == ("products", "sku")
    assert impact.shop_columns == ("shop.products.sku",)
    assert impact.rules == ("str_length",)
    assert set(state.broken) == {"products"}
    assert "→ shop.products.sku, 1 check (str_length)" in state.broken["products"]


def test_an_optional_field_without_a_source_is_a_warning():
    found, state = judge(lambda document: goods(document).pop("Описание"))

    assert impacts(found, Severity.WARNING) == {
        "products.description has no source left and stays empty → shop.products.description"
    }
    assert not state.broken
    assert "description" in state.missing["products"]


def test_an_alternative_takes_over_as_a_note():
    def edit(document):
        del goods(document)["СтавкаНДС_Key"]
        goods(document)["СтавкаНДС"] = "Edm.String"

    found, state = judge(edit)

    assert not impacts(found, Severity.BROKEN)
    assert any("vat_rate_code is read from `СтавкаНДС`" in text for text in impacts(found, Severity.NOTE))
    assert any("vat_rate_ref is not read any more" in text for text in impacts(found, Severity.NOTE))
    assert not state.broken


def test_the_last_of_a_group_of_alternatives_breaks():
    found, state = judge(lambda document: goods(document).pop("СтавкаНДС_Key"))

    assert impacts(found, Severity.BROKEN)
    assert "СтавкаНДС_Key" in state.broken["products"]


@pytest.mark.parametrize("name", ["Артикул", "Описание"])
def test_a_type_that_cannot_be_read_breaks_even_an_optional_field(name):
    found, state = judge(lambda document: goods(document).update({name: "Edm.Double"}))

    assert impacts(found, Severity.BROKEN)
    assert f"{name} is Edm.Double in this base" in state.broken["products"]


def test_a_type_that_can_be_read_is_a_warning():
    found, state = judge(lambda document: goods(document).update({"ВесЧислитель": "Edm.Int64"}))

    (text,) = impacts(found, Severity.WARNING)
    assert "products.weight_numerator is made of Edm.Int64" in text
    assert not state.broken


def test_what_a_base_adds_of_its_own_is_a_note_and_breaks_nothing():
    def edit(document):
        for item in document.values():
            if item["type"] is not None:
                item["type"]["properties"] |= {"БИТ_Реквизит": "Edm.String", "БИТ_Ссылка_Key": "Edm.Guid"}

    found, state = judge(edit)

    assert {drift.severity for drift in found} == {Severity.NOTE}
    assert not any(drift.impacts for drift in found)
    assert state == judge(lambda _: None)[1]


def test_a_property_that_a_request_needs_breaks_the_entities_that_ask_by_it():
    _, state = judge(lambda document: goods(document).pop("IsFolder"))

    assert set(state.broken) == {"products", "categories"}
    assert "IsFolder, by which it is read" in state.broken["products"]


def test_a_key_that_no_field_reads_breaks():
    def edit(document):
        document[BARCODES]["type"]["properties"]["Владелец_Key"] = "Edm.Guid"
        document[BARCODES]["type"]["key"].append("Владелец_Key")

    found, state = judge(edit)

    assert any("no field reads Владелец_Key" in text for text in impacts(found, Severity.BROKEN))
    assert set(state.broken) == {"barcodes"}


def test_a_set_that_is_gone_stops_its_entities_or_is_replaced_by_an_alternative():
    found, state = judge(lambda document: document[PRICES].update(type=None))
    assert impacts(found, Severity.WARNING) == {
        f"{entity}: can only be read from {OLD_PRICES} now" for entity in ("prices", "price_history")
    }
    assert not state.broken

    found, state = judge(lambda document: document[GOODS].update(type=None))
    assert set(state.broken) == {"products", "categories"}
    assert {i.entity for drift in found for i in drift.impacts if i.severity is Severity.BROKEN} == set(
        state.broken
    )

    found, state = judge(lambda document: document["Catalog_СтавкиНДС"].update(type=None))
    assert BY_NAME["vat_rates"].optional
    assert any("is not synced any more" in text for text in impacts(found, Severity.WARNING))
    assert not state.broken


def test_a_reference_to_another_object_is_a_warning():
    def edit(document):
        document[GOODS]["type"]["navigation"]["Марка"] = "Catalog_Бренды"

    found, _ = judge(edit)

    assert any("points to Catalog_Бренды" in text for text in impacts(found, Severity.WARNING))


def places(document):
    """Every dictionary of properties of the document, by where it is."""
    for name, item in document.items():
        if item["type"] is not None:
            yield item["type"]["properties"]
            yield from (item["sections"][section] for section in sorted(item["sections"]))
            for table in sorted(item["functions"]):
                if item["functions"][table] is not None:
                    yield item["functions"][table]["properties"]
        assert name


@st.composite
def edits(draw):
    """Some random changes of the shipped schema: columns lost, renamed, retyped, sets and tables gone."""
    document = shipped_document()
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["lose", "rename", "retype", "unpublish", "untable", "key"]))
        item = document[draw(st.sampled_from(sorted(document)))]
        if kind == "unpublish":
            item["type"] = None
        elif kind == "untable":
            item["functions"] = dict.fromkeys(item["functions"])
        elif kind == "key" and item["type"] is not None:
            item["type"]["key"] = [
                *item["type"]["key"],
                draw(st.sampled_from(sorted(item["type"]["properties"]))),
            ]
        elif kind in {"lose", "rename", "retype"}:
            properties = draw(st.sampled_from(list(places(document))))
            mapped = sorted(name for name in properties if not properties[name].startswith("Collection"))
            if mapped:
                name = draw(st.sampled_from(mapped))
                held = properties.pop(name)
                if kind == "rename":
                    properties[f"{name}2"] = held
                if kind == "retype":
                    properties[name] = draw(st.sampled_from(TYPES))
    return coherent(document)


def coherent(document):
    """A key of properties that its type does not have is no schema: they go out of the key too."""
    for item in document.values():
        if item["type"] is not None:
            item["type"]["key"] = [name for name in item["type"]["key"] if name in item["type"]["properties"]]
    return document


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=st.one_of(st.builds(shipped_document), edits()), after=edits())
def test_an_entity_breaks_exactly_when_a_change_is_said_to_break_it(before, after):
    old, new = restored(before), restored(after)
    were, are = set(condition(ENTITIES, old).broken), set(condition(ENTITIES, new).broken)

    said = {
        impact.entity
        for drift in drifts(ENTITIES, old, new, WANTED)
        for impact in drift.impacts
        if impact.severity is Severity.BROKEN
    }

    assert are - were <= said <= are


@settings(max_examples=40, deadline=None)
@given(document=edits())
def test_the_condition_is_what_a_run_would_meet(document):
    metadata = restored(document)
    broken = condition(ENTITIES, metadata).broken

    for entity in ENTITIES:
        if entity.name not in broken and published(entity, metadata):
            assert resolve(entity, metadata).entity is entity
        elif entity.name in broken and "the key of" not in broken[entity.name]:
            with pytest.raises(Stop) as stopped:
                resolve(entity, metadata)
            assert stopped.value.message == broken[entity.name]


@pytest.mark.skipif(len(GENUINE) < 2, reason="no genuine metadata beside this checkout")
def test_an_update_between_genuine_releases_breaks_nothing_either_way():
    older, newer = (parse_metadata(path) for path in GENUINE)
    for before, after in ((older, newer), (newer, older)):
        found = drifts(ENTITIES, before, after, WANTED)
        assert found
        assert {drift.severity for drift in found} <= {Severity.NOTE, Severity.WARNING}
        assert not condition(ENTITIES, after).broken
