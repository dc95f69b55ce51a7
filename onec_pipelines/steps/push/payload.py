"""Facts → the body for 1C, checked against the base's `$metadata` and the known limits before a byte leaves (PROTOCOL §4, §13.7).

Gives every attribute with the name and type it has in this base. Knows no order and no customer: what is declared is in
`entities/outgoing/`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from onec_pipelines.errors import PipelineError, Quarantine, Stop
from onec_pipelines.onec.metadata_model import NAMESPACE, Metadata, RowType
from onec_pipelines.onec.write_values import dumps, empty, wire
from onec_pipelines.steps.push.declaration import Attribute, Kind, Outgoing, Owner

Facts = Mapping[str, Any]
_EDM: dict[Kind, frozenset[str]] = {
    Kind.REF: frozenset({"Edm.Guid"}),
    Kind.TEXT: frozenset({"Edm.String"}),
    Kind.ENUM: frozenset({"Edm.String"}),
    Kind.NUMBER: frozenset({"Edm.Double", "Edm.Int64", "Edm.Int32", "Edm.Int16"}),
    Kind.INTEGER: frozenset({"Edm.Int64", "Edm.Int32", "Edm.Int16", "Edm.Double"}),
    Kind.FLAG: frozenset({"Edm.Boolean"}),
    Kind.MOMENT: frozenset({"Edm.DateTime"}),
    Kind.COMPOSITE: frozenset({"Edm.String"}),
}
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One attribute as it goes to this base: its name there, its type, and the value as it stands in the body.

    `secret` keys the hash by which a personal value is remembered.
    """

    attribute: Attribute
    name: str
    edm_type: str
    value: Any
    secret: bytes = field(default=b"", repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether the fact had no value."""
        return bool(self.value == empty(self.edm_type))


@dataclass(frozen=True, kw_only=True)
class Payload:
    """A whole object for 1C: header cells, and cells by row of each section."""

    outgoing: Outgoing
    cells: tuple[Cell, ...]
    sections: Mapping[str, tuple[tuple[Cell, ...], ...]]
    secret: bytes = field(repr=False)

    def cell(self, fact: str) -> Cell | None:
        """The header cell of a fact, None when the base has no attribute for it (and the fact is empty)."""
        return next((cell for cell in self.cells if cell.attribute.fact == fact), None)

    def body(self, key: str | None = None) -> dict[str, Any]:
        """The body of a creation; empty values are left to 1C."""
        made: dict[str, Any] = {"Ref_Key": key} if key else {}
        made.update(_values(self.cells))
        for section, rows in self.sections.items():
            made[section] = [
                {"LineNumber": str(number), **_values(row)} for number, row in enumerate(rows, start=1)
            ]
        return made

    def digest(self) -> bytes:
        """The body's digest under this installation's secret: the same facts give the same one."""
        return keyed(self.secret, hashlib.sha256(dumps(self.body()).encode()).digest())


def keyed(secret: bytes, digest: bytes) -> bytes:
    """The digest of a digest under a secret, as the function `integ.keyed` makes it: bodies hold telephones, which a plain hash tells."""
    return hashlib.sha256(secret + digest).digest()


def build(outgoing: Outgoing, facts: Facts, metadata: Metadata, zone: ZoneInfo, *, secret: bytes) -> Payload:
    """The payload for this base, or an error with everything that is wrong with it; nothing was sent then.

    `secret` keys what is remembered of it.

    Stop PUSH_UNKNOWN_ATTRIBUTE or PUSH_BAD_TYPE when the base does not have what the declaration names; Quarantine
    PUSH_PREFLIGHT when the facts cannot go out as they are.
    """
    row_type = metadata.need_set(outgoing.resource)
    check = _Preflight(metadata=metadata, zone=zone, secret=secret)
    cells = tuple(check.cells(outgoing.attributes, facts, row_type, ""))
    sections: dict[str, tuple[tuple[Cell, ...], ...]] = {}
    for section in outgoing.sections:
        rows: Sequence[Facts] = facts.get(section.fact) or ()
        found = metadata.row_type(row_type.sections.get(section.wire, ""))
        if found is None:
            check.unknown += [section.wire] if rows else []
            continue
        sections[section.wire] = tuple(
            tuple(check.cells(section.attributes, row, found, f"{section.wire}[{number}]."))
            for number, row in enumerate(rows, start=1)
        )
    if check.unknown:
        raise Stop(
            f"{outgoing.resource} of this base has no {', '.join(dict.fromkeys(check.unknown))}: 1C would drop the values in silence",
            code="PUSH_UNKNOWN_ATTRIBUTE",
            remedy="Compare entities/outgoing with the base's $metadata; add the name that the attribute has in this release.",
        )
    if check.problems:
        raise refused(check.problems)
    return Payload(outgoing=outgoing, cells=cells, sections=sections, secret=secret)


@dataclass(kw_only=True)
class _Preflight:
    """Collects everything that is wrong, so that a person sees it at once."""

    metadata: Metadata
    zone: ZoneInfo
    secret: bytes
    problems: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def cells(
        self, attributes: Sequence[Attribute], facts: Facts, row_type: RowType, place: str
    ) -> Iterator[Cell]:
        """The cells of one row type; what cannot be made is noted."""
        known = {a.fact for a in attributes if any(one in row_type.properties for one in a.wire)}
        for attribute in attributes:
            value = facts.get(attribute.fact)
            name = next((one for one in attribute.wire if one in row_type.properties), None)
            if name is None:
                if not _nothing(value) and attribute.twin not in known:
                    self.unknown.append(f"{place.partition('[')[0]}{'/' if place else ''}{attribute.wire[0]}")
                continue
            edm_type = row_type.properties[name].edm_type
            if edm_type not in _EDM[attribute.kind]:
                raise Stop(
                    f"{row_type.name}.{name} is {edm_type} in this base, not a {attribute.kind}",
                    code="PUSH_BAD_TYPE",
                    remedy="The attribute has another type in this base: adapt entities/outgoing.",
                )
            value, problem = self._checked(attribute, value)
            if problem:
                self.problems.append(f"{place}{name} {problem}")
                continue
            for cell in _made(attribute, name, edm_type, value, self.zone):
                yield replace(cell, secret=self.secret)

    def _checked(self, attribute: Attribute, value: Any) -> tuple[Any, str]:
        members = self.metadata.enums.get(attribute.enum or "") or ()
        if attribute.names and not _nothing(value):
            translated = attribute.names.get(str(value))
            if translated is None:
                return value, f"cannot be said in 1C: {value!r} is none of {', '.join(attribute.names)}"
            value = next((one for one in translated if one in members), translated[-1])
        return value, _problem(attribute, value, members)


def _made(attribute: Attribute, name: str, edm_type: str, value: Any, zone: ZoneInfo) -> Iterator[Cell]:
    if attribute.kind is Kind.COMPOSITE:
        type_name, key = value or (None, None)
        marker = f"{NAMESPACE}{type_name}" if type_name else f"{NAMESPACE}Undefined"
        yield Cell(attribute=attribute, name=name, edm_type=edm_type, value=key or "")
        yield Cell(attribute=attribute, name=f"{name}_Type", edm_type=edm_type, value=marker)
        return
    if attribute.kind is Kind.NUMBER and value is not None:
        value = int(value) if edm_type != "Edm.Double" and value == int(value) else value
    yield Cell(attribute=attribute, name=name, edm_type=edm_type, value=wire(value, edm_type, zone))


def _problem(attribute: Attribute, value: Any, members: Sequence[str]) -> str:
    """What is wrong with a fact, without its value: it may be personal."""
    if _nothing(value):
        return "has no value" if attribute.filled else ""
    if attribute.kind is Kind.REF and not (isinstance(value, str) and _GUID.fullmatch(value)):
        return "is no GUID"
    if attribute.kind is Kind.ENUM and members and value not in members:
        return f"cannot be {value!r}: {attribute.enum} of this base has {', '.join(members[:20])}"
    if attribute.kind is Kind.TEXT:
        return _text_problem(attribute, str(value))
    if attribute.kind is Kind.NUMBER and attribute.scale is not None:
        number = Decimal(value)
        if not number.is_finite() or number != round(number, attribute.scale):
            return f"has more than {attribute.scale} decimal places"
    return ""


def _text_problem(attribute: Attribute, text: str) -> str:
    if attribute.max_length is not None and len(text) > attribute.max_length:
        return f"is {len(text)} characters long, 1C keeps {attribute.max_length}"
    return "holds characters that 1C cannot keep" if _NOT_IN_XML.search(text) else ""


def _nothing(value: Any) -> bool:
    return value is None or value == "" or value is False or (not isinstance(value, bool) and value == 0)


def _values(cells: Sequence[Cell]) -> dict[str, Any]:
    return {cell.name: cell.value for cell in cells if not cell.is_empty or cell.attribute.kind is Kind.FLAG}


def ours(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Cells whose attributes we may change after the creation."""
    return tuple(cell for cell in cells if cell.attribute.owner is not Owner.ONCE)


def refused(problems: Sequence[str]) -> PipelineError:
    """The error for facts that cannot go out as they are."""
    shown = "; ".join(problems[:10]) + (f"; and {len(problems) - 10} more" if len(problems) > 10 else "")  # noqa: PLR2004 - enough to read
    return Quarantine(
        f"it cannot go to 1C as it is: {shown}",
        code="PUSH_PREFLIGHT",
        remedy="Correct it in the application (the correction is sent by itself), or the defaults of the store.",
    )
