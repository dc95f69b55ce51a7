"""How old each group of entities may be, and by which schedule: one table for alerts, dashboard, audit and Dagster's freshness policies.

What no running schedule brings up to date has no age that it should not have: who syncs by hand is told nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from onec_pipelines.spec import Entity


@dataclass(frozen=True, kw_only=True)
class Age:
    """From when an entity's last good run is worth a warning, and from when it is a failure."""

    warn: timedelta
    fail: timedelta


@dataclass(frozen=True, kw_only=True)
class Watch:
    """An entity that a running schedule keeps fresh: how old it may be, and since when that is promised."""

    age: Age
    since: datetime


_TEN_MINUTES = Age(warn=timedelta(hours=1), fail=timedelta(hours=4))
_HOUR = Age(warn=timedelta(hours=4), fail=timedelta(hours=12))
_DAY = Age(warn=timedelta(hours=26), fail=timedelta(hours=50))

# The schedules of defs/schedules.py, the quickest first, each with the groups of its job; a nightly full reading may take hours.
_SCHEDULES: tuple[tuple[str, frozenset[str] | None, Age], ...] = (
    ("prices_and_stock_every_10_minutes", frozenset({"prices", "stock"}), _TEN_MINUTES),
    ("documents_every_10_minutes", frozenset({"sales", "customers"}), _TEN_MINUTES),
    ("catalog_every_hour", frozenset({"dictionaries", "catalog"}), _HOUR),
    ("loyalty_and_history_every_hour", frozenset({"loyalty", "discounts", "history"}), _HOUR),
    ("everything_every_night", None, _DAY),
)


def age_of(entity: Entity) -> Age:
    """The age that an entity may have when all schedules run."""
    return next(age for _, groups, age in _SCHEDULES if groups is None or entity.group in groups)


def watch_of(entity: Entity, running: Mapping[str, datetime]) -> Watch | None:
    """What the quickest running schedule of an entity promises; None when none runs. `running`: name → since when."""
    return next(
        (
            Watch(age=age, since=running[name])
            for name, groups, age in _SCHEDULES
            if name in running and (groups is None or entity.group in groups)
        ),
        None,
    )


def schedules_of(entity: Entity) -> tuple[str, ...]:
    """The schedules that bring an entity up to date, the quickest first."""
    return tuple(name for name, groups, _ in _SCHEDULES if groups is None or entity.group in groups)
