"""What a signed body may say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.entities import BY_NAME
from onec_pipelines.entities.hints import HINTS
from onec_pipelines.ledger.inbox import Message, StockValue
from onec_pipelines.webhook.events import BadEvent, parse
from onec_pipelines.webhook.signature import Verified

SENT = 1_795_000_000
BY = Verified(msg_id="msg_1", sent_at=SENT, secret=0)
A = "0a1b2c3d-1111-2222-3333-444455556666"
B = "ffffffff-1111-2222-3333-444455556666"


def read(document: object) -> Message:
    return parse(json.dumps(document).encode(), BY)


def test_an_event_becomes_a_message_with_the_entities_it_concerns() -> None:
    message = read(
        {
            "type": "customer.changed",
            "timestamp": "2026-11-23T12:00:00.250+03:00",
            "data": {"refs": [B, A.upper(), A], "data_version": "AAAAAQAAAAA=", "sequence": 7},
        }
    )
    assert message == Message(
        msg_id="msg_1",
        type="customer.changed",
        refs=(A, B),
        sent_at=datetime.fromtimestamp(SENT, UTC),
        occurred_at=datetime(2026, 11, 23, 9, 0, 0, 250_000, tzinfo=UTC),
        data_version="AAAAAQAAAAA=",
        sequence=7,
        entities=("customers",),
    )


def test_one_ref_may_stand_alone_and_the_zero_guid_is_nobody() -> None:
    message = read(
        {"type": "product.changed", "data": {"ref": A, "refs": ["00000000-0000-0000-0000-000000000000"]}}
    )
    assert message.refs == (A,)


def test_stock_names_its_products() -> None:
    row = {"warehouse": B, "product": A, "variant": None, "on_hand": 5.125, "to_ship": "1"}
    message = read({"type": "stock.changed", "data": {"sequence": 1, "stock": [row]}})
    assert message.refs == (A,)
    assert message.stock == (
        StockValue(warehouse=B, product=A, variant=None, on_hand=Decimal("5.125"), to_ship=Decimal(1)),
    )


def test_an_unknown_type_is_known_as_such_and_concerns_nothing() -> None:
    message = read({"type": "weather.changed", "data": {"refs": [A]}})
    assert (message.known, message.entities) == (False, ())


def test_what_the_format_does_not_name_is_not_kept() -> None:
    message = read({"type": "ping", "phone": "+79160000000", "data": {"name": "Иван", "refs": []}})
    assert "Иван" not in repr(message)
    assert "79160000000" not in repr(message)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"type": 5},
        {"type": ""},
        {"type": "Stock.Changed"},
        {"type": "a" * 65},
        {"type": "x\n"},
        {"type": "ping", "timestamp": "2026-01-01T00:00:00"},
        {"type": "ping", "timestamp": "yesterday"},
        {"type": "ping", "data": None},
        {"type": "ping", "data": {"refs": "all"}},
        {"type": "ping", "data": {"refs": [f"{{{A}}}"]}},
        {"type": "ping", "data": {"refs": [f"{A}\n"]}},
        {"type": "ping", "data": {"refs": [A] * 1001}},
        {"type": "ping", "data": {"ref": "'; drop table x"}},
        {"type": "ping", "data": {"sequence": 0}},
        {"type": "ping", "data": {"sequence": 2**63}},
        {"type": "ping", "data": {"sequence": True}},
        {"type": "ping", "data": {"data_version": "\u0000"}},
        {"type": "ping", "data": {"data_version": "\ud800"}},
        {"type": "ping", "data": {"stock": [{"warehouse": A, "product": A}]}},
        {"type": "ping", "data": {"stock": [{"warehouse": A, "product": A, "on_hand": "NaN"}]}},
        {"type": "ping", "data": {"stock": [{"warehouse": A, "product": A, "on_hand": "Infinity"}]}},
        {"type": "ping", "data": {"stock": [{"warehouse": A, "product": A, "on_hand": "0.0001"}]}},
        {"type": "ping", "data": {"stock": [{"warehouse": A, "product": A, "on_hand": "1e12"}]}},
        {"type": "ping", "data": {"stock": [{"warehouse": A, "product": A, "on_hand": "1e999999999"}]}},
    ],
)
def test_what_is_no_event_is_refused_in_words_that_show_no_value(document) -> None:
    with pytest.raises(BadEvent) as caught:
        read(document)
    assert A not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"kind":"ping"}', "the field type is missing"),
        (b'{"type":"ping","data":{"refs":["x"]}}', "not as expected at $.data.refs[0]"),
        (b'{"type":"ping","data":{"stock":[{"product":7}]}}', "not as expected at $.data.stock[0].product"),
        (b"[]", "not as expected"),
        (b"{", "the body is not JSON"),
    ],
)
def test_the_log_is_told_the_place(body: bytes, told: str) -> None:
    with pytest.raises(BadEvent) as caught:
        parse(body, BY)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"{", b'{"type":"ping"} trailing', b"[" * 100_000, b"nul\x00l"]
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadEvent):
        parse(body, BY)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_refused(body: bytes) -> None:
    try:
        message = parse(body, BY)
    except BadEvent:
        return
    assert message.msg_id == "msg_1"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["type", "data", "refs", "ref", "stock", "sequence"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_an_event_or_refused(document) -> None:
    try:
        read({"type": "stock.changed", "data": document})
    except BadEvent:
        return


def test_every_type_concerns_entities_that_can_be_fetched_by_reference() -> None:
    for event_type, names in HINTS.items():
        message = read({"type": event_type, "data": {"refs": [A]}})
        assert message.known
        on_demand = [n for n in names if BY_NAME[n].key == ("ref",) or BY_NAME[n].source.narrow]
        assert list(message.entities) == on_demand
        assert on_demand or not names
