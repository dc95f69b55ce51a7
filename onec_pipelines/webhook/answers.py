"""What the receiver says to senders: fixed texts, each with the name under which it is counted. No logic and no HTTP server here."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

RETRY_AFTER_SECONDS = 5
_JSON = (("content-type", "application/json"),)
# The rest of a request that was not read to its end would be taken for the next one.
_CLOSE = (*_JSON, ("connection", "close"))
_AGAIN = (*_JSON, ("retry-after", str(RETRY_AFTER_SECONDS)))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A fixed answer; `counted` is its name in integ.webhook_counts."""

    counted: str
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = _JSON

    def wire(self) -> tuple[bytes, bytes]:
        """Status line, and the rest from the headers on: between them stands what the server adds to every answer."""
        headers = (*self.headers, ("content-length", str(len(self.body))))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        status = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n"
        return status.encode(), lines.encode() + b"\r\n" + self.body


ACCEPTED = Answer(counted="accepted", status=202, body=b'{"status":"accepted"}')
DUPLICATE = Answer(counted="duplicate", status=200, body=b'{"status":"duplicate"}')
NOT_UNDERSTOOD = Answer(counted="not_understood", status=400, body=b'{"error":"bad_request"}')
UNAUTHORIZED = Answer(counted="refused", status=401, body=b'{"error":"unauthorized"}')
TOO_LARGE = Answer(counted="too_large", status=413, body=b'{"error":"too_large"}', headers=_CLOSE)
TOO_SLOW = Answer(counted="too_slow", status=408, body=b'{"error":"too_slow"}', headers=_CLOSE)
HUNG_UP = Answer(counted="hung_up", status=400, headers=_CLOSE)
UNAVAILABLE = Answer(counted="unavailable", status=503, body=b'{"error":"try_later"}', headers=_AGAIN)
BROKEN = Answer(counted="broken", status=500, body=b'{"error":"internal"}')
HEALTHY = Answer(counted="healthy", status=200, body=b'{"status":"ok","database":"ok"}')
UNHEALTHY = Answer(
    counted="unhealthy", status=503, body=b'{"status":"down","database":"down"}', headers=_AGAIN
)
