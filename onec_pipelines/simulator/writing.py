"""Writing objects: creation, changes, deletion and posting with 1C's laxness (PROTOCOL §4).

Every write is one transaction: a refusal leaves nothing behind, because rows are put into tables last.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from onec_pipelines.simulator import errors, posting, values, versions
from onec_pipelines.simulator.base import Base, Movements
from onec_pipelines.simulator.errors import OdataError
from onec_pipelines.simulator.kinds import EMPTY_DATE, ZERO_GUID, TypeMeta
from onec_pipelines.simulator.rules import Rules
from onec_pipelines.simulator.shape import NAMESPACE
from onec_pipelines.simulator.source import Key, Row
from onec_pipelines.simulator.tables import StoredTable

_OBJECTS = frozenset(("catalog", "document", "exchange_plan"))
Listener = Callable[[str, Key, Row | None], None]


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a write was asked for.

    `loading` is `1C_OData-DataLoadMode`: no numbers, no handlers (PROTOCOL §4.7).
    """

    loading: bool = False
    if_match: str | None = None
    honour_keys: bool = True
    stock_control: bool = True
    now: str = EMPTY_DATE
    rules: Rules = field(default_factory=Rules)


class Writer:
    """Changes one base.

    Listeners hear of every row written: the set, its key, and the row or None when it is gone. Handlers of the
    configuration hear of it too, but not in the mode of data loading (PROTOCOL §4.7).
    """

    def __init__(self, base: Base, movements: Movements) -> None:
        self._base = base
        self._movements = movements
        self._numbers = versions.Numbers()
        self.listeners: list[Listener] = []
        self.handlers: list[Listener] = []

    def create(self, name: str, body: Mapping[str, Any], manner: Manner) -> Row:
        """Create a row from a body; raises OdataError 400 code 15 if its key exists."""
        meta = self._base.meta(name)
        if meta.kind == "section":
            raise OdataError(400, "13", "Создание строк табличных частей напрямую не поддерживается")
        table = self._base.stored(name)
        _check_loading(meta, manner)
        row: Row = {}
        values.assign(meta, row, body)
        if meta.kind in _OBJECTS:
            self._identify(meta, row, body, manner)
        _fill_keys(meta, row)
        key = table.key_of(row)
        if table.get(key) is not None:
            raise OdataError(400, "15", "Сущность с таким ключом уже существует")
        if meta.kind in _OBJECTS and not manner.loading:
            self._number(meta, table, row, manner)
            manner.rules.check_write(self._base, name, row)
        self._store(meta, table, row, manner, before=None)
        return row

    def insert(self, name: str, given: Row, manner: Manner) -> Row:
        """Write a new row of typed values as it stands, under the key it carries; raises OdataError 400 code 15."""
        meta = self._base.meta(name)
        table = self._base.stored(name)
        row = dict(given)
        _fill_keys(meta, row)
        if table.get(table.key_of(row)) is not None:
            raise OdataError(400, "15", "Сущность с таким ключом уже существует")
        if meta.kind in _OBJECTS:
            row["DataVersion"] = versions.NEW
            self._number(meta, table, row, manner)
        self._store(meta, table, row, manner, before=None)
        return row

    def alter(self, name: str, key: Key, changes: Row, manner: Manner) -> Row:
        """Write typed values into a row; none is a save that changes the version only."""
        table = self._base.stored(name)
        before = self._existing(table, key, manner)
        row = {**before, **changes}
        self._store(self._base.meta(name), table, row, manner, before=before)
        return row

    def _identify(self, meta: TypeMeta, row: Row, body: Mapping[str, Any], manner: Manner) -> None:
        wanted = body.get("Ref_Key")
        given = str(values.scalar(meta, "Ref_Key", wanted)) if wanted is not None else ZERO_GUID
        row["Ref_Key"] = given if manner.honour_keys and given != ZERO_GUID else str(uuid.uuid4())
        row["DataVersion"] = versions.NEW

    def _number(self, meta: TypeMeta, table: StoredTable, row: Row, manner: Manner) -> None:
        if meta.kind == "document":
            if row.get("Date", EMPTY_DATE) == EMPTY_DATE:
                row["Date"] = manner.now
            if not row.get("Number"):
                row["Number"] = self._numbers.number(table, row["Date"])
        elif "Code" in meta.properties and not row.get("Code"):
            row["Code"] = self._numbers.code(table)

    def update(
        self, name: str, key: Key, body: Mapping[str, Any], manner: Manner, *, replace: bool = False
    ) -> Row:
        """Change the sent properties of a row (`replace`: empty the others, as PUT does).

        Raises OdataError 404 code 9.
        """
        meta = self._base.meta(name)
        table = self._base.stored(name)
        _check_loading(meta, manner)
        row = self._existing(table, key, manner)
        before = dict(row)
        if body.get("DeletionMark") is True and row.get("Posted") and not manner.loading:
            text = "Проведенный документ не может быть помечен на удаление."
            raise posting.refuse(self._base, name, row, text)
        if replace:
            kept = {*meta.key, "DataVersion", "Number", "Code", "Predefined", "PredefinedDataName"}
            row = {part: value for part, value in row.items() if part in kept}
        changes = {part: value for part, value in body.items() if part not in meta.key}
        values.assign(meta, row, changes)
        if not manner.loading:
            manner.rules.check_write(self._base, name, row)
        self._store(meta, table, row, manner, before=before)
        return row

    def _existing(self, table: StoredTable, key: Key, manner: Manner) -> Row:
        row = table.get(key)
        if row is None and table.meta.kind == "constant":
            row = {"SurrogateKey": 0}
        if row is None:
            raise errors.no_instance(table.meta.name)
        wish = (manner.if_match or "").removeprefix("W/").strip('"')
        if wish and wish != "*" and wish != row.get("DataVersion"):
            raise OdataError(412, "-1", "Версия объекта изменилась или объект был удален")
        return row

    def delete(self, name: str, key: Key, manner: Manner) -> None:
        """Delete a row for good, with the movements of a document (PROTOCOL §4.5)."""
        meta = self._base.meta(name)
        table = self._base.stored(name)
        if meta.kind == "constant":
            raise OdataError(405, "19", "HTTP-метод запрещен в данном контексте")
        _check_loading(meta, manner)
        row = self._existing(table, key, manner)
        if meta.kind == "document" and row.get("Posted"):
            self._move(name, row, [])
        if meta.kind == "recorder_register":
            self._replace_records(meta, table, key, {**row, "RecordSet": []})
        table.delete(key)
        self._tell(name, key, None, manner)

    def post(self, name: str, key: Key, manner: Manner) -> Row:
        """Post a document: check, make movements, set the flag.

        Raises OdataError 500/-1 with the handler's words.
        """
        row = self._document(name, key, manner)
        full = self._base.meta(name).complete(row)
        posting.check(self._base, name, full)
        manner.rules.check_posting(self._base, name, full)
        made = posting.records(self._base, name, full)
        if manner.stock_control and not row.get("Posted"):
            posting.check_stock(self._base, self._movements, name, full, made)
        self._move(name, row, made, registers=posting.MODELLED)
        return self._flag(name, row, manner, posted=True)

    def unpost(self, name: str, key: Key, manner: Manner) -> Row:
        """Unpost a document; one that is not posted only gets a new version (PROTOCOL §4.6)."""
        row = self._document(name, key, manner)
        if row.get("Posted"):
            self._move(name, row, [])
        return self._flag(name, row, manner, posted=False)

    def _document(self, name: str, key: Key, manner: Manner) -> Row:
        if self._base.meta(name).kind != "document":
            raise OdataError(400, "6", "Метод не найден")
        return self._existing(self._base.stored(name), key, manner)

    def _flag(self, name: str, row: Row, manner: Manner, *, posted: bool) -> Row:
        before = dict(row)
        row["Posted"] = posted
        self._store(self._base.meta(name), self._base.stored(name), row, manner, before=before)
        return row

    def _store(
        self, meta: TypeMeta, table: StoredTable, row: Row, manner: Manner, *, before: Row | None
    ) -> None:
        key = table.key_of(row)
        if before is not None and "DataVersion" in meta.properties:
            row["DataVersion"] = versions.bumped(before.get("DataVersion"))
        if meta.kind == "recorder_register":
            self._replace_records(meta, table, key, row)
        else:
            table.put(row)
        self._tell(meta.name, key, row, manner)

    def _move(
        self,
        name: str,
        document: Row,
        made: list[posting.Record],
        registers: frozenset[str] | None = None,
    ) -> None:
        """Replace the records that the document has made in these registers (in all: None) by new ones."""
        recorder_type = f"{NAMESPACE}.{name}"
        by_register: dict[str, list[Row]] = defaultdict(list)
        for one in made:
            by_register[one.register].append(one.values)
        for register in self._base.shape.sets:
            meta = self._base.meta(register)
            if meta.kind != "recorder_register" or (registers is not None and register not in registers):
                continue
            key = _recorder_key(meta, str(document["Ref_Key"]), recorder_type)
            table = self._base.stored(register)
            lines = by_register.get(register, [])
            if not lines and table.get(key) is None:
                continue
            self._write_records(meta, table, key, lines, document)

    def _write_records(
        self, meta: TypeMeta, table: StoredTable, key: Key, lines: list[Row], document: Row
    ) -> None:
        head: Row = dict(zip(meta.key, key, strict=True))
        row_meta = meta.section("RecordSet")
        known = row_meta.properties if row_meta is not None else {}
        rows = []
        for place, line in enumerate(lines, 1):
            full = {
                **head,
                "Period": document.get("Date", EMPTY_DATE),
                "LineNumber": place,
                "Active": True,
                **line,
            }
            rows.append({name: value for name, value in full.items() if name in known})
        self._replace_records(meta, table, key, {**head, "RecordSet": rows})
        self._tell(meta.name, key, {**head, "RecordSet": rows}, _PLAIN)

    def _replace_records(self, meta: TypeMeta, table: StoredTable, key: Key, row: Row) -> None:
        old = (table.get(key) or {}).get("RecordSet") or []
        new = row.get("RecordSet") or []
        records = self._base.table(f"{meta.name}_RecordType")
        if isinstance(records, StoredTable):
            head: Row = dict(zip(meta.key, key, strict=True))  # rows of a record set need not repeat it
            for record in old:
                records.delete(records.key_of({**head, **record}))
            for record in new:
                records.put({**head, **record})
        self._movements.replaced(meta.name, key, old, new)
        if new:
            table.put(row)
        else:
            table.delete(key)

    def _tell(self, name: str, key: Key, row: Row | None, manner: Manner) -> None:
        for listener in (*self.listeners, *(() if manner.loading else self.handlers)):
            listener(name, key, row)


_PLAIN = Manner()


def _check_loading(meta: TypeMeta, manner: Manner) -> None:
    """A record of an independent register is no object and has no mode of data loading (PROTOCOL §4.7)."""
    if manner.loading and meta.kind == "register":
        raise OdataError(400, "17", "Объект не поддерживает режим загрузки данных")


def _recorder_key(meta: TypeMeta, guid: str, recorder_type: str) -> Key:
    return tuple(recorder_type if name.endswith("_Type") else guid for name in meta.key)


def _fill_keys(meta: TypeMeta, row: Row) -> None:
    for name in meta.key:
        if name not in row:
            row[name] = meta.empty.get(name)
