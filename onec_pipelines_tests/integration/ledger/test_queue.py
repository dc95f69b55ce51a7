"""The retry queue on a real PostgreSQL: leases, order, attempts, dead letters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.errors import Quarantine, RetryLater, Skip, Stop
from onec_pipelines.ledger import queue
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS

SYSTEM = "test"


def put(tx, subject="order:1", *, kind="push", key=None, payload=None, run_at=None):
    return queue.enqueue(
        tx,
        system_name=SYSTEM,
        kind=kind,
        subject=subject,
        ordering_key=key or subject,
        payload=payload or {"outbox_id": 1},
        run_at=run_at,
    )


def take(database, *, limit=10, kinds=("push", "webhook"), lease=60.0):
    return queue.claim(
        database, system_name=SYSTEM, kinds=kinds, limit=limit, lease_seconds=lease, worker="w"
    )


def state(tx, item_id):
    return tx.execute("SELECT state FROM integ.retry_queue WHERE id = %s", (item_id,)).fetchone()[0]


def column(tx, item_id, name):
    return tx.execute(
        f"SELECT {name} FROM integ.retry_queue WHERE id = %s".encode(),  # noqa: S608 - a name of this file
        (item_id,),
    ).fetchone()[0]


def settle(database, item, error=None):
    with database.transaction() as connection:
        return queue.settle(driver_connection(connection), item, error)


def due_now(tx):
    tx.execute("UPDATE integ.retry_queue SET run_at = now() - interval '1 second' WHERE state = 'ready'")


def expire(tx):
    tx.execute(
        "UPDATE integ.retry_queue SET lease_until = now() - interval '1 second' WHERE state = 'leased'"
    )


def later(code="ONEC_SERVER_ERROR", **kwargs):
    return RetryLater("1C failed", code=code, **kwargs)


def test_a_claimed_item_is_not_claimed_again_and_its_attempt_counts_at_once(database, tx):
    item_id = put(tx)
    (item,) = take(database)
    assert (item.id, item.attempts, item.payload) == (item_id, 1, {"outbox_id": 1})
    assert take(database) == []


def test_only_the_oldest_item_of_an_ordering_key_is_handed_out(database, tx):
    first, second, other = put(tx), put(tx), put(tx, "order:2")
    assert {item.id for item in take(database)} == {first, other}
    tx.execute("UPDATE integ.retry_queue SET run_at = now() + interval '1 day' WHERE id = %s", (second,))
    assert take(database) == []


def test_a_later_event_does_not_overtake_a_dead_push_until_a_person_acts(database, tx):
    first, second = put(tx), put(tx)
    (item,) = take(database)
    settle(database, item, Quarantine("the period is closed", code="ONEC_HANDLER"))
    assert state(tx, first) == "dead"
    assert take(database) == []
    with database.transaction() as connection:
        queue.drop(driver_connection(connection), system_name=SYSTEM, ids=[first], by="tester")
    assert [item.id for item in take(database)] == [second]


def test_a_dead_hint_does_not_hold_up_the_next_hint(database, tx):
    _, second = put(tx, kind="webhook"), put(tx, kind="webhook")
    (item,) = take(database)
    settle(database, item, Stop("a bug", code="QUEUE_BUG"))
    assert [item.id for item in take(database)] == [second]


def test_a_failed_attempt_is_counted_and_tried_later(database, tx):
    item_id = put(tx)
    (item,) = take(database)
    assert settle(database, item, later()) is queue.Verdict.LATER
    assert column(tx, item_id, "attempts") == 1
    assert column(tx, item_id, "run_at > updated_at")
    assert column(tx, item_id, "last_error ->> 'code'") == "ONEC_SERVER_ERROR"


@pytest.mark.parametrize(
    "error",
    [
        later("ONEC_BREAKER_OPEN", sent=False),
        later("ONEC_PAUSED", sent=False),
        later("ONEC_OVERLOAD", http_status=503),
        later("ONEC_UNREACHABLE", sent=False),
        later("DB_DOWN"),
        Stop("401", code="ONEC_AUTH", http_status=401),
        Stop("403", code="ONEC_FORBIDDEN", http_status=403),
    ],
    ids=lambda error: error.code,
)
def test_what_is_not_the_items_fault_burns_no_attempt(database, tx, error):
    item_id = put(tx)
    for _ in range(3):
        (item,) = take(database)
        assert settle(database, item, error) is queue.Verdict.PUT_OFF
        due_now(tx)
    assert column(tx, item_id, "attempts") == 0
    assert column(tx, item_id, "delays") == 3


def test_retry_after_is_waited_for_and_capped_at_a_quarter_of_an_hour(database, tx):
    item_id = put(tx)
    for asked, least, most in ((120, 120, 190), (86_400, 900, 1190)):
        (item,) = take(database)
        settle(database, item, later("ONEC_OVERLOAD", http_status=429, retry_after=asked))
        wait = column(tx, item_id, "extract(epoch FROM run_at - updated_at)")
        assert least <= wait <= most
        due_now(tx)


def test_attempts_that_are_used_up_make_a_dead_letter_with_the_last_words_of_1c(database, tx):
    item_id = put(tx)
    tx.execute("UPDATE integ.retry_queue SET attempts = 24 WHERE id = %s", (item_id,))
    (item,) = take(database)
    error = later(onec_message="Недостаточно места", remedy="Free space.")
    assert settle(database, item, error) is queue.Verdict.DEAD
    found = column(tx, item_id, "last_error")
    assert (found["kind"], found["onec_message"], found["remedy"]) == (
        "exhausted",
        "Недостаточно места",
        "Free space.",
    )
    audited = tx.execute("SELECT details FROM integ.audit_log WHERE action = 'queue.dead'").fetchone()[0]
    assert audited["item"] == item_id


def test_what_is_skipped_is_done_with_a_note(database, tx):
    item_id = put(tx, kind="webhook")
    (item,) = take(database)
    assert settle(database, item, Skip("gone from 1C", code="ONEC_NOT_FOUND")) is queue.Verdict.DONE
    assert (state(tx, item_id), column(tx, item_id, "last_error ->> 'kind'")) == ("done", "skipped")


def test_an_item_that_kills_its_worker_five_times_is_dead_as_poison_and_others_flow(database, tx):
    poison = put(tx)
    for _ in range(5):
        (item,) = take(database)
        assert item.id == poison
        expire(tx)
        assert take(database, limit=0) == []
        due_now(tx)
    other = put(tx, "order:2")
    assert [item.id for item in take(database)] == [other]
    assert column(tx, poison, "last_error ->> 'kind'") == "poison"


def test_a_worker_whose_lease_was_taken_over_is_fenced(database, tx):
    put(tx)
    (slow,) = take(database)
    expire(tx)
    take(database, limit=0)
    due_now(tx)
    (fast,) = take(database)
    for act in (queue.fence, queue.succeed):
        with pytest.raises(queue.LeaseLost), database.transaction() as connection:
            act(driver_connection(connection), slow)
    with database.transaction() as connection:
        assert queue.extend(driver_connection(connection), [slow], 60) == {slow.id}
        assert queue.extend(driver_connection(connection), [fast], 60) == set()
    settle(database, fast)
    assert state(tx, fast.id) == "done"


def test_success_said_twice_by_the_same_claim_is_no_error(database, tx):
    item_id = put(tx)
    (item,) = take(database)
    settle(database, item)
    settle(database, item)
    assert state(tx, item_id) == "done"


def test_a_dead_item_retried_twice_is_done_once(database, tx):
    item_id = put(tx)
    (item,) = take(database)
    settle(database, item, Quarantine("refused", code="ONEC_HANDLER"))
    chosen = queue.Chosen(ids=[item_id])
    for _ in range(2):
        with database.transaction() as connection:
            found = queue.retry(driver_connection(connection), system_name=SYSTEM, chosen=chosen, by="tester")
            assert found == [item_id]
    (item,) = take(database)
    assert item.attempts == 1
    settle(database, item)
    with database.transaction() as connection:
        again = queue.retry(driver_connection(connection), system_name=SYSTEM, chosen=chosen, by="tester")
    assert again == []
    assert take(database) == []


def test_a_batch_retry_takes_one_class_and_spreads_it_over_time(database, tx):
    ids = [put(tx, f"order:{n}") for n in range(5)]
    for item in take(database):
        settle(
            database, item, Quarantine("no", code="ONEC_HANDLER" if item.id != ids[0] else "ONEC_BAD_VALUE")
        )
    with database.transaction() as connection:
        found = queue.retry(
            driver_connection(connection),
            system_name=SYSTEM,
            chosen=queue.Chosen(error_class="ONEC_HANDLER"),
            by="tester",
            per_second=2,
        )
    assert found == ids[1:]
    spread = tx.execute(
        "SELECT extract(epoch FROM max(run_at) - min(run_at)) FROM integ.retry_queue WHERE state = 'ready'"
    ).fetchone()[0]
    assert spread == pytest.approx(1.5)


def test_an_edit_changes_the_payload_and_audits_hashes_but_no_values(database, tx):
    item_id = put(tx, payload={"outbox_id": 1, "note": "secret words"})
    with database.transaction() as connection:
        before = queue.edit(
            driver_connection(connection),
            system_name=SYSTEM,
            item_id=item_id,
            payload={"outbox_id": 2},
            by="tester",
            reason="wrong event",
        )
    assert before == {"outbox_id": 1, "note": "secret words"}
    details = tx.execute("SELECT details FROM integ.audit_log WHERE action = 'queue.edit'").fetchone()[0]
    assert (details["by"], details["changed"], details["items"]) == (
        "tester",
        ["note", "outbox_id"],
        [item_id],
    )
    assert "secret words" not in str(details)


def test_an_item_that_is_being_worked_on_can_be_neither_edited_nor_dropped(database, tx):
    item_id = put(tx)
    take(database)
    with pytest.raises(Skip), database.transaction() as connection:
        queue.edit(
            driver_connection(connection), system_name=SYSTEM, item_id=item_id, payload={}, by="tester"
        )
    with database.transaction() as connection:
        assert queue.drop(driver_connection(connection), system_name=SYSTEM, ids=[item_id], by="tester") == []
    assert state(tx, item_id) == "leased"


def test_an_item_enqueued_for_later_waits_until_then(database, tx):
    put(tx, run_at=datetime.now(UTC) + timedelta(hours=1))
    assert take(database) == []
    wait = queue.next_due_seconds(database, system_name=SYSTEM, kinds=["push"])
    assert 3000 < wait < 3610
    assert queue.next_due_seconds(database, system_name=SYSTEM, kinds=["image"]) is None


def test_finished_items_are_purged_after_their_time_and_dead_ones_stay(database, tx):
    old, young, dead = put(tx), put(tx, "order:2"), put(tx, "order:3")
    for item in take(database):
        settle(database, item, Quarantine("no", code="X") if item.id == dead else None)
    tx.execute(
        "UPDATE integ.retry_queue SET finished_at = now() - interval '15 days' WHERE id IN (%s, %s)",
        (old, dead),
    )
    assert queue.purge(database, system_name=SYSTEM, keep_days=14) == 1
    left = {row[0] for row in tx.execute("SELECT id FROM integ.retry_queue")}
    assert left == {young, dead}


def test_the_desk_shows_what_an_item_waits_for_and_counts_what_is_open(database, tx):
    first, second = put(tx), put(tx)
    (item,) = take(database)
    settle(database, item, Quarantine("no", code="ONEC_HANDLER"))
    assert queue.entry(database, SYSTEM, first)["holds_up"] == [second]
    assert queue.entry(database, SYSTEM, second)["waits_for"] == first
    assert [
        (row["state"], row["class"], row["items"], row["due"]) for row in queue.counts(database, SYSTEM)
    ] == [
        ("dead", "refused", 1, 0),
        ("ready", None, 1, 1),
    ]
    assert [row["id"] for row in queue.listing(database, SYSTEM, states=["dead"])] == [first]


def test_an_enqueue_wakes_listeners_when_its_transaction_commits(database, tx):
    with database.session() as listener:
        listener.execute("LISTEN onec_queue")
        put(tx)
        heard = [note.payload for note in listener.notifies(timeout=PATIENCE_SECONDS, stop_after=1)]
    assert heard == ["test:push"]
