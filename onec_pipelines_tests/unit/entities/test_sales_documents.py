"""The sales chain on each release: what resolves, what is precisely missing, what is personal, what is never asked for."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.errors import Skip, Stop
from onec_pipelines.simulator.releases import RELEASES, shape_of
from onec_pipelines.steps.resolve import resolve
from onec_pipelines_tests.fixtures.schemas import metadata_of

SALES = [entity for entity in ENTITIES if entity.group in {"sales", "history"}]
DOCUMENTS = [entity for entity in SALES if entity.key == ("ref",)]
EACH = pytest.mark.parametrize("entity", SALES, ids=lambda entity: entity.name)
NEW_RATES, OLD_RATES = {"lines.vat_rate_ref"}, {"lines.vat_rate_code"}
BONUS = {"lines.bonus_amount"}
MISSING = {
    "11.4": {
        "orders": NEW_RATES | BONUS | {"lines.line_guid"},
        "order_states": set(),
        "shipments": NEW_RATES | BONUS,
        "payments": {"customer_ref"},
        "return_requests": NEW_RATES,
        "returns": NEW_RATES,
        "price_history": {"pricing_variant_ref", "series_ref", "package_ref"},
    },
    "11.5.20": {
        "orders": OLD_RATES,
        "order_states": set(),
        "shipments": OLD_RATES,
        "payments": {"lines.order_ref", "lines.order_type"},
        "return_requests": OLD_RATES,
        "returns": OLD_RATES,
        "price_history": {"variant_ref"},
    },
}
LIKE_20 = {"11.5.8": "11.5.20", "11.5.27": "11.5.20"}


@pytest.fixture(scope="module", params=RELEASES)
def release(request):
    return request.param, metadata_of(shape_of(request.param))


@EACH
def test_each_release_gives_all_but_what_is_known_to_be_missing(entity, release):
    name, metadata = release

    plan = resolve(entity, metadata)

    assert set(plan.missing) == MISSING[LIKE_20.get(name, name)][entity.name]


def test_the_register_of_prices_is_that_of_the_release(release):
    name, metadata = release
    expected = "ЦеныНоменклатуры" if name == "11.4" else "ЦеныНоменклатуры25"

    plan = resolve(BY_NAME["price_history"], metadata)

    assert plan.resource == f"InformationRegister_{expected}_RecordType"
    assert set(plan.key) <= {wire for _, wire in plan.columns}


@pytest.mark.parametrize("entity", SALES, ids=lambda entity: entity.name)
def test_a_base_that_does_not_publish_it_is_told_so(entity):
    metadata = metadata_of(shape_of("11.5.20"))
    empty = type(metadata)(
        entity_types={}, complex_types={}, enums={}, sets={}, bound_functions=metadata.bound_functions
    )

    with pytest.raises((Skip, Stop), match="ONEC_NOT_PUBLISHED") as refusal:
        resolve(entity, empty)

    assert isinstance(refusal.value, Skip) == entity.optional


@pytest.mark.parametrize("entity", DOCUMENTS, ids=lambda entity: entity.name)
def test_documents_can_be_read_by_their_date(entity):
    window = entity.source.window

    assert window == "date"
    assert not entity.field(window).nullable


def test_price_records_can_be_read_by_their_period():
    assert BY_NAME["price_history"].source.window == "valid_from"


def test_addresses_and_free_words_are_marked_as_personal():
    personal = {f"{entity.name}.{field.name}" for entity in SALES for field in entity.fields if field.pii}

    assert personal == {
        "orders.comment",
        "orders.delivery_address",
        "orders.delivery_notes",
        "shipments.comment",
        "return_requests.comment",
        "return_requests.reason",
        "returns.comment",
        "returns.reason",
    }


@EACH
def test_passports_and_birthdays_of_buyers_are_never_asked_for(entity):
    plan = resolve(entity, metadata_of(shape_of("11.5.20")))

    assert not [name for name in plan.select if "Покупател" in name]


@EACH
def test_no_line_is_kept_out_of_the_shop_by_a_reference(entity):
    required = [
        column.name for child in entity.target.children for column in child.columns if column.required
    ]

    assert required == []


@pytest.mark.parametrize("entity", DOCUMENTS, ids=lambda entity: entity.name)
def test_no_document_is_kept_out_of_the_shop_by_a_reference(entity):
    assert not any(column.required for column in entity.target.columns)
