"""The OpenAPI 3.1 document of the receiver, as bytes. The schema of the body is the one that the parser checks against."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from onec_pipelines.entities.hints import HINTS
from onec_pipelines.webhook.body import MOST_BYTES
from onec_pipelines.webhook.events import Event

_REF = "#/components/schemas/{name}"


def _header(name: str, description: str, pattern: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string", "pattern": pattern},
    }


def _answer(description: str, example: dict[str, str] | None, *, again: bool = False) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": description}
    if example is not None:
        schema = {
            "type": "object",
            "properties": {name: {"const": value} for name, value in example.items()},
            "required": list(example),
            "additionalProperties": False,
        }
        answer["content"] = {"application/json": {"schema": schema}}
    if again:
        answer["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    return answer


def _document() -> dict[str, Any]:
    (event,), components = msgspec.json.schema_components([Event], ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "onec_pipelines: webhooks of 1C",
            "version": "1",
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "Events are hints: what they name is fetched from 1C. Order, loss and repetition do not matter.",
        },
        "paths": {
            "/webhooks/1c": {"post": _post(event)},
            "/health": {"get": _health()},
        },
        "components": {"schemas": components},
    }


def _post(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": "receive",
        "summary": "One event, signed as Standard Webhooks says",
        "description": (
            f"Known types: {', '.join(HINTS)}. Others are accepted and counted. A body has at most {MOST_BYTES} bytes and 5 seconds."
        ),
        "parameters": [
            _header("webhook-id", "The same for every repetition of an event", r"^[!-\-/-~]{1,128}$"),
            _header("webhook-timestamp", "Unix seconds of this attempt", "^[1-9][0-9]{0,11}$"),
            _header(
                "webhook-signature",
                "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; up to 5, with blanks between",
                r"^(\S+ )*v1,[A-Za-z0-9+/]{43}=( \S+)*$",
            ),
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": event}}},
        "responses": {
            "202": _answer("Stored", {"status": "accepted"}),
            "200": _answer("Was stored before", {"status": "duplicate"}),
            "400": _answer("Signed, but not an event; repeating does not help", {"error": "bad_request"}),
            "401": _answer("Not signed by us, or a clock is wrong", {"error": "unauthorized"}),
            "408": _answer("The body did not come in time", {"error": "too_slow"}),
            "413": _answer("The body is too large", {"error": "too_large"}),
            "503": _answer("Cannot be stored now: repeat it", {"error": "try_later"}, again=True),
        },
    }


def _health() -> dict[str, Any]:
    return {
        "operationId": "health",
        "summary": "Whether events can be stored",
        "responses": {
            "200": _answer("Yes", {"status": "ok", "database": "ok"}),
            "503": _answer("No", {"status": "down", "database": "down"}, again=True),
        },
    }


DOCUMENT = json.dumps(_document(), ensure_ascii=False).encode()
"""The document, ready to be sent."""
