"""What a call gives back, and whether a body under 200 is what was asked for (PROTOCOL §8.1).

No sending here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from onec_pipelines.onec.error_bodies import clean, read_fault
from onec_pipelines.onec.errors import bad_answer, reports_error, translate

Kind = Literal["json", "atom", "xml", "count"]

BOM = b"\xef\xbb\xbf"
ACCEPT: dict[Kind, str] = {
    "json": "application/json",
    "atom": "application/atom+xml,application/xml",
    "xml": "application/xml",
    "count": "text/plain,*/*;q=0.5",
}
_XML_START = re.compile(rb"<(?:\?xml|[A-Za-z_:])")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The whole answer of one call.

    `body` is as 1C sent it, unpacked from gzip (a byte order mark may lead it); `elapsed_seconds` is of the
    last attempt alone; `requested_at` is aware UTC, before that attempt; `request` is the masked text for
    people.
    """

    body: bytes = field(repr=False)
    status: int
    elapsed_seconds: float
    wire_bytes: int
    requested_at: datetime
    request: str


@dataclass(frozen=True, kw_only=True)
class Call:
    """One attempt, for audit and metrics. `error_code` is None when it went well.

    `seconds` is the whole of it, of which `waited` went by before 1C was asked (throttle, session). `request` is the masked text for
    people, empty where the resource says it all.
    """

    kind: Kind
    resource: str
    status: int | None
    seconds: float
    wire_bytes: int
    attempt: int
    error_code: str | None
    requested_at: datetime
    waited: float = 0.0
    request: str = ""


def check_shape(body: bytes, *, kind: Kind, status: int, request: str) -> None:
    """Raise when a body under 200 is not what was asked for.

    An error of 1C in disguise raises what it would under its own status; HTML, an empty or cut body raise
    RetryLater ONEC_BAD_ANSWER. Only the ends of the body are looked at: whether it parses is the reader's
    to say.
    """
    start = body[:4096].removeprefix(BOM).lstrip()
    if reports_error(start):
        raise translate(status, body, request=request)
    problem = _problem(start, body[-64:].rstrip(), kind)
    if problem:
        saw = read_fault(body[:4096]).message or clean(start[:200].decode("utf-8", "replace"))
        raise bad_answer(problem, request=request, status=status, saw="" if start.startswith(b"{") else saw)


def _problem(start: bytes, end: bytes, kind: Kind) -> str:
    if not start:
        return "it is empty"
    if kind == "count":
        return "" if re.fullmatch(rb"\d{1,18}\s*", start) else "it is not a number"
    if kind == "json":
        if not start.startswith(b"{"):
            return "it is not JSON"
        return "" if end.endswith(b"}") else "it is cut"
    if not _XML_START.match(start) or re.match(rb"<(?:!doctype|html|head|body)\b", start, re.IGNORECASE):
        return "it is not XML"
    return "" if end.endswith(b">") else "it is cut"
