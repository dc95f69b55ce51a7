"""One token for all threads: fetched once, renewed before it ends, dropped when 1C refuses it.

Knows nothing of HTTP: how a token is fetched is handed in.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from onec_pipelines.errors import PipelineError, RetryLater, Stop

FETCH_SECONDS = 30.0
"""The longest one fetch may take."""
REFUSED_SECONDS = 60.0
"""How long a refusal of the client is remembered: repeats lock accounts."""
_MARGIN_SECONDS = 60.0
_MARGIN_SHARE = 0.2
_PAUSE_SECONDS = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Token:
    """An access token and how many seconds it lives, None when nobody said."""

    text: str = field(repr=False)
    seconds: float | None = None


@dataclass(kw_only=True)
class _Flight:
    """One fetch under way, and how it ended: both None when its thread was killed."""

    over: bool = False
    token: Token | None = None
    error: PipelineError | None = None


class TokenCache:
    """An `Authorizer` over a function that fetches a token until a `time.monotonic()` moment.

    However many threads ask, one fetches and all get its token or its error. A token is renewed when a fifth
    of its life, at most a minute, is left; while that fails, the old one serves until it ends. `clock` gives
    seconds that never go back.
    """

    def __init__(
        self, fetch: Callable[[float], Token], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._changed = threading.Condition()
        self._flight: _Flight | None = None
        self._text: str | None = None
        self._renew_at = self._ends_at = -math.inf
        self._refusal: Stop | None = None
        self._refused_at = -math.inf

    def header(self, ends_at: float) -> str:
        """Give `Bearer …` with a token that has not ended.

        Errors of the fetch come out; RetryLater ONEC_TOKEN_ENDPOINT when another thread's took too long.
        """
        while True:
            with self._changed:
                kept = self._kept()
                if kept is not None:
                    return kept
                flight, leads = self._board()
                if not leads and not self._wait(flight, ends_at):
                    raise _late()
            if leads:
                return self._lead(flight, ends_at)
            if flight.error is not None:
                raise _again(flight.error)
            if flight.token is not None:
                return _header(flight.token.text)

    def refused(self, header: str) -> bool:
        """Drop the token if it is this one; the next `header` gives another."""
        with self._changed:
            if self._text is not None and header == _header(self._text):
                self._text = None
        return True

    def _wait(self, flight: _Flight, ends_at: float) -> bool:
        return self._changed.wait_for(lambda: flight.over, max(ends_at - time.monotonic(), 0.0))

    def _kept(self) -> str | None:
        """Give the token in hand, or None when this thread has to fetch one or to wait for one."""
        now = self._clock()
        if self._text is None or now >= self._ends_at:
            return None
        # one thread renews ahead of the end, the others go on with what they have
        return _header(self._text) if now < self._renew_at or self._flight is not None else None

    def _board(self) -> tuple[_Flight, bool]:
        if self._flight is not None:
            return self._flight, False
        if self._refusal is not None and self._clock() - self._refused_at < REFUSED_SECONDS:
            raise _again(self._refusal)
        self._flight = _Flight()
        return self._flight, True

    def _lead(self, flight: _Flight, ends_at: float) -> str:
        asked_at = self._clock()
        try:
            flight.token = self._fetch(min(ends_at, time.monotonic() + FETCH_SECONDS))
        except PipelineError as error:
            flight.error = error
            old = self._fall_back(error)
            if old is None:
                raise
            return old
        finally:
            with self._changed:
                if flight.token is not None:
                    self._keep(flight.token, asked_at)
                flight.over = True
                self._flight = None
                self._changed.notify_all()
        return _header(flight.token.text)

    def _keep(self, token: Token, asked_at: float) -> None:
        life = math.inf if token.seconds is None else token.seconds
        self._text = token.text
        self._ends_at = asked_at + life
        self._renew_at = self._ends_at - min(_MARGIN_SECONDS, life * _MARGIN_SHARE)
        self._refusal = None

    def _fall_back(self, error: PipelineError) -> str | None:
        """Give the token in hand if it still lives, and put the next renewal off."""
        with self._changed:
            now = self._clock()
            if isinstance(error, Stop):
                self._refusal, self._refused_at = error, now
            if self._text is None or now >= self._ends_at:
                return None
            self._renew_at = now + _PAUSE_SECONDS
            _log.warning("the token for 1C could not be renewed and is used until it ends: %s", error.code)
            return _header(self._text)


def _header(text: str) -> str:
    return f"Bearer {text}"


def _late() -> RetryLater:
    return RetryLater(
        "the token for 1C did not come in time",
        code="ONEC_TOKEN_ENDPOINT",
        remedy="It is repeated by itself; if it stays, check ONEC_TOKEN_URL and the way to it.",
        sent=False,
    )


def _again(error: PipelineError) -> PipelineError:
    """The same error for another thread: one object raised by several would mix up their tracebacks."""
    if isinstance(error, RetryLater):
        return RetryLater(
            error.message,
            code=error.code,
            remedy=error.remedy,
            http_status=error.http_status,
            retry_after=error.retry_after,
            sent=error.sent,
        )
    return Stop(error.message, code=error.code, remedy=error.remedy, http_status=error.http_status)
