"""Freshness is judged by the schedules that run: who syncs by hand is told nothing, in alerts, dashboard and audit alike."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from onec_pipelines.db.engine import connect
from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import health
from onec_pipelines.monitoring.expectations.model import Scope
from onec_pipelines.monitoring.expectations.suites import suites_of
from onec_pipelines.monitoring.health import Policy, reasons_of
from onec_pipelines_tests.fixtures.pipeline import query
from onec_pipelines_tests.fixtures.schedules import switch_off, switch_on

PRICES = "prices_and_stock_every_10_minutes"
RUN = (
    "INSERT INTO integ.sync_jobs (job_type, system_name, entity_type, status, started_at, completed_at, metadata)"
    " VALUES ('inbound', 'test', %s, %s, now() - %s::interval, now() - %s::interval,"
    ' \'{"way": "snapshot", "seconds": {"shop": 0.1}}\')'
)


@pytest.fixture
def ran(database_url):
    def run(entity, ago, status="succeeded"):
        query(database_url, RUN, entity, status, ago, ago)

    return run


@pytest.fixture
def told(database, database_url, alerting, receiver):
    """What each window says is late: the alert's entities, the dashboard's reasons, the audit's expectation."""

    def look():
        alerting().check()
        found = health.read(database, "test")
        scope = Scope(system_name="test", timezone="UTC", schedules=found.schedules)
        late = []
        for name in ("prices", "products"):
            expectations = suites_of(scope, entities=[BY_NAME[name]])[0].expectations
            (fresh,) = [one for one in expectations if one.check == "freshness"]
            late += [row for (row,) in query(database_url, fresh.rows)]
        open_now = query(
            database_url,
            "SELECT facts -> 'assets' FROM integ.alerts WHERE kind = 'freshness' AND resolved_at IS NULL",
        )
        reasons = [one.entity for one in reasons_of(found, Policy()) if one.code == "FRESHNESS_MISSED"]
        return {"alert": [name for (names,) in open_now for name in names], "page": reasons, "audit": late}

    return look


def all_say(*names):
    return {"alert": list(names), "page": list(names), "audit": list(names)}


def test_who_syncs_by_hand_is_told_nothing_however_old_it_is(ran, told, receiver, database_url):
    ran("prices", "40 days")
    ran("products", "3 days")
    switch_off(database_url, PRICES)

    assert told() == all_say()
    assert receiver.told == []


def test_what_a_running_schedule_keeps_is_told_once_when_late_and_once_when_fresh_again(
    ran, told, receiver, database_url
):
    ran("prices", "5 hours")
    ran("products", "9 days")
    switch_on(database_url, PRICES)
    assert told() == told() == all_say("prices")

    ran("prices", "1 minute")
    assert told() == told() == all_say()
    assert receiver.told == [("raised", "freshness:assets"), ("recovered", "freshness:assets")]
    assert receiver.documents[0]["rows"] == 1
    assert receiver.documents[0]["dagster_link"] == "http://dagster.example.com/assets/shop/prices"


def test_a_schedule_that_is_switched_off_takes_its_alert_back(ran, told, receiver, database_url):
    ran("prices", "5 hours")
    switch_on(database_url, PRICES)
    assert told() == all_say("prices")
    switch_off(database_url, PRICES)

    assert told() == all_say()
    assert receiver.told == [("raised", "freshness:assets"), ("recovered", "freshness:assets")]


def test_a_schedule_that_was_just_switched_on_gets_its_time_first(ran, told, database_url):
    ran("prices", "9 days")
    switch_on(database_url, PRICES, on_for=timedelta(hours=3, minutes=50))
    assert told() == all_say()
    switch_on(database_url, PRICES, on_for=timedelta(hours=4, minutes=10))

    assert told() == all_say("prices")


def test_the_nightly_run_alone_promises_a_day(ran, told, database_url):
    ran("prices", "49 hours")
    ran("products", "51 hours")
    switch_on(database_url, "everything_every_night")

    assert told() == all_say("products")


def test_what_the_release_does_not_have_is_never_late(ran, told, database_url):
    ran("prices", "9 days")
    ran("prices", "5 hours", status="skipped")
    switch_on(database_url, PRICES)

    assert told()["alert"] == []


def test_nothing_is_late_while_1c_is_paused(ran, told, receiver, database_url):
    ran("prices", "5 hours")
    switch_on(database_url, PRICES)
    query(
        database_url,
        "INSERT INTO integ.throttle (system_name, paused_at, paused_by) VALUES ('test', now(), 'anna')",
    )

    assert told()["alert"] == []
    assert receiver.told == []


def test_hours_that_somebody_sets_hold_for_everything(ran, database, database_url):
    ran("products", "9 hours")
    reasons = reasons_of(health.read(database, "test"), Policy(stale_seconds=8 * 3600))

    assert [one.code for one in reasons] == ["FRESHNESS_MISSED"]


def test_a_database_that_hides_dagsters_tables_is_read_without_them(database_url):
    """The figures of the ledger are worth showing all the same."""
    switch_on(database_url, PRICES)
    query(database_url, "DROP ROLE IF EXISTS onec_fresh")
    query(database_url, "CREATE ROLE onec_fresh LOGIN")
    query(database_url, "GRANT USAGE ON SCHEMA integ, clean, dagster TO onec_fresh")
    query(database_url, "GRANT SELECT ON ALL TABLES IN SCHEMA integ, clean TO onec_fresh")
    with connect(re.sub(r"//[^/@]+@", "//onec_fresh@", database_url)) as seen_by_another:
        found = health.read(seen_by_another, "test")
    query(database_url, "DROP OWNED BY onec_fresh")
    query(database_url, "DROP ROLE onec_fresh")

    assert found.schedules == {}


def test_the_age_of_an_hour_is_its_entities_worst_and_middle_one(ran, database, database_url):
    ran("prices", "150 minutes")
    ran("prices", "5 minutes")
    ran("products", "400 minutes")
    hours = health.lag_hours(database, "test")

    assert hours[-1]["entities"] == 2
    assert hours[-1]["worst_entity"] == "products"
    assert hours[-1]["worst"] == pytest.approx(400 * 60, abs=60)
    assert hours[-1]["middle"] == pytest.approx((400 + 5) * 30, abs=60)
    assert hours[0]["entities"] == 1
    assert len(hours) in {7, 8}
