"""What we want, what 1C holds, and what it held when we last looked: differences, a three-way merge, conflicts.

Prints are what is remembered of a value: the value itself, or a keyed hash where it is personal. Pure: no database and no 1C.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from onec_pipelines.onec.values import ZERO_GUID
from onec_pipelines.steps.push.declaration import Kind, Outgoing, Owner, Rows
from onec_pipelines.steps.push.payload import Cell, Payload, keyed, ours

Row = Mapping[str, Any]
Prints = dict[str, Any]
_MASKED = 40
_PRINT_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One attribute that 1C holds otherwise than we want; the texts are fit for an operator (personal data hashed)."""

    name: str
    ours: str
    theirs: str


@dataclass(frozen=True, kw_only=True)
class Merge:
    """What a change comes to: the body of a PATCH (empty: nothing to do) and the conflicts that a person must decide."""

    body: dict[str, Any] = field(default_factory=dict)
    conflicts: tuple[Difference, ...] = ()


def normal(cell: Cell, value: Any) -> str:
    """A wire value of this attribute as a text that is equal for equal meanings."""
    if value is None:
        value = ""
    kind = cell.attribute.kind
    if kind in {Kind.NUMBER, Kind.INTEGER}:
        try:
            number = Decimal(str(value or 0))
        except InvalidOperation:
            return str(value)
        return f"{number.normalize():f}" if number else "0"
    if kind is Kind.FLAG:
        return "true" if value in {True, "true"} else "false"
    text = str(value)
    if kind is Kind.REF:
        return "" if text == ZERO_GUID else text.lower()
    if kind is Kind.MOMENT:
        return "" if text.startswith("0001-01-01T00:00:00") else text
    # fixed-length texts come padded (PROTOCOL §1.5), and 1C keeps one kind of line end
    return text.replace("\r\n", "\n").rstrip()


def print_of(cell: Cell, value: Any) -> str:
    """What is remembered of a value."""
    text = normal(cell, value)
    if not cell.attribute.personal or not text:
        return text
    return (
        "#"
        + keyed(cell.secret, hashlib.sha256(text.encode()).digest()[:_PRINT_BYTES]).hex()[: 2 * _PRINT_BYTES]
    )


def shown(cell: Cell, value: Any) -> str:
    """The value for an operator."""
    text = print_of(cell, value)
    if cell.attribute.personal:
        return "(hidden)" if text else "(empty)"
    return (text if len(text) <= _MASKED else text[: _MASKED - 1] + "…") or "(empty)"


def prints(payload: Payload) -> Prints:
    """Prints of everything a payload sends and we may change later."""
    found: Prints = {
        cell.name: print_of(cell, cell.value)
        for cell in ours(payload.cells)
        if cell.attribute.owner is Owner.OURS
    }
    for section in payload.outgoing.sections:
        if section.identity is not None:
            found[section.wire] = {
                _identity(section, row): {cell.name: print_of(cell, cell.value) for cell in ours(row)}
                for row in payload.sections.get(section.wire, ())
            }
    return found


def link_prints(payload: Payload, found: Row) -> Prints:
    """Prints for an object that is taken as it is: what differs there counts as 1C's own, rows it lacks as not yet written."""
    agreed = prints(payload)
    for section in payload.outgoing.sections:
        rows = payload.sections.get(section.wire, ())
        sample = next((cell for row in rows for cell in row if cell.attribute.fact == section.identity), None)
        if sample is not None:
            held = {normal(sample, row.get(sample.name)) for row in found.get(section.wire) or ()}
            agreed[section.wire] = {code: row for code, row in agreed[section.wire].items() if code in held}
    return agreed


def not_as_sent(payload: Payload, found: Row) -> tuple[Difference, ...]:
    """What 1C holds otherwise than it was sent: truncated, ignored, or changed by a handler of the configuration."""
    sent = [cell for cell in payload.cells if not cell.is_empty]
    wrong = [*_differences(sent, found, "")]
    for section in payload.outgoing.sections:
        rows = payload.sections.get(section.wire, ())
        held = list(found.get(section.wire) or ())
        if len(rows) != len(held):
            wrong.append(Difference(name=section.wire, ours=f"{len(rows)} rows", theirs=f"{len(held)} rows"))
            continue
        for number, (row, theirs) in enumerate(zip(rows, held, strict=True), start=1):
            wrong += _differences([c for c in row if not c.is_empty], theirs, f"{section.wire}[{number}].")
    return tuple(wrong)


def change_not_as_sent(payload: Payload, body: Row, found: Row) -> tuple[Difference, ...]:
    """The same for the attributes and sections of a change."""
    wrong = [
        Difference(
            name=cell.name, ours=shown(cell, body[cell.name]), theirs=shown(cell, found.get(cell.name))
        )
        for cell in payload.cells
        if cell.name in body and normal(cell, body[cell.name]) != normal(cell, found.get(cell.name))
    ]
    for name, rows in payload.sections.items():
        if name in body:
            samples = {cell.name: cell for row in rows for cell in row}
            wrong += _section_differences(name, samples.values(), body[name], list(found.get(name) or ()))
    return tuple(wrong)


def _section_differences(
    name: str, cells: Iterable[Cell], sent: Sequence[Row], held: Sequence[Row]
) -> Iterator[Difference]:
    if len(sent) != len(held):
        yield Difference(name=name, ours=f"{len(sent)} rows", theirs=f"{len(held)} rows")
        return
    for cell in cells:
        for number, (mine, theirs) in enumerate(zip(sent, held, strict=True), start=1):
            if normal(cell, mine.get(cell.name)) != normal(cell, theirs.get(cell.name)):
                yield Difference(
                    name=f"{name}[{number}].{cell.name}",
                    ours=shown(cell, mine.get(cell.name)),
                    theirs=shown(cell, theirs.get(cell.name)),
                )


def is_ours(payload: Payload, found: Row) -> bool:
    """Whether an object found by its number is the one we mean: its identifying attributes agree."""
    cells = [cell for cell in payload.cells if cell.attribute.fact in payload.outgoing.identity]
    return not _differences(cells, found, "")


def merge(payload: Payload, base: Prints, found: Row) -> Merge:
    """What must be written so that 1C holds what we want, without undoing what somebody changed there meanwhile.

    An attribute that only 1C changed is left to 1C; one that only we changed is written; one that both changed, to different
    values, is a conflict.
    """
    body: dict[str, Any] = {}
    conflicts: list[Difference] = []
    for cell in ours(payload.cells):
        if _decide(cell, base.get(cell.name), found.get(cell.name), "", conflicts):
            body[cell.name] = cell.value
    for section in payload.outgoing.sections:
        if section.identity is None or section.wire not in payload.sections:
            continue
        rows = _merged_rows(
            section, payload.sections[section.wire], base.get(section.wire) or {}, found, conflicts
        )
        if rows is not None:
            body[section.wire] = rows
    _sum_up(payload.outgoing, body, found)
    settled = _settled(payload.outgoing, found) if body else None
    if settled is not None:
        conflicts.append(settled)
    return Merge(body=body, conflicts=tuple(conflicts))


def _settled(outgoing: Outgoing, found: Row) -> Difference | None:
    for name, value in outgoing.settled:
        if found.get(name) == value:
            return Difference(name=name, ours="a change of the application", theirs=value)
    return None


def _decide(cell: Cell, base: str | None, theirs: Any, place: str, conflicts: list[Difference]) -> bool:
    """Whether our value is to be written."""
    mine, their_print = print_of(cell, cell.value), print_of(cell, theirs)
    if cell.attribute.owner is Owner.FORCED:
        return bool(mine) and mine != their_print
    if mine in {their_print, base}:
        return False
    if base is None or their_print == base:
        return True
    conflicts.append(
        Difference(name=place + cell.name, ours=shown(cell, cell.value), theirs=shown(cell, theirs))
    )
    return False


@dataclass(kw_only=True)
class _Section:
    """One tabular section while it is merged: the rows as they will be, and where the row of each identity stands."""

    section: Rows
    conflicts: list[Difference]
    rows: list[dict[str, Any]]
    held: dict[str, dict[str, Any]]
    is_known: bool
    changed: bool = False

    def merge_row(self, code: str, cells: Sequence[Cell], base: Mapping[str, str] | None) -> None:
        """Bring one row of ours in."""
        row = self.held.get(code)
        if row is None and base is not None:
            removed = Difference(name=f"{self.section.wire}[{code}]", ours="the row", theirs="removed in 1C")
            self.conflicts.append(removed)
            return
        if row is None:
            self.rows.append({cell.name: cell.value for cell in cells})
            self.changed = True
            return
        if base is None and self.is_known:
            taken = _differences(ours(cells), row, "")
            if taken:
                told = Difference(
                    name=f"{self.section.wire}[{code}]", ours="a new row", theirs="another row of that code"
                )
                self.conflicts.append(told)
            return
        for cell in ours(cells):
            before = (base or {}).get(cell.name)
            if _decide(cell, before, row.get(cell.name), f"{self.section.wire}[{code}].", self.conflicts):
                row[cell.name] = cell.value
                self.changed = True

    def withdraw(self, code: str) -> None:
        """A row that the application no longer has is cancelled, because rows of a posted document carry its history."""
        flag = next((a.wire[0] for a in self.section.attributes if a.fact == self.section.cancelled), None)
        row = self.held.get(code)
        if flag is not None and row is not None and row.get(flag) is not True:
            row[flag] = True
            self.changed = True


def _merged_rows(
    section: Rows,
    wanted: Sequence[Sequence[Cell]],
    base: Mapping[str, Any],
    found: Row,
    conflicts: list[Difference],
) -> list[dict[str, Any]] | None:
    """The whole section anew, or None when it needs no change. Rows that 1C's users added stay as they are."""
    rows = [{k: v for k, v in row.items() if k != "Ref_Key"} for row in found.get(section.wire) or ()]
    sample = next((cell for row in wanted for cell in row if cell.attribute.fact == section.identity), None)
    held: dict[str, dict[str, Any]] = {}
    if sample is not None:
        for row in rows:
            held.setdefault(normal(sample, row.get(sample.name)), row)
    state = _Section(section=section, conflicts=conflicts, rows=rows, held=held, is_known=bool(base))
    codes = [_identity(section, row) for row in wanted]
    for code, cells in zip(codes, wanted, strict=True):
        state.merge_row(code, cells, base.get(code))
    for code in set(base) - set(codes):
        state.withdraw(code)
    if not state.changed:
        return None
    return [{**row, "LineNumber": str(number)} for number, row in enumerate(state.rows, start=1)]


def _sum_up(outgoing: Outgoing, body: dict[str, Any], found: Row) -> None:
    if outgoing.total is None or outgoing.total[1] not in body:
        return
    header, section, column = outgoing.total
    flag = next(
        (
            a.wire[0]
            for s in outgoing.sections
            if s.wire == section
            for a in s.attributes
            if a.fact == s.cancelled
        ),
        "",
    )
    total = sum(
        (Decimal(str(row.get(column) or 0)) for row in body[section] if row.get(flag) is not True), Decimal(0)
    )
    if total != Decimal(str(found.get(header) or 0)):
        body[header] = total


def _differences(cells: Sequence[Cell], found: Row, place: str) -> list[Difference]:
    return [
        Difference(
            name=place + cell.name, ours=shown(cell, cell.value), theirs=shown(cell, found.get(cell.name))
        )
        for cell in cells
        if normal(cell, cell.value) != normal(cell, found.get(cell.name))
    ]


def _identity(section: Rows, row: Sequence[Cell]) -> str:
    return next(normal(cell, cell.value) for cell in row if cell.attribute.fact == section.identity)
