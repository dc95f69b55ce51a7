"""What errors say about the whole base."""

from __future__ import annotations

import pytest

from onec_pipelines.errors import Quarantine, RetryLater, Skip, Stop
from onec_pipelines.onec.signs import Sign, sign_of


@pytest.mark.parametrize(
    ("error", "sign"),
    [
        (Stop("401", code="ONEC_AUTH", http_status=401), Sign.REFUSED),
        (Stop("403", code="ONEC_FORBIDDEN", http_status=403), Sign.REFUSED),
        (RetryLater("closed", code="ONEC_MAINTENANCE", http_status=403), Sign.CLOSED),
        (RetryLater("no connection", code="ONEC_UNREACHABLE", sent=False), Sign.DOWN),
        (RetryLater("503", code="ONEC_OVERLOAD", http_status=503), Sign.DOWN),
        (Stop("no right to this object", code="ONEC_RIGHTS", http_status=401), Sign.ALIVE),
        (Quarantine("closed period", code="ONEC_HANDLER", http_status=500), Sign.ALIVE),
        (Skip("no such object", code="ONEC_NOT_FOUND", http_status=404), Sign.ALIVE),
        (RetryLater("our budget", code="ONEC_BUSY", sent=False), Sign.NONE),
        (Stop("not sent", code="ONEC_BAD_QUERY"), Sign.NONE),
        (RetryLater("our database", code="DB_DOWN"), Sign.NONE),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
def test_an_error_says_how_the_base_is(error, sign):
    assert sign_of(error) is sign
