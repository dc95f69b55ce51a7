"""What one release of UT 11.5 publishes otherwise than another, as facts (PROTOCOL §11.1), and how to apply them.

Which releases there are is in `releases.py`. A patch says only what is known: everything else stays as it is
in the release that is patched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from onec_pipelines.simulator.shape import Function, Property, Shape, Structure

Fact = TypeVar("Fact")
_PARTS = ("", "_RecordType", "_RowType", "_Balance", "_Turnover", "_BalanceAndTurnover")
_AMOUNTS = ("OpeningBalance", "ClosingBalance", "Balance", "Turnover", "Receipt", "Expense", "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Addition:
    """A property that a release has more; `target` is the object that a reference leads to, if it is published."""

    name: str
    type: str
    target: str = ""


@dataclass(frozen=True, kw_only=True)
class Patch:
    """The known differences of a release; objects are named as their sets.

    `taken` objects are copied from an older shape, `replaced` ones stay as `Удалить…` beside their successors
    (which begin as their copies), `obsolete` properties stay as `Удалить…`, `dropped` and `added` properties concern a register with
    its records and virtual tables, `sections` of an object go with their sets.
    """

    without: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    replaced: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[tuple[str, str], ...] = ()
    dropped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    added: Mapping[str, tuple[Addition, ...]] = field(default_factory=dict)
    obsolete: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    members_without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    members_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def apply(self, shape: Shape, *, name: str, older: Shape) -> Shape:
        """The patched shape; raises KeyError when a fact names what the shapes do not have."""
        for object_, section in self.sections:
            shape = _without_section(shape, object_, section)
        shape = shape.restricted(one for one in shape.objects() if one not in self.without)
        for object_ in self.taken:
            shape = _joined(shape, _part(older, object_))
        for source, copy in self.replaced.items():
            old = f"{source.split('_', 1)[0]}_Удалить{source.split('_', 1)[1]}"
            shape = _joined(_renamed(shape, {source: old}), _renamed(_part(shape, source), {source: copy}))
        shape = _changed(shape, self.dropped, _dropped)
        shape = _changed(shape, self.obsolete, _obsolete)
        shape = _changed(shape, self.added, _added)
        shape = _changed(shape, self.keys, _keyed)
        return replace(shape, name=name, enums=tuple(self._enumeration(*one) for one in shape.enums))

    def _enumeration(self, name: str, members: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        gone, more = self.members_without.get(name, ()), self.members_with.get(name, ())
        return name, (*(one for one in members if one not in gone), *more)


def _part(shape: Shape, object_: str) -> Shape:
    """The types, sets and functions of one object alone."""
    names = {f"{object_}{part}" for part in _PARTS}
    if object_ not in shape.sets:
        raise KeyError(object_)
    return replace(
        shape,
        entities={name: one for name, one in shape.entities.items() if name in names},
        complexes={name: one for name, one in shape.complexes.items() if name in names},
        sets={name: type_ for name, type_ in shape.sets.items() if name in names},
        functions=tuple(one for one in shape.functions if one.binding in names),
    )


def _joined(shape: Shape, part: Shape) -> Shape:
    """A shape with the objects of another; navigation that leads nowhere here is left out."""
    entities = {**shape.entities, **part.entities}
    known = {
        name: replace(
            one, navigation={link: target for link, target in one.navigation.items() if target in entities}
        )
        for name, one in entities.items()
    }
    return replace(
        shape,
        entities=known,
        complexes={**shape.complexes, **part.complexes},
        sets={**shape.sets, **part.sets},
        functions=(*shape.functions, *part.functions),
    )


def _renamed(shape: Shape, names: Mapping[str, str]) -> Shape:
    """The shape with objects under other names; their types, rows and functions follow."""
    known = {f"{old}{part}": f"{new}{part}" for old, new in names.items() for part in _PARTS}
    return replace(
        shape,
        entities=_renamed_structures(shape.entities.values(), known),
        complexes=_renamed_structures(shape.complexes.values(), known),
        sets={known.get(name, name): known.get(type_, type_) for name, type_ in shape.sets.items()},
        functions=tuple(_renamed_function(one, known) for one in shape.functions),
    )


def _renamed_function(one: Function, known: Mapping[str, str]) -> Function:
    returns = None if one.returns is None else known.get(one.returns, one.returns)
    return replace(one, binding=known.get(one.binding, one.binding), returns=returns)


def _renamed_structures(found: Iterable[Structure], known: Mapping[str, str]) -> dict[str, Structure]:
    out = {}
    for one in found:
        name = known.get(one.name, one.name)
        properties = {part.name: _renamed_property(part, known) for part in one.properties.values()}
        navigation = {link: known.get(target, target) for link, target in one.navigation.items()}
        out[name] = replace(one, name=name, properties=properties, navigation=navigation)
    return out


def _renamed_property(one: Property, known: Mapping[str, str]) -> Property:
    new = known.get(one.rows or "")
    return one if one.rows is None or new is None else replace(one, type=one.type.replace(one.rows, new))


def _changed(
    shape: Shape, facts: Mapping[str, Fact], change: Callable[[Structure, Fact], Structure]
) -> Shape:
    """The shape with every type of the named objects changed."""
    for object_ in facts:
        if object_ not in shape.sets:
            raise KeyError(object_)
    wanted = {f"{object_}{part}": fact for object_, fact in facts.items() for part in _PARTS}
    entities, complexes = (
        {name: change(one, wanted[name]) if name in wanted else one for name, one in found.items()}
        for found in (shape.entities, shape.complexes)
    )
    return replace(shape, entities=entities, complexes=complexes)


def _dropped(one: Structure, names: tuple[str, ...]) -> Structure:
    gone = {f"{name}{ending}" for name in names for ending in _AMOUNTS}
    kept = {name: part for name, part in one.properties.items() if name not in gone}
    return replace(one, properties=kept)


def _obsolete(one: Structure, names: tuple[str, ...]) -> Structure:
    """The names with the prefix that 1C gives to what is kept for the update only (PROTOCOL §11.1)."""
    properties = {}
    for name, part in one.properties.items():
        shown = f"Удалить{name}" if name in names else name
        properties[shown] = replace(part, name=shown)
    navigation = {
        f"Удалить{link}" if f"{link}_Key" in names else link: target
        for link, target in one.navigation.items()
    }
    return replace(one, properties=properties, navigation=navigation)


def _added(one: Structure, additions: tuple[Addition, ...]) -> Structure:
    if "RecordSet" in one.properties:
        return one
    properties, navigation = dict(one.properties), dict(one.navigation)
    for addition in additions:
        properties[addition.name] = Property(name=addition.name, type=addition.type, nullable=True)
        if addition.target and one.key:
            navigation[addition.name.removesuffix("_Key")] = addition.target
    unpublished = any(new.type == "Edm.Guid" and not new.target for new in additions)
    is_open = one.open or bool(one.key and unpublished)
    return replace(one, properties=properties, navigation=navigation, open=is_open)


def _keyed(one: Structure, key: tuple[str, ...]) -> Structure:
    properties = {
        name: replace(part, nullable=part.nullable and name not in key)
        for name, part in one.properties.items()
    }
    return replace(one, properties=properties, key=key)


def _without_section(shape: Shape, object_: str, section: str) -> Shape:
    name = f"{object_}_{section}"
    owner = shape.entities[object_]
    kept = {part: one for part, one in owner.properties.items() if part != section}
    entities = {part: one for part, one in shape.entities.items() if part != name}
    return replace(
        shape,
        entities={**entities, object_: replace(owner, properties=kept)},
        complexes={part: one for part, one in shape.complexes.items() if part != f"{name}_RowType"},
        sets={part: one for part, one in shape.sets.items() if part != name},
    )
