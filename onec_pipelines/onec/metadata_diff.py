"""Two `$metadata` compared by meaning: what appeared, went, changed its type; and what may only have been renamed.

Names of 1C only: what a change does to the entities is in `steps/drift.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from onec_pipelines.onec.metadata_document import Wanted
from onec_pipelines.onec.metadata_model import EntityType, Function, Metadata, RowType

# Below this two names have little in common: Артикул and АртикулТовара have 0.7.
_ALIKE = 0.5
_KEY = "key"


class ChangeKind(StrEnum):
    """What happened to a set, a virtual table, or a property."""

    SET_ADDED = "set added"
    SET_REMOVED = "set removed"
    KEY_CHANGED = "key changed"
    TABLE_ADDED = "virtual table added"
    TABLE_REMOVED = "virtual table removed"
    PARAMETERS_CHANGED = "parameters changed"
    ADDED = "property added"
    REMOVED = "property removed"
    RETYPED = "type changed"
    NULLABILITY = "nullability changed"
    REFERENCE_CHANGED = "reference changed"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference.

    `place` is empty for the set itself, else the name of a tabular section or of a virtual table; `name` is the property, if it is one.
    `before` and `after` are types, keys, targets or parameters as text. `renamed_to` of a removed property is the nearest name of the
    same type that appeared in the same place.
    """

    kind: ChangeKind
    resource: str
    place: str = ""
    name: str = ""
    before: str | None = None
    after: str | None = None
    renamed_to: str | None = None

    @property
    def where(self) -> str:
        """The set, with the section or virtual table."""
        return f"{self.resource}/{self.place}" if self.place else self.resource

    @property
    def sentence(self) -> str:
        """What happened where, in one line for people."""
        whole = {
            ChangeKind.SET_ADDED: "is published now",
            ChangeKind.TABLE_ADDED: "is published now",
            ChangeKind.SET_REMOVED: "is not published any more",
            ChangeKind.TABLE_REMOVED: "is not published any more",
        }
        if self.kind in whole:
            return f"{self.where} {whole[self.kind]}"
        if self.kind is ChangeKind.ADDED:
            return f"`{self.name}` ({self.after}) is new in {self.where}"
        if self.kind is ChangeKind.REMOVED:
            hint = f", perhaps renamed to `{self.renamed_to}`" if self.renamed_to else ""
            return f"`{self.name}` ({self.before}) is gone from {self.where}{hint}"
        name = f" `{self.name}`" if self.name else ""
        return f"{self.where}{name}: {self.kind}, {self.before or 'nothing'} → {self.after or 'nothing'}"


def diff(before: Metadata, after: Metadata, wanted: Wanted) -> tuple[Change, ...]:
    """Differences in the wanted sets and virtual tables, in the order of their names; nothing for equal meanings."""
    changes: list[Change] = []
    for resource, functions in sorted(wanted.items()):
        old, new = before.find_set(resource), after.find_set(resource)
        if old is None or new is None:
            if old is not new:
                kind = ChangeKind.SET_ADDED if old is None else ChangeKind.SET_REMOVED
                changes.append(Change(kind=kind, resource=resource))
            continue
        changes += _of_set(resource, old, new)
        changes += _of_sections(resource, (before, old), (after, new))
        for table in sorted(functions):
            changes += _of_table(resource, table, before, after)
    return tuple(changes)


def _of_set(resource: str, old: EntityType, new: EntityType) -> Iterator[Change]:
    if set(old.key) != set(new.key):
        yield Change(
            kind=ChangeKind.KEY_CHANGED,
            resource=resource,
            name=_KEY,
            before=", ".join(old.key),
            after=", ".join(new.key),
        )
    yield from _of_rows(resource, "", old, new)
    for name in sorted(old.navigation.keys() | new.navigation.keys()):
        targets = old.navigation.get(name), new.navigation.get(name)
        if targets[0] != targets[1]:
            yield Change(
                kind=ChangeKind.REFERENCE_CHANGED,
                resource=resource,
                name=name,
                before=targets[0],
                after=targets[1],
            )


def _of_sections(
    resource: str, old: tuple[Metadata, EntityType], new: tuple[Metadata, EntityType]
) -> Iterator[Change]:
    """Sections of both; one that came or went is a property that did."""
    (before, old_type), (after, new_type) = old, new
    for section in sorted(old_type.sections.keys() & new_type.sections.keys()):
        rows = before.row_type(old_type.sections[section]), after.row_type(new_type.sections[section])
        if rows[0] is not None and rows[1] is not None:
            yield from _of_rows(resource, section, rows[0], rows[1])


def _of_table(resource: str, table: str, before: Metadata, after: Metadata) -> Iterator[Change]:
    old, new = before.functions(resource).get(table), after.functions(resource).get(table)
    rows = _rows_of(before, old), _rows_of(after, new)
    if rows[0] is None or rows[1] is None:
        if rows[0] is not rows[1]:
            kind = ChangeKind.TABLE_ADDED if rows[0] is None else ChangeKind.TABLE_REMOVED
            yield Change(kind=kind, resource=resource, place=table)
        return
    if old is not None and new is not None and dict(old.parameters) != dict(new.parameters):
        yield Change(
            kind=ChangeKind.PARAMETERS_CHANGED,
            resource=resource,
            place=table,
            before=_text(old.parameters),
            after=_text(new.parameters),
        )
    yield from _of_rows(resource, table, rows[0], rows[1])


def _rows_of(metadata: Metadata, function: Function | None) -> RowType | None:
    return metadata.row_type(function.returns) if function and function.returns else None


def _text(parameters: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {edm_type}" for name, edm_type in sorted(parameters.items()))


def _of_rows(resource: str, place: str, old: RowType, new: RowType) -> Iterator[Change]:
    removed: list[Change] = []
    added: list[Change] = []
    for name in sorted(old.properties.keys() | new.properties.keys()):
        was, is_ = old.properties.get(name), new.properties.get(name)
        change = Change(
            kind=ChangeKind.ADDED,
            resource=resource,
            place=place,
            name=name,
            before=was.edm_type if was else None,
            after=is_.edm_type if is_ else None,
        )
        if was is None:
            added.append(change)
        elif is_ is None:
            removed.append(replace(change, kind=ChangeKind.REMOVED))
        elif was.edm_type != is_.edm_type:
            yield replace(change, kind=ChangeKind.RETYPED)
        elif was.nullable != is_.nullable:
            words = {True: "may be empty", False: "never empty"}
            yield replace(
                change,
                kind=ChangeKind.NULLABILITY,
                before=words[was.nullable],
                after=words[is_.nullable],
            )
    yield from _with_hints(removed, added)
    yield from added


def _with_hints(removed: Iterable[Change], added: Iterable[Change]) -> list[Change]:
    """Each removed property with the likeliest new name, the likest pairs first; a new name is given once."""
    gone = list(removed)
    pairs = [
        (_likeness(old.name, new.name), old.name, new.name)
        for old in gone
        for new in added
        if old.before == new.after
    ]
    hints: dict[str, str] = {}
    for likeness, old_name, new_name in sorted(pairs, reverse=True):
        if likeness >= _ALIKE and old_name not in hints and new_name not in hints.values():
            hints[old_name] = new_name
    return [replace(change, renamed_to=hints.get(change.name)) for change in gone]


def _likeness(old: str, new: str) -> float:
    return difflib.SequenceMatcher(None, old.casefold(), new.casefold(), autojunk=False).ratio()
