"""The exchange plan: registration of changes per node, packets, acknowledgement (PROTOCOL §7.1).

One row of the registration table is the present state of one object: its message number is None (new) or N
(sent in N).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from onec_pipelines.simulator import atom_format, urls
from onec_pipelines.simulator import columns as cols
from onec_pipelines.simulator.answers import Answers
from onec_pipelines.simulator.base import Base
from onec_pipelines.simulator.errors import OdataError, no_instance
from onec_pipelines.simulator.http import Response
from onec_pipelines.simulator.json_format import self_address
from onec_pipelines.simulator.options import Options
from onec_pipelines.simulator.source import Key, Row

DEFAULT_CONTENT = (
    "Catalog_Номенклатура",
    "Catalog_Партнеры",
    "Catalog_Контрагенты",
    "Document_ЗаказКлиента",
    "Document_РеализацияТоваровУслуг",
    "AccumulationRegister_ТоварыНаСкладах",
    "InformationRegister_ЦеныНоменклатуры25",
)
_POINT = re.compile(r"/(ExchangePlan_[^/(]+)\(guid'([^']*)'\)$")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_EMPTY_SET = frozenset(("recorder_register",))


@dataclass(kw_only=True)
class Queue:
    """What is registered for one node: (set, key) to the number of the message that carried it, or None."""

    changes: dict[tuple[str, Key], int | None] = field(default_factory=dict)


class Exchange:
    """Queues of all nodes of the base's exchange plans. Hears of writes as a listener of the writer."""

    def __init__(self, base: Base, options: Options) -> None:
        self._base = base
        self._queues: dict[tuple[str, str], Queue] = {}
        listed = [name.strip() for name in options.exchange.split(",") if name.strip()]
        self._content = frozenset(listed or DEFAULT_CONTENT)

    def nodes(self) -> Iterator[tuple[str, str]]:
        """Plan and `Ref_Key` of every node that is not the base itself."""
        for plan in self._base.full.objects():
            if not plan.startswith("ExchangePlan_") or plan not in self._base.shape.sets:
                continue
            table = self._base.table(plan)
            for row in table.rows(0, len(table)):
                if not _is_own(row):
                    yield plan, str(row["Ref_Key"])

    def changed(self, name: str, key: Key, _row: Row | None) -> None:
        """Register a write for every node; independent registers are never registered."""
        if name not in self._content or name.startswith("ExchangePlan_"):
            return
        meta = self._base.full.entities.get(name)
        if meta is None or (name.startswith("InformationRegister_") and "RecordSet" not in meta.properties):
            return
        for node in self.nodes():
            self.queue(node).changes[name, key] = None

    def queue(self, node: tuple[str, str]) -> Queue:
        """The queue of a node."""
        return self._queues.setdefault(node, Queue())

    def node(self, query: dict[str, str]) -> tuple[tuple[str, str], int]:
        """Node and message number of a request; raises OdataError for a bad or unknown one."""
        if "DataExchangePoint" not in query or "MessageNo" not in query:
            missing = "MessageNo" if "DataExchangePoint" in query else "DataExchangePoint"
            raise OdataError(400, "12", f"Отсутствует обязательный аргумент метода: {missing}")
        point = query["DataExchangePoint"]
        text = point[1:-1] if point.startswith("'") and point.endswith("'") else point
        found = _POINT.search("/" + urls.decode(text).lstrip("/"))
        number = query["MessageNo"].strip("'")
        if found is None or not number.isascii() or not number.isdigit():
            raise OdataError(400, "2", "Неверный формат запроса")
        plan, guid = found[1], urls.guid(found[2])
        if self._base.table(plan).get((guid,)) is None:
            raise no_instance(plan)
        return (plan, guid), int(number)

    def select(self, query: dict[str, str], answers: Answers, *, tombstones: bool) -> Response:
        """`SelectChanges`: what this message carried before, and everything new, which it carries from now on."""
        node, number = self.node(query)
        queue = self.queue(node)
        parts = [atom_format.feed_head(answers.root)]
        stamped = []
        for (name, key), message in queue.changes.items():
            if message not in {None, number} or name not in self._base.shape.sets:
                continue
            parts.append(self._entry(name, key, answers, tombstones=tombstones))
            stamped.append((name, key))
        parts.append(atom_format.feed_tail(None))
        text = "".join(parts)
        if _ILLEGAL.search(text):
            raise OdataError(400, "-1", _base64_message())
        for change in stamped:
            queue.changes[change] = number
        self._advance(node, "SentNo", number)
        return answers.text(text, "application/atom+xml;type=feed;charset=utf-8")

    def _entry(self, name: str, key: Key, answers: Answers, *, tombstones: bool) -> str:
        meta = self._base.meta(name)
        row = self._base.table(name).get(key)
        head: Row = dict(zip(meta.key, key, strict=True))
        if row is None and meta.kind in _EMPTY_SET:
            row = {**head, "RecordSet": []}
        if row is None:
            address = f"{answers.root}/{self_address(meta, head)}"
            return atom_format.tombstone(address, answers.moment) if tombstones else ""
        columns = cols.every(meta, single=True, packet=True)
        return atom_format.EntryPrinter(columns, root=answers.root, moment=answers.moment).entry(row)

    def acknowledge(self, query: dict[str, str]) -> Response:
        """`NotifyChangesReceived`: forget what messages up to this one carried."""
        node, number = self.node(query)
        queue = self.queue(node)
        queue.changes = {
            change: message
            for change, message in queue.changes.items()
            if message is None or message > number
        }
        self._advance(node, "ReceivedNo", number)
        return Response(status=200)

    def _advance(self, node: tuple[str, str], field_name: str, number: int) -> None:
        table = self._base.stored(node[0])
        row = table.get((node[1],))
        if row is not None and int(row.get(field_name) or 0) < number:
            row[field_name] = number
            table.put(row)

    def sizes(self) -> dict[str, int]:
        """How many objects wait for each node."""
        return {f"{plan}(guid'{guid}')": len(self.queue((plan, guid)).changes) for plan, guid in self.nodes()}

    def register_all(self, name: str) -> int:
        """Register every row of a set for every node, as an administrator would; gives how many rows."""
        table = self._base.stored(name)
        for row in table.rows(0, len(table)):
            for node in self.nodes():
                self.queue(node).changes[name, table.key_of(row)] = None
        return len(table)


def _is_own(row: Row) -> bool:
    """Whether this is the node of the base itself: it is not marked on the wire (PROTOCOL §1.4), its code is zeros."""
    return bool(row.get("ThisNode")) or not str(row.get("Code") or "0").strip("0 ")


def _base64_message() -> str:
    return "Текст XML содержит недопустимый символ"
