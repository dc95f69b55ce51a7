"""Each kind of trouble in the ledger is told exactly once, and its end is told once."""

# ruff: noqa: S608 - statements of this file alone
from __future__ import annotations

import pytest

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.ledger import controls, jobs
from onec_pipelines.ledger.jobs import entity_lock

GUID = "11111111-2222-3333-4444-555555555555"
ERROR = '{"kind": "refused", "code": "PUSH_DEFAULTS", "message": "no warehouse", "onec_message": "Не заполнен склад", "http_status": 400}'
JOB = (
    "INSERT INTO integ.sync_jobs (job_type, system_name, entity_type, run_id, status, started_at, completed_at, error_message)"
    " VALUES ('sync', 'test', '{entity}', {run}, '{status}', now() - interval '{age}', now(), {error})"
)
BRAKE = "[DELETION_BRAKE] 90 of 100 rows of products are gone from 1C · What to do: check"
SCHEMA = "[ONEC_COLUMN_MISSING] products lacks Артикул · 1C says: нет поля · What to do: look"


def job(entity="products", *, status="failed", run="'run-1'", error=None, age="1 minute"):
    return JOB.format(entity=entity, run=run, status=status, age=age, error=f"'{error}'" if error else "NULL")


def throttle(columns, values):
    return f"INSERT INTO integ.throttle (system_name, {columns}) VALUES ('test', {values})"


DEAD = (
    "INSERT INTO integ.retry_queue (system_name, kind, subject, ordering_key, state, last_error, finished_at)"
    f" SELECT 'test', 'push', 'order:' || n, 'order:' || n, 'dead', '{ERROR}', now() FROM generate_series(1, 3) n"
)
WAITING = (
    "INSERT INTO integ.retry_queue (system_name, kind, subject, ordering_key, run_at)"
    " SELECT 'test', 'webhook', 'products:' || n, 'products:' || n, now() - interval '1 hour' FROM generate_series(1, 4) n"
)
REJECTS = (
    "INSERT INTO clean.quarantine (system_name, entity_type, external_key, failures, source_row, job_id, row_key)"
    " SELECT 'test', 'products', 'k' || n, '[{\"field\": \"sku\", \"rule\": \"required\"}]', '{}', 1, gen_random_uuid()"
    " FROM generate_series(1, 50) n"
)
WHOLE = (
    "INSERT INTO integ.sync_jobs (job_type, system_name, entity_type, status, completed_at, metadata)"
    " VALUES ('sync', 'test', 'products', 'succeeded', now(), '{\"whole\": true, \"rows_seen\": 100}')"
)
LATE_HOOKS = (
    "INSERT INTO integ.webhook_inbox (system_name, msg_id, type, sent_at)"
    " SELECT 'test', 'm' || n, 'x', now() - interval '200 seconds' FROM generate_series(1, 5) n"
)
HELD = (
    "INSERT INTO integ.approvals (system_name, entity_type, fingerprint, breaches, diff, job_id)"
    " VALUES ('test', 'prices', 'f', '[{\"limit\": \"price_fall\"}]', '{}', 1)"
)
NO_LICENCE = (
    '\'open\', now() - interval \'9 minutes\', \'{"code": "ONEC_POOL_FULL", "message": "no session",'
    ' "onec_message": "Не удалось получить сеанс", "http_status": 406}\''
)
DRIFT = (
    "INSERT INTO integ.reconciliation (system_name, entity_type, status, started_at, rows_asked, rows_compared, rows_late,"
    " rows_drift, rows_repaired, rows_left) VALUES ('test', 'prices', '{status}', now(), 9, 9, 0, {left}, 0, {left})"
)
KINDS = {
    "reconciliation:prices": (
        [DRIFT.format(status="drift", left=4)],
        [DRIFT.format(status="same", left=0)],
    ),
    "dead_letters:push:PUSH_DEFAULTS": ([DEAD], ["UPDATE integ.retry_queue SET state = 'dropped'"]),
    "breaker_open:test": (
        [
            throttle(
                "breaker, opened_at, cause",
                "'open', now() - interval '9 minutes', '{\"code\": \"ONEC_UNREACHABLE\"}'",
            )
        ],
        ["UPDATE integ.throttle SET breaker = 'closed', opened_at = NULL"],
    ),
    "paused:test": (
        [throttle("paused_at, paused_by", "now() - interval '3 hours', 'anna@desk'")],
        ["UPDATE integ.throttle SET paused_at = NULL"],
    ),
    "exhausted:ONEC_NO_LICENCE": (
        [job(error="[ONEC_NO_LICENCE] no licence · 1C says: Не обнаружена лицензия")],
        ["UPDATE integ.sync_jobs SET completed_at = now() - interval '40 minutes'", job(status="succeeded")],
    ),
    "sync_failed:products": ([job(run="NULL", error="[ONEC_TIMEOUT] slow")], [job(status="succeeded")]),
    "deletion_brake:products": ([job(error=BRAKE)], [job(status="succeeded")]),
    "schema_break:products": ([job(error=SCHEMA)], [job(status="succeeded")]),
    "stuck_job:products": ([job(status="running", age="20 minutes")], [job(status="succeeded")]),
    "quarantine_spike:products": ([WHOLE, REJECTS], ["UPDATE clean.quarantine SET resolved_at = now()"]),
    "worker_dead:test": ([WAITING], ["UPDATE integ.retry_queue SET state = 'done'"]),
    "approval_held:prices": ([HELD], ["UPDATE integ.approvals SET state = 'granted'"]),
    "clock_skew:test": ([LATE_HOOKS], ["DELETE FROM integ.webhook_inbox"]),
}


@pytest.mark.parametrize("fingerprint", KINDS)
def test_it_is_told_once_and_its_end_is_told_once(fingerprint, alerting, receiver, tx):
    begin, end = KINDS[fingerprint]
    for statement in begin:
        tx.execute(statement)

    for _ in range(3):
        alerting().check()
    told = list(receiver.told)
    for statement in end:
        tx.execute(statement)
    for _ in range(3):
        alerting().check()

    assert told == [("raised", fingerprint)]
    assert receiver.told == [("raised", fingerprint), ("recovered", fingerprint)]


def test_nothing_is_told_of_a_ledger_in_which_all_is_well(alerting, receiver, database, tx):
    """Runs that end, hints that were worked off, a short pause, a breaker that has just opened, a job under way."""
    for statement in (
        job(status="succeeded"),
        job("prices", error="[ONEC_BREAKER_OPEN] left in peace"),
        WHOLE,
        REJECTS.replace("1, 50", "1, 5"),
        WAITING.replace("1 hour", "1 minute"),
        LATE_HOOKS.replace("200 seconds", "2 seconds"),
        throttle("breaker, opened_at, cause", "'open', now(), '{\"code\": \"ONEC_UNREACHABLE\"}'"),
    ):
        tx.execute(statement)
    with entity_lock(database, "test", "stock"):
        jobs.start(database, system_name="test", entity="stock", job_type="sync", run_id="r")
        tx.execute(
            "UPDATE integ.sync_jobs SET started_at = now() - interval '1 hour' WHERE entity_type = 'stock'"
        )
        assert alerting().check().open == 0
    assert receiver.told == []


def test_a_refused_login_is_told_at_once(alerting, receiver, tx):
    tx.execute(
        throttle(
            "breaker, opened_at, cause",
            '\'open\', now(), \'{"code": "ONEC_AUTH", "onec_message": "Идентификация не выполнена"}\'',
        )
    )

    alerting().check()

    (document,) = receiver.documents
    assert document["severity"] == "critical"
    assert document["onec_message"] == "Идентификация не выполнена"
    assert "ONEC_PASSWORD" in document["remedy"]
    assert "onec resume" in document["remedy"]


def test_a_pool_that_is_used_up_is_told_with_what_1c_said(alerting, receiver, tx):
    tx.execute(throttle("breaker, opened_at, cause", NO_LICENCE))

    alerting().check()

    found = {document["kind"]: document for document in receiver.documents}
    assert found.keys() == {"breaker_open", "exhausted"}
    assert found["exhausted"]["code"] == "ONEC_POOL_FULL"
    assert found["exhausted"]["onec_message"] == "Не удалось получить сеанс"


def test_items_wait_in_silence_while_somebody_has_paused_1c(alerting, receiver, database, tx):
    tx.execute(WAITING)
    with database.transaction() as connection:
        controls.pause(driver_connection(connection), system_name="test", by="anna")

    assert alerting().check().open == 0
    assert receiver.told == []


def test_an_alert_carries_how_many_of_what_1cs_words_and_links(alerting, receiver, tx):
    tx.execute(DEAD)
    tx.execute(
        "INSERT INTO integ.push_objects (system_name, outgoing, subject_id, resource, own_key, payload_hash, phase, sends, version)"
        f" VALUES ('test', 'orders', 3, 'Document_ЗаказКлиента', '{GUID}', '\\x00', 'done', 1, 1)"
    )

    alerting().check()

    (document,) = receiver.documents
    assert (document["rows"], document["code"]) == (3, "DEAD_LETTERS")
    assert document["onec_message"] == "Не заполнен склад"
    assert document["onec_link"].startswith("e1cib/data/Документ.ЗаказКлиента?ref=")
    assert "ONEC_ORDER_" in document["remedy"]
    assert document["facts"]["subjects"] == ["order:3", "order:2", "order:1"]


def test_a_brake_leads_to_the_run_in_dagster(alerting, receiver, tx):
    tx.execute(job(error=BRAKE))

    alerting().check()

    (document,) = receiver.documents
    assert document["entity"] == "products"
    assert document["dagster_link"] == "http://dagster.example.com/runs/run-1"
    assert "90 of 100" in document["facts"]["message"]
    assert "--allow-deletes" in document["remedy"]


def test_readings_of_single_objects_neither_raise_nor_end_what_is_told_of_an_entity(alerting, receiver, tx):
    """What they are for has an item in the queue; a brake is not off because one object could be read."""

    def read_one(**how):
        tx.execute(job(run="NULL", **how))
        tx.execute(
            'UPDATE integ.sync_jobs SET metadata = \'{"way": "keys"}\' WHERE id = (SELECT max(id) FROM integ.sync_jobs)'
        )

    read_one(error="[ONEC_TIMEOUT] slow")
    alerting().check()
    assert receiver.told == []
    tx.execute(job(error=BRAKE))
    alerting().check()
    read_one(status="succeeded")
    alerting().check()

    assert receiver.told == [("raised", "deletion_brake:products")]


def test_other_bases_in_the_database_are_not_told_of(alerting, receiver, tx):
    tx.execute(DEAD.replace("'test'", "'other'"))

    assert alerting().check().open == 0
