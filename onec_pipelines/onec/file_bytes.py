"""Where 1C keeps the bytes of attached files, by release, and how they are asked for (PROTOCOL §11.3).

Up to 11.5.8 a register holds them beside the file; since 11.5.20 a register names an object of a catalog, which also says hash and
size. `$metadata` decides; a base in the middle of its own migration has both. Nothing is decoded or stored here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from onec_pipelines.errors import Skip, Stop
from onec_pipelines.onec import query
from onec_pipelines.onec.answers import BOM, Answer
from onec_pipelines.onec.client import OnecClient
from onec_pipelines.onec.errors import bad_answer
from onec_pipelines.onec.metadata_model import NAMESPACE, Metadata
from onec_pipelines.onec.query import SetQuery
from onec_pipelines.onec.values import ZERO_GUID

OLD_REGISTER = "InformationRegister_ДвоичныеДанныеФайлов"
NEW_REGISTER = "InformationRegister_ХранилищеФайлов"
NEW_CATALOG = "Catalog_ХранилищеДвоичныхДанных"
_KEYS_AT_ONCE = 20
_Kind = TypeVar("_Kind")
# Base64 takes 4/3, 1C breaks it into lines, each break being four characters of JSON, and an XDTO envelope is base64 once more.
_ON_THE_WIRE = 2
_ENVELOPE = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Located:
    """Where the bytes of a file are. `key` is the GUID of the object that has them.

    `mark` stands for the content: the same mark, the same bytes; None where the release says nothing about the content.
    """

    ref: str
    key: str
    is_old: bool
    mark: str | None = None
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class Content:
    """The bytes of a file as 1C sent them: the JSON value of base64 text, and the type that 1C gives it."""

    text: memoryview | bytes = field(repr=False)
    media_type: str


class FileBytes:
    """The bytes of the files of one catalog. Thread-safe as its client is.

    Raises Stop ONEC_NOT_PUBLISHED when the base publishes neither place.
    """

    def __init__(self, client: OnecClient, metadata: Metadata, *, catalog: str) -> None:
        self._client = client
        self._catalog = catalog
        known = metadata.find_set
        self.has_new = known(NEW_REGISTER) is not None and known(NEW_CATALOG) is not None
        self.has_old = known(OLD_REGISTER) is not None
        if not self.has_new and not self.has_old:
            raise Stop(
                f"the bytes of files are out of reach: neither {NEW_REGISTER} with {NEW_CATALOG} nor {OLD_REGISTER} is published",
                code="ONEC_NOT_PUBLISHED",
                remedy="Add them to the composition of the standard OData interface.",
            )

    def locate(self, refs: Sequence[str]) -> dict[str, Located]:
        """Find where the bytes of these files are, in a few requests; files without bytes are left out.

        Only the old register cannot say beforehand whether it has any.
        """
        found: dict[str, Located] = {}
        if self.has_new:
            keys = self._binary_keys(refs)
            facts = self._facts(sorted(set(keys.values())))
            for ref, key in keys.items():
                if key in facts:
                    mark, size = facts[key]
                    found[ref] = Located(ref=ref, key=key, is_old=False, mark=mark, size=size)
        if self.has_old:
            for ref in refs:
                found.setdefault(ref, Located(ref=ref, key=ref, is_old=True))
        return found

    def fetch(self, wanted: Sequence[Located], *, max_bytes: int) -> dict[str, Content]:
        """Fetch the bytes of several files of the same place in one request; by GUID of the file, absent ones left out.

        `max_bytes` is what they may have together, as bytes and not as base64: beyond that Stop ONEC_TOO_LARGE.
        """
        is_old = wanted[0].is_old
        keys = {one.key for one in wanted}
        is_page = len(keys) > 1
        room = _room(max_bytes)
        answer = self._many(sorted(keys), room, is_old=is_old) if is_page else self._one(wanted[0], room)
        rows = {} if answer is None else _contents(answer, is_old=is_old, is_page=is_page)
        return {one.ref: rows[one.key] for one in wanted if one.key in rows}

    def _binary_keys(self, refs: Sequence[str]) -> dict[str, str]:
        """The binary object of each file that has one."""
        select = ("Файл", "Файл_Type", "ХранилищеДвоичныхДанных_Key")
        found: dict[str, str] = {}
        for condition in self._conditions(refs, NEW_REGISTER, select):
            asked = SetQuery(resource=NEW_REGISTER, select=select, filter=condition)
            for row in _decode(self._client.get(asked.target()), _StoredPage).value:
                if row.binary and row.binary != ZERO_GUID:
                    found[row.file.lower()] = row.binary.lower()
        return found

    def _facts(self, keys: Sequence[str]) -> dict[str, tuple[str, int | None]]:
        """Mark and size of each binary object; absent ones are left out."""
        asked = SetQuery(resource=NEW_CATALOG, select=("Ref_Key", "DataVersion", "Размер", "Хеш"))
        found = {}
        for _, narrowed in query.key_batches(keys, asked):
            for row in _decode(self._client.get(narrowed.target()), _FactsPage).value:
                size = int(row.size) if row.size not in {None, ""} else None
                says = f"{row.digest}:{size}" if row.digest else f"version {row.version}"
                found[row.ref.lower()] = (f"{row.ref.lower()}:{says}", size)
        return found

    def _one(self, wanted: Located, max_bytes: int) -> Answer | None:
        if wanted.is_old:
            key: str | Mapping[str, str] = {
                "Файл": query.string(wanted.key),
                "Файл_Type": query.string(f"{NAMESPACE}{self._catalog}"),
            }
            address = query.entity(OLD_REGISTER, key, select=_OLD_SELECT)
        else:
            address = query.entity(NEW_CATALOG, wanted.key, select=_NEW_SELECT)
        try:
            return self._client.get(address, max_bytes=max_bytes)
        except Skip:
            return None

    def _many(self, keys: Sequence[str], max_bytes: int, *, is_old: bool) -> Answer:
        if is_old:
            condition = query.any_of(*(f"Файл eq {query.cast(key, self._catalog)}" for key in keys))
            asked = SetQuery(resource=OLD_REGISTER, select=_OLD_SELECT, filter=condition)
        else:
            ((_, asked),) = query.key_batches(
                keys, SetQuery(resource=NEW_CATALOG, select=_NEW_SELECT), max_keys=len(keys)
            )
        return self._client.get(asked.target(), max_bytes=max_bytes)

    def _conditions(
        self, refs: Sequence[str], register: str, select: tuple[str, ...]
    ) -> Iterator[str | None]:
        """Conditions for these files, each short enough for an address. A plain GUID would find nothing (PROTOCOL §3.1)."""
        start, size = 0, _KEYS_AT_ONCE
        while start < len(refs):
            batch = refs[start : start + size]
            condition = query.any_of(*(f"Файл eq {query.cast(ref, self._catalog)}" for ref in batch))
            try:
                SetQuery(resource=register, select=select, filter=condition).target()
            except Stop as error:
                if len(batch) == 1 or error.code != "ONEC_URL_TOO_LONG":
                    raise
                size = len(batch) // 2
                continue
            yield condition
            start += len(batch)


_OLD_SELECT = ("Файл", "Файл_Type", "ДвоичныеДанныеФайла_Type", "ДвоичныеДанныеФайла_Base64Data")
_NEW_SELECT = ("Ref_Key", "ДвоичныеДанные_Type", "ДвоичныеДанные_Base64Data")


class _Stored(msgspec.Struct, rename={"file": "Файл", "binary": "ХранилищеДвоичныхДанных_Key"}):
    file: str
    binary: str | None = None


class _StoredPage(msgspec.Struct):
    value: list[_Stored]


class _Facts(
    msgspec.Struct, rename={"ref": "Ref_Key", "version": "DataVersion", "size": "Размер", "digest": "Хеш"}
):
    ref: str
    version: str | None = None
    size: str | int | None = None
    digest: str | None = None


class _FactsPage(msgspec.Struct):
    value: list[_Facts]


class _Old(
    msgspec.Struct,
    rename={"key": "Файл", "type": "ДвоичныеДанныеФайла_Type", "text": "ДвоичныеДанныеФайла_Base64Data"},
):
    key: str
    type: str | None = None
    text: msgspec.Raw = msgspec.Raw(b"null")


class _New(
    msgspec.Struct,
    rename={"key": "Ref_Key", "type": "ДвоичныеДанные_Type", "text": "ДвоичныеДанные_Base64Data"},
):
    key: str
    type: str | None = None
    text: msgspec.Raw = msgspec.Raw(b"null")


class _OldPage(msgspec.Struct):
    value: list[_Old]


class _NewPage(msgspec.Struct):
    value: list[_New]


def _room(max_bytes: int) -> int:
    return max_bytes * _ON_THE_WIRE + _ENVELOPE


def _contents(answer: Answer, *, is_old: bool, is_page: bool) -> dict[str, Content]:
    rows: Sequence[_Old | _New]
    if is_old:
        rows = _decode(answer, _OldPage).value if is_page else [_decode(answer, _Old)]
    else:
        rows = _decode(answer, _NewPage).value if is_page else [_decode(answer, _New)]
    return {row.key.lower(): Content(text=memoryview(row.text), media_type=row.type or "") for row in rows}


def _decode(answer: Answer, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(answer.body.removeprefix(BOM), type=kind)
    except (msgspec.DecodeError, ValueError):
        raise bad_answer("it is no page of file data", request=answer.request) from None
