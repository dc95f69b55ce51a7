"""`$orderby`: sort keys, with 1C's order of references by presentation (PROTOCOL §3.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from onec_pipelines.simulator.query import lexer
from onec_pipelines.simulator.query.compiler import Compiler
from onec_pipelines.simulator.query.errors import not_comparable
from onec_pipelines.simulator.query.nodes import Node, Path
from onec_pipelines.simulator.query.parser import Parser, check_depth
from onec_pipelines.simulator.query.types import EMPTY_GUID, QueryOptions, Resolve, Row, TypeInfo
from onec_pipelines.simulator.query.values import PRIMITIVES, Get, Value, folded

_OPTION = "$orderby"
_DEFAULTS = QueryOptions()

Target = tuple[str, Any]
"""A referenced object: (set, guid); a composite may also give a primitive: ("Number", Decimal(4))."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ordering:
    """One item of `$orderby`: exactly one of `key` and `target` is set.

    `key` gives a sort key (NULL comes first, strings without case). `target` means "by presentation": it
    gives the object whose presentation decides, or None when there is none; `presentation` is then the path
    as written, so that the server can see that `Ref_Key` alone is the native order of the set.
    """

    descending: bool = False
    key: Callable[[Row], Any] | None = None
    presentation: str | None = None
    target: Callable[[Row], Target | None] | None = None


def parse_orderby(text: str) -> tuple[tuple[Node, bool], ...]:
    """Expressions with "descending". Raises QueryError 400/14."""
    parser = Parser(lexer.all_tokens(text, _OPTION), _OPTION)
    items = []
    while True:
        node = check_depth(parser.expression(), _OPTION)
        items.append((node, parser.word("asc", "desc") == "desc"))
        if not parser.mark(","):
            break
    parser.end()
    return tuple(items)


def compile_orderby(
    text: str, type_info: TypeInfo, resolve: Resolve, options: QueryOptions = _DEFAULTS
) -> list[Ordering]:
    """The orderings of `$orderby`, empty for a recorder register, which ignores it whatever it says.

    Raises QueryError: 400/14 syntax, 400/6 unknown name, 500/-1 for unlimited strings and storages.
    """
    if type_info.kind == "recorder_register":
        return []
    compiler = Compiler(type_info, resolve, options, option=_OPTION)
    return [
        _ordering(node, compiler.value(node), type_info, options, down) for node, down in parse_orderby(text)
    ]


def _ordering(node: Node, value: Value, info: TypeInfo, options: QueryOptions, down: bool) -> Ordering:  # noqa: FBT001
    if value.unlimited or value.family == "storage":
        raise not_comparable()
    target = _target(node, value, info)
    if target is not None:
        path = "/".join(node.segments) if isinstance(node, Path) else ""
        return Ordering(descending=down, presentation=path, target=target)
    if value.family == "string":
        value = folded(value, case_sensitive=options.case_sensitive, pad=True)
    return Ordering(descending=down, key=_key(value.get))


def _key(get: Get) -> Callable[[Row], Any]:
    def key(row: Row) -> tuple[Any, ...]:
        found = get(row)
        return (0,) if found is None else (1, found)

    return key


def _target(node: Node, value: Value, info: TypeInfo) -> Callable[[Row], Target | None] | None:
    """Where the presentation comes from, for references; None for values that are ordered as themselves."""
    get, kind = value.get, value.target
    if value.family == "composite":
        return get
    if kind is None or value.family not in ("guid", "reference"):
        return None
    if isinstance(node, Path) and node.segments == ("Ref_Key",) and len(info.key) > 1:
        return None  # a section's rows are ordered by the key itself: what is lost there is §3.3's business

    def target(row: Row) -> Target | None:
        guid = get(row)
        return (kind, guid) if guid and guid != EMPTY_GUID else None

    return target


def sort_rows(
    rows: Iterable[Row], orderings: list[Ordering], presentation: Callable[[str, str], str]
) -> list[Row]:
    """The rows in order; rows that are equal keep their places.

    `presentation(set, guid)` gives the text that references sort by.
    """
    out = list(rows)
    for ordering in reversed(orderings):
        key = ordering.key or _by_presentation(ordering.target, presentation)
        out.sort(key=key, reverse=ordering.descending)
    return out


def _by_presentation(
    target: Callable[[Row], Target | None] | None, presentation: Callable[[str, str], str]
) -> Callable[[Row], str]:
    def key(row: Row) -> str:
        found = target(row) if target else None
        if found is None:
            return ""
        text = str(found[1]) if found[0] in PRIMITIVES else presentation(*found)
        return text.lower()

    return key
