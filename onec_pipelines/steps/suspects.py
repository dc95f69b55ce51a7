"""suspects: which object may be the one that 1C cannot put into a packet, found in the pages that came in another way (PROTOCOL §7.1.8).

JSON carries characters that XML forbids, so the reading by versions that replaces the packet has the culprit among its rows, as long as the
field is one that we read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import RetryLater
from onec_pipelines.ledger import packets
from onec_pipelines.onec.decode_patient import load_json

# As JSON writes them: escaped, or bare where the server is careless.
_IN_BYTES = re.compile(rb"\\u00(?:0[0-8bcefBCEF]|1[0-9a-fA-F])|\\u[fF]{3}[eEfF]|[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_MOST = 20


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """An object with a character that XML forbids: the set or entity, its GUID, the property, the character's code point."""

    entity: str
    key: str
    field: str
    code_point: str

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.entity} {self.key}: {self.field} holds {self.code_point}"


def find_suspects(database: Database, *, system_name: str, entities: list[str], since: Any) -> list[Suspect]:
    """Suspects among the rows that came as JSON since a moment, newest pages first, at most 20."""
    found: dict[tuple[str, str, str], Suspect] = {}
    with database.transaction() as connection:
        pages = packets.json_pages_since(driver_connection(connection), system_name, entities, since)
        for entity, body in pages:
            for suspect in _of_page(entity, body):
                found.setdefault((suspect.entity, suspect.key, suspect.field), suspect)
            if len(found) >= _MOST:
                break
    return list(found.values())[:_MOST]


def _of_page(entity: str, body: bytes) -> Iterator[Suspect]:
    if not _IN_BYTES.search(body):
        return
    try:
        document = load_json(body.removeprefix(b"\xef\xbb\xbf"))
    except RetryLater:
        return
    for row in document.get("value", ()) if isinstance(document, dict) else ():
        for name, value in _texts("", row):
            bad = _ILLEGAL.search(value)
            if bad:
                yield Suspect(
                    entity=entity,
                    key=str(row.get("Ref_Key", "")),
                    field=name,
                    code_point=f"U+{ord(bad[0]):04X}",
                )


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(f"{path}/{name}".lstrip("/"), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(path, inner)
