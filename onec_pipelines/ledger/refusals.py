"""The words with which our own side refuses a call to 1C: paused, quiet hours, breaker open. Nothing was sent."""

from __future__ import annotations

from datetime import datetime

from onec_pipelines.errors import RetryLater
from onec_pipelines.ledger.throttle_rules import Base
from onec_pipelines.ledger.throttle_store import Pause


def pause_refusal(pause: Pause, now: datetime) -> RetryLater:
    """Somebody paused the base."""
    until = f" until {_clock(pause.until)}" if pause.until else ""
    reason = f": {pause.reason}" if pause.reason else ""
    return RetryLater(
        f"calls to 1C are paused since {_clock(pause.since)}{until} by {pause.by or 'somebody'}{reason}",
        code="ONEC_PAUSED",
        remedy="`onec resume` ends the pause.",
        retry_after=(pause.until - now).total_seconds() if pause.until else None,
        sent=False,
    )


def quiet_refusal(until: datetime, now: datetime) -> RetryLater:
    """The hours in which 1C is left to itself."""
    return RetryLater(
        f"1C has its quiet hours until {until:%Y-%m-%d %H:%M} of its own clock",
        code="ONEC_QUIET_HOURS",
        remedy="It goes on by itself; ONEC_QUIET_HOURS says when. For one command set it to nothing.",
        retry_after=(until - now).total_seconds(),
        sent=False,
    )


def breaker_refusal(base: Base, now: datetime) -> RetryLater:
    """1C refused us or was silent, and is left in peace until the next probe."""
    cause = base.cause or {}
    until = base.retry_at if base.breaker == "open" else base.probe_until
    since = f" since {_clock(base.opened_at)}" if base.opened_at else ""
    again = (
        f"; the next probe is at {_clock(until)}"
        if base.breaker == "open" and until
        else "; a probe is under way"
    )
    return RetryLater(
        f"1C is left in peace{since} ([{cause.get('code')}] {cause.get('message')}){again}",
        code="ONEC_BREAKER_OPEN",
        remedy=f"{cause.get('remedy') or ''} `onec resume` tries at once.".strip(),
        onec_message=cause.get("onec_message"),
        retry_after=max(0.0, (until - now).total_seconds()) if base.breaker == "open" and until else None,
        sent=False,
    )


def _clock(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "some time"
