"""What a signed body may say: `{"type", "timestamp", "data": {"refs", …}}`. Parsing and checking; what is not named here is not kept."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from onec_pipelines.entities import BY_NAME
from onec_pipelines.entities.hints import HINTS
from onec_pipelines.entities.stock import LIMIT
from onec_pipelines.ledger.inbox import Message, StockValue
from onec_pipelines.webhook.signature import Verified

MOST_REFS = 1000
_NOBODY = "00000000-0000-0000-0000-000000000000"
_GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"
_SCALE = 3
_DIGITS = 24

Guid = Annotated[str, msgspec.Meta(pattern=_GUID)]
Quantity = Annotated[
    Decimal,
    msgspec.Meta(
        description="At most three places after the point",
        extra_json_schema={"type": ["number", "string"], "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,3})?$"},
    ),
]


class BadEvent(Exception):
    """The body is signed but says nothing we understand. The text names the place, never a value."""


class StockRow(msgspec.Struct, frozen=True, kw_only=True):
    """A balance as 1C holds it at the moment of sending."""

    warehouse: Guid
    product: Guid
    variant: Guid | None = None
    on_hand: Quantity
    to_ship: Quantity | None = None


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """The objects that changed. `sequence` grows with every event that carries stock."""

    refs: Annotated[list[Guid], msgspec.Meta(max_length=MOST_REFS)] = []
    ref: Guid | None = None
    data_version: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    sequence: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] | None = None
    stock: Annotated[list[StockRow], msgspec.Meta(max_length=MOST_REFS)] = []


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event on the wire. `timestamp` is when it happened, by 1C's clock."""

    type: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_.]{0,63}\Z")]
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    data: Data = Data()


_DECODER = msgspec.json.Decoder(Event)
# A register that names no field to be asked by is read whole, on its schedule.
_CONCERNED = {
    event_type: tuple(name for name in names if BY_NAME[name].key == ("ref",) or BY_NAME[name].source.narrow)
    for event_type, names in HINTS.items()
}


def parse(body: bytes, verified: Verified) -> Message:
    """The message to be stored, with a hint for each entity and object it concerns. Raises BadEvent."""
    try:
        event = _DECODER.decode(body)
    # What the decoder raises on bytes that are no text depends on where they stand.
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadEvent(_place(error)) from None
    refs = _refs(event.data)
    return Message(
        msg_id=verified.msg_id,
        type=event.type,
        refs=refs,
        sent_at=datetime.fromtimestamp(verified.sent_at, UTC),
        occurred_at=event.timestamp,
        data_version=_storable(event.data.data_version),
        sequence=event.data.sequence,
        stock=tuple(_value(row) for row in event.data.stock),
        entities=_CONCERNED.get(event.type, ()),
        known=event.type in HINTS,
    )


def _refs(data: Data) -> tuple[str, ...]:
    named = [*data.refs, *((data.ref,) if data.ref else ()), *(row.product for row in data.stock)]
    if len(named) == 1 and named[0] != _NOBODY:
        return (named[0].lower(),)
    return tuple(sorted({ref.lower() for ref in named} - {_NOBODY}))


def _value(row: StockRow) -> StockValue:
    for number in (row.on_hand, row.to_ship):
        if number is not None and not _fits(number):
            raise BadEvent("a stock value is no quantity")
    variant = None if row.variant in {None, _NOBODY} else row.variant
    return StockValue(
        warehouse=row.warehouse.lower(),
        product=row.product.lower(),
        variant=variant.lower() if variant else None,
        on_hand=row.on_hand,
        to_ship=row.to_ship,
    )


def _fits(number: Decimal) -> bool:
    # Looked at by its parts: arithmetic with what a stranger wrote may overflow or round.
    if not number.is_finite() or len(number.as_tuple().digits) > _DIGITS or number.adjusted() > _DIGITS:
        return False
    exponent = number.normalize().as_tuple().exponent
    return abs(number) <= LIMIT and isinstance(exponent, int) and exponent >= -_SCALE


def _storable(text: str | None) -> str | None:
    """Text that PostgreSQL takes: JSON may carry NUL and halves of surrogate pairs (RELIABILITY 0.13)."""
    if text is not None and not text.isprintable():
        raise BadEvent("data_version is no printable text")
    return text


def _place(error: Exception) -> str:
    if not isinstance(error, msgspec.ValidationError):
        return "the body is not JSON"
    said, found, path = str(error).rpartition(" - at `")
    if found:
        return f"not as expected at {path.rstrip('`')}"
    # The name of a field of ours, never one that the sender made up.
    missing = re.fullmatch(r"Object missing required field `(\w+)`", path or said)
    return f"the field {missing[1]} is missing" if missing else "not as expected"
