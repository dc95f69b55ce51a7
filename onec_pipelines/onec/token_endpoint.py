"""Asking an OAuth2 token endpoint for a token by client credentials (RFC 6749 §4.4, §5).

The only place that sends the client's secret, and only to the origin of `token_url`; redirects are not
followed. What the endpoint says in words is left out of our errors: only its registered error codes are named.
"""

from __future__ import annotations

import base64
import json
import math
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

from onec_pipelines.errors import PipelineError, RetryLater, Stop
from onec_pipelines.onec.errors import retry_after
from onec_pipelines.onec.logins import TOKEN, ClientCredentials
from onec_pipelines.onec.route import Route
from onec_pipelines.onec.token_cache import Token
from onec_pipelines.onec.transport import Exchange, Reply, Transport

_MOST_BYTES = 1024 * 1024
_OK = 200
_SHOWN = "POST to the token endpoint"
_CLIENT = "Check ONEC_CLIENT_ID and ONEC_CLIENT_SECRET, and that the client is enabled. "
_LOCKS = "It is not repeated: repeats lock accounts."
_ADDRESS = "Check ONEC_TOKEN_URL: it must be the final address of the token endpoint."
_SERVER = "It is repeated by itself; if it stays, look into the log of the token endpoint."
# RFC 6749 §5.2; a text of the endpoint's own could echo what we sent
_REMEDIES = {
    "invalid_client": _CLIENT + _LOCKS,
    "invalid_grant": _CLIENT + _LOCKS,
    "unauthorized_client": "Allow the grant client_credentials for this client. " + _LOCKS,
    "unsupported_grant_type": "The endpoint must offer the grant client_credentials.",
    "invalid_scope": "Check ONEC_SCOPE.",
    "invalid_request": "Check ONEC_TOKEN_URL and ONEC_SCOPE.",
}
_PASSING = frozenset({408, 425, 429, *range(500, 600)})


class TokenEndpoint:
    """One token endpoint and the client that asks it; `fetch` may be called from any thread."""

    def __init__(self, login: ClientCredentials, route: Route) -> None:
        self._login = login
        self._route = route

    def fetch(self, ends_at: float) -> Token:
        """Ask for a token, until a `time.monotonic()` moment, over a connection of its own.

        Stop ONEC_AUTH when the client is refused, Stop ONEC_TOKEN_ENDPOINT when no token endpoint answers
        there, RetryLater ONEC_TOKEN_ENDPOINT (never sent to 1C) for what may pass.
        """
        try:
            transport = Transport(self._route, keepalive=False)
            try:
                reply = transport.send(self._exchange(ends_at))
            finally:
                transport.close()
        except PipelineError as fault:
            raise _unreached(fault) from None
        if reply.status != _OK:
            raise _refusal(reply)
        return _token(reply)

    def _exchange(self, ends_at: float) -> Exchange:
        login, parts = self._login, self._login.parts
        # each half is form-encoded first (RFC 6749 §2.3.1)
        client = f"{quote_plus(login.client_id)}:{quote_plus(login.client_secret)}".encode("ascii")
        form = {"grant_type": "client_credentials", **({"scope": login.scope} if login.scope else {})}
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
            f"?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else ""
        )
        return Exchange(
            method="POST",
            target=target,
            shown=_SHOWN,
            ends_at=ends_at,
            max_bytes=_MOST_BYTES,
            headers={
                "Authorization": "Basic " + base64.b64encode(client).decode("ascii"),
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
            content=urlencode(form).encode("ascii"),
        )


def _unreached(fault: PipelineError) -> PipelineError:
    """What the transport says of 1C, said of the endpoint."""
    if isinstance(fault, Stop):
        return Stop(
            f"the token endpoint cannot be asked ({fault.code})",
            code=fault.code
            if fault.code in {"ONEC_CERTIFICATE", "ONEC_TLS_FILES"}
            else "ONEC_TOKEN_ENDPOINT",
            remedy=(
                "The endpoint's certificate is always verified: give its authority by ONEC_CA_FILE."
                if fault.code == "ONEC_CERTIFICATE"
                else f"{fault.remedy} {_ADDRESS}"
            ),
        )
    return _later(f"the token endpoint gave no answer ({fault.code})", remedy=_ADDRESS + " " + _SERVER)


def _refusal(reply: Reply) -> PipelineError:
    said = _json(reply.body).get("error")
    if reply.status in _PASSING:
        wait = retry_after(reply.headers.get("retry-after"), datetime.now(UTC))
        return _later(
            f"the token endpoint failed (HTTP {reply.status})",
            remedy=_SERVER,
            status=reply.status,
            wait=wait,
        )
    if isinstance(said, str) and said in _REMEDIES:
        return Stop(
            f"the token endpoint refused the client: {said} (HTTP {reply.status})",
            code="ONEC_AUTH",
            remedy=_REMEDIES[said],
            http_status=reply.status,
        )
    if reply.status in {401, 403}:
        return Stop(
            f"the token endpoint refused the client (HTTP {reply.status})",
            code="ONEC_AUTH",
            remedy=_CLIENT + _LOCKS,
            http_status=reply.status,
        )
    return Stop(
        f"no token endpoint answers at this address (HTTP {reply.status})",
        code="ONEC_TOKEN_ENDPOINT",
        remedy=_ADDRESS,
        http_status=reply.status,
    )


def _token(reply: Reply) -> Token:
    answer = _json(reply.body)
    text, kind = answer.get("access_token"), answer.get("token_type", "Bearer")
    if not answer:
        raise _later("the token endpoint's answer is not JSON", remedy=_ADDRESS, status=reply.status)
    if not isinstance(text, str) or not TOKEN.fullmatch(text):
        raise _unusable("its answer holds no access_token that fits into a header")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise _unusable("its token is not of the type Bearer")
    return Token(text=text, seconds=_seconds(answer.get("expires_in")))


def _seconds(value: Any) -> float | None:
    """Read a life in seconds; some endpoints send it as text, and what cannot be understood is unknown."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _json(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _unusable(why: str) -> Stop:
    return Stop(
        f"the token endpoint gave a token that cannot be used: {why}",
        code="ONEC_TOKEN_ENDPOINT",
        remedy="The endpoint must give Bearer tokens as RFC 6749 says. " + _ADDRESS,
    )


def _later(message: str, *, remedy: str, status: int | None = None, wait: float | None = None) -> RetryLater:
    return RetryLater(
        message, code="ONEC_TOKEN_ENDPOINT", remedy=remedy, http_status=status, retry_after=wait, sent=False
    )
