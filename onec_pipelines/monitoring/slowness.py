"""Why a request is slow, as far as its text tells (PROTOCOL §3.3, §6, §10). Causes are names; their words are `advice_words.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from onec_pipelines.ledger.measurements import SlowCall

DEEP_SKIP = 10_000
LARGE_BYTES = 5 * 1024 * 1024

_SKIP = re.compile(r"\$skip=(\d{1,12})")
_VIRTUAL = re.compile(
    r"/(Balance|Turnovers|BalanceAndTurnovers|SliceLast|SliceFirst)(\(([^?]*)\))?(?=[?/]|$)"
)
_REGISTER = re.compile(r"\b(InformationRegister|AccumulationRegister)_")


def why(call: SlowCall) -> Iterator[str]:
    """Names of causes, the likeliest first; `unknown` when the text tells nothing."""
    found = list(_causes(call))
    yield from found or ["unknown"]


def _causes(call: SlowCall) -> Iterator[str]:
    request = call.request
    skipped = _SKIP.search(request)
    if skipped and int(skipped[1]) >= DEEP_SKIP:
        yield "deep_skip"
    virtual = _VIRTUAL.search(request)
    if virtual and "Condition" not in (virtual[3] or ""):
        yield "unselective_virtual"
    if virtual is None and _REGISTER.search(request) and "$filter=" not in request:
        yield "register_whole"
    if "$expand=" in request:
        yield "expand"
    if re.search(r"substringof|\blike\b", request):
        yield "text_search"
    if "$inlinecount=allpages" in request or request.partition("?")[0].endswith("/$count"):
        yield "count"
    if "SelectChanges" in call.resource:
        yield "large_packet"
    if call.wire_bytes >= LARGE_BYTES:
        yield "large_answer"
