"""How calls are shared out, when the breaker opens and closes, how tokens are counted: rules without clock, database or threads.

`throttle_store.py` reads and writes what they work on, `throttle.py` asks them for the threads of a process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from onec_pipelines.onec.signs import Sign
from onec_pipelines.onec.throttle import Lane

Breaker = Literal["closed", "open", "half_open"]

_GOOD_CALLS_TO_GROW = 10
_CALM_SECONDS = 1.0
_PREFETCH_SECONDS = 0.1  # tokens taken ahead when there are plenty
_RESERVE_SECONDS = 0.02  # tokens waited for together when there are none


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the settings allow: calls per second, calls at once, and of these calls that write."""

    rate_per_second: float
    max_calls: int
    max_writers: int = 1


@dataclass(frozen=True, kw_only=True)
class Patience:
    """When the breaker opens and for how long; the time doubles with each probe that fails."""

    failures: int = 5
    silence_seconds: float = 5.0
    open_seconds: float = 10.0
    open_longest: float = 300.0
    closed_seconds: float = 60.0
    refused_seconds: float = 1800.0
    refused_longest: float = 4 * 3600.0
    probe_seconds: float = 200.0


@dataclass(frozen=True, kw_only=True)
class Base:
    """What all processes know of one base: a row of `integ.throttle`."""

    tokens: float = 1.0
    counted_at: datetime
    allowed: int | None = None
    good: int = 0
    halved_at: datetime | None = None
    breaker: Breaker = "closed"
    failures: int = 0
    failing_since: datetime | None = None
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    open_seconds: float | None = None
    probe_by: UUID | None = None
    probe_until: datetime | None = None
    cause: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Member:
    """One lane of one process: calls it holds, wants, and has under way."""

    held: int = 0
    wants: int = 0
    in_use: int = 0
    waiting_since: datetime | None = None


def grant(
    me: Member, lane: Lane, others: Sequence[tuple[Lane, Member]], *, limit: int, max_writers: int
) -> int:
    """How many calls a lane of a process may hold: its share of all, and for a writing lane also of those that write."""
    writers = [member for other, member in others if other == "write"]
    most = me.wants
    if lane == "write":
        most = share(me, writers, min(limit, max_writers))
    readers = [member for other, member in others if other == "read"]
    held = sum(member.held for member in writers) + me.held * (lane == "write")
    return share(replace(me, wants=most), [*readers, *_held_to(writers, max_writers - held)], limit)


def _held_to(writers: Sequence[Member], spare: int) -> list[Member]:
    """The writers with what they may want of `spare`: one that waits for another writer is not hungry for what readers may have.

    Call by call to the writer that has least, of equals to the one that waits longest: given to a writer that has its share
    among writers already, what it cannot take would hide from the readers that another has none.
    """
    wants = [member.held for member in writers]
    for _ in range(spare):
        hungry = [at for at, member in enumerate(writers) if member.wants > wants[at]]
        if not hungry:
            break
        wants[min(hungry, key=lambda at: (wants[at], _waiting(writers[at])))] += 1
    return [replace(member, wants=most) for member, most in zip(writers, wants, strict=True)]


def _waiting(member: Member) -> float:
    return member.waiting_since.timestamp() if member.waiting_since else math.inf


def share(me: Member, others: Sequence[Member], limit: int) -> int:
    """How many of `limit` calls this member may hold, so that the sum stays below the limit and everybody has a turn.

    Less than `me.in_use` means: start no more until so many have ended.
    """
    free = limit - sum(other.held for other in others)
    hungry = [other for other in others if other.wants > other.held]
    if not hungry:
        return max(0, min(me.wants, free))
    least, left_over = _fair(limit, [me.wants, *(max(other.wants, other.held) for other in others)])
    if least == 0:
        return _turn(me, [other for other in hungry if not other.held], free)
    starving = any(other.held < min(other.wants, least) for other in hungry)
    most = least if starving or not left_over else least + 1
    return max(0, min(me.wants, most, free))


def _fair(limit: int, demands: Sequence[int]) -> tuple[int, int]:
    """What each may have at least who wants more than that, when who wants less has what it wants; and what is left over."""
    wanting = sorted(demand for demand in demands if demand)
    for place, demand in enumerate(wanting):
        each = limit // (len(wanting) - place)
        if demand > each:
            return each, limit - each * (len(wanting) - place)
        limit -= demand
    return max(wanting, default=limit), 0


def _turn(me: Member, starving: Sequence[Member], free: int) -> int:
    """More members than calls: who has one gives it up for those who have none, who take it in the order of their waiting."""
    if me.held:
        enough_for_them = free - me.held >= len(starving)
        return min(me.wants, 1) if enough_for_them else 0
    older = sum(_waits_longer(other, me) for other in starving)
    return 1 if me.wants and free > older else 0


def _waits_longer(other: Member, me: Member) -> bool:
    if other.waiting_since is None:
        return False
    return me.waiting_since is None or other.waiting_since < me.waiting_since


def take_tokens(
    base: Base, *, now: datetime, rate: float, wanted: int, returned: int, patience_seconds: float
) -> tuple[Base, int, float]:
    """Take up to `wanted` tokens and give the base after it, how many, and the seconds until they may be used.

    0 tokens when the wait would be longer than `patience_seconds`.
    """
    passed = max(0.0, (now - base.counted_at).total_seconds())
    tokens = min(max(1.0, rate), base.tokens + returned + passed * rate)
    if tokens >= 1:
        count = min(wanted, math.ceil(rate * _PREFETCH_SECONDS), int(tokens))
    else:
        count = min(wanted, max(1, int(rate * _RESERVE_SECONDS)))
    wait = max(0.0, (count - tokens) / rate)
    if wait > patience_seconds:
        count, wait = 0, 0.0
    return replace(base, tokens=tokens - count, counted_at=now), count, wait


def allowed_calls(base: Base, limits: Limits) -> int:
    """Calls at once that 1C has shown to bear."""
    return min(base.allowed or limits.max_calls, limits.max_calls)


def after_good(base: Base, *, calls: int, process: UUID, limits: Limits) -> Base:
    """The base after calls that went well: a probe closes the breaker, and a lowered limit slowly grows back."""
    if base.breaker != "closed":
        if base.breaker == "open" or base.probe_by != process:
            return base  # of a call that began before
        # From one call at a time: everything that waited is due now.
        return replace(_closed(base), allowed=1 if limits.max_calls > 1 else None, good=0)
    base = replace(base, failures=0, failing_since=None)
    if base.allowed is None:
        return base
    good = base.good + calls
    if good < _GOOD_CALLS_TO_GROW * base.allowed:
        return replace(base, good=good)
    grown = base.allowed + 1
    return replace(base, good=0, allowed=None if grown >= limits.max_calls else grown)


def after_overload(base: Base, *, now: datetime, limits: Limits) -> Base:
    """The base after 1C said 406, 429 or 503: half the calls, at most once a second and never below one."""
    if base.halved_at and (now - base.halved_at).total_seconds() < _CALM_SECONDS:
        return replace(base, good=0)
    return replace(base, allowed=max(1, allowed_calls(base, limits) // 2), halved_at=now, good=0)


def after_failure(
    base: Base, sign: Sign, cause: dict[str, Any], *, now: datetime, process: UUID, patience: Patience
) -> Base:
    """The base after a call that says `sign`: what refuses us opens the breaker at once, silence after a while."""
    if sign is Sign.NONE or base.breaker == "open":
        return base
    if base.breaker == "half_open":
        return _open(base, sign, cause, now=now, patience=patience) if base.probe_by == process else base
    if sign in {Sign.REFUSED, Sign.CLOSED}:
        return _open(base, sign, cause, now=now, patience=patience)
    since = base.failing_since or now
    base = replace(base, failures=base.failures + 1, failing_since=since)
    silent = (now - since).total_seconds() >= patience.silence_seconds
    if base.failures >= patience.failures and silent:
        return _open(base, sign, cause, now=now, patience=patience)
    return base


def probe(base: Base, *, now: datetime, process: UUID, patience: Patience) -> Base:
    """The base when a process asks for a call: when the time of an open breaker is over, it may send one probe."""
    if base.breaker == "open":
        due = base.retry_at is None or now >= base.retry_at
    else:
        due = base.breaker == "half_open" and (base.probe_until is None or now >= base.probe_until)
    if not due:
        return base
    until = now + timedelta(seconds=patience.probe_seconds)
    return replace(base, breaker="half_open", probe_by=process, probe_until=until)


def may_call(base: Base, process: UUID) -> bool:
    """Whether the breaker lets this process call at all."""
    return base.breaker == "closed" or (base.breaker == "half_open" and base.probe_by == process)


def _closed(base: Base) -> Base:
    return replace(
        base,
        breaker="closed",
        failures=0,
        failing_since=None,
        opened_at=None,
        retry_at=None,
        open_seconds=None,
        probe_by=None,
        probe_until=None,
        cause=None,
    )


def reset(base: Base) -> Base:
    """The base after a person said that it is well: breaker closed, no memory of failures."""
    return _closed(base)


def _open(base: Base, sign: Sign, cause: dict[str, Any], *, now: datetime, patience: Patience) -> Base:
    first, longest = {
        Sign.REFUSED: (patience.refused_seconds, patience.refused_longest),
        Sign.CLOSED: (patience.closed_seconds, patience.open_longest),
    }.get(sign, (patience.open_seconds, patience.open_longest))
    seconds = min(longest, max(first, 2 * (base.open_seconds or 0)))
    return replace(
        base,
        breaker="open",
        opened_at=base.opened_at or now,
        retry_at=now + timedelta(seconds=seconds),
        open_seconds=seconds,
        probe_by=None,
        probe_until=None,
        cause=cause,
    )
