"""What a base was found able to do, as far as the client behaves differently for it. Plain data, probed by `onec doctor`.

None means "not known": then the client does what suits most bases and finds out by itself (PROTOCOL §12, §14).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What one base, at one address, can do.

    `count`: `/$count` answers. `inlinecount`: `$inlinecount` gives a total. `skip`: `$skip` is honoured. `page_rows`: the most rows
    that one answer gives, None when no limit was seen. `sessions`: calls at once that its pool bore. `session_mode` is told to people
    only: the client finds it out with its first request at no cost. `atom`, `if_match`, `client_keys` likewise; what a push does about
    keys is kept in `ledger/push_objects.py`.
    """

    count: bool | None = None
    inlinecount: bool | None = None
    skip: bool | None = None
    page_rows: int | None = None
    sessions: int | None = None
    session_mode: Literal["autouse", "use"] | None = None
    atom: bool | None = None
    allowed_only: bool | None = None
    if_match: bool | None = None
    client_keys: bool | None = None

    @property
    def document(self) -> dict[str, Any]:
        """What is known, as JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}


UNKNOWN = Capabilities()


def of_document(document: Mapping[str, Any]) -> Capabilities:
    """Read what was stored; names that this version does not know are left out."""
    known = {field.name for field in fields(Capabilities)}
    return Capabilities(**{name: value for name, value in document.items() if name in known})
