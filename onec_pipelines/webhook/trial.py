"""An event as 1C would send it, made here: for `onec webhooks sign`, for trying out and for tests."""

from __future__ import annotations

import http.client
import json
import shlex
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.settings import load_settings
from onec_pipelines.webhook.app import PATH
from onec_pipelines.webhook.signature import parse_secrets, sign

_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class SignedEvent:
    """The bytes and the headers of one event."""

    body: bytes
    headers: Mapping[str, str]


def signed(event_type: str, refs: Sequence[str], *, msg_id: str | None = None) -> SignedEvent:
    """An event about these objects, signed now with the newest secret of the settings."""
    settings = load_settings(require_onec=False)
    key = parse_secrets(settings.webhook_secrets.get_secret_value()).keys[0]
    body = json.dumps({"type": event_type, "data": {"refs": list(refs)}}, ensure_ascii=False).encode()
    return make(body, key=key, msg_id=msg_id or str(uuid.uuid4()), timestamp=int(time.time()))


def make(body: bytes, *, key: bytes, msg_id: str, timestamp: int) -> SignedEvent:
    """These bytes with the headers that make them believed."""
    return SignedEvent(
        body=body,
        headers={
            "content-type": "application/json",
            "webhook-id": msg_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(key=key, msg_id=msg_id, timestamp=timestamp, body=body),
        },
    )


def curl(event: SignedEvent) -> str:
    """A command that sends the event to a receiver on this machine within the next minutes."""
    settings = load_settings(require_onec=False)
    url = f"http://{settings.webhook_host}:{settings.webhook_port}{PATH}"
    headers = (f"-H {shlex.quote(f'{name}: {value}')}" for name, value in event.headers.items())
    return f"curl -sS {' '.join(headers)} --data-binary {shlex.quote(event.body.decode())} {url}"


def send(event: SignedEvent, url: str) -> tuple[int, str]:
    """Send the event to the receiver at `url` and give status and body. Raises RetryLater when nobody is there."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Stop("the address must begin with http:// or https://", code="WEBHOOK_ADDRESS")
    kind: Any = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=_SECONDS)
    try:
        connection.request("POST", parts.path.rstrip("/") or PATH, event.body, dict(event.headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise RetryLater(
            f"no receiver answers at {url} ({type(error).__name__})",
            code="WEBHOOK_UNREACHABLE",
            remedy="Start one: `onec webhooks serve`.",
        ) from None
    finally:
        connection.close()
