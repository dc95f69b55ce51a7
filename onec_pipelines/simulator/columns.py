"""What of a row is answered: selected properties in wire order, sections, links, presentations, expansions.

Formats only print what is listed here; parsing of `$select` and `$expand` is elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from onec_pipelines.simulator.kinds import TypeMeta
from onec_pipelines.simulator.source import Row

PRESENTATION = "____Presentation"
_OWNER_KEYS = ("Ref_Key", "Recorder", "Recorder_Key", "Recorder_Type")


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """A navigation property whose target is answered inside the row.

    `lookup` finds the target of a row, or None.
    """

    name: str
    columns: Columns
    lookup: Callable[[Row], Row | None]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The answered part of one type.

    `links` pairs navigation properties with their keys; `presentations` are asked-for texts.
    """

    meta: TypeMeta
    scalars: tuple[str, ...]
    sections: tuple[tuple[str, Columns], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    presentations: tuple[tuple[str, Callable[[Row], str]], ...] = ()
    expansions: tuple[Expansion, ...] = field(default=())

    @property
    def order(self) -> tuple[str, ...]:
        """Selected scalars and sections in wire order."""
        chosen = {*self.scalars, *(name for name, _ in self.sections)}
        return tuple(name for name in self.meta.order if name in chosen)


def row_columns(meta: TypeMeta, *, owner: bool, names: Iterable[str] | None = None) -> Columns:
    """Columns of rows inside another row.

    `owner` keeps the properties that repeat the parent's key (PROTOCOL §2.2-2.3).
    """
    wanted = None if names is None else set(names)
    scalars = tuple(
        name
        for name in _printable(meta)
        if (wanted is None or name in wanted) and (owner or name not in _OWNER_KEYS)
    )
    return Columns(meta=meta, scalars=scalars)


def every(meta: TypeMeta, *, single: bool, packet: bool = False) -> Columns:
    """All columns of an entity.

    Rows of sections repeat `Ref_Key` in sets only; records repeat the recorder in packets only.
    """
    sections = tuple(
        (name, row_columns(section, owner=_repeats_owner(name, single=single, packet=packet)))
        for name in meta.sections
        if (section := meta.section(name)) is not None
    )
    links = tuple((name, f"{name}_Key") for name in meta.navigation)
    return Columns(meta=meta, scalars=tuple(_printable(meta)), sections=sections, links=links)


def _repeats_owner(section: str, *, single: bool, packet: bool) -> bool:
    if section == "RecordSet":
        return packet
    return not single and not packet


def _printable(meta: TypeMeta) -> list[str]:
    return [
        name
        for name in meta.order
        if name not in meta.sections and meta.properties[name].type != "Edm.Stream"
    ]


def choose(
    meta: TypeMeta, *, single: bool, names: Iterable[str], sections: dict[str, tuple[str, ...] | None]
) -> Columns:
    """The columns of a `$select` list; a section maps to its chosen fields, or None for all of them."""
    wanted = set(names)
    chosen = []
    for name, fields in sections.items():
        section = meta.section(name)
        if section is not None:
            owner = _repeats_owner(name, single=single, packet=False)
            chosen.append((name, row_columns(section, owner=owner, names=fields)))
    links = tuple((name, f"{name}_Key") for name in meta.navigation if name in wanted)
    scalars = tuple(name for name in _printable(meta) if name in wanted)
    return Columns(meta=meta, scalars=scalars, sections=tuple(chosen), links=links)


def inherited(columns: Columns, row: Row) -> Row:
    """What rows of a section repeat of the row that holds them."""
    return {name: row[name] for name in _OWNER_KEYS if name in columns.scalars and name in row}
