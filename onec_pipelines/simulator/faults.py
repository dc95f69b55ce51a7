"""Scripted misbehaviour, named after Toxiproxy's toxics where they match: when it comes, and what it does.

A fault is data (`Fault`); which ones fire for a request becomes one `Plan`. Carrying it out is up to
`service.py`, `reading.py` and `http.py`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from onec_pipelines.simulator import urls
from onec_pipelines.simulator.errors import LOCK_CONFLICT, html_page
from onec_pipelines.simulator.http import Delivery, Request, Response
from onec_pipelines.simulator.reading import Distortion

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "latency": {"latency": 1000, "jitter": 0},
    "row_latency": {"latency": 1.0},
    "slicer": {"average_size": 64, "delay": 10},
    "bandwidth": {"rate": 10},
    "timeout": {"timeout": 30000},
    "reset_peer": {"phase": "before"},
    "limit_data": {"bytes": 500, "reset": False},
    "status": {
        "status": 503,
        "retry_after": None,
        "pattern": None,
        "body": "Service temporarily unavailable",
    },
    "odata_error": {"status": 500, "code": "-1", "message": "Произошла внутренняя ошибка OData сервиса"},
    "lock_conflict": {},
    "html_200": {},
    "wrong_gzip": {},
    "duplicates": {"rows": 1},
    "page_shift": {"rows": 1},
    "unstable_order": {},
    "skip_ignored": {},
    "clock_skew": {"seconds": 3600},
}
_KEYS = frozenset(("name", "type", "attributes", "match", "toxicity", "every", "nth", "times", "after"))


class FaultError(ValueError):
    """A fault is described wrongly; the text says what is allowed."""


@dataclass(kw_only=True)
class Fault:
    """One scripted fault, for requests whose decoded `METHOD path?query` contains the pattern `match`.

    Of those it fires on: each with probability `toxicity`; every N-th (`every`); the calls numbered in `nth`;
    none of the first `after`; no more than `times` in all.
    """

    name: str
    type: str
    attributes: dict[str, Any]
    match: str = ""
    toxicity: float = 1.0
    every: int = 1
    nth: tuple[int, ...] = ()
    times: int | None = None
    after: int = 0
    seen: int = 0
    fired: int = 0

    def fires(self, text: str, chance: random.Random) -> bool:
        """Count the request and decide."""
        if self.match and re.search(self.match, text) is None:
            return False
        self.seen += 1
        number = self.seen - self.after
        due = number > 0 and number % self.every == 0 and (not self.nth or self.seen in self.nth)
        if not due or (self.times is not None and self.fired >= self.times):
            return False
        if self.toxicity < 1.0 and chance.random() >= self.toxicity:
            return False
        self.fired += 1
        return True


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to go wrong with one request. Times in seconds."""

    latency: float = 0.0
    row_latency: float = 0.0
    hang: float | None = None
    reset_before: bool = False
    reset_after: bool = False
    answer: Response | None = None
    refusal: tuple[int, str, str] | None = None
    html: bool = False
    wrong_gzip: bool = False
    delivery: Delivery = field(default_factory=Delivery)
    distortion: Distortion = field(default_factory=Distortion)
    skew: float = 0.0
    fired: tuple[str, ...] = ()


class Faults:
    """The faults that are set, in the order in which they were set."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - reproducible chance is the point
        self._all: dict[str, Fault] = {}

    def set(self, description: Mapping[str, Any]) -> Fault:
        """Add a fault, or replace the one of its name; raises FaultError."""
        unknown = set(description) - _KEYS
        if unknown:
            raise FaultError(
                f"unknown member {', '.join(sorted(unknown))}; there are {', '.join(sorted(_KEYS))}"
            )
        kind = str(description.get("type", ""))
        if kind not in ATTRIBUTES:
            raise FaultError(f"no fault type {kind!r}; there are {', '.join(ATTRIBUTES)}")
        given = dict(description.get("attributes", {}))
        wrong = set(given) - set(ATTRIBUTES[kind])
        if wrong:
            raise FaultError(
                f"{kind} has no attribute {', '.join(sorted(wrong))}; there are {list(ATTRIBUTES[kind])}"
            )
        fault = _fault(description, kind, {**ATTRIBUTES[kind], **given})
        self._all[fault.name] = fault
        return fault

    def remove(self, name: str) -> bool:
        """Remove one fault; False if there is none of this name."""
        return self._all.pop(name, None) is not None

    def clear(self) -> None:
        """Remove all faults."""
        self._all.clear()

    def listed(self) -> list[Fault]:
        """All faults with their counters."""
        return list(self._all.values())

    def plan(self, request: Request) -> Plan:
        """What goes wrong with this request."""
        plan = Plan()
        if not self._all:
            return plan
        query = f"?{urls.decode(request.query)}" if request.query else ""
        text = f"{request.method} {urls.decode(request.path)}{query}"
        for fault in list(self._all.values()):
            if fault.fires(text, self._chance):
                plan = replace(_apply(plan, fault, self._chance), fired=(*plan.fired, fault.name))
        return plan


def _fault(description: Mapping[str, Any], kind: str, attributes: dict[str, Any]) -> Fault:
    try:
        re.compile(str(description.get("match", "")))
        return Fault(
            name=str(description.get("name", kind)),
            type=kind,
            attributes=attributes,
            match=str(description.get("match", "")),
            toxicity=float(description.get("toxicity", 1.0)),
            every=max(int(description.get("every", 1)), 1),
            nth=tuple(int(one) for one in description.get("nth", ())),
            times=None if description.get("times") is None else int(description["times"]),
            after=int(description.get("after", 0)),
        )
    except (TypeError, ValueError, re.error) as error:
        raise FaultError(f"fault {kind}: {error}") from error


def _apply(plan: Plan, fault: Fault, chance: random.Random) -> Plan:
    values = fault.attributes
    if fault.type in _DISTORT:
        return replace(plan, distortion=replace(plan.distortion, **_DISTORT[fault.type](values, chance)))
    if fault.type in _DELIVER:
        return replace(plan, delivery=replace(plan.delivery, **_DELIVER[fault.type](values)))
    return replace(plan, **_PLAN[fault.type](fault, values, chance))


def _latency(_fault: Fault, values: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    return {"latency": (values["latency"] + chance.uniform(0, values["jitter"])) / 1000}


def _reset(_fault: Fault, values: dict[str, Any], _chance: random.Random) -> dict[str, Any]:
    return {"reset_after": True} if values["phase"] == "after" else {"reset_before": True}


def _status(fault: Fault, values: dict[str, Any], _chance: random.Random) -> dict[str, Any]:
    pattern = values["pattern"]
    status = int(pattern[(fault.fired - 1) % len(pattern)]) if pattern else int(values["status"])
    if status == 200:  # noqa: PLR2004 - OK: this call of the pattern is let through
        return {}
    headers = [("Content-Type", "text/html; charset=utf-8")]
    if values["retry_after"] is not None:
        headers.append(("Retry-After", str(values["retry_after"])))
    body = html_page(str(status), str(values["body"]))
    return {"answer": Response(status=status, body=body, headers=tuple(headers))}


def _refusal(_fault: Fault, values: dict[str, Any], _chance: random.Random) -> dict[str, Any]:
    return {"refusal": (int(values["status"]), str(values["code"]), str(values["message"]))}


_PLAN: dict[str, Any] = {
    "latency": _latency,
    "row_latency": lambda _fault, values, _chance: {"row_latency": values["latency"] / 1000},
    "timeout": lambda _fault, values, _chance: {"hang": values["timeout"] / 1000},
    "reset_peer": _reset,
    "status": _status,
    "odata_error": _refusal,
    "lock_conflict": lambda _fault, _values, _chance: {"refusal": (500, "-1", LOCK_CONFLICT)},
    "html_200": lambda _fault, _values, _chance: {"html": True},
    "wrong_gzip": lambda _fault, _values, _chance: {"wrong_gzip": True},
    "clock_skew": lambda _fault, values, _chance: {"skew": float(values["seconds"])},
}
_DISTORT: dict[str, Any] = {
    "duplicates": lambda values, _chance: {"duplicates": int(values["rows"])},
    "page_shift": lambda values, _chance: {"shift": int(values["rows"])},
    "unstable_order": lambda _values, chance: {"shuffle": chance.randrange(1, 1 << 30)},
    "skip_ignored": lambda _values, _chance: {"skip_ignored": True},
}
_DELIVER: dict[str, Any] = {
    "slicer": lambda values: {
        "slice_size": max(int(values["average_size"]), 1),
        "slice_delay": values["delay"] / 1000,
    },
    "bandwidth": lambda values: {"slice_size": max(int(values["rate"] * 1024 / 10), 1), "slice_delay": 0.1},
    "limit_data": lambda values: {"limit": int(values["bytes"]), "reset": bool(values["reset"])},
}
