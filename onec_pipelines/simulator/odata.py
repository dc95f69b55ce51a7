"""The OData service: what a parsed address means and which part answers it. Reading is here, writing elsewhere.

No sockets, sessions or faults: `service.py` puts those around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from onec_pipelines.simulator import edmx, errors
from onec_pipelines.simulator import query as language
from onec_pipelines.simulator.answers import Answers
from onec_pipelines.simulator.asking import Asking
from onec_pipelines.simulator.base import Base, Movements
from onec_pipelines.simulator.columns import Columns
from onec_pipelines.simulator.errors import OdataError
from onec_pipelines.simulator.http import Request, Response
from onec_pipelines.simulator.kinds import TypeMeta
from onec_pipelines.simulator.options import Options
from onec_pipelines.simulator.reading import Distortion, Reader
from onec_pipelines.simulator.scanning import Test
from onec_pipelines.simulator.shape import NAMESPACE, Shape
from onec_pipelines.simulator.source import Key, Row
from onec_pipelines.simulator.urls import Resource, Segment
from onec_pipelines.simulator.virtual import Listed, Virtual

_XML = "application/xml;charset=utf-8"
_SYSTEM_ENUMS = frozenset(
    (
        "AccountType",
        "AccountingRecordType",
        "AccumulationRecordType",
        "AllowedSign",
        "AllowedLength",
        "DateFractions",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request to the service, parsed; `rows` of the answer are counted for latency."""

    request: Request
    resource: Resource
    query: Mapping[str, str]
    answers: Answers
    distortion: Distortion = field(default_factory=Distortion)


@dataclass(frozen=True, kw_only=True)
class Done:
    """An answer and how many rows were read for it; `function` tells virtual tables from plain reads."""

    response: Response
    rows: int = 0
    function: bool = False


class OData:
    """The read side of one base."""

    def __init__(self, base: Base) -> None:
        self.base = base
        self.reader = Reader()
        self.movements = Movements(base)
        self.virtual = Virtual(base, self.movements)
        self._documents: dict[tuple[str, int], str] = {}

    async def get(self, ask: Ask, options: Options) -> Done:
        """Answer a GET; raises OdataError and QueryError."""
        segments = ask.resource.segments
        if not segments:
            return Done(response=ask.answers.service(list(self.base.shape.sets)))
        first = segments[0]
        if first.name == "$metadata":
            return Done(response=self._metadata(ask, options))
        if first.name == "$batch":
            raise errors.not_supported()
        meta = self.base.meta(first.name)
        check_rights(first.name, options)
        if first.key is None:
            return await self._set(ask, meta, options)
        return await _Walk(self, ask, options).entity(first.name, first.key, list(segments[1:]))

    def _metadata(self, ask: Ask, options: Options) -> Response:
        if "json" in ask.query.get("$format", ""):
            raise OdataError(406, "3", "Описание метаданных в формате json не поддерживается")
        memo = (options.enums, options.padding_mb)
        if memo not in self._documents:
            shape = self.base.shape
            if options.enums == "system":
                shape = _system_enums(shape)
            text = edmx.render(shape)
            self._documents = {memo: edmx.pad(text, options.padding_mb * 1_000_000)}
        return ask.answers.text(self._documents[memo], _XML)

    async def _set(self, ask: Ask, meta: TypeMeta, options: Options) -> Done:
        name = ask.resource.segments[0].name
        rest = [one.name for one in ask.resource.segments[1:]]
        if ask.resource.call is not None:
            return await self._function(ask, meta, options)
        if rest == ["$count"]:
            return await self._count(ask, meta, options)
        if rest:
            raise OdataError(400, "6", f"Сегмент пути {rest[0]} не найден!")
        asking = Asking(self.base, options)
        wish = asking.wish(meta, ask.query, hidden=self.hidden(name, ask.query, options))
        columns = asking.columns(meta, ask.query, single=False)
        page = await self.reader.page(self.base.table(name), ask.distortion.wish(wish), name=name)
        page = ask.distortion.page(page)
        return Done(response=ask.answers.rows(page, columns, set_name=name), rows=page.size)

    async def _count(self, ask: Ask, meta: TypeMeta, options: Options) -> Done:
        if options.count == "refused":
            raise errors.not_supported()
        name = ask.resource.segments[0].name
        query = {"$filter": ask.query.get("$filter", ""), "$inlinecount": "allpages", "$top": "0"}
        wish = Asking(self.base, options).wish(meta, query, hidden=self.hidden(name, ask.query, options))
        page = await self.reader.page(self.base.table(name), wish, name=name)
        return Done(response=ask.answers.count(page.count or 0))

    async def _function(self, ask: Ask, meta: TypeMeta, options: Options) -> Done:
        call = ask.resource.call
        name = ask.resource.segments[0].name
        function = self.base.shape.functions_of(meta.name).get(call.name) if call is not None else None
        if call is None or function is None or function.returns is None:
            raise OdataError(400, "6", "Метод не найден")
        given = {
            key: language.parse_argument(key, value)
            for key, value in ask.query.items()
            if not key.startswith("$")
        }
        known = {key for key, _ in function.parameters}
        arguments = {**{key: value for key, value in given.items() if key in known}, **call.arguments}
        asking = Asking(self.base, options)
        table = await self.virtual.table(name, function, arguments, asking)
        wish = asking.wish(table.meta, ask.query)
        memo = f"{name}/{call.name}({sorted(arguments.items())})"
        page = await self.reader.page(table, wish, name=memo)
        columns = asking.columns(table.meta, ask.query, single=False)
        if isinstance(table, Listed):
            columns = table.narrow(columns)
        response = ask.answers.rows(page, columns, set_name=table.meta.name)
        return Done(response=response, rows=page.size, function=True)

    def hidden(self, name: str, query: Mapping[str, str], options: Options) -> Test | None:
        """The test of rows that row-level security hides; without `allowedOnly` meeting one is 401 code 20."""
        every = restricted(options).get(name)
        if not every:
            return None
        allowed = query.get("allowedOnly", "").lower() == "true"

        def test(row: Row) -> bool:
            if not is_hidden(row, every):
                return False
            if not allowed:
                raise no_rights()
            return True

        return test


def restricted(options: Options) -> dict[str, int]:
    """Sets with row-level security and how often a row of theirs is hidden."""
    pairs = (part.rsplit(":", 1) for part in options.rls.split(",") if ":" in part)
    return {name.strip(): max(int(number), 1) for name, number in pairs if number.isdigit()}


def is_hidden(row: Row, every: int) -> bool:
    """Whether row-level security hides this row: a fixed share of rows by their key."""
    return int(str(row.get("Ref_Key", "0"))[:8].replace("-", "0") or "0", 16) % every == 0


def no_rights() -> OdataError:
    """The user may not see this (code 20)."""
    return OdataError(401, "20", "Недостаточно прав доступа")


def check_rights(name: str, options: Options) -> None:
    """Refuse a set that the user has no right to with 401 code 20."""
    if name in {one.strip() for one in options.denied.split(",")}:
        raise no_rights()


def key_of(meta: TypeMeta, named: Mapping[str, object]) -> Key:
    """The key as tables want it.

    Raises OdataError 400 code 7 when a member is missing, code 4 for a bare type name.
    """
    if set(named) == {""} and len(meta.key) == 1:
        return (str(named[""]),)
    if meta.kind == "constant":
        return ("0",)
    out = []
    for name in meta.key:
        if name not in named:
            raise OdataError(400, "7", f"Не хватает элемента ключа сущности: {name}")
        value = str(named[name])
        if name.endswith("_Type") and "." not in value:
            text = f"Недопустимое значение {value} для свойства составного типа"
            raise OdataError(400, "4", text)
        out.append(value)
    return tuple(out)


class _Walk:
    """Follows a path from an entity along navigation and properties."""

    def __init__(self, odata: OData, ask: Ask, options: Options) -> None:
        self._odata = odata
        self._base = odata.base
        self._ask = ask
        self._options = options

    async def entity(self, set_name: str, key: Mapping[str, object], rest: list[Segment]) -> Done:
        """Answer for an entity by key, or for what the rest of the path leads to."""
        meta = self._base.meta(set_name)
        table = self._base.table(set_name)
        for _ in table.build():
            pass
        row = table.get(key_of(meta, key))
        if row is None and meta.kind == "constant":
            row = {}
        if row is None:
            raise errors.no_instance(set_name)
        every = restricted(self._options).get(set_name)
        if every and is_hidden(row, every):
            raise no_rights()
        return self._follow(set_name, meta, row, rest)

    def _follow(self, set_name: str, meta: TypeMeta, row: Row, rest: list[Segment]) -> Done:
        while rest:
            name = rest[0].name
            if meta.properties.get(name) is not None:
                return self._property(meta, row, name, rest[1:])
            link = meta.reference(name)
            if link is None:
                raise OdataError(400, "6", f"Сегмент пути {name} не найден!")
            found = self._base.resolve(link[1].name, str(row.get(link[0])))
            if found is None:
                raise errors.no_instance(link[1].name)
            set_name, meta, row, rest = link[1].name, self._base.kinds.entity(link[1].name), found, rest[1:]
        columns: Columns = Asking(self._base, self._options).columns(meta, self._ask.query, single=True)
        return Done(response=self._ask.answers.single(row, columns, set_name=set_name), rows=1)

    def _property(self, meta: TypeMeta, row: Row, name: str, rest: list[Segment]) -> Done:
        value = row.get(name, meta.empty.get(name))
        raw = [one.name for one in rest] == ["$value"]
        if meta.properties[name].type == "Edm.Stream" and raw:
            return Done(response=self._ask.answers.stream(row, name))
        if rest and not raw and meta.is_composite(name):
            return self._composite(row, name, rest)
        if rest and not raw:
            raise OdataError(400, "6", f"Сегмент пути {rest[0].name} не найден!")
        if meta.properties[name].rows:
            value = row.get(name) or []
        return Done(response=self._ask.answers.property(meta, name, value, raw=raw))

    def _composite(self, row: Row, name: str, rest: list[Segment]) -> Done:
        target = str(row.get(f"{name}_Type", "")).removeprefix(f"{NAMESPACE}.")
        if rest[0].name != target or target not in self._base.shape.sets:
            raise OdataError(400, "6", f"Сегмент пути {rest[0].name} не найден!")
        found = self._base.resolve(target, str(row.get(name)))
        if found is None:
            raise errors.no_instance(target)
        return self._follow(target, self._base.kinds.entity(target), found, rest[1:])


def _system_enums(shape: Shape) -> Shape:
    return replace(shape, enums=tuple(one for one in shape.enums if one[0] in _SYSTEM_ENUMS))
