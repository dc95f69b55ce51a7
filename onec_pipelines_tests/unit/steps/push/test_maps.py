"""The maps of names: every word of the application becomes a member that UT has, and comes back as the same word."""

from __future__ import annotations

import pytest

from onec_pipelines.entities.outgoing import OUTGOING, maps
from onec_pipelines.steps.code_tables import CODE_TABLES

ONLY_OUT = {"card_online": "card", "invoice": "bank_transfer"}
"""Words that say more than 1C keeps, and what comes back of them."""


@pytest.mark.parametrize(
    ("names", "enum"),
    [
        (maps.PAYMENT_FORMS, "ФормыОплаты"),
        (maps.DELIVERY_WAYS, "СпособыДоставки"),
        (maps.COMPENSATIONS, "СпособыКомпенсацииВозвратовТоваров"),
        (maps.COUNTERPARTY_KINDS, "ЮрФизЛицо"),
        (maps.SUPPLY_OPTIONS, "ВариантыОбеспечения"),
    ],
)
def test_every_word_has_a_member_in_every_release(names, enum, any_release):
    members = any_release.enums.get(enum, ())
    lost = [word for word, wanted in names.items() if members and not set(wanted) & set(members)]
    assert lost == []


@pytest.mark.parametrize(
    ("names", "table"),
    [
        (maps.PAYMENT_FORMS, "payment_form"),
        (maps.DELIVERY_WAYS, "delivery_method"),
        (maps.COMPENSATIONS, "compensation"),
        (maps.SUPPLY_OPTIONS, "supply_option"),
    ],
)
def test_a_word_comes_back_as_it_went_out(names, table):
    back = {word: CODE_TABLES[table][wanted[0]] for word, wanted in names.items()}
    assert back == {word: ONLY_OUT.get(word, word) for word in names}


def test_each_payment_method_has_a_stage():
    assert set(maps.PAYMENT_STAGES) == set(maps.PAYMENT_FORMS)


@pytest.mark.parametrize("outgoing", OUTGOING.values(), ids=list(OUTGOING))
def test_every_declared_name_is_in_some_release(outgoing, release):
    known = release.need_set(outgoing.resource)
    for section in outgoing.sections:
        rows = release.row_type(known.sections[section.wire])
        missing = [
            a.wire for a in section.attributes if not set(a.wire) & set(rows.properties) and a.twin is None
        ]
        assert missing == []
    assert [a.wire for a in outgoing.attributes if not set(a.wire) & set(known.properties)] == []
