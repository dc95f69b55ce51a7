"""The words that say what goes out: which attributes of which 1C object hold which fact of ours. Data only, no behaviour.

A file in `entities/outgoing/` is one `Outgoing(...)` or one map of names. Facts are made by `order_facts.py` and its like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a fact is in Python and what it must be on the wire."""

    REF = "ref"
    """A GUID text; `Edm.Guid`."""
    TEXT = "text"
    NUMBER = "number"
    """A Decimal; `Edm.Double` or an integer type."""
    INTEGER = "integer"
    FLAG = "flag"
    MOMENT = "moment"
    """An aware datetime or a date; `Edm.DateTime`."""
    ENUM = "enum"
    """The name of a member; a text on the wire (PROTOCOL §1.5)."""
    COMPOSITE = "composite"
    """(type name, GUID) in two properties X and X_Type (PROTOCOL §1.5)."""


class Owner(StrEnum):
    """Who has the last word about an attribute after the object was made."""

    OURS = "ours"
    """A change of the application is written; a change in 1C of the same attribute meanwhile is a conflict for a person."""
    ONCE = "once"
    """Written at creation, then 1C's: statuses, dates of shipping, whom it is assigned to."""
    FORCED = "forced"
    """Written whenever the fact has a value, whatever 1C holds: the closing status of a cancellation."""


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One attribute on the wire.

    `wire` names alternatives: the first that the base has wins. A fact with a value for which the base has no attribute stops the
    push before anything is sent, because 1C would drop it in silence (PROTOCOL §4.1). `filled` facts must have a value. `enum` names
    the enumeration; its members are checked where the base publishes it. `max_length` is 1C's, which `$metadata` does not say: longer
    texts would be cut in silence (PROTOCOL §4.2). `personal` values are stored as hashes and masked in errors. `names` translates the
    application's words into 1C's, each with alternatives of which the first that the base has wins. `twin` is the fact that says the
    same in another release: a base needs one of the two.
    """

    wire: tuple[str, ...]
    fact: str
    kind: Kind = Kind.TEXT
    owner: Owner = Owner.OURS
    filled: bool = False
    enum: str | None = None
    max_length: int | None = None
    scale: int | None = None
    personal: bool = False
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    twin: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A tabular section: the fact is a list of facts by row.

    `identity` is the attribute by which a row stays the same row when the section is written anew (КодСтроки); without one
    the section belongs to whoever wrote it last and is only written at creation. `cancelled` names the flag that a row gets
    instead of being removed.
    """

    wire: str
    fact: str
    attributes: tuple[Attribute, ...]
    identity: str | None = None
    cancelled: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One kind of 1C object that we make and change.

    `entity` is the entity whose `external_id_mappings` get the pair of ids, None for objects without an id of ours. `natural_key` is the
    attribute with the number by which the object is found when its key is not known (PROTOCOL §4.10). `identity` are attributes
    that must agree before a found object is taken for ours. `settled` are attribute values after which 1C's users
    alone decide: a change of ours then goes to a person. `total` names the attribute with the sum of the rows: (attribute, section,
    attribute of the rows).
    """

    name: str
    title: str
    resource: str
    attributes: tuple[Attribute, ...]
    sections: tuple[Rows, ...] = ()
    entity: str | None = None
    natural_key: str | None = None
    identity: tuple[str, ...] = ()
    posts: bool = False
    settled: tuple[tuple[str, str], ...] = ()
    total: tuple[str, str, str] | None = None
