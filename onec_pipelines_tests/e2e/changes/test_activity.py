"""After random business days the shop read by changes is what 1C holds, whatever goes wrong on the way."""

from __future__ import annotations

import random
import threading
from decimal import Decimal

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import PipelineError
from onec_pipelines.inbound import inbound
from onec_pipelines.intake import intake_of
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Way
from onec_pipelines.steps.intake import take
from onec_pipelines_tests.fixtures.changes import (
    new_product,
    open_changes,
    sync_changes,
    take_in,
    waiting,
)
from onec_pipelines_tests.fixtures.pipeline import FAST, control, query, value

ENTITIES = ("categories", "products", "customers", "orders")
ZERO = "00000000-0000-0000-0000-000000000000"
HISTORY = {"ONEC_HISTORY_START": "2010-01-01"}
FAULTS = (
    ("reset_peer", "SelectChanges", {"phase": "before"}),
    ("reset_peer", "SelectChanges", {"phase": "after"}),
    ("reset_peer", "NotifyChangesReceived", {"phase": "before"}),
    ("reset_peer", "NotifyChangesReceived", {"phase": "after"}),
    ("limit_data", "SelectChanges", {"bytes": 3000}),
    ("html_200", "ExchangePlan_", {}),
    ("status", "SelectChanges", {"status": 503}),
    ("lock_conflict", "SelectChanges", {}),
)


@pytest.mark.parametrize(("tombstones", "rounds"), [(True, 20), (False, 6)])
def test_random_business_by_changes_equals_the_oracle(tombstones, rounds, database_url, tmp_path):
    """200 random steps, faults and interruptions; then quiet. Without tombstones two version scans find what is gone."""
    chance = random.Random(20261123)  # noqa: S311 - reproducible chance is the point
    with (
        Simulator.start_thread(products=60, seed=7, pool_size=100, tombstones=tombstones) as shop,
        open_changes(shop, database_url, tmp_path, **HISTORY) as runtime,
    ):
        take_in(runtime)
        sync_changes(runtime, ENTITIES, allow_deletes=True)
        requests_before = runtime.spent.calls
        for _ in range(rounds):
            control(shop, "day", {"steps": 10})
            kind, match, attributes = chance.choice(FAULTS)
            times = chance.randint(1, 3)
            control(shop, "faults", {"type": kind, "match": match, "attributes": attributes, "times": times})
            bear(lambda: take_in(runtime))
            chosen = chance.sample(ENTITIES, chance.randint(0, len(ENTITIES)))
            bear(lambda names=chosen: sync_changes(runtime, names))
            control(shop, "faults", method="DELETE")
        take_in(runtime)
        sync_changes(runtime, ENTITIES)
        requests = runtime.spent.calls - requests_before
        if not tombstones:
            for _ in range(2):
                for name in ENTITIES:
                    inbound(BY_NAME[name], runtime, way=Way.SNAPSHOT if name == "orders" else Way.VERSIONS)

        assert waiting(shop) == 0
        for name, differing in differences(shop, database_url).items():
            assert not differing, name
        assert value(database_url, "SELECT max(epoch) FROM integ.exchange_nodes") == 1
        assert requests < 400


def bear(act):
    """What is caused by a fault of the test is repeated by the next round."""
    try:
        act()
    except PipelineError as error:
        if not error.code.startswith("ONEC_"):
            raise


def differences(shop, url):
    """Per entity the keys whose rows are not the same in 1C and in clean; rows in quarantine are left out."""
    goods = oracle(shop, "products")
    found = {
        "categories": compare(
            {
                key: (row["Description"], parent(row), row["DeletionMark"])
                for key, row in goods.items()
                if row["IsFolder"]
            },
            url,
            "categories",
            "name, coalesce(parent_ref::text, ''), deletion_mark",
        ),
        "products": compare(
            {
                key: (row["Description"], row["Артикул"] or "", parent(row), row["DeletionMark"])
                for key, row in goods.items()
                if not row["IsFolder"]
            },
            url,
            "products",
            "name, coalesce(sku, ''), coalesce(category_ref::text, ''), deletion_mark",
        ),
        "customers": compare(
            {
                key: (row["Description"], row["DeletionMark"])
                for key, row in oracle(shop, "customers").items()
            },
            url,
            "customers",
            "name, deletion_mark",
        ),
        "orders": compare(
            {
                key: (row["Number"].strip(), row["Posted"], Decimal(str(row["СуммаДокумента"])))
                for key, row in oracle(shop, "orders").items()
            },
            url,
            "orders",
            "number, is_posted, amount",
        ),
    }
    assert all(one is not None for one in found.values())
    return found


def oracle(shop, topic):
    return {row["Ref_Key"]: row for row in control(shop, f"oracle/{topic}")}


def parent(row):
    return "" if row["Parent_Key"] == ZERO else row["Parent_Key"]


def compare(expected, url, entity, columns):
    rejected = {
        key
        for (key,) in query(
            url,
            "SELECT external_key FROM clean.quarantine WHERE entity_type = %s AND resolved_at IS NULL",
            entity,
        )
    }
    rows = query(url, f"SELECT ref::text, {columns} FROM clean.{entity} WHERE deleted_at IS NULL")  # noqa: S608
    found = {key: tuple(tidy(cell) for cell in cells) for key, *cells in rows if key not in rejected}
    wanted = {
        key: tuple(tidy(cell) for cell in cells) for key, cells in expected.items() if key not in rejected
    }
    assert len(wanted) > 3
    return {
        key: (found.get(key), wanted.get(key))
        for key in found.keys() | wanted.keys()
        if found.get(key) != wanted.get(key)
    }


def tidy(cell):
    """As `clean_text` leaves it."""
    return " ".join(cell.replace("\u200b", "").split()) if isinstance(cell, str) else cell


def test_of_two_readers_at_once_one_reads_and_nothing_is_lost(database_url, tmp_path):
    """Threads that take and work at the same time; every product arrives, whoever was sent away."""
    with (
        Simulator.start_thread(products=40, seed=5, pool_size=100) as shop,
        open_changes(shop, database_url, tmp_path) as runtime,
        open_changes(shop, database_url, tmp_path) as other,
    ):
        take_in(runtime)
        sync_changes(runtime, ["products"])
        codes = []

        def read(of):
            # Until they have met, which the first few readings nearly always bring.
            for number in range(1000):
                if number >= 8 and "NODE_BUSY" in codes:
                    break
                try:
                    take(intake_of(of, retry=FAST))
                    codes.append("took")
                except PipelineError as error:
                    codes.append(error.code)

        readers = [threading.Thread(target=read, args=(one,)) for one in (runtime, other)]
        for one in readers:
            one.start()
        # So many and no more: a reading goes on as long as something waits, and a slow one would never come to an end.
        keys = [new_product(shop, f"Товар {number}") for number in range(40)]
        for one in readers:
            one.join()
        take_in(runtime)
        sync_changes(runtime, ["products"])

    assert set(codes) <= {"took", "NODE_BUSY"}
    assert codes.count("NODE_BUSY") > 0
    there = {
        key for (key,) in query(database_url, "SELECT ref::text FROM clean.products WHERE deleted_at IS NULL")
    }
    assert set(keys) <= there
    assert value(database_url, "SELECT epoch FROM integ.exchange_nodes") == 1
