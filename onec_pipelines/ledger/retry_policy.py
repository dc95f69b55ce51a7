"""What an error means for an item of the queue: done, later, put off without blame, or dead; and how long to wait.

Pure: no clock and no database. What is done with the verdict belongs to `queue.py`.
"""

from __future__ import annotations

import random
from enum import Enum, unique
from typing import Any

from onec_pipelines.errors import PipelineError, Quarantine, RetryLater, Skip

MAX_ATTEMPTS = 25
"""With `FIRST_SECONDS` and `LONGEST_SECONDS`: three days on average from the first failure to the dead letter."""
FIRST_SECONDS = 5.0
LONGEST_SECONDS = 12 * 3600.0
MAX_LOST_LEASES = 5
_LONGEST_DELAY = 15 * 60.0
_LONGEST_TEXT = 2000
_DOUBLINGS = 40  # more would overflow and change nothing

# The whole base, the way to it or our own budget: the next item would meet the same.
_NOT_ITS_FAULT = frozenset(
    {
        "ALREADY_RUNNING",
        "MIGRATIONS_PENDING",
        "ONEC_AUTH",
        "ONEC_BAD_CONNECTION",
        "ONEC_BREAKER_OPEN",
        "ONEC_BROKEN_INTERFACE",
        "ONEC_BUSY",
        "ONEC_CERTIFICATE",
        "ONEC_CLIENT_CERTIFICATE",
        "ONEC_CLOSED",
        "ONEC_DISK_FULL",
        "ONEC_FORBIDDEN",
        "ONEC_MAINTENANCE",
        "ONEC_NO_LICENCE",
        "ONEC_NO_SERVICE",
        "ONEC_OVERLOAD",
        "ONEC_PAUSED",
        "ONEC_POOL_FULL",
        "ONEC_PROXY",
        "ONEC_QUIET_HOURS",
        "ONEC_REDIRECT",
        "ONEC_SESSION_MODE",
        "ONEC_TLS",
        "ONEC_TLS_FILES",
        "ONEC_TOKEN_ENDPOINT",
        "ONEC_UNREACHABLE",
        "ONEC_VERSION_MISMATCH",
        "PUSH_WAITS",
        "QUEUE_STOPPING",
        "SETTINGS",
    }
)
_DATABASE_AT_FAULT = frozenset({"DB_LOGIN", "DB_MISSING", "DB_RIGHTS", "DB_DISK_FULL", "DB_DISK"})
_BAD_GATEWAY = 502


@unique
class Verdict(Enum):
    """What happens to an item after an error."""

    DONE = "done"
    LATER = "later"
    PUT_OFF = "put_off"
    """Tried later without counting the attempt: the reason is not the item's fault."""
    DEAD = "dead"


def judge(error: PipelineError) -> Verdict:
    """What an error means for the item that met it, before its attempts are looked at."""
    if isinstance(error, Skip):
        return Verdict.DONE
    if is_not_its_fault(error):
        return Verdict.PUT_OFF
    return Verdict.LATER if isinstance(error, RetryLater) else Verdict.DEAD


def is_not_its_fault(error: PipelineError) -> bool:
    """Whether every other item would have met the same error."""
    if error.code in _NOT_ITS_FAULT:
        return True
    if error.code.startswith("DB_"):
        # A statement that takes too long may be this item's own; one that is wrong is ours.
        transient = isinstance(error, RetryLater) and error.code != "DB_TIMEOUT"
        return transient or error.code in _DATABASE_AT_FAULT
    if not isinstance(error, RetryLater):
        return False
    never_sent = not error.sent and error.code.startswith("ONEC_")
    return never_sent or (error.code == "ONEC_GATEWAY" and error.http_status == _BAD_GATEWAY)


def backoff_seconds(attempts: int, *, retry_after: float | None = None) -> float:
    """Seconds to the next attempt after `attempts` failed ones: full jitter below a doubling ceiling, after what 1C asked for."""
    ceiling = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(max(attempts - 1, 0), _DOUBLINGS))
    return _asked(retry_after) + random.uniform(0, ceiling)  # noqa: S311 - spreads load, guards nothing


def delay_seconds(delays: int, error: PipelineError) -> float:
    """Seconds to wait when the reason is not the item's fault; `delays` counts such waits in a row before this one."""
    first, longest = (0.5, 30.0) if error.code == "ALREADY_RUNNING" else (FIRST_SECONDS, _LONGEST_DELAY)
    ceiling = min(longest, first * 2 ** min(delays, _DOUBLINGS))
    asked = _asked(error.retry_after if isinstance(error, RetryLater) else None)
    return min(asked + random.uniform(ceiling / 4, ceiling), _LONGEST_DELAY * 1.25)  # noqa: S311 - as above


def class_of(error: PipelineError) -> str:
    """Name of an error's class in `last_error.kind`, as dead letters are listed by it."""
    if isinstance(error, Skip):
        return "skipped"
    if isinstance(error, RetryLater):
        return "later"
    if error.code in {"QUEUE_BUG", "QUEUE_UNKNOWN_KIND"}:
        return error.code.removeprefix("QUEUE_").lower()
    return "refused" if isinstance(error, Quarantine) else "stopped"


def document(error: PipelineError, kind: str | None = None) -> dict[str, Any]:
    """The error as `last_error` holds it; `kind` replaces the class."""
    return {
        "kind": kind or class_of(error),
        "code": error.code,
        "message": error.message[:_LONGEST_TEXT],
        "onec_message": error.onec_message[:_LONGEST_TEXT] if error.onec_message else None,
        "http_status": error.http_status,
        "remedy": error.remedy or None,
    }


def _asked(retry_after: float | None) -> float:
    return min(max(retry_after or 0.0, 0.0), _LONGEST_DELAY)
