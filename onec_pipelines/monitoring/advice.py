"""Advice from measurements: page size, concurrency, cadence, slow requests and why, durations that grow. Each with its numbers.

Nothing is changed here, and where there is not enough data it says so instead of guessing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from onec_pipelines.ledger.measurements import Cadence, Durations, Load, Measurements, Pages, SlowCall
from onec_pipelines.monitoring.advice_words import sentence
from onec_pipelines.monitoring.slowness import why
from onec_pipelines.monitoring.words import Language
from onec_pipelines.onec.connection import MEBIBYTE

Topic = Literal["page_size", "concurrency", "cadence", "slow", "skip", "trend"]
Verdict = Literal["change", "fine", "watch", "no_data"]

TARGET_BYTES = 2 * MEBIBYTE
"""A page aims at so many bytes: larger ones cost memory on both sides and save nothing (PERFORMANCE §1)."""
TARGET_SECONDS = 10.0
"""A page aims at so many seconds at most, so that one that fails costs little (PROTOCOL §10)."""

_FEW_PAGES = 8
_FEW_CALLS = 20
_FEW_RUNS = 20
_FIXED_SHARE = 0.1
_GOOD_FIT = 0.3
_GAIN = 1.1
_GROWN = 1.5
_GROWN_SECONDS = 2.0
_RECENT, _BEFORE = 7, 10
_DEEP = 2.0
_BUSY_SHARE = 0.5
_RARELY, _OFTEN = 0.05, 0.9
_REFUSED_SHARE = 0.01
_OVERLOAD = frozenset({"ONEC_POOL_FULL", "ONEC_OVERLOAD", "ONEC_NO_LICENCE"})


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One finding. `subject` is an entity, resource or setting; `words` names the sentence, `numbers` are what it rests on."""

    topic: Topic
    verdict: Verdict
    subject: str
    words: str
    numbers: dict[str, Any] = field(default_factory=dict)

    def text(self, language: Language) -> str:
        """The finding as a sentence."""
        return sentence(self.words, language, subject=self.subject, **self.numbers)


def advise(found: Measurements, *, page_rows: int, max_sessions: int) -> list[Advice]:
    """All findings, those that ask for something first."""
    order: dict[Verdict, int] = {"change": 0, "watch": 1, "fine": 2, "no_data": 3}
    advices = [
        *page_size(found.pages, page_rows=page_rows),
        *deep_skip(found.pages),
        *concurrency(found, max_sessions=max_sessions),
        *cadence(found.cadences),
        *slow(found.slow, found.calls),
        *trends(found.durations),
    ]
    return sorted(advices, key=lambda one: order[one.verdict])


def page_size(measured: Sequence[Pages], *, page_rows: int) -> Iterator[Advice]:
    """Rows a page per entity, and whether ONEC_PAGE_ROWS is a good start."""
    fitted = [(one, best_rows(one)) for one in measured if one.pages >= _FEW_PAGES and _is_spread(one)]
    if not fitted:
        pages = sum(one.pages for one in measured)
        yield Advice(
            topic="page_size",
            verdict="no_data",
            subject="ONEC_PAGE_ROWS",
            words="page_size_no_data",
            numbers={"pages": pages, "needed": _FEW_PAGES},
        )
        return
    wanted = sorted(rows for one, rows in fitted for _ in range(min(one.pages, 100)))
    middle = nice(median(wanted))
    is_far = max(middle, page_rows) / min(middle, page_rows) >= 2  # noqa: PLR2004 - pages adapt by themselves
    yield Advice(
        topic="page_size",
        verdict="change" if is_far else "fine",
        subject="ONEC_PAGE_ROWS",
        words="page_size_change" if is_far else "page_size_fine",
        numbers={"now": page_rows, "wanted": middle, "entities": len(fitted), "pages": len(wanted)},
    )
    for one, rows in sorted(fitted, key=lambda pair: -pair[0].pages)[:5]:
        yield Advice(
            topic="page_size",
            verdict="fine",
            subject=one.entity_type,
            words="page_size_entity",
            numbers={
                "wanted": nice(rows),
                "pages": one.pages,
                "base_ms": round(one.base_ms or 0.0),
                "ms_per_row": round(one.ms_per_row or 0.0, 2),
                "fit": round(one.fit or 0.0, 2),
                "kb_per_row": round(one.bytes_per_row / 1024, 1),
            },
        )


def best_rows(one: Pages) -> float:
    """Rows for which a page stays within bytes and seconds and its fixed cost is a tenth; 10 to 10 000."""
    by_bytes = TARGET_BYTES / max(one.bytes_per_row, 1.0)
    if (one.fit or 0.0) < _GOOD_FIT or not one.ms_per_row or one.ms_per_row <= 0:
        return min(max(min(by_bytes, 1000.0), 10.0), 10_000.0)
    base = max(one.base_ms or 0.0, 0.0)
    by_time = max(TARGET_SECONDS * 1000 - base, 0.0) / one.ms_per_row
    worth = max(base * (1 / _FIXED_SHARE - 1) / one.ms_per_row, 100.0)
    return min(max(min(by_bytes, by_time, worth), 10.0), 10_000.0)


def deep_skip(measured: Sequence[Pages]) -> Iterator[Advice]:
    """Entities whose last pages cost far more a row than the first: `$skip` is counted off row by row (PROTOCOL §3.3)."""
    for one in measured:
        if one.pages < 2 * _FEW_PAGES or not one.near_ms or not one.far_ms or not one.far_skip:
            continue
        if one.far_ms / one.near_ms >= _DEEP:
            yield Advice(
                topic="skip",
                verdict="change",
                subject=one.entity_type,
                words="skip_deep",
                numbers={
                    "times": round(one.far_ms / one.near_ms, 1),
                    "near_ms": round(one.near_ms, 2),
                    "far_ms": round(one.far_ms, 2),
                    "far_skip": round(one.far_skip),
                    "pages": one.pages,
                },
            )


def concurrency(found: Measurements, *, max_sessions: int) -> Iterator[Advice]:
    """Whether more or fewer calls at once would bring more."""
    overloads = sum(one.calls for one in found.refused if one.code in _OVERLOAD)
    if found.calls and overloads / (found.calls + overloads) > _REFUSED_SHARE:
        yield _concurrent(
            "change",
            "concurrency_refused",
            now=max_sessions,
            wanted=max(1, max_sessions // 2),
            refused=overloads,
            calls=found.calls,
        )
        return
    levels = throughput(found.loads)
    if len(levels) < 2:  # noqa: PLR2004 - nothing to compare
        yield _concurrent(
            "no_data", "concurrency_no_data", now=max_sessions, calls=found.calls, needed=_FEW_CALLS
        )
        return
    best = 1
    for level in sorted(levels):
        if levels[level] >= levels[best] * _GAIN:
            best = level
    top = max(levels)
    numbers = {"now": max_sessions, "wanted": best, "gain": round(levels[best], 1), "calls": found.calls}
    if best >= max_sessions:
        yield _concurrent("fine", "concurrency_all_used", **numbers)
    elif best < top:
        yield _concurrent(
            "change", "concurrency_less", **(numbers | {"top": top, "at_top": round(levels[top], 1)})
        )
    else:
        yield _concurrent("fine", "concurrency_fine", **numbers)


def throughput(loads: Iterable[Load]) -> dict[int, float]:
    """Work done in the same time with so many calls at once, in multiples of one at a time; each resource is compared with itself."""
    by_resource: dict[str, dict[int, Load]] = defaultdict(dict)
    for load in loads:
        by_resource[load.resource][load.in_flight] = load
    sums: dict[int, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for levels in by_resource.values():
        single = levels.get(1)
        if single is None or single.calls < _FEW_CALLS:
            continue
        alone = single.seconds / single.calls
        for level, load in levels.items():
            if load.calls >= _FEW_CALLS and load.seconds > 0:
                gain = level * alone / (load.seconds / load.calls)
                weighted, calls = sums[level]
                sums[level] = (weighted + gain * load.calls, calls + load.calls)
    return {level: weighted / calls for level, (weighted, calls) in sums.items()}


def cadence(measured: Sequence[Cadence]) -> Iterator[Advice]:
    """Entities that are read too often for what changes, or that take most of the time between their runs."""
    enough = [one for one in measured if one.runs >= _FEW_RUNS and one.median_interval]
    if not enough:
        runs = max((one.runs for one in measured), default=0)
        yield Advice(
            topic="cadence",
            verdict="no_data",
            subject="",
            words="cadence_no_data",
            numbers={"runs": runs, "needed": _FEW_RUNS},
        )
        return
    for one in enough:
        interval, share = one.median_interval or 0.0, one.with_changes / one.runs
        numbers = {
            "runs": one.runs,
            "share": round(share * 100),
            "seconds": round(one.median_seconds, 1),
            "minutes": round(interval / 60, 1),
            "requests": round(one.requests),
        }
        if one.median_seconds > interval * _BUSY_SHARE:
            wanted = nice(one.median_seconds * 4 / 60)
            yield _cadence(one, "change", "cadence_too_long", numbers | {"wanted": max(wanted, 1)})
        elif share <= _RARELY and one.requests:
            times = min(12, round(1 / max(share * 4, 1 / 12)))
            yield _cadence(one, "change", "cadence_less", numbers | {"wanted": round(interval / 60 * times)})
        elif share >= _OFTEN and one.median_seconds < interval / 10:
            yield _cadence(one, "watch", "cadence_more", numbers | {"wanted": max(1, round(interval / 120))})


def slow(calls: Sequence[SlowCall], measured: int) -> Iterator[Advice]:
    """The slowest request of each resource, and what about it is slow."""
    if not calls:
        enough = measured >= _FEW_CALLS
        yield Advice(
            topic="slow",
            verdict="fine" if enough else "no_data",
            subject="",
            words="slow_none" if enough else "slow_no_data",
            numbers={"calls": measured},
        )
    for one in calls[:10]:
        yield Advice(
            topic="slow",
            verdict="watch",
            subject=one.resource,
            words="slow_call",
            numbers={
                "seconds": round(one.seconds, 1),
                "times": one.times,
                "request": one.request,
                "causes": tuple(why(one)),
                "error": one.error_code,
            },
        )


def trends(measured: Sequence[Durations]) -> Iterator[Advice]:
    """Entities whose runs take much longer than they used to; rows tell whether they do more, or 1C got slower."""
    enough = [one for one in measured if len(one.seconds) >= _RECENT + _BEFORE]
    if not enough:
        runs = max((len(one.seconds) for one in measured), default=0)
        yield Advice(
            topic="trend",
            verdict="no_data",
            subject="",
            words="trend_no_data",
            numbers={"runs": runs, "needed": _RECENT + _BEFORE},
        )
        return
    grown = [one for one in map(_growth, enough) if one is not None]
    if not grown:
        yield Advice(
            topic="trend",
            verdict="fine",
            subject="",
            words="trend_none",
            numbers={"entities": len(enough)},
        )
    yield from grown


def nice(value: float) -> int:
    """Rounded to what a person would set: two leading digits, at least 1."""
    if value < 1:
        return 1
    power: int = 10 ** max(int(math.log10(value)) - 1, 0)
    return max(1, round(value / power) * power)


def _growth(one: Durations) -> Advice | None:
    now, before = median(one.seconds[-_RECENT:]), median(one.seconds[:-_RECENT])
    if now < before * _GROWN or now - before < _GROWN_SECONDS:
        return None
    rows_now, rows_before = median(one.rows[-_RECENT:]), median(one.rows[:-_RECENT])
    more_rows = rows_before and rows_now / rows_before >= (now / before) * 0.8
    return Advice(
        topic="trend",
        verdict="watch",
        subject=one.entity_type,
        words="trend_rows" if more_rows else "trend_slower",
        numbers={
            "now": round(now, 1),
            "before": round(before, 1),
            "times": round(now / before, 1) if before else 0,
            "rows_now": round(rows_now),
            "rows_before": round(rows_before),
            "runs": len(one.seconds),
        },
    )


def _is_spread(one: Pages) -> bool:
    return one.most_rows >= 2 * one.least_rows


def _concurrent(verdict: Verdict, words: str, **numbers: Any) -> Advice:
    return Advice(
        topic="concurrency", verdict=verdict, subject="ONEC_MAX_SESSIONS", words=words, numbers=numbers
    )


def _cadence(one: Cadence, verdict: Verdict, words: str, numbers: dict[str, Any]) -> Advice:
    return Advice(topic="cadence", verdict=verdict, subject=one.entity_type, words=words, numbers=numbers)
