"""Releases changed at random: every entity resolves, or the missing names are exactly those that are missing."""

from __future__ import annotations

import random
from functools import cache

import pytest

from onec_pipelines.entities import ENTITIES
from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.simulator.releases import RELEASES, shape_of
from onec_pipelines.steps.drift import condition
from onec_pipelines_tests.fixtures.mutations import named, truth, unseen

SEEDS = range(16)
MANY_TYPES = 2000


@cache
def changed(seed):
    return unseen(seed, ENTITIES, changes=40)


def check(base, seed):
    """The condition of the entities on a base is the truth. Gives how many of them the changes have hit."""
    found = condition(ENTITIES, parse_metadata(base.xml(random.Random(seed))))  # noqa: S311 - repeatable
    told = truth(ENTITIES, base.shape)

    stopped = {name: named(why) for name, why in found.broken.items() if not why.endswith("is not published")}
    assert stopped == told.broken
    assert {name for name, code in found.codes.items() if code == "ONEC_COLUMN_RETYPED"} == told.retyped
    assert found.broken.keys() - stopped.keys() == told.unpublished
    assert found.skipped.keys() == told.skipped
    assert {name: frozenset(fields) for name, fields in found.missing.items()} == told.missing
    return len(told.broken) + len(told.unpublished)


@pytest.mark.parametrize("release", [RELEASES[0], RELEASES[-1]])
def test_a_release_with_thousands_of_own_types_and_attributes_resolves_as_before(release):
    base = unseen(1, ENTITIES, release=release, changes=0, own_types=MANY_TYPES)

    assert check(base, 1) == 0
    assert truth(ENTITIES, base.shape) == truth(ENTITIES, shape_of(release))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_missing_is_named_exactly(seed):
    check(changed(seed), seed)


def test_the_changes_hit_something():
    """Else the test above shows nothing."""
    hits = [truth(ENTITIES, changed(seed).shape) for seed in SEEDS]

    assert sum(bool(one.broken) for one in hits) > len(SEEDS) * 3 / 4
    assert sum(bool(one.unpublished) for one in hits) > len(SEEDS) / 3
    assert sum(bool(one.missing) for one in hits) > len(SEEDS) / 2
    assert sum(bool(one.retyped) for one in hits) > len(SEEDS) / 2
