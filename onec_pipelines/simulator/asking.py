"""From query options to what is read and what is answered: the seam to the query language.

`Wish` says which rows (`reading.py`), `Columns` says what of them (`columns.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from onec_pipelines.simulator import columns as cols
from onec_pipelines.simulator import query as language
from onec_pipelines.simulator.base import Base
from onec_pipelines.simulator.columns import PRESENTATION, Columns, Expansion
from onec_pipelines.simulator.errors import not_supported
from onec_pipelines.simulator.kinds import ZERO_GUID, TypeMeta
from onec_pipelines.simulator.options import Options
from onec_pipelines.simulator.ordering import Ordering, plan
from onec_pipelines.simulator.presentations import of_property, of_row
from onec_pipelines.simulator.reading import Wish
from onec_pipelines.simulator.scanning import Narrowing, Test
from onec_pipelines.simulator.shape import NAMESPACE
from onec_pipelines.simulator.source import Row
from onec_pipelines.simulator.urls import whole

_ON_SINGLE = "Опция $expand не поддерживается при запросе одиночных сущностей"
_ENOUGH_KEYS = 1000


def query_options(options: Options) -> language.QueryOptions:
    """The query language's switches from the simulator's."""
    return language.QueryOptions(
        unknown_field="empty" if options.unknown_field == "empty" else "error",
        plus="ignore" if options.plus == "ignored" else "error",
    )


class Asking:
    """Understands query options against one base."""

    def __init__(self, base: Base, options: Options) -> None:
        self._base = base
        self._options = options
        self._switches = query_options(options)

    def wish(self, meta: TypeMeta, query: Mapping[str, str], *, hidden: Test | None = None) -> Wish:
        """Which rows a set request wants; `hidden` drops rows that the user may not see.

        Raises QueryError, OdataError.
        """
        found = self._filter(meta, query.get("$filter", "").strip())
        test, text = found.test, found.text
        if hidden is not None:
            test, text = _without(test, hidden), f"{text}\0allowed"
        all_pages = query.get("$inlinecount") == "allpages"
        everything = all_pages and self._options.inlinecount == "all"
        return Wish(
            test=test,
            filter_text=text,
            keys=found.keys,
            narrowing=found.narrowing,
            stamp=self._base.writes if "/" in text else 0,
            ordering=self.ordering(meta, query.get("$orderby", "")),
            top=None if everything else whole(query.get("$top"), "$top"),
            skip=0 if everything else whole(query.get("$skip"), "$skip") or 0,
            count=all_pages,
        )

    def _filter(self, meta: TypeMeta, text: str) -> _Filter:
        if not text:
            return _Filter(text=text)
        test = language.compile_filter(text, meta, self._base.resolve, self._switches)
        if "+" in text:
            return _Filter(text=text, test=test)
        tree = language.parse_filter(text)
        return _Filter(text=text, test=test, keys=_keys(meta, tree), narrowing=_narrowing(meta, tree))

    def test(self, meta: TypeMeta, text: str) -> Test:
        """The test of a `$filter` over rows of this type."""
        return language.compile_filter(text, meta, self._base.resolve, self._switches)

    def condition(self, meta: TypeMeta, text: str) -> Test:
        """The test of a virtual table's `Condition`."""
        return language.compile_condition(text, meta, self._base.resolve, self._switches)

    def ordering(self, meta: TypeMeta, text: str) -> Ordering:
        """The ordering of `$orderby`."""
        if not text.strip():
            return Ordering()
        items = language.compile_orderby(text, meta, self._base.resolve, self._switches)
        names = [part.strip().split(" ")[0] for part in text.split(",")]
        parts = [
            (names[at] if at < len(names) else "", self._key(item, meta), item.descending)
            for at, item in enumerate(items)
        ]
        return plan(text, meta, parts)

    def _key(self, item: language.Ordering, meta: TypeMeta) -> Callable[[Row], Any] | None:
        if item.key is not None:
            return item.key
        if item.presentation == "Ref_Key" and meta.key == ("Ref_Key",):
            return None
        target = item.target

        def key(row: Row) -> str:
            found = target(row) if target is not None else None
            return "" if found is None else self._presentation(*found).casefold()

        return key

    def _presentation(self, set_name: str, guid: str) -> str:
        row = self._base.resolve(set_name, guid)
        return "" if row is None else of_row(self._base.meta(set_name), row)

    def columns(self, meta: TypeMeta, query: Mapping[str, str], *, single: bool) -> Columns:
        """What of each row is answered."""
        expand = query.get("$expand", "")
        if expand and single and meta.key == ("Ref_Key",):
            raise not_supported(_ON_SINGLE)
        selection = language.parse_select(query.get("$select", ""), meta)
        expansions = language.parse_expand(expand, meta) if expand else language.Expansions()
        return self._columns(meta, selection, expansions, single=single)

    def _columns(
        self, meta: TypeMeta, chosen: language.Selection, expand: language.Expansions, *, single: bool
    ) -> Columns:
        if chosen.all:
            out = cols.every(meta, single=single)
        elif chosen.scalars:
            out = replace(cols.every(meta, single=single), sections=())
        else:
            names = (*chosen.names, *(path.split("/")[0] for path in chosen.nested))
            out = cols.choose(meta, single=single, names=names, sections=dict(chosen.sections))
        presentations = self._presentations(meta, chosen)
        return replace(out, presentations=presentations, expansions=self._expansions(meta, chosen, expand))

    def _presentations(
        self, meta: TypeMeta, chosen: language.Selection
    ) -> tuple[tuple[str, Callable[[Row], str]], ...]:
        names = list(chosen.presentations)
        if chosen.all_presentations:
            scalars = meta.order if chosen.all or chosen.scalars else chosen.names
            names += [name for name in scalars if name not in meta.sections and not name.endswith("_Type")]
        out = [
            (f"{name}{PRESENTATION}", of_property(self._base, meta, name)) for name in dict.fromkeys(names)
        ]
        if chosen.own_presentation:
            out.append(("Presentation", lambda row: of_row(meta, row)))
        return tuple(out)

    def _expansions(
        self, meta: TypeMeta, chosen: language.Selection, expand: language.Expansions
    ) -> tuple[Expansion, ...]:
        items = list(expand.items)
        if expand.star:
            named = {one.name for one in items}
            items += [
                language.Expansion(name=name, target=self._base.kinds.entity(target))
                for name, target in meta.navigation.items()
                if name not in named
            ]
        listed = not (chosen.all or chosen.scalars)
        nested = {path.split("/")[0]: part for path, part in chosen.nested.items()}
        out = []
        for item in items:
            if listed and item.name not in nested:
                continue
            out.append(self._expansion(meta, item, nested.get(item.name, language.EVERYTHING)))
        return tuple(out)

    def _expansion(self, meta: TypeMeta, item: language.Expansion, chosen: language.Selection) -> Expansion:
        target = item.target
        if target is None:
            return self._any_type(meta, item.name)
        inner = self._base.kinds.entity(target.name)
        children = language.Expansions(star=item.star, items=item.children)
        name = item.name

        def lookup(row: Row) -> Row | None:
            if item.type is not None and row.get(f"{name}_Type") != f"{NAMESPACE}.{item.type}":
                return None
            guid = str(row.get(name if item.type is not None else f"{name}_Key") or ZERO_GUID)
            return None if guid == ZERO_GUID else self._base.resolve(inner.name, guid)

        columns = self._columns(inner, chosen, children, single=True)
        return Expansion(name=name, columns=columns, lookup=lookup)

    def _any_type(self, meta: TypeMeta, name: str) -> Expansion:
        """A composite without a type segment: nothing is expanded, as its type is known only per row."""
        return Expansion(name=name, columns=Columns(meta=meta, scalars=()), lookup=lambda _row: None)


@dataclass(frozen=True, kw_only=True)
class _Filter:
    """A filter understood: its test, the keys that alone can pass, or a property that narrows the search."""

    text: str
    test: Test | None = None
    keys: tuple[str, ...] | None = None
    narrowing: Narrowing | None = None


def _keys(meta: TypeMeta, tree: language.Node) -> tuple[str, ...] | None:
    """Keys that a filter names. Strings with letters compare without case, so they cannot be looked up."""
    if len(meta.key) != 1 or meta.key[0] == "SurrogateKey":
        return None
    found = language.literals(tree, meta.key[0])
    if found is None or len(found) > _ENOUGH_KEYS:
        return None
    if any(one.type != "guid" and not str(one.value).isdecimal() for one in found):
        return None
    return tuple(str(one.value) for one in found)


def _narrowing(meta: TypeMeta, tree: language.Node) -> Narrowing | None:
    for name, one in meta.properties.items():
        if one.type != "Edm.Guid":
            continue
        found = language.literals(tree, name)
        if found and all(constant.type == "guid" for constant in found):
            return Narrowing(name=name, values=tuple(str(constant.value) for constant in found))
    return None


def _without(test: Test | None, hidden: Test) -> Test:
    if test is None:
        return lambda row: not hidden(row)
    return lambda row: test(row) and not hidden(row)
