"""Packets of an exchange plan are stored before they are acknowledged; whatever happens between, nothing is lost."""

from __future__ import annotations

from contextlib import suppress

import pytest

from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.intake import intake_of
from onec_pipelines.ledger import exchange_nodes
from onec_pipelines.onec.changes import PACKET_BROKEN, find_node
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.steps.intake import register, take
from onec_pipelines_tests.fixtures.changes import (
    GOODS,
    NODE,
    PLAN,
    add,
    change,
    open_changes,
    take_in,
    waiting,
)
from onec_pipelines_tests.fixtures.pipeline import FAST, control, query, value

PARTNERS = "Catalog_Партнеры"
SELECT, NOTIFY = "POST .*SelectChanges", "POST .*NotifyChangesReceived"


@pytest.fixture
def shop():
    with Simulator.start_thread(products=40, seed=5, pool_size=100) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_changes(shop, database_url, tmp_path) as opened:
        yield opened


def keys(url, kind="entry"):
    rows = query(url, "SELECT key FROM raw.packet_entries WHERE kind = %s ORDER BY packet_id, entry_no", kind)
    return [key for (key,) in rows]


def break_it(simulator, kind, match, **fault):
    control(simulator, "faults", {"type": kind, "match": match, **fault})


def test_an_empty_queue_stores_nothing_and_costs_three_requests(runtime, shop, database_url):
    take_in(runtime)
    before = runtime.spent.calls

    taken = take_in(runtime)

    assert (taken.packets, taken.entries, taken.drained) == (0, 0, True)
    assert runtime.spent.calls - before == 3
    assert value(database_url, "SELECT count(*) FROM raw.packets") == 0
    assert value(database_url, "SELECT drained_at IS NOT NULL AND holder IS NULL FROM integ.exchange_nodes")


def test_what_came_is_stored_and_acknowledged(runtime, shop, database_url):
    first, second = add(shop), add(shop, PARTNERS)

    taken = take_in(runtime)

    assert (taken.packets, taken.drained, taken.counts) == (
        1,
        True,
        {GOODS: {"entry": 1}, PARTNERS: {"entry": 1}},
    )
    assert keys(database_url) == [first, second]
    assert waiting(shop) == 0
    assert query(database_url, "SELECT message_no, acknowledged_at IS NOT NULL FROM raw.packets") == [
        (34, True)
    ]
    assert value(database_url, "SELECT received_no FROM integ.exchange_nodes") == 34
    assert find_node(runtime.client, PLAN, NODE).received_no == 34


def test_numbers_follow_the_node(runtime, shop, database_url):
    for _ in range(3):
        add(shop)
        take_in(runtime)

    assert query(database_url, "SELECT message_no FROM raw.packets ORDER BY id") == [(34,), (35,), (36,)]
    assert value(database_url, "SELECT epoch FROM integ.exchange_nodes") == 1


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("match", [SELECT, NOTIFY])
def test_a_lost_answer_loses_no_change(phase, match, runtime, shop, database_url):
    first = add(shop)
    break_it(shop, "reset_peer", match, attributes={"phase": phase}, times=1)

    taken = take_in(runtime)

    assert taken.drained
    assert set(keys(database_url)) == {first}
    assert waiting(shop) == 0
    assert value(database_url, "SELECT epoch FROM integ.exchange_nodes") == 1


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("match", [SELECT, NOTIFY])
def test_a_run_that_dies_of_a_lost_answer_is_made_good_by_the_next(phase, match, runtime, shop, database_url):
    first = add(shop)
    break_it(shop, "reset_peer", match, attributes={"phase": phase})
    # An acknowledgement that 1C heard is seen in the node, so that this run ends well.
    with suppress(RetryLater):
        take_in(runtime)
    control(shop, "faults", method="DELETE")
    second = add(shop)

    take_in(runtime)

    assert set(keys(database_url)) == {first, second}
    assert waiting(shop) == 0
    assert value(database_url, "SELECT epoch FROM integ.exchange_nodes") == 1
    assert value(database_url, "SELECT count(*) FROM raw.packets WHERE acknowledged_at IS NULL") == 0


def test_a_cut_packet_is_asked_for_again(runtime, shop, database_url):
    first = add(shop)
    break_it(shop, "limit_data", SELECT, attributes={"bytes": 900}, times=1)

    take_in(runtime)

    assert keys(database_url) == [first]


def test_a_second_reader_is_sent_away_with_the_name_of_the_first(runtime, database_url, shop):
    take_in(runtime)
    intake = intake_of(runtime, retry=FAST)
    node = find_node(runtime.client, PLAN, NODE)
    lease = exchange_nodes.lease(
        runtime.database, runtime.system_name, PLAN, node.ref, holder="the other one"
    )
    with lease, pytest.raises(RetryLater) as caught:
        take(intake)

    assert caught.value.code == "NODE_BUSY"
    assert "the other one since" in str(caught.value)
    assert take(intake).drained


def test_who_lost_the_lease_neither_stores_nor_acknowledges(runtime, shop, database_url, monkeypatch):
    take_in(runtime)
    add(shop)

    def steal(*_):
        query(database_url, "UPDATE integ.exchange_nodes SET lease_token = gen_random_uuid()")
        return True

    monkeypatch.setattr("onec_pipelines.steps.intake.packets.first_entry", steal)
    with pytest.raises(RetryLater) as caught:
        take_in(runtime)

    assert caught.value.code == "LEASE_LOST"
    assert value(database_url, "SELECT count(*) FROM raw.packets") == 0
    assert waiting(shop) == 1


def test_a_packet_that_cannot_be_built_is_reported_once_with_the_way_out(runtime, shop, database_url):
    add(shop)
    bad = add(shop, Артикул="А\x0bБ")
    for _ in range(2):
        with pytest.raises(Stop) as caught:
            take_in(runtime)

    assert caught.value.code == PACKET_BROKEN
    assert "недопустимый символ" in str(caught.value)
    assert "mend" in caught.value.remedy
    events = "SELECT action FROM integ.audit_log WHERE action LIKE 'changes_packet%%' ORDER BY id"
    assert query(database_url, events) == [("changes_packet_broken",)]
    assert value(database_url, "SELECT failures FROM integ.exchange_nodes WHERE stuck_since IS NOT NULL") == 2

    change(shop, bad, Артикул="АБ")
    assert take_in(runtime).entries == 2
    assert query(database_url, events) == [("changes_packet_broken",), ("changes_packet_mended",)]
    assert value(database_url, "SELECT stuck_since IS NULL FROM integ.exchange_nodes")


def test_a_packet_too_large_for_1c_is_believed_to_be_stuck_after_three_runs(runtime, shop, database_url):
    add(shop)
    message = "Недостаточно памяти для получения результата запроса к базе данных"
    break_it(shop, "odata_error", SELECT, attributes={"message": message})
    stuck = []
    for _ in range(3):
        with pytest.raises(RetryLater) as caught:
            take_in(runtime)
        stuck.append(value(database_url, "SELECT stuck_since IS NOT NULL FROM integ.exchange_nodes"))

    assert caught.value.code == "ONEC_OUT_OF_MEMORY"
    assert stuck == [False, False, True]


@pytest.mark.parametrize(("tombstones", "found"), [(False, 0), (True, 1)])
def test_deletions_come_as_tombstones_where_the_base_sends_them(
    tombstones, found, runtime, shop, database_url
):
    control(shop, "options", {"tombstones": tombstones})
    key = add(shop)
    control(shop, f"rows/{GOODS}/{key}", method="DELETE")

    taken = take_in(runtime)

    assert keys(database_url, "deleted") == [key] * found
    assert taken.counts == ({GOODS: {"deleted": 1}} if found else {})


def test_an_unposted_document_empties_its_record_sets(database_url, tmp_path):
    receipt, stock = "Document_ПриобретениеТоваровУслуг", "AccumulationRegister_ТоварыНаСкладах"
    with Simulator.start_thread(products=40, seed=5, exchange=f"{receipt},{stock}") as shop:
        document = next(row for row in control(shop, f"rows/{receipt}")["rows"] if row["Posted"])
        control(shop, f"unpost/{receipt}/{document['Ref_Key']}", {})
        with open_changes(shop, database_url, tmp_path) as runtime:
            taken = take_in(runtime)

    assert taken.counts == {receipt: {"entry": 1}, stock: {"emptied": 1}}


def test_a_base_that_went_back_begins_a_new_epoch(runtime, shop, database_url):
    add(shop)
    take_in(runtime)
    ref = find_node(runtime.client, PLAN, NODE).ref
    control(shop, f"rows/{PLAN}/{ref}", {"ReceivedNo": 20, "SentNo": 20})

    taken = take_in(runtime)

    assert "restored from a backup" in taken.jumped
    assert query(database_url, "SELECT epoch, epoch_why, received_no FROM integ.exchange_nodes") == [
        (2, "back", 20)
    ]
    found = value(
        database_url, "SELECT details ->> 'found' FROM integ.audit_log WHERE action = 'changes_node_jumped'"
    )
    assert found == "20"
    assert take_in(runtime).jumped == ""


def test_messages_that_somebody_else_acknowledged_are_noticed(runtime, shop, database_url):
    take_in(runtime)
    ref = find_node(runtime.client, PLAN, NODE).ref
    control(shop, f"rows/{PLAN}/{ref}", {"ReceivedNo": 40, "SentNo": 40})

    assert "somebody else" in take_in(runtime).jumped
    assert value(database_url, "SELECT epoch_why FROM integ.exchange_nodes") == "foreign"


def test_what_a_dead_reader_had_selected_under_a_higher_number_comes_too(runtime, shop, database_url):
    """Its packets are not lost: our number grows to theirs by acknowledging empty ones."""
    key = add(shop)
    node = find_node(runtime.client, PLAN, NODE)
    with (runtime.settings.home / "sink").open("w+b") as sink:
        runtime.change_feed.select(node, node.next_no + 3, sink, deadline=10)

    take_in(runtime)

    assert keys(database_url) == [key]
    assert waiting(shop) == 0


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"ONEC_EXCHANGE_NODE": "нет"}, "ONEC_NODE_UNKNOWN"),
        ({"ONEC_EXCHANGE_PLAN": "ExchangePlan_Нет"}, "ONEC_NOT_PUBLISHED"),
        ({"ONEC_EXCHANGE_NODE": ""}, "NO_EXCHANGE_NODE"),
    ],
)
def test_a_node_that_is_not_there_is_named(settings, code, shop, database_url, tmp_path):
    runtime = open_changes(shop, database_url, tmp_path, **settings)
    with runtime as opened, pytest.raises(Stop) as caught:
        take_in(opened)

    assert caught.value.code == code
    assert code != "ONEC_NODE_UNKNOWN" or "001 (Интернет-магазин)" in str(caught.value)


def test_registering_begins_the_first_epoch_without_taking_anything(runtime, shop):
    add(shop)

    state = register(intake_of(runtime, retry=FAST))

    assert (state.epoch, state.received_no, state.code) == (1, 33, NODE)
    assert waiting(shop) == 1
