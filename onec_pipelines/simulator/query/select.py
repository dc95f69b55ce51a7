"""`$select` and `$expand`: which properties and which related objects the answer holds (PROTOCOL §3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from onec_pipelines.simulator.query.errors import QueryError, syntax, unknown_segment, unsupported
from onec_pipelines.simulator.query.types import TypeInfo

PRESENTATION = "____Presentation"
_NAME = re.compile(r"\*{1,2}|[^\W\d]\w*|\*____Presentation")
_SEGMENTS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What `$select` asks for.

    `*` wins over `**`, and `**` over the list; presentations are added to whichever wins.

    `names`, `sections` and `nested` are empty when `all` or `scalars` is set. `sections` maps a section to
    its columns, None for all of them. `nested` maps a navigation property (for a composite, `X/Type`) to what
    is selected inside the expanded object.
    """

    all: bool = False
    scalars: bool = False
    names: tuple[str, ...] = ()
    sections: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    nested: Mapping[str, Selection] = field(default_factory=dict)
    presentations: tuple[str, ...] = ()
    all_presentations: bool = False
    own_presentation: bool = False


EVERYTHING = Selection(all=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Expansion:
    """A related object to put into the answer.

    `type` is set for a composite with a type segment, `star` for `/*` below it.
    """

    name: str
    target: TypeInfo | None
    type: str | None = None
    star: bool = False
    children: tuple[Expansion, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Expansions:
    """What `$expand` asks for; `star` means every navigation property of the set."""

    star: bool = False
    items: tuple[Expansion, ...] = ()


def _paths(text: str, option: str) -> list[tuple[str, ...]]:
    paths = [tuple(part.strip() for part in item.split("/")) for item in text.split(",")]
    for path in paths:
        if len(path) > _SEGMENTS or not all(_NAME.fullmatch(part) for part in path):
            raise syntax(option)
        if any(part.startswith("*") for part in path[:-1]):
            raise syntax(option)
    return paths


def parse_select(text: str, type_info: TypeInfo) -> Selection:
    """The selection that the text asks for; an empty text asks for everything.

    Raises QueryError 400/6 for an unknown name, also in a list that `*` makes idle, and 400/14 for bad
    syntax.
    """
    if not text.strip():
        return EVERYTHING
    return _selection(_paths(text, "$select"), type_info)


def _selection(paths: list[tuple[str, ...]], info: TypeInfo) -> Selection:
    builder = _Builder(info)
    for path in paths:
        builder.add(path)
    return builder.result()


class _Builder:
    """Collects the items of one list."""

    def __init__(self, info: TypeInfo) -> None:
        self._info = info
        self._stars: set[str] = set()
        self._names: dict[str, None] = {}
        self._presentations: dict[str, None] = {}
        self._sections: dict[str, dict[str, None] | None] = {}
        self._nested: dict[str, list[tuple[str, ...]]] = {}

    def add(self, path: tuple[str, ...]) -> None:
        head, rest = path[0], path[1:]
        if not rest:
            self._single(head)
        elif self._info.section(head) is not None:
            self._column(head, rest)
        else:
            self._related(head, rest)

    def _single(self, name: str) -> None:
        bare = name.removesuffix(PRESENTATION)
        if name in ("*", "**", "*" + PRESENTATION) or (name == "Presentation" and not self._scalar(name)):
            self._stars.add(name)
        elif bare != name:
            self._presentation(bare)
        elif self._scalar(name):
            self._names[name] = None
        elif self._info.section(name) is not None:
            self._sections[name] = None
        elif self._info.reference(name) is not None:
            self._nested.setdefault(name, []).append(("*",))
        else:
            raise unknown_segment(name)

    def _scalar(self, name: str) -> bool:
        return self._info.property_type(name) is not None

    def _presentation(self, bare: str) -> None:
        """Presentations exist for properties (a reference may be named with `_Key` or without).

        Not for sections or storages.
        """
        known = self._info.reference(bare) is not None or self._info.property_type(bare) not in (
            None,
            "Edm.Stream",
        )
        if not known:
            raise unknown_segment(bare + PRESENTATION)
        self._presentations[bare] = None

    def _column(self, name: str, rest: tuple[str, ...]) -> None:
        row, column = self._info.section(name), rest[0]
        if len(rest) > 1 or row is None or (column not in ("*", "**") and row.property_type(column) is None):
            raise unknown_segment(rest[-1])
        columns = self._sections.setdefault(name, {})
        if column in ("*", "**"):
            self._sections[name] = None
        elif columns is not None:
            columns[column] = None

    def _related(self, name: str, rest: tuple[str, ...]) -> None:
        link = self._info.reference(name)
        if link is not None:
            self._nested.setdefault(name, []).append(rest)
        elif self._info.is_composite(name) and len(rest) > 1 and self._info.entity(rest[0]) is not None:
            self._nested.setdefault(f"{name}/{rest[0]}", []).append(rest[1:])
        else:
            raise unknown_segment(rest[0] if self._info.is_composite(name) else name)

    def _inner(self, path: str) -> TypeInfo:
        name, _, kind = path.partition("/")
        link = self._info.reference(name)
        target = self._info.entity(kind) if kind else link and link[1]
        if target is None:
            raise unknown_segment(kind or name)
        return target

    def result(self) -> Selection:
        nested = {path: _selection(paths, self._inner(path)) for path, paths in self._nested.items()}
        listed = Selection(
            names=tuple(self._names),
            sections={
                name: None if columns is None else tuple(columns) for name, columns in self._sections.items()
            },
            nested=nested,
        )
        chosen = (
            EVERYTHING if "*" in self._stars else Selection(scalars=True) if "**" in self._stars else listed
        )
        return replace(
            chosen,
            presentations=tuple(self._presentations),
            all_presentations="*" + PRESENTATION in self._stars,
            own_presentation="Presentation" in self._stars,
        )


def parse_expand(text: str, type_info: TypeInfo) -> Expansions:
    """The tree of `$expand`, paths with a common beginning joined.

    Raises QueryError 400/6 for an unknown name (echoed), 400/14 for bad syntax, and 501/0 for what 1C does
    not expand: tabular sections and `*` under a composite without its type.
    """
    paths = _paths(text, "$expand")
    return Expansions(
        star=any(path == ("*",) for path in paths),
        items=_expansions([path for path in paths if path != ("*",)], type_info),
    )


def _expansions(paths: list[tuple[str, ...]], info: TypeInfo) -> tuple[Expansion, ...]:
    groups: dict[tuple[str, str | None], list[tuple[str, ...]]] = {}
    for path in paths:
        head, rest = path[0], path[1:]
        kind = _type_segment(head, rest, info)
        groups.setdefault((head, kind), []).append(rest if kind is None else rest[1:])
    return tuple(_expansion(name, kind, below, info) for (name, kind), below in groups.items())


def _type_segment(name: str, rest: tuple[str, ...], info: TypeInfo) -> str | None:
    if info.section(name) is not None:
        raise _no_expansion()
    if info.reference(name) is not None:
        return None
    if not info.is_composite(name):
        raise unknown_segment(name)
    if not rest:
        return None
    if rest[0] == "*":
        raise _no_expansion()
    if info.entity(rest[0]) is None:
        raise unknown_segment(rest[0])
    return rest[0]


def _expansion(name: str, kind: str | None, below: list[tuple[str, ...]], info: TypeInfo) -> Expansion:
    link = info.reference(name)
    target = info.entity(kind) if kind else link and link[1]
    inner = [path for path in below if path and path != ("*",)]
    return Expansion(
        name=name,
        type=kind,
        target=target,
        star=("*",) in below,
        children=_expansions(inner, target) if target is not None else (),
    )


def _no_expansion() -> QueryError:
    return unsupported(
        "Опция $expand не поддерживается для табличных частей и составных типов без указания типа"
    )
