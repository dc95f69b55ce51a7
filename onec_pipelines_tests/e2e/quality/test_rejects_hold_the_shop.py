"""Many rejects hold the shop layer back, a few are a warning, and a person can let the others in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onec_pipelines.defs.checks import quarantine
from onec_pipelines.defs.guard import diff_check
from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines_tests.fixtures.pipeline import environment, open_fast, value

BRANDS = BY_NAME["brands"]


def choosy(longest, share):
    """The entity with a name that may be only so long."""
    fields = tuple(replace(one, max_length=longest) if one.name == "name" else one for one in BRANDS.fields)
    return replace(BRANDS, fields=fields, max_quarantined_share=share)


@pytest.fixture
def runtime(database_url, tmp_path):
    with (
        Simulator.start_thread(products=60, seed=5, broken=False) as shop,
        open_fast(environment(shop, database_url, tmp_path, page_rows=500)) as opened,
    ):
        inbound(BY_NAME["manufacturers"], opened)
        yield opened


def test_too_many_rejects_hold_the_shop_until_somebody_asks_for_it(runtime, database_url):
    entity = choosy(6, 0.05)

    held = [inbound(entity, runtime) for _ in range(2)]

    for outcome in held:
        assert outcome.status == "held"
        assert outcome.rejects_share > 0.05
        assert "onec quarantine list brands" in outcome.message
        check = quarantine(entity, outcome)
        assert (check.passed, check.severity.value) == (False, "ERROR")
        assert diff_check(entity, outcome).passed
    assert value(database_url, "SELECT count(*) FROM clean.brands") > 0
    assert value(database_url, "SELECT count(*) FROM shop.brands") == 0
    assert value(database_url, "SELECT status FROM integ.sync_jobs ORDER BY id DESC LIMIT 1") == "held"

    asked = inbound(entity, runtime, layers=[Layer.SHOP, Layer.IDS])

    assert asked.status == "succeeded"
    assert value(database_url, "SELECT count(*) FROM shop.brands") > 0


def test_rejects_within_the_share_are_a_warning_and_the_rest_is_loaded(runtime, database_url):
    entity = choosy(6, 0.99)

    outcome = inbound(entity, runtime)

    check = quarantine(entity, outcome)
    assert outcome.status == "succeeded"
    assert outcome.rejects_open > 0
    assert (check.passed, check.severity.value) == (False, "WARN")
    assert value(database_url, "SELECT count(*) FROM shop.brands") > 0


def test_no_rejects_pass(runtime):
    outcome = inbound(BRANDS, runtime)

    assert quarantine(BRANDS, outcome).passed
