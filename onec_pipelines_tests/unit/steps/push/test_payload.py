"""Facts become a body that every release takes, or nothing is sent at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from decimal import Decimal

import pytest

from onec_pipelines.entities.outgoing import OUTGOING
from onec_pipelines.errors import Quarantine, Stop
from onec_pipelines.simulator.releases import shape_of
from onec_pipelines.steps.push.declaration import Attribute, Kind
from onec_pipelines.steps.push.payload import build
from onec_pipelines_tests.fixtures.schemas import metadata_of, renamed
from onec_pipelines_tests.unit.steps.push.conftest import KEYS, SECRET, ZONE

ORDERS = OUTGOING["orders"]


def test_an_order_fits_every_release(any_release, facts_of):
    body = build(ORDERS, facts_of(), any_release, ZONE, secret=SECRET).body(str(KEYS[10]))

    known = any_release.need_set(ORDERS.resource)
    rows = any_release.row_type(known.sections["Товары"])
    assert set(body) <= set(known.properties)
    assert all(set(row) <= {*rows.properties, "LineNumber"} for row in body["Товары"])
    assert {"СтавкаНДС_Key", "СтавкаНДС"} & set(body["Товары"][0])


def test_the_body_says_what_1c_wants_to_hear(release, facts_of):
    facts = facts_of(delivery_from=time(10, 30))
    body = build(ORDERS, facts, release, ZONE, secret=SECRET).body(str(KEYS[10]))

    assert body["Ref_Key"] == str(KEYS[10])
    assert body["Date"] == "2026-06-02T14:36:52"  # Moscow
    assert body["ВремяДоставкиС"] == "0001-01-01T10:30:00"
    assert body["НомерПоДаннымКлиента"] == "SITE-1001"
    assert (body["ФормаОплаты"], body["СпособДоставки"]) == ("ПлатежнаяКарта", "ДоКлиентаКурьером")
    assert body["СуммаДокумента"] == Decimal("1990.00")
    (row,) = body["Товары"]
    assert (row["LineNumber"], row["КодСтроки"]) == ("1", "1")
    assert (row["Сумма"], row["СуммаНДС"], row["СуммаСНДС"]) == (
        Decimal("1990.00"),
        Decimal("331.67"),
        Decimal("1990.00"),
    )
    assert "Характеристика_Key" not in row


def test_an_attribute_that_the_base_does_not_have_stops_before_sending(facts_of):
    shape = metadata_of(renamed("Document_ЗаказКлиента", "Комментарий", "УдалитьКомментарий"))
    with pytest.raises(Stop, match="has no Комментарий") as stopped:
        build(ORDERS, facts_of(), shape, ZONE, secret=SECRET)
    assert stopped.value.code == "PUSH_UNKNOWN_ATTRIBUTE"


def test_an_attribute_that_the_base_does_not_have_is_no_matter_while_it_is_empty(facts_of):
    shape = metadata_of(renamed("Document_ЗаказКлиента", "Комментарий", "УдалитьКомментарий"))
    assert "Комментарий" not in build(ORDERS, facts_of(comment=None), shape, ZONE, secret=SECRET).body()


def test_bonus_points_stop_on_a_release_that_cannot_hold_them(facts_of):
    old = metadata_of(shape_of("11.4"))
    with pytest.raises(Stop, match="СуммаБонусныхБалловКСписанию"):
        build(ORDERS, facts_of(line={"bonus_points": Decimal(5)}), old, ZONE, secret=SECRET)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ({"payment_method": "barter"}, "ФормаОплаты cannot be said in 1C"),
        ({"delivery_address": "у" * 501}, "АдресДоставки is 501 characters long, 1C keeps 500"),
        ({"comment": "a\x00b"}, "Комментарий holds characters that 1C cannot keep"),
        ({"number": "1" * 48}, "НомерПоДаннымКлиента is 53 characters long"),
    ],
)
def test_what_1c_would_cut_or_refuse_is_refused_here(header, problem, release, facts_of):
    with pytest.raises(Quarantine, match=problem) as refused:
        build(ORDERS, facts_of(**header), release, ZONE, secret=SECRET)
    assert refused.value.code == "PUSH_PREFLIGHT"


def test_everything_that_is_wrong_is_told_at_once_and_no_personal_value(release, facts_of):
    facts = facts_of(comment="Иван\x00", delivery_address="Тайная улица " * 50, payment_method="barter")
    with pytest.raises(Quarantine) as refused:
        build(ORDERS, facts, release, ZONE, secret=SECRET)
    assert refused.value.message.count(";") == 3  # two payment maps, address, comment
    assert "Тайная" not in str(refused.value)
    assert "Иван" not in str(refused.value)


def test_an_enumeration_name_that_the_base_lacks_is_refused(release, facts_of):
    with pytest.raises(Quarantine, match="Статус cannot be 'Принят'"):
        build(ORDERS, {**facts_of(), "status": "Принят"}, release, ZONE, secret=SECRET)


def test_the_first_name_that_the_base_has_is_taken(any_release, facts_of):
    body = build(ORDERS, facts_of(payment_method="fast_payment"), any_release, ZONE, secret=SECRET).body()
    has_fast = "СистемаБыстрыхПлатежей" in any_release.enums.get("ФормыОплаты", ())
    assert body["ФормаОплаты"] == ("СистемаБыстрыхПлатежей" if has_fast else "ПлатежнаяКарта")


def test_an_attribute_of_another_type_stops(release, facts_of):
    wrong = Attribute(wire=("СуммаДокумента",), fact="comment", kind=Kind.TEXT)
    with pytest.raises(Stop, match=r"is Edm\.Double in this base"):
        build(replace(ORDERS, attributes=(wrong,)), facts_of(), release, ZONE, secret=SECRET)


def test_the_same_facts_have_the_same_digest_and_others_another(release, facts_of):
    one, same, other = (
        build(ORDERS, facts, release, ZONE, secret=SECRET).digest()
        for facts in (facts_of(), facts_of(), facts_of(comment="Иначе"))
    )
    assert one == same != other
