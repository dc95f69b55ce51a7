"""The translation of what 1C or the web server answered into our four errors (table: `error_rules.py`).

Faults of the connection itself are translated in `transport_faults.py`. Messages name the masked request and
the status, never a password, an Authorization header or a literal of a filter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from onec_pipelines.errors import PipelineError, RetryLater, Stop
from onec_pipelines.onec.error_bodies import Fault, read_fault
from onec_pipelines.onec.error_rules import RULES, Rule

MAX_RETRY_AFTER = 15 * 60.0
OVERLOADED = frozenset({406, 429, 503})
# Repeating these within the same call helps nobody: they last minutes, or ask for another request (a
# smaller page).
NOT_AT_ONCE = frozenset(
    {
        "ONEC_MAINTENANCE",
        "ONEC_VERSION_MISMATCH",
        "ONEC_NO_LICENCE",
        "ONEC_OUT_OF_MEMORY",
        "ONEC_DISK_FULL",
        "ONEC_TIMEOUT",  # 1C is still computing the first one
        "ONEC_PAUSED",
        "ONEC_BREAKER_OPEN",
        "ONEC_QUIET_HOURS",
    }
)
# The status that 1C gives with each code, for error bodies that arrive under 200 (PROTOCOL §8.1).
_STATUS_OF_CODE = {"0": 501, "8": 404, "9": 404, "19": 405, "20": 401, "21": 501, "-1": 500}


def translate(
    status: int,
    body: bytes,
    *,
    request: str,
    headers: Mapping[str, str] | None = None,
    write: bool = False,
    now: datetime | None = None,
) -> PipelineError:
    """Give the error for this answer; the caller raises it.

    `request` is the masked text of the request; `headers` have lower-case names; `write` says that the
    request changed one object, so that a fault of its content concerns that object alone; `now` (aware) is
    only needed for a `Retry-After` that is a date.
    """
    fault = read_fault(body)
    known = status if status >= 300 or fault.shape == "html" else _status_of(status, fault)  # noqa: PLR2004
    rule = next(rule for rule in RULES if rule.matches(known, fault))
    kind = rule.on_write if write and rule.on_write else rule.raises
    message = f"{rule.says} ({request} answered {status}{_code_text(fault)})"
    onec_code, onec_message = fault.code or None, fault.message or None
    if kind is RetryLater:
        return RetryLater(
            message,
            code=rule.code,
            remedy=rule.remedy,
            http_status=status,
            onec_code=onec_code,
            onec_message=onec_message,
            retry_after=retry_after((headers or {}).get("retry-after"), now or datetime.now(UTC)),
        )
    return kind(
        message,
        code=rule.code,
        remedy=rule.remedy,
        http_status=status,
        onec_code=onec_code,
        onec_message=onec_message,
    )


def bad_answer(why: str, *, request: str, status: int | None = None, saw: str = "") -> RetryLater:
    """Give the error for an answer under 200 that is not what was asked for.

    `saw` is a cleaned beginning of it.
    """
    return RetryLater(
        f"the answer is not what 1C sends: {why} ({request})",
        code="ONEC_BAD_ANSWER",
        remedy=_rule("ONEC_BAD_ANSWER").remedy,
        http_status=status,
        onec_message=saw or None,
    )


def bad_query(what: str) -> Stop:
    """Give the error for a request that we built wrong or were asked to build from wrong names.

    Nothing was sent.
    """
    return Stop(what, code="ONEC_BAD_QUERY", remedy="Correct the entity's declaration and report it.")


def closed() -> Stop:
    """Give the error for a call on a client that was closed."""
    return Stop("the client of 1C was closed", code="ONEC_CLOSED", remedy="Open a new client.")


def reports_error(body: bytes) -> bool:
    """Tell whether a body under 200 is an error of 1C in disguise; looks at its beginning only."""
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:600]
    if start.startswith(b"{"):
        return re.match(rb'\{\s*"(?:odata\.error|#exception)"', start) is not None
    return re.match(rb"(?:<\?xml[^>]*>\s*)?<(?:\w+:)?error[\s>]", start) is not None


def retry_after(value: str | None, now: datetime) -> float | None:
    """Read a `Retry-After` header: seconds or an HTTP date, at most 15 minutes.

    What cannot be understood or lies in the past is None.
    """
    if value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - now).total_seconds()
    return min(seconds, MAX_RETRY_AFTER) if seconds > 0 else None


def _status_of(status: int, fault: Fault) -> int:
    if fault.shape == "exception":
        return 500
    if fault.shape in {"odata", "atom"}:
        return _STATUS_OF_CODE.get(fault.code, 400)
    return status


def _code_text(fault: Fault) -> str:
    return f", 1C's code {fault.code}" if fault.code else ""


def _rule(code: str) -> Rule:
    return next(rule for rule in RULES if rule.code == code)
