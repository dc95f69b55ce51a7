"""Bearer tokens in front of the base: an endpoint for client credentials, JWTs with HS256 (PROTOCOL §9)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from urllib.parse import parse_qs

from onec_pipelines.simulator.http import Request, Response
from onec_pipelines.simulator.options import Options

_ISSUER = "onec-simulator"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _signature(text: str, options: Options) -> str:
    return _encode(hmac.new(options.password.encode(), text.encode(), hashlib.sha256).digest())


def issue(options: Options) -> str:
    """A token of the technical user that lives `bearer_seconds`."""
    now = int(time.time())
    payload = {"iss": _ISSUER, "sub": options.user, "iat": now, "exp": now + options.bearer_seconds}
    parts = ({"alg": "HS256", "typ": "JWT"}, payload)
    text = ".".join(_encode(json.dumps(part).encode()) for part in parts)
    return f"{text}.{_signature(text, options)}"


def user_of(token: str, options: Options) -> str | None:
    """The user of a valid token, or None for one that is forged, foreign or expired."""
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(text, options).encode()):
        return None
    payload = json.loads(_decode(text.partition(".")[2]))
    return str(payload["sub"]) if payload["exp"] > time.time() else None


def endpoint(request: Request, options: Options) -> Response:
    """`POST /token` with grant_type=client_credentials; the client is the technical user."""
    form = {name: values[-1] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
    client = (form.get("client_id", ""), form.get("client_secret", ""))
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        client = basic(value)
    if request.method != "POST" or form.get("grant_type") != "client_credentials":
        return _json(400, {"error": "unsupported_grant_type"})
    if client != (options.user, options.password):
        return _json(401, {"error": "invalid_client"})
    answer = {"access_token": issue(options), "token_type": "Bearer", "expires_in": options.bearer_seconds}
    return _json(200, answer)


def basic(value: str) -> tuple[str, str]:
    """User and password of a Basic header, in UTF-8 as 1C wants it; empty for what cannot be read."""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except ValueError:
        return "", ""
    return user, password


def _json(status: int, value: dict[str, object]) -> Response:
    headers = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
    return Response(status=status, body=json.dumps(value).encode(), headers=headers)
