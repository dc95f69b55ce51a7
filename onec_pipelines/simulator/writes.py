"""The write half of the service: which method on which address does what, and what it answers (PROTOCOL §4)."""

from __future__ import annotations

from onec_pipelines.simulator import bodies, errors
from onec_pipelines.simulator import columns as cols
from onec_pipelines.simulator.errors import OdataError
from onec_pipelines.simulator.exchange import Exchange
from onec_pipelines.simulator.http import Response
from onec_pipelines.simulator.json_format import self_address
from onec_pipelines.simulator.locks import Locks, goods_of
from onec_pipelines.simulator.odata import Ask, Done, OData, check_rights, key_of
from onec_pipelines.simulator.options import Options
from onec_pipelines.simulator.rules import Rules
from onec_pipelines.simulator.states import States
from onec_pipelines.simulator.writing import Manner, Writer

_PLAN_METHODS = frozenset(("SelectChanges", "NotifyChangesReceived"))


class Writes:
    """Answers everything that changes the base.

    GET on actions included, for 1C executes them too (PROTOCOL §4.6).
    """

    def __init__(self, odata: OData, options: Options) -> None:
        self._odata = odata
        self.writer = Writer(odata.base, odata.movements)
        self.exchange = Exchange(odata.base, options)
        self.states = States(odata.base)
        self._locks = Locks()
        self.writer.listeners.append(self.exchange.changed)
        self.writer.handlers.append(self.states.changed)

    def wants(self, ask: Ask) -> bool:
        """Whether the request changes something, whatever its method."""
        if ask.request.method not in {"GET", "HEAD"}:
            return True
        segments = ask.resource.segments
        if segments and segments[0].name in _PLAN_METHODS:
            return True
        return ask.resource.call is not None and ask.resource.call.name in {"Post", "Unpost"}

    async def answer(self, ask: Ask, options: Options) -> Done:
        """Do it, a posting under its managed locks; raises OdataError."""
        async with self._locks.held(self._locked(ask, options), options.lock_ms, options.lock_timeout_ms):
            return self._answer(ask, options)

    def _locked(self, ask: Ask, options: Options) -> frozenset[str]:
        """What a posting locks: the document and the goods it moves (PROTOCOL §8.3)."""
        segments, call = ask.resource.segments, ask.resource.call
        if not options.lock_ms or call is None or not segments or segments[0].key is None:
            return frozenset()
        row = self._odata.base.table(segments[0].name).get(
            key_of(self._odata.base.meta(segments[0].name), segments[0].key)
        )
        return frozenset() if row is None else goods_of(row) | {str(row.get("Ref_Key"))}

    def _answer(self, ask: Ask, options: Options) -> Done:
        segments = ask.resource.segments
        if not segments:
            raise OdataError(405, "19", "HTTP-метод запрещен в данном контексте")
        name = segments[0].name
        if name == "$batch":
            raise errors.not_supported()
        if name in _PLAN_METHODS:
            return self._plan(name, ask, options)
        check_rights(name, options)
        manner = self._manner(ask, options)
        if ask.resource.call is not None:
            return self._action(ask, manner)
        return self._method(ask, manner)

    def _manner(self, ask: Ask, options: Options) -> Manner:
        headers = ask.request.headers
        enforce = options.if_match == "enforce"
        return Manner(
            loading=headers.get("1c_odata-dataloadmode", "").lower() == "true",
            if_match=headers.get("if-match") if enforce else None,
            honour_keys=options.client_keys == "honour",
            stock_control=options.stock_control,
            now=ask.answers.moment,
            rules=Rules.of(options),
        )

    def _plan(self, name: str, ask: Ask, options: Options) -> Done:
        query = dict(ask.query)
        if name == "SelectChanges":
            response = self.exchange.select(query, ask.answers, tombstones=options.tombstones)
            return Done(response=response, function=True)
        return Done(response=self.exchange.acknowledge(query))

    def _action(self, ask: Ask, manner: Manner) -> Done:
        segment, call = ask.resource.segments[0], ask.resource.call
        meta = self._odata.base.meta(segment.name)
        if (
            call is None
            or segment.key is None
            or call.name not in self._odata.base.shape.functions_of(meta.name)
        ):
            raise OdataError(400, "6", "Метод не найден")
        key = key_of(meta, segment.key)
        if call.name == "Post":
            self.writer.post(segment.name, key, manner)
        else:
            self.writer.unpost(segment.name, key, manner)
        return Done(response=Response(status=200))

    def _method(self, ask: Ask, manner: Manner) -> Done:
        segments, method = ask.resource.segments, ask.request.method
        segment = segments[0]
        meta = self._odata.base.meta(segment.name)
        if len(segments) > 1 or (method == "POST") is not (segment.key is None):
            raise OdataError(405, "19", "HTTP-метод запрещен в данном контексте")
        if method == "POST":
            row = self.writer.create(segment.name, bodies.parse(ask.request, meta), manner)
            return self._written(ask, segment.name, row, status=201)
        key = key_of(meta, segment.key or {})
        if method == "DELETE":
            self.writer.delete(segment.name, key, manner)
            return Done(response=Response(status=204))
        if method not in {"PATCH", "PUT", "MERGE"}:
            raise OdataError(405, "19", "HTTP-метод запрещен в данном контексте")
        body = bodies.parse(ask.request, meta)
        row = self.writer.update(segment.name, key, body, manner, replace=method == "PUT")
        return self._written(ask, segment.name, row, status=200)

    def _written(self, ask: Ask, name: str, row: dict[str, object], *, status: int) -> Done:
        meta = self._odata.base.meta(name)
        answers = ask.answers
        location = f"{answers.root}/{self_address(meta, row)}" if status == 201 else ""  # noqa: PLR2004 - Created
        columns = cols.every(meta, single=True)
        return Done(
            response=answers.single(row, columns, set_name=name, status=status, location=location), rows=1
        )
