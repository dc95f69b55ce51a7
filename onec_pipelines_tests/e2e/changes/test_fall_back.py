"""When packets do not come, entities are read by versions, and everybody is told: in the audit, the status and the asset check."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.errors import Stop
from onec_pipelines.inbound import inbound
from onec_pipelines.intake import create_node, intake_of, report
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer, Way
from onec_pipelines.steps.intake import register
from onec_pipelines_tests.fixtures.changes import (
    GOODS,
    PLAN,
    add,
    change,
    new_product,
    open_changes,
    sync_changes,
    take_in,
    waiting,
)
from onec_pipelines_tests.fixtures.pipeline import FAST, control, query, value
from onec_pipelines_tests.fixtures.state import state_of

CUSTOMERS = "Catalog_Партнеры"


@pytest.fixture
def shop():
    with Simulator.start_thread(products=40, seed=5, pool_size=100) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_changes(shop, database_url, tmp_path) as opened:
        yield opened


def names(url):
    return {name for (name,) in query(url, "SELECT name FROM shop.products")}


def audit(url, action):
    return query(
        url, "SELECT entity_type, details FROM integ.audit_log WHERE action = %s ORDER BY id", action
    )


def test_a_packet_that_cannot_be_built_sends_the_entity_to_versions_and_back(runtime, shop, database_url):
    take_in(runtime)
    sync_changes(runtime, ["products"])
    bad = new_product(shop, "Плохой\x0bзнак")
    new_product(shop, "Сосед")
    with pytest.raises(Stop):
        take_in(runtime)

    fallen = sync_changes(runtime, ["products"])["products"]

    assert fallen.way == Way.VERSIONS.value
    assert "no packet" in fallen.message
    assert "Сосед" in names(database_url)
    assert [entity for entity, _ in audit(database_url, "changes_fell_back")] == ["products"]
    problems = "\n".join(report(runtime, ENTITIES).problems)
    assert f"suspect: products {bad}: Description holds U+000B" in problems

    change(shop, bad, Description="Хороший знак")
    take_in(runtime)
    back = sync_changes(runtime, ["products"])["products"]

    assert back.way == Way.CHANGES.value
    assert {"Хороший знак", "Сосед"} <= names(database_url)
    assert waiting(shop) == 0
    assert not [text for text in report(runtime, ENTITIES).problems if "suspect" in text]


def test_before_the_first_packet_there_is_no_base_and_versions_are_read(runtime, database_url):
    outcome = sync_changes(runtime, ["products"])["products"]

    assert outcome.complete
    assert "onec changes take" in outcome.message
    assert len(names(database_url)) > 30


def test_a_node_that_is_gone_sends_the_entity_to_versions(runtime, shop, database_url):
    take_in(runtime)
    sync_changes(runtime, ["products"])
    ref = value(database_url, "SELECT node_ref::text FROM integ.exchange_nodes")
    control(shop, f"rows/{PLAN}/{ref}", method="DELETE")
    new_product(shop, "После узла")
    with pytest.raises(Stop) as caught:
        take_in(runtime)

    sync_changes(runtime, ["products"])

    assert caught.value.code == "ONEC_NODE_UNKNOWN"
    assert "После узла" in names(database_url)


def test_without_settings_of_a_node_the_way_is_refused(shop, database_url, tmp_path):
    runtime = open_changes(shop, database_url, tmp_path, ONEC_EXCHANGE_NODE="")
    with runtime as opened, pytest.raises(Stop) as caught:
        sync_changes(opened, ["products"])

    assert caught.value.code == "NO_EXCHANGE_NODE"


def test_a_type_that_is_not_in_the_plan_is_found_by_the_next_whole_reading(database_url, tmp_path):
    with (
        Simulator.start_thread(products=40, seed=5, exchange=CUSTOMERS) as shop,
        open_changes(shop, database_url, tmp_path, ONEC_READING="products=changes") as runtime,
    ):
        take_in(runtime)
        sync_changes(runtime, ["products"])
        new_product(shop, "Никто не скажет")
        inbound(BY_NAME["products"], runtime, way=Way.VERSIONS)
        take_in(runtime)
        sync_changes(runtime, ["products"])
        problems = "\n".join(report(runtime, ENTITIES).problems)

    ((entity, details),) = audit(database_url, "changes_not_in_plan")
    assert (entity, details["objects"], details["type"]) == ("products", 1, GOODS)
    assert "it is not in the plan's content" in problems


def test_types_that_nothing_of_ours_reads_are_counted(database_url, tmp_path):
    strange = "Catalog_ДоговорыКонтрагентов"
    with (
        Simulator.start_thread(products=40, seed=5, exchange=strange) as shop,
        open_changes(shop, database_url, tmp_path) as runtime,
    ):
        add(shop, strange)
        taken = take_in(runtime)
        problems = "\n".join(report(runtime, ENTITIES).problems)

    assert taken.unknown({}) == {strange: 1}
    assert f"{strange} is in the plan and nothing reads it: 1 entries" in problems


def test_a_replay_brings_back_what_packets_brought(runtime, shop, database_url):
    take_in(runtime)
    sync_changes(runtime, ["products"])
    key = new_product(shop, "Из пакета")
    take_in(runtime)
    sync_changes(runtime, ["products"])
    before = state_of(database_url)
    requests = runtime.spent.calls

    inbound(BY_NAME["products"], runtime, layers=[Layer.CLEAN, Layer.SHOP, Layer.IDS])

    assert state_of(database_url) == before
    assert runtime.spent.calls == requests
    assert value(database_url, "SELECT name FROM clean.products WHERE ref = %s", key) == "Из пакета"


def test_a_node_is_made_once(shop, database_url, tmp_path):
    with open_changes(shop, database_url, tmp_path, ONEC_EXCHANGE_NODE="SHOP") as runtime:
        made = [create_node(runtime, name="Витрина") for _ in range(2)]
        state = register(intake_of(runtime, retry=FAST))

    assert made == [True, False]
    assert (state.code, state.received_no) == ("SHOP", 0)
