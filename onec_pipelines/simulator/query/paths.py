"""Properties: from names joined with `/` to typed values.

Names that are not there are refused as 1C does (400/6).
"""

from __future__ import annotations

from onec_pipelines.simulator.query.errors import unknown_segment
from onec_pipelines.simulator.query.types import EMPTY_GUID, Resolve, Row, TypeInfo
from onec_pipelines.simulator.query.values import FAMILIES, Get, Value, typed


def value_at(segments: tuple[str, ...], info: TypeInfo, resolve: Resolve, start: Get | None = None) -> Value:
    """The value at the end of a path from a row of `info`.

    `start` gives that row from the outer one (None: it is the row itself).

    Raises QueryError 400/6 for an unknown name, also for a section where a value is needed.
    """
    *steps, last = segments
    row, here = start, info
    for step in steps:
        row, here = _step(step, here, resolve, row)
    return _property(last, here, row)


def _step(name: str, info: TypeInfo, resolve: Resolve, row: Get | None) -> tuple[Get, TypeInfo]:
    link = info.reference(name)
    if link is None:
        raise unknown_segment(name)
    key, target = link
    return referenced(_reader(key, row), target.name, resolve), target


def referenced(key: Get, target: str, resolve: Resolve) -> Get:
    """The row of `target` that a reference points to, or None when it is empty or dangling."""

    def get(row: Row) -> Row | None:
        guid = key(row)
        return resolve(target, guid) if guid and guid != EMPTY_GUID else None

    return get


def _property(name: str, info: TypeInfo, row: Get | None) -> Value:
    edm = info.property_type(name)
    if edm is None:
        return _navigation(name, info, row)
    own = name if row is None else None
    if edm not in FAMILIES or name.endswith("_Base64Data"):
        return Value(get=_reader(name, row), family="storage", name=own)
    if info.is_composite(name):
        return Value(get=_composite(name, row), family="composite", name=own)
    family = FAMILIES[edm]
    target = _target(name, info) if family == "guid" else None
    unlimited = family == "string" and info.unlimited(name)
    return Value(get=_reader(name, row), family=family, name=own, target=target, unlimited=unlimited)


def _navigation(name: str, info: TypeInfo, row: Get | None) -> Value:
    link = info.reference(name)
    if link is None:
        raise unknown_segment(name)
    key, target = link
    return Value(get=_reader(key, row), family="reference", target=target.name)


def _target(name: str, info: TypeInfo) -> str | None:
    """The type that `X_Key` refers to: its own for `Ref_Key`, that of X otherwise.

    None for plain guids and unpublished types.
    """
    if name == "Ref_Key":
        return info.name
    link = info.reference(name.removesuffix("_Key"))
    return link[1].name if link is not None and link[0] == name else None


def _reader(name: str, row: Get | None) -> Get:
    if row is None:
        return lambda own: own.get(name)
    return lambda outer: None if (found := row(outer)) is None else found.get(name)


def _composite(name: str, row: Get | None) -> Get:
    kind, value = _reader(name + "_Type", row), _reader(name, row)
    return lambda outer: typed(kind(outer), value(outer))
