"""What an error of a call says about the whole base: the login is refused, it is closed, it is down, or it is alive.

For the breaker of the throttle. What the error means for the caller is in `error_rules.py`.
"""

from __future__ import annotations

from enum import Enum, unique

from onec_pipelines.errors import PipelineError


@unique
class Sign(Enum):
    """What one error says about the base."""

    REFUSED = "refused"
    """We are not let in; each repeat may lock the account (PROTOCOL §8.3)."""
    CLOSED = "closed"
    """1C itself says that it is closed for a while."""
    DOWN = "down"
    """Several of these in a row mean that the base is gone."""
    ALIVE = "alive"
    """1C answered this call with a refusal of its own."""
    NONE = "none"
    """Nothing was heard from 1C: our own limits, our own mistake."""


_BY_CODE = {
    "ONEC_AUTH": Sign.REFUSED,
    "ONEC_FORBIDDEN": Sign.REFUSED,
    "ONEC_CLIENT_CERTIFICATE": Sign.REFUSED,
    "ONEC_MAINTENANCE": Sign.CLOSED,
    "ONEC_VERSION_MISMATCH": Sign.CLOSED,
    "ONEC_BAD_ANSWER": Sign.DOWN,
    "ONEC_CERTIFICATE": Sign.DOWN,
    "ONEC_CONNECTION_LOST": Sign.DOWN,
    "ONEC_DISK_FULL": Sign.DOWN,
    "ONEC_GATEWAY": Sign.DOWN,
    "ONEC_NO_LICENCE": Sign.DOWN,
    "ONEC_NO_SERVICE": Sign.DOWN,
    "ONEC_OVERLOAD": Sign.DOWN,
    "ONEC_POOL_FULL": Sign.DOWN,
    "ONEC_PROXY": Sign.DOWN,
    "ONEC_REDIRECT": Sign.DOWN,
    "ONEC_SERVER_ERROR": Sign.DOWN,
    "ONEC_TIMEOUT": Sign.DOWN,
    "ONEC_TLS": Sign.DOWN,
    "ONEC_UNREACHABLE": Sign.DOWN,
}


def sign_of(error: PipelineError) -> Sign:
    """What this error says about the base."""
    known = _BY_CODE.get(error.code)
    if known is not None:
        return known
    return Sign.ALIVE if error.http_status is not None and error.code.startswith("ONEC_") else Sign.NONE
