"""Personal data never shows: a column is shown only when all that it is made of is known to be plain."""

from __future__ import annotations

from onec_pipelines.entities import BY_NAME
from onec_pipelines.steps.masking import MASK, masked_columns, shown


def test_names_and_what_is_made_of_contacts_are_masked():
    masked = masked_columns(BY_NAME["customers"])

    assert {"name", "full_name", "sex", "birth_date", "email", "phone"} <= masked
    assert not masked & {"code", "legal_form", "is_client", "price_type_id", "is_deleted"}


def test_an_entity_without_personal_data_shows_everything():
    assert masked_columns(BY_NAME["products"]) == frozenset()


def test_values_are_masked_cut_and_null_stays_null():
    assert shown("Иванов", is_masked=True) == MASK
    assert shown(None, is_masked=True) is None
    assert len(shown("x" * 500, is_masked=False)) == 121
    assert shown(5, is_masked=False) == "5"
