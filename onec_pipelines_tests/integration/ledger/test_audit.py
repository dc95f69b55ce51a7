"""The audit log: append-only, by month, holds nothing personal whatever a caller gives it, and tells when settings change."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.db.urls import conninfo
from onec_pipelines.ledger import audit

PHONE, MAIL, NAME = "+7 921 555-01-02", "canary@example.ru", "Канарейкина Анна"
GUID = "3f0d9d2c-7a51-11ee-b962-0242ac120002"


@pytest.fixture
def database(database_url):
    with connect(database_url) as opened:
        yield opened


def record(database, details, action="test.event", **more):
    with database.transaction() as connection:
        audit.record(
            driver_connection(connection),
            system_name="test",
            action=action,
            details=details,
            **{"entity": None, "job_id": None, **more},
        )


def run(url, statement, *values):
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def test_codes_counts_ids_and_hashes_stay_readable(database, database_url):
    details = {
        "rows": 5,
        "sha256": "ab" * 32,
        "ref": GUID,
        "part": "Catalog_Партнеры",
        "by": "operator@desk",
        "counts": {"StandardODATA.Catalog_Номенклатура": {"entry": 2}},
        "ok": True,
    }
    record(database, details)
    assert run(database_url, "SELECT details FROM integ.audit_log") == [(details,)]


def test_nothing_personal_gets_in(database, database_url):
    record(
        database,
        {
            "reason": f"asked by {MAIL}, tel. {PHONE}",
            "value": NAME,
            "phone": 79215550102,
            "customer_name": "Ivanov",
            "list": [MAIL, PHONE, {"inn": "7707083893"}],
            NAME: 1,
        },
    )
    ((text,),) = run(database_url, "SELECT details::text FROM integ.audit_log")
    leaked = [s for s in (PHONE, MAIL, NAME, "79215550102", "Ivanov", "7707083893") if s in text]
    assert leaked == []
    assert "asked by •••, tel. •••" in text


def test_equal_texts_have_equal_hashes_only_within_a_base(database):
    with database.transaction() as connection:
        tx = driver_connection(connection)
        one, again, other = (audit.salt(tx, name) for name in ("a", "a", "b"))
    assert audit.hashed(NAME, one) == audit.hashed(NAME, again) != audit.hashed(NAME, other)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE integ.audit_log SET action = ''", "DELETE FROM integ.audit_log", "TRUNCATE integ.audit_log"],
)
def test_events_cannot_be_changed(database, database_url, statement):
    record(database, {})
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        run(database_url, statement)
    assert len(run(database_url, "SELECT id FROM integ.audit_log")) == 1


def test_a_partition_cannot_be_emptied_either(database, database_url):
    record(database, {})
    ((name,),) = run(database_url, "SELECT tableoid::regclass::text FROM integ.audit_log")
    assert name != "integ.audit_log_default"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        run(database_url, f"TRUNCATE {name}")


def test_events_of_a_month_without_partition_move_when_it_is_made(database, database_url):
    run(
        database_url, "INSERT INTO integ.audit_log (at, system_name, action) VALUES ('2031-05-09Z', 't', 'x')"
    )
    assert run(database_url, "SELECT count(*) FROM integ.audit_log_default") == [(1,)]

    run(database_url, "SELECT integ.make_audit_month('2031-05-20Z')")

    assert run(database_url, "SELECT count(*) FROM integ.audit_log_default") == [(0,)]
    assert run(database_url, "SELECT at FROM integ.audit_log_2031_05") == [
        (datetime(2031, 5, 9, tzinfo=UTC),)
    ]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(database_url, "DELETE FROM integ.audit_log_2031_05")


def test_old_months_go_and_the_kept_ones_stay(database, database_url):
    for age in (3, 2):
        run(
            database_url,
            "SELECT integ.make_audit_month(date_trunc('month', now()) - make_interval(months => %s))",
            age,
        )
        run(
            database_url,
            "INSERT INTO integ.audit_log (at, system_name, action)"
            " VALUES (date_trunc('month', now()) - make_interval(months => %s), 't', %s)",
            age,
            f"old{age}",
        )

    removed = audit.keep(database, keep_months=2)

    assert removed == {"audit_months_made": 0, "audit_months_dropped": 1}
    assert run(database_url, "SELECT action FROM integ.audit_log") == [("old2",)]


def test_settings_are_noted_once_and_again_when_they_change(database):
    first = audit.note_settings(database, "test", {"page_rows": "1000", "url": "http://secret-host/"})
    same = audit.note_settings(database, "test", {"page_rows": "1000", "url": "http://secret-host/"})
    changed = audit.note_settings(database, "test", {"page_rows": "500", "url": "http://secret-host/"})

    assert (first, same, changed) == (("page_rows", "url"), (), ("page_rows",))
    events = audit.listing(database, "test", audit.Filter(action="settings."))
    assert [event["action"] for event in events] == ["settings.first", "settings.changed"]
    assert events[1]["details"]["settings"] == ["page_rows"]
    assert "secret-host" not in str(events)


def test_events_are_found_by_what_they_are(database):
    record(database, {"n": 1}, "queue.retry", entity="orders", job_id=7)
    record(database, {"n": 2}, "queue.drop", entity="stock", job_id=8)

    def found(**wanted):
        return [e["details"]["n"] for e in audit.listing(database, "test", audit.Filter(**wanted))]

    assert found() == [1, 2]
    assert found(action="queue.") == [1, 2]
    assert found(action="queue.drop") == found(entity="stock") == found(job_id=8) == found(limit=1) == [2]
    assert found(since=datetime.now(UTC).replace(year=2099)) == []
