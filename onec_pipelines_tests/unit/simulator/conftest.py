"""Simulated bases for the tests of this folder."""

from __future__ import annotations

import pytest

from onec_pipelines_tests.unit.simulator.asker import Asker


@pytest.fixture(scope="module")
def ask() -> Asker:
    """A base that the module's tests only read."""
    return Asker()


@pytest.fixture
def fresh() -> Asker:
    """A base of the test's own, to be written to."""
    return Asker()


@pytest.fixture
def start() -> type[Asker]:
    """Makes a base with options."""
    return Asker
