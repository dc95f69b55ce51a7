"""What each fault of the connection means for us.

One table from httpcore's and httpx's exceptions to our errors (RELIABILITY C-1). `sent` is False where the
request surely never reached 1C, so that even a write may be repeated. Names are compared instead of
classes, because the classes of both libraries have the same names and only `transport.py` may import httpx.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass

from onec_pipelines.errors import PipelineError, RetryLater, Stop
from onec_pipelines.onec.errors import bad_answer

_REMEDY_NETWORK = "Check that 1C's web server runs and is reachable from here (address, port, firewall, VPN)."
_REMEDY_OURS = "This is a fault of the pipeline: report it with the run id."


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What one kind of fault means."""

    code: str
    says: str
    remedy: str
    sent: bool = True
    stop: bool = False


_UNREACHABLE = Meaning(
    code="ONEC_UNREACHABLE", says="no connection to 1C", remedy=_REMEDY_NETWORK, sent=False
)
_LOST = Meaning(
    code="ONEC_CONNECTION_LOST",
    says="the connection to 1C broke before the answer was whole",
    remedy=_REMEDY_NETWORK,
)
_TIMEOUT = Meaning(
    code="ONEC_TIMEOUT",
    says="1C did not answer in full within the deadline",
    remedy=(
        "Raise ONEC_DEADLINE_SECONDS, or ask for less: fewer rows, a shorter period, a narrower Condition."
    ),
)
_OURS = Meaning(
    code="ONEC_BAD_QUERY", says="the request cannot be sent", remedy=_REMEDY_OURS, sent=False, stop=True
)
_REDIRECT = Meaning(
    code="ONEC_REDIRECT",
    says="the web server sends us to another address, which is not followed",
    remedy="Set ONEC_URL to the final address.",
    stop=True,
)
_CERTIFICATE = Meaning(
    code="ONEC_CERTIFICATE",
    says="the certificate of 1C's web server is not trusted",
    remedy="Give its authority's certificate by ONEC_CA_FILE, or have the certificate corrected.",
    sent=False,
    stop=True,
)
_CLIENT_CERTIFICATE = Meaning(
    code="ONEC_CLIENT_CERTIFICATE",
    says="the web server of 1C wants a client certificate that it trusts",
    remedy="Set ONEC_CLIENT_CERT and ONEC_CLIENT_KEY to a certificate that the web server accepts.",
    sent=False,
    stop=True,
)
_HANDSHAKE = Meaning(
    code="ONEC_TLS",
    says="the web server of 1C broke the encrypted connection off",
    remedy="It may want a client certificate (ONEC_CLIENT_CERT), or speak too old a version of TLS.",
    sent=False,
    stop=True,
)
_PROXY_LOGIN = Meaning(
    code="ONEC_PROXY",
    says="the proxy refused to connect us",
    remedy="Check ONEC_PROXY: user, password, and whether the proxy may connect to the host of 1C.",
    sent=False,
    stop=True,
)
# What the other side says of our certificate (RFC 8446 §6.2), in OpenSSL's names.
_ALERTS = re.compile(
    r"ALERT_(?:BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|ACCESS_DENIED)"
)
_HANDSHAKES = re.compile(r"ALERT_(?:HANDSHAKE_FAILURE|PROTOCOL_VERSION)|UNSUPPORTED_PROTOCOL")

MEANINGS: dict[str, Meaning] = {
    "ConnectError": _UNREACHABLE,
    "ConnectTimeout": _UNREACHABLE,
    "PoolTimeout": _UNREACHABLE,
    "ConnectionNotAvailable": _UNREACHABLE,
    "ProxyError": _UNREACHABLE,
    "ReadTimeout": _TIMEOUT,
    "WriteTimeout": _TIMEOUT,
    "TimeoutException": _TIMEOUT,
    "ReadError": _LOST,
    "WriteError": _LOST,
    "CloseError": _LOST,
    "NetworkError": _LOST,
    "RemoteProtocolError": _LOST,
    "ProtocolError": _LOST,
    "TransportError": _LOST,
    "RequestError": _LOST,
    "HTTPError": _LOST,
    "LocalProtocolError": _OURS,
    "UnsupportedProtocol": _OURS,
    "InvalidURL": _OURS,
    "CookieConflict": _OURS,
    "HTTPStatusError": _OURS,
    "StreamError": _OURS,
    "StreamConsumed": _OURS,
    "StreamClosed": _OURS,
    "ResponseNotRead": _OURS,
    "RequestNotRead": _OURS,
    "TooManyRedirects": _REDIRECT,
}


def translate_fault(fault: BaseException, *, request: str) -> PipelineError:
    """Give the error for an exception of the HTTP library.

    Its own text is left out, because it may hold the address.
    """
    name = type(fault).__name__
    if name == "DecodingError":
        return bad_answer("its compression is broken", request=request)
    meaning = _of_encryption(fault) or _of_proxy(fault) or MEANINGS[name]
    message = f"{meaning.says} ({request}, {name})"
    if meaning.stop:
        return Stop(message, code=meaning.code, remedy=meaning.remedy)
    return RetryLater(message, code=meaning.code, remedy=meaning.remedy, sent=meaning.sent)


def _of_proxy(fault: BaseException) -> Meaning | None:
    """What a proxy said to CONNECT, which comes as "407 Proxy Authentication Required"."""
    refused = type(fault).__name__ == "ProxyError" and str(fault).startswith(("401", "403", "407"))
    return _PROXY_LOGIN if refused else None


def _of_encryption(fault: BaseException) -> Meaning | None:
    cause: BaseException | None = fault
    for _ in range(5):
        if cause is None:
            return None
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _CERTIFICATE
        if isinstance(cause, ssl.SSLError) and _ALERTS.search(cause.reason or ""):
            return _CLIENT_CERTIFICATE
        if isinstance(cause, ssl.SSLError) and _HANDSHAKES.search(cause.reason or ""):
            return _HANDSHAKE
        cause = cause.__cause__ or cause.__context__
    return None
