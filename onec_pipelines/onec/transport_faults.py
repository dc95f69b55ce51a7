"""What each fault of the connection means for us.

One table from httpcore's and httpx's exceptions to our errors (RELIABILITY C-1). `sent` is False where the
request surely never reached 1C, so that even a write may be repeated. Names are compared instead of
classes, because the classes of both libraries have the same names and only `transport.py` may import httpx.
"""

from __future__ import annotations

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
    remedy="Give its authority's certificate to the pipeline, or have the certificate corrected.",
    sent=False,
    stop=True,
)

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
    meaning = _CERTIFICATE if _is_certificate(fault) else MEANINGS[name]
    message = f"{meaning.says} ({request}, {name})"
    if meaning.stop:
        return Stop(message, code=meaning.code, remedy=meaning.remedy)
    return RetryLater(message, code=meaning.code, remedy=meaning.remedy, sent=meaning.sent)


def _is_certificate(fault: BaseException) -> bool:
    cause: BaseException | None = fault
    for _ in range(5):
        if cause is None:
            return False
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
