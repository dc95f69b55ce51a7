"""What a change of the base's schema does to the entities: computed from the declarations alone.

Here belongs the judgement; the plain comparison is in `onec/metadata_diff.py`, storing in `watch_schema.py`. An entity is broken exactly
when it could not be read any more: the same resolution decides as in a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from onec_pipelines.errors import Skip, Stop
from onec_pipelines.onec.metadata_diff import Change, ChangeKind, diff
from onec_pipelines.onec.metadata_document import Wanted
from onec_pipelines.onec.metadata_model import Metadata
from onec_pipelines.spec import Entity, Reading
from onec_pipelines.steps import feeds
from onec_pipelines.steps.resolve import Choice, asked_for, choices, must_have, published, resolve


class Severity(StrEnum):
    """What a change means for an entity, the worst last."""

    NOTE = "note"
    WARNING = "warning"
    BROKEN = "broken"


_SOURCE = {
    ChangeKind.SET_ADDED,
    ChangeKind.SET_REMOVED,
    ChangeKind.TABLE_ADDED,
    ChangeKind.TABLE_REMOVED,
}
_RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, kw_only=True)
class Impact:
    """What one change does to one entity; `field` is empty when it is not about one field."""

    entity: str
    severity: Severity
    text: str
    field: str = ""
    shop_columns: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A change with all that it does; without an impact it is a note."""

    change: Change
    impacts: tuple[Impact, ...] = ()

    @property
    def severity(self) -> Severity:
        """The worst of its impacts."""
        return max((impact.severity for impact in self.impacts), key=_RANK.__getitem__, default=Severity.NOTE)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """How the entities fare on a base: which cannot be read and why, which it does not publish, which fields stay empty.

    `codes` holds the code of the Stop that each broken entity would end with.
    """

    broken: dict[str, str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)


def wanted_by(entities: Iterable[Entity]) -> dict[str, frozenset[str]]:
    """Every set that an entity names, with the virtual tables that are read of it."""
    found: dict[str, frozenset[str]] = {}
    for entity in entities:
        tables = frozenset({entity.source.function} if entity.source.function else ())
        for resource in entity.source.resources:
            found[resource] = found.get(resource, frozenset()) | tables
    return found


def condition(entities: Iterable[Entity], metadata: Metadata) -> Condition:
    """Resolve every entity against a base."""
    found = Condition()
    for entity in entities:
        try:
            plan = resolve(entity, metadata)
        except Skip as skip:
            found.skipped[entity.name] = skip.message
        except Stop as stop:
            found.broken[entity.name], found.codes[entity.name] = stop.message, stop.code
        else:
            unread = _unread_key(entity, plan.key, dict(plan.columns).values())
            if unread:
                found.codes[entity.name] = "ONEC_KEY_UNKNOWN"
                found.broken[entity.name] = (
                    f"{entity.name}: the key of {plan.resource} has {', '.join(unread)}, which no field reads"
                )
            elif plan.missing:
                found.missing[entity.name] = plan.missing
    return found


def drifts(
    entities: Sequence[Entity], before: Metadata, after: Metadata, wanted: Wanted
) -> tuple[Drift, ...]:
    """Every difference of the wanted sets with its impacts; the gravest first, then by name."""
    judges = [_Judge(entity, entities, before, after) for entity in entities]
    found = [
        Drift(
            change=change,
            impacts=tuple(impact for judge in judges for impact in judge.impacts(change)),
        )
        for change in diff(before, after, wanted)
    ]
    return tuple(sorted(found, key=lambda drift: -_RANK[drift.severity]))


def _unread_key(entity: Entity, key: Iterable[str], read: Iterable[str]) -> list[str]:
    """Key properties that no field reads: paging over such a key cannot be proved complete."""
    if entity.source.reading is not Reading.PAGED or entity.source.function:
        return []
    known = set(read)
    return [name for name in key if name not in known]


class _Judge:
    """One entity before and after a change of the base."""

    def __init__(self, entity: Entity, entities: Sequence[Entity], before: Metadata, after: Metadata) -> None:
        self._entity = entity
        self._entities = entities
        self._after = after
        self._choices = {
            resource: (choices(entity, resource, before), choices(entity, resource, after))
            for resource in entity.source.resources
        }
        self._stops = bool(condition([entity], after).broken)
        self._place = entity.source.function or ""

    def impacts(self, change: Change) -> Iterator[Impact]:
        """What the change does to this entity; nothing if it does not touch what the entity reads."""
        if change.resource not in self._choices:
            return
        if change.kind in _SOURCE:
            if change.place in {"", self._place}:
                yield self._source_changed(change)
        elif change.kind is ChangeKind.KEY_CHANGED:
            yield from self._key_changed(change)
        elif change.kind is ChangeKind.PARAMETERS_CHANGED:
            if change.place == self._place:
                yield self._about(Severity.WARNING, "the request may be refused: its parameters differ")
        elif change.kind is ChangeKind.REFERENCE_CHANGED:
            yield from self._reference_changed(change)
        elif change.kind is not ChangeKind.NULLABILITY:
            yield from self._property_changed(change)

    def _source_changed(self, change: Change) -> Impact:
        """The set or its virtual table came or went."""
        entity, left = self._entity, published(self._entity, self._after)
        if self._stops:
            fields = "" if not left else f": {left[0]} has not all that it needs"
            return self._about(self._gravest(change), f"stops, and with it {entity.target.table}{fields}")
        if change.kind in {ChangeKind.SET_ADDED, ChangeKind.TABLE_ADDED}:
            return self._about(Severity.NOTE, f"can be read from {change.where}")
        if left:
            return self._about(Severity.WARNING, f"can only be read from {' or '.join(left)} now")
        return self._about(Severity.WARNING, f"is not synced any more; {entity.target.table} stays as it is")

    def _key_changed(self, change: Change) -> Iterator[Impact]:
        if self._entity.source.function:
            return
        read = [column.wire for column in self._choices[change.resource][1].columns]
        unread = _unread_key(self._entity, (change.after or "").split(", "), read)
        if unread:
            text = f"stops: no field reads {', '.join(unread)}, which is part of the key"
            yield self._about(self._gravest(change), text)
        else:
            yield self._about(Severity.WARNING, f"rows are told apart by {change.after} now")

    def _reference_changed(self, change: Change) -> Iterator[Impact]:
        for declared in self._entity.fields:
            if f"{change.name}_Key" in declared.source and change.before and change.after:
                text = f"points to {change.after}, not to {change.before}"
                yield self._on_field(declared.name, Severity.WARNING, text)

    def _property_changed(self, change: Change) -> Iterator[Impact]:
        gone = change.kind is ChangeKind.REMOVED
        if gone and change.place == self._place and change.name in asked_for(self._entity):
            yield self._about(self._gravest(change), f"stops: it is read by `{change.name}`")
        for name in self._touched(change):
            yield from self._field_changed(change, name)

    def _touched(self, change: Change) -> Iterator[str]:
        """Fields that may be read from the changed property, and the section that it may be."""
        if change.place == self._place:
            yield from (f.name for f in self._entity.fields if change.name in f.source)
        for section in self._entity.sections:
            if change.place == "" and section.source == change.name:
                yield section.name
            if change.place == section.source:
                yield from (f"{section.name}.{f.name}" for f in section.fields if change.name in f.source)

    def _field_changed(self, change: Change, name: str) -> Iterator[Impact]:
        before, after = self._choices[change.resource]
        was, is_ = _state(before, name), _state(after, name)
        if name in after.retyped:
            yield self._on_field(name, self._gravest(change), "cannot be read: the entity stops")
        elif was == is_:
            return
        elif is_ is not None:
            source, edm_type = is_
            if was is None or was[0] != source:
                yield self._on_field(name, Severity.NOTE, f"is read from `{source}` from now on")
            else:
                yield self._on_field(name, Severity.WARNING, f"is made of {edm_type} from now on")
        elif name in must_have(self._entity, after.missing):
            yield self._on_field(name, self._gravest(change), "has no source left: the entity stops")
        elif others := self._instead(name, after):
            yield self._on_field(name, Severity.NOTE, f"is not read any more, {' or '.join(others)} is")
        else:
            yield self._on_field(name, Severity.WARNING, "has no source left and stays empty")

    def _instead(self, name: str, after: Choice) -> list[str]:
        """Fields of the same group that the base has: one of them is enough."""
        groups = [group for group in self._entity.any_of if name in group]
        return [other for group in groups for other in group if _state(after, other) is not None]

    def _gravest(self, change: Change) -> Severity:
        """An alternative of second choice breaks nothing as long as the first is there."""
        preferred = published(self._entity, self._after)[:1] or (change.resource,)
        return Severity.BROKEN if preferred == (change.resource,) and self._stops else Severity.WARNING

    def _about(self, severity: Severity, text: str) -> Impact:
        return Impact(entity=self._entity.name, severity=severity, text=f"{self._entity.name}: {text}")

    def _on_field(self, name: str, severity: Severity, text: str) -> Impact:
        entity = self._entity
        children = [child.table for child in entity.target.children if child.section == name]
        columns: tuple[str, ...] = tuple(children)
        rules: tuple[str, ...] = ()
        words = f"→ {', '.join(children) or 'no shop table'}"
        if name not in {section.name for section in entity.sections}:
            columns = feeds.shop_columns(entity, name, self._entities)
            rules = feeds.rules(entity, name)
            words = feeds.sentence(entity, name, self._entities)
        return Impact(
            entity=entity.name,
            severity=severity,
            field=name,
            text=f"{entity.name}.{name} {text} {words}",
            shop_columns=columns,
            rules=rules,
        )


def _state(choice: Choice, name: str) -> tuple[str, str] | None:
    """Property and type from which a field or a section is read, None when it is not."""
    for column in choice.columns:
        if column.name == name:
            return column.wire, column.edm_type
        if column.name.startswith(f"{name}."):
            return name, "section"
    return None
