"""Staged packets reach clean and shop in the right order, whatever else wrote the same rows meanwhile."""

from __future__ import annotations

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.changes import (
    GOODS,
    a_product,
    change,
    delete,
    new_product,
    open_changes,
    sync_changes,
    take_in,
)
from onec_pipelines_tests.fixtures.pipeline import control, query, value

PRODUCTS = BY_NAME["products"]
PAIR = ("categories", "products")


@pytest.fixture
def shop():
    with Simulator.start_thread(products=40, seed=5, pool_size=100, tombstones=True) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_changes(shop, database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def based(runtime):
    """Both entities of the set have their whole reading, and nothing waits."""
    take_in(runtime)
    sync_changes(runtime, PAIR)
    return runtime


def name_of(url, key):
    found = query(url, "SELECT name, deleted_why FROM clean.products WHERE ref = %s", key)
    return found[0] if found else None


def shop_name(url, key):
    return value(
        url,
        "SELECT p.name FROM shop.products p JOIN integ.external_id_mappings m ON m.internal_id = p.id"
        " AND m.entity_type = 'products' WHERE m.external_id = %s",
        key,
    )


def test_a_change_reaches_the_shop_without_a_request_for_the_object(based, shop, database_url):
    key = new_product(shop, "Первое имя")
    take_in(based)
    before = based.spent.calls

    outcome = sync_changes(based, ["products"])["products"]

    assert (outcome.rows_read, outcome.clean_changed) == (1, 1)
    assert shop_name(database_url, key) == "Первое имя"
    assert based.spent.calls == before


def test_a_packet_is_applied_once(based, shop, database_url):
    new_product(shop, "Раз")
    take_in(based)
    sync_changes(based, PAIR)

    again = sync_changes(based, PAIR)

    assert [(one.rows_read, one.clean_changed) for one in again.values()] == [(0, 0), (0, 0)]
    assert value(database_url, "SELECT count(DISTINCT packet_id) FROM integ.packet_marks") == 1


def test_of_several_states_in_several_packets_only_the_last_is_applied(based, shop, database_url):
    key = new_product(shop, "Раз")
    take_in(based)
    change(shop, key, Description="Два")
    take_in(based)
    change(shop, key, Description="Три")
    take_in(based)

    outcome = sync_changes(based, ["products"])["products"]

    assert outcome.rows_read == 1
    assert name_of(database_url, key) == ("Три", None)


def test_a_redelivered_packet_changes_nothing(based, shop, database_url):
    key = new_product(shop, "Раз")
    control(shop, "faults", {"type": "reset_peer", "match": "NotifyChangesReceived", "times": 4})
    for _ in range(3):
        try:
            take_in(based)
        except Exception as error:  # noqa: BLE001 - the fault of this test
            assert "NotifyChangesReceived" in str(error)  # noqa: PT017
        sync_changes(based, ["products"])

    assert value(database_url, "SELECT count(*) FROM raw.packets") > 1
    assert name_of(database_url, key) == ("Раз", None)
    assert value(database_url, "SELECT count(*) FROM clean.products WHERE name = 'Раз'") == 1


def test_a_tombstone_deletes_and_says_why(based, shop, database_url):
    key = a_product(shop)["Ref_Key"]
    delete(shop, key)
    take_in(based)

    outcome = sync_changes(based, ["products"])["products"]

    assert outcome.deleted == 1
    assert name_of(database_url, key)[1] == "tombstone"
    assert value(
        database_url,
        "SELECT p.is_deleted FROM shop.products p JOIN integ.external_id_mappings m ON m.internal_id = p.id"
        " AND m.entity_type = 'products' WHERE m.external_id = %s",
        key,
    )


def test_an_object_that_becomes_a_folder_leaves_the_products(based, shop, database_url):
    key = new_product(shop, "Товар")
    take_in(based)
    sync_changes(based, PAIR)
    change(shop, key, Description="Группа", IsFolder=True)
    take_in(based)

    sync_changes(based, PAIR)

    assert name_of(database_url, key) == ("Товар", "moved")
    assert query(database_url, "SELECT name, deleted_at FROM clean.categories WHERE ref = %s", key) == [
        ("Группа", None)
    ]


def test_what_came_before_the_whole_reading_is_left_out(runtime, shop, database_url):
    key = new_product(shop, "Старое")
    take_in(runtime)
    change(shop, key, Description="Новое")

    outcome = sync_changes(runtime, ["products"])["products"]

    assert outcome.rows_read > 30
    assert name_of(database_url, key) == ("Новое", None)
    take_in(runtime)
    assert sync_changes(runtime, ["products"])["products"].clean_changed == 0


def test_what_is_registered_while_the_whole_reading_runs_comes_too(runtime, shop, database_url, monkeypatch):
    """Bootstrap: the node is there, then the reading, then packets; an object written behind the reading's back is not lost."""
    key = a_product(shop)["Ref_Key"]
    take_in(runtime)
    original = runtime.client.get

    def meanwhile(address, **options):
        answer = original(address, **options)
        if "skip=20" in address:
            change(shop, key, Description="За спиной")
            added.append(new_product(shop, "Новый за спиной"))
        return answer

    added = []
    monkeypatch.setattr(runtime.client, "get", meanwhile)
    sync_changes(runtime, ["products"])
    monkeypatch.undo()
    take_in(runtime)
    sync_changes(runtime, ["products"])

    assert added
    assert name_of(database_url, key) == ("За спиной", None)
    assert all(name_of(database_url, one) == ("Новый за спиной", None) for one in added)


def test_what_was_selected_during_the_whole_reading_is_fetched_anew(runtime, shop, database_url, monkeypatch):
    key = a_product(shop)["Ref_Key"]
    take_in(runtime)
    original = runtime.client.get
    done = []

    def meanwhile(address, **options):
        if "skip=20" in address and not done:
            done.append(1)
            change(shop, key, Description="В пакете")
            take_in(runtime)
            change(shop, key, Description="После пакета")
        return original(address, **options)

    monkeypatch.setattr(runtime.client, "get", meanwhile)
    sync_changes(runtime, ["products"])
    monkeypatch.undo()

    assert done
    assert name_of(database_url, key) == ("После пакета", None)
    left_out = (
        "SELECT details ->> 'fetched_anew' FROM integ.audit_log WHERE action = 'packet_entries_left_out'"
    )
    assert value(database_url, left_out) == "1"


def test_a_packet_does_not_overwrite_what_was_fetched_after_it(based, shop, database_url):
    key = new_product(shop, "В пакете")
    take_in(based)
    change(shop, key, Description="По требованию")
    inbound(PRODUCTS, based, only=[key])

    sync_changes(based, ["products"])

    assert name_of(database_url, key) == ("По требованию", None)


def test_a_whole_reading_does_not_bring_back_what_a_packet_deleted(based, shop, database_url):
    key = a_product(shop)["Ref_Key"]
    delete(shop, key)
    take_in(based)
    sync_changes(based, ["products"])

    inbound(PRODUCTS, based)

    assert name_of(database_url, key)[1] == "tombstone"


def test_too_many_tombstones_are_held_for_a_person(based, shop, database_url):
    rows = control(shop, f"rows/{GOODS}?top=1000")["rows"]
    for row in rows:
        if not row["IsFolder"]:
            delete(shop, row["Ref_Key"])
    take_in(based)
    before = value(database_url, "SELECT count(*) FROM clean.products WHERE deleted_at IS NULL")

    with pytest.raises(Exception, match="DELETION_BRAKE"):
        sync_changes(based, ["products"])

    assert value(database_url, "SELECT count(*) FROM clean.products WHERE deleted_at IS NULL") == before


def test_a_broken_row_of_a_packet_is_quarantined_and_heals(based, shop, database_url):
    key = new_product(shop, "Хорошее имя")
    take_in(based)
    sync_changes(based, ["products"])
    change(shop, key, Description="")
    take_in(based)
    sync_changes(based, ["products"])
    assert name_of(database_url, key) == ("Хорошее имя", None)
    opened = "SELECT count(*) FROM clean.quarantine WHERE external_key = %s AND resolved_at IS NULL"
    assert value(database_url, opened, key) == 1

    change(shop, key, Description="Исправлено")
    take_in(based)
    sync_changes(based, ["products"])

    assert name_of(database_url, key) == ("Исправлено", None)
    assert value(database_url, opened, key) == 0


def test_a_restored_base_has_the_entities_read_whole_once_more(based, shop, database_url):
    ref = query(database_url, "SELECT node_ref::text, plan FROM integ.exchange_nodes")[0]
    control(shop, f"rows/{ref[1]}/{ref[0]}", {"ReceivedNo": 3, "SentNo": 3})
    take_in(based)

    first = sync_changes(based, ["products"])["products"]
    second = sync_changes(based, ["products"])["products"]

    assert first.rows_read > 30
    assert second.rows_read == 0
