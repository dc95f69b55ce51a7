"""How old each group of entities may be: one table for the expectation of freshness and for Dagster's freshness policies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from onec_pipelines.spec import Entity


@dataclass(frozen=True, kw_only=True)
class Age:
    """From when an entity's last good run is worth a warning, and from when it is a failure."""

    warn: timedelta
    fail: timedelta


# The schedules of defs/schedules.py: every ten minutes, or every hour; a nightly full reading may take hours.
_TEN_MINUTES = Age(warn=timedelta(hours=1), fail=timedelta(hours=4))
_HOUR = Age(warn=timedelta(hours=4), fail=timedelta(hours=12))
_DAY = Age(warn=timedelta(hours=26), fail=timedelta(hours=50))
_AGES = {
    "prices": _TEN_MINUTES,
    "stock": _TEN_MINUTES,
    "sales": _TEN_MINUTES,
    "customers": _TEN_MINUTES,
    "dictionaries": _HOUR,
    "catalog": _HOUR,
    "loyalty": _HOUR,
    "discounts": _HOUR,
    "history": _HOUR,
}


def age_of(entity: Entity) -> Age:
    """The ages of an entity; a group that only the nightly run brings up to date may be a day old."""
    return _AGES.get(entity.group, _DAY)
