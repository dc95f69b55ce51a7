"""Rows invented from a type alone, for bases whose objects the generated shop does not know (`--metadata`).

Values are plausible by type and name, references lead to invented rows of their targets; nothing has business
meaning.
"""

from __future__ import annotations

import uuid
import zlib
from decimal import Decimal
from typing import Any

from onec_pipelines.simulator.kinds import TypeMeta
from onec_pipelines.simulator.shape import NAMESPACE
from onec_pipelines.simulator.source import Key, Row

_SPACE = uuid.UUID("0c6a4a52-3c5d-5d0e-9b0a-2f0f2a3e7b11")
_FEW = 3


def invented_key(type_name: str, number: int) -> str:
    """The `Ref_Key` of the invented row with this number."""
    return str(uuid.uuid5(_SPACE, f"{type_name}/{number}"))


class InventedTable:
    """A small table of one entity type."""

    def __init__(self, meta: TypeMeta, *, seed: int, size: int) -> None:
        self.name = meta.name
        self._meta = meta
        self._seed = seed
        self._size = 1 if meta.kind == "constant" else size
        self._positions: dict[Key, int] = {}

    def __len__(self) -> int:
        """Give the number of rows."""
        return self._size

    def rows(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        return [self._row(at) for at in range(max(start, 0), min(stop, self._size))]

    def find(self, key: Key) -> int | None:
        """Give the position of the row with this key, or None."""
        if not self._positions:
            for at in range(self._size):
                row = self._row(at)
                self._positions.setdefault(tuple(str(row[name]) for name in self._meta.key), at)
        return self._positions.get(key)

    def _row(self, at: int) -> Row:
        row = _fill(self._meta, at, self._seed)
        if "RecordSet" in self._meta.sections:
            row["RecordSet"] = [{**one, "Active": True} for one in row["RecordSet"]]
        return row


def _fill(meta: TypeMeta, at: int, seed: int) -> Row:
    row: Row = {name: _value(meta, name, at, seed) for name in meta.empty}
    for name in meta.composites:
        if name == "Recorder":
            row[name], row[f"{name}_Type"] = invented_key("Recorder", at), f"{NAMESPACE}.{_document(meta)}"
        else:
            row[name], row[f"{name}_Type"] = f"{name} {at}", "Edm.String"
    for name in meta.sections:
        section = meta.section(name)
        if section is not None:
            lines = 1 + _chance(meta.name + name, at, seed) % _FEW
            row[name] = [
                {**_fill(section, at * _FEW + line, seed), "LineNumber": line + 1} for line in range(lines)
            ]
    return row


def _document(meta: TypeMeta) -> str:
    return next((name for name in meta.kinds.shape.sets if name.startswith("Document_")), "Document_Документ")


def _chance(name: str, at: int, seed: int) -> int:
    return zlib.crc32(f"{seed}/{name}/{at}".encode())


def _value(meta: TypeMeta, name: str, at: int, seed: int) -> Any:
    type_ = meta.properties[name].type
    chance = _chance(f"{meta.name}.{name}", at, seed)
    if name in _FIXED:
        return _FIXED[name](meta, at)
    if type_ == "Edm.Guid":
        target = meta.navigation.get(name.removesuffix("_Key"))
        return meta.empty[name] if target is None else invented_key(target, chance % _FEW)
    makers = {
        "Edm.String": f"{name} {chance % 100}",
        "Edm.Boolean": bool(chance % 2),
        "Edm.Double": Decimal(chance % 1_000_000) / 100,
        "Edm.Int16": chance % 100,
        "Edm.Int32": chance % 100_000,
        "Edm.Int64": chance % 1_000_000,
        "Edm.DateTime": f"2026-{1 + chance % 5:02}-{1 + chance % 28:02}T{chance % 24:02}:00:00",
    }
    return makers.get(type_, meta.empty[name])


_FIXED: dict[str, Any] = {
    "Ref_Key": lambda meta, at: invented_key(meta.name, at),
    "Recorder_Key": lambda _meta, at: invented_key("Recorder", at),
    "DataVersion": lambda _meta, _at: "AAAAAAAAAAE=",
    "DeletionMark": lambda _meta, at: not (at + 1) % 17,
    "Description": lambda meta, at: f"{meta.name.split('_', 1)[-1]} {at:04}",
    "Code": lambda _meta, at: f"{at + 1:09}",
    "Number": lambda _meta, at: f"0000-{at + 1:06}",
    "Date": lambda _meta, at: f"2026-01-{1 + at % 28:02}T12:00:00",
    "Parent_Key": lambda meta, _at: meta.empty["Parent_Key"],
    "IsFolder": lambda _meta, _at: False,
    "Predefined": lambda _meta, _at: False,
    "PredefinedDataName": lambda _meta, _at: "",
    "SurrogateKey": lambda _meta, _at: 0,
    "RecordType": lambda _meta, at: "Receipt" if (at + 1) % 3 else "Expense",
    "Штрихкод": lambda _meta, at: f"{4600000000000 + at}",
}
