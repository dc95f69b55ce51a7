"""The four errors of the pipeline, each named by what happens next. Foreign errors become one of these at the edge.

PipelineError
├── Skip        the thing is counted and left out; the run goes on
├── Quarantine  the row goes to `clean.quarantine` with the reason; the run goes on
├── RetryLater  the same thing may succeed later; state is kept and it is tried again
└── Stop        repeating cannot help; the entity or the run stops and a person is told
"""

from __future__ import annotations


class PipelineError(Exception):
    """Something went wrong, and the class of the error says what happens next.

    `code` is a stable name from our catalogue (`ONEC_AUTH`, `DB_DISK_FULL`, …); `message` says what was wrong with which value, with
    personal data masked; `remedy` says what a person can do. `onec_code` and `onec_message` carry 1C's own words (PROTOCOL §8).
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        remedy: str = "",
        http_status: int | None = None,
        onec_code: str | None = None,
        onec_message: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.remedy = remedy
        self.http_status = http_status
        self.onec_code = onec_code
        self.onec_message = onec_message

    def __str__(self) -> str:
        parts = [f"[{self.code}] {self.message}"]
        if self.onec_message:
            parts.append(f"1C says: {self.onec_message}")
        if self.remedy:
            parts.append(f"What to do: {self.remedy}")
        return " · ".join(parts)


class Skip(PipelineError):
    """The thing is counted and left out; the run goes on."""


class Quarantine(PipelineError):
    """The row goes to quarantine with its reason; the run goes on."""


class RetryLater(PipelineError):
    """The same thing may succeed later.

    `retry_after` is the wait in seconds that the other side asked for, if it did. `sent` is False when the request surely never
    reached 1C, so that even a write may be repeated (RELIABILITY C-1).
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        remedy: str = "",
        http_status: int | None = None,
        onec_code: str | None = None,
        onec_message: str | None = None,
        retry_after: float | None = None,
        sent: bool = True,
    ) -> None:
        super().__init__(
            message,
            code=code,
            remedy=remedy,
            http_status=http_status,
            onec_code=onec_code,
            onec_message=onec_message,
        )
        self.retry_after = retry_after
        self.sent = sent


class Stop(PipelineError):
    """Repeating cannot help: the entity or the run stops and a person is told."""
