"""What is wrong with settings, disk, database and Dagster is told until its remedy is followed; 1C is not asked."""

from __future__ import annotations

import re

import psycopg
import pytest

from onec_pipelines.db.urls import conninfo
from onec_pipelines.monitoring.doctor import Patient
from onec_pipelines.settings import load_settings
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.webhook.signature import new_secret, parse_secrets
from onec_pipelines_tests.fixtures.doctor import codes, saw, visit
from onec_pipelines_tests.fixtures.pipeline import query

ROLE = "onec_limited"
DAGSTER = (
    "CREATE SCHEMA dagster",
    "CREATE TABLE dagster.daemon_heartbeats (daemon_type text, body text)",
    'CREATE TABLE dagster.concurrency_limits (concurrency_key text, "limit" integer)',
    (
        "INSERT INTO dagster.daemon_heartbeats VALUES"
        " ('SCHEDULER', jsonb_build_object('timestamp', extract(epoch FROM now()))::text)"
    ),
)


@pytest.fixture(scope="module")
def base():
    with Simulator.start_thread(products=5, seed=5) as running:
        yield running


@pytest.fixture
def look(base, database_url, tmp_path):
    """The report of a visit that does not ask 1C."""

    def made(url=database_url, **more):
        return visit(base, url, tmp_path, ask_onec=False, **more)

    return made


def test_little_space_is_told_of_each_folder_until_there_is_more(look, tmp_path):
    pictures = {"ONEC_IMAGE_STORE": str(tmp_path / "pictures")}
    before = look(settings=pictures, least_disk=2**62)
    after = look(settings=pictures, least_disk=1)

    assert codes(before, "warning") == ["DISK_LOW", "DISK_LOW"]
    assert "ONEC_HOME: " in saw(before, "DISK_LOW")
    assert "ONEC_IMAGE_STORE: " in saw(before, "DISK_LOW")
    assert "DISK_LOW" not in codes(after, "warning")


def test_a_database_whose_clock_is_wrong_is_told_until_it_is_right(look, database_url):
    name = database_url.rpartition("/")[2].partition("?")[0]
    query(database_url, "CREATE SCHEMA skewed")
    query(
        database_url,
        "CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS"
        " $$SELECT pg_catalog.clock_timestamp() + interval '90 seconds'$$",
    )
    query(database_url, f'ALTER DATABASE "{name}" SET search_path = skewed, pg_catalog, public')
    before = look()
    query(database_url, f'ALTER DATABASE "{name}" RESET search_path')
    after = look()

    assert codes(before, "warning") == ["DB_CLOCK"]
    assert re.fullmatch(r"its clock is (8\d|9\d) s ahead of ours", saw(before, "DB_CLOCK"))
    assert codes(after, "warning") == []


def test_a_database_that_only_reads_is_in_error_until_it_writes(look, database_url):
    name = database_url.rpartition("/")[2].partition("?")[0]
    query(database_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    before = look()
    with psycopg.connect(conninfo(database_url), options="-c default_transaction_read_only=off") as mending:
        mending.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = off'.encode())
    after = look()

    assert codes(before) == ["DB_READ_ONLY"]
    assert saw(before, "DB_READ_ONLY") == "default_transaction_read_only is on: nothing can be written"
    assert "ALTER DATABASE" in next(one.remedy for one in before.findings if one.code == "DB_READ_ONLY")
    assert codes(after) == []


@pytest.fixture
def limited_url(database_url):
    """The database as a user who may do nothing in it."""
    name = database_url.rpartition("/")[2].partition("?")[0]
    query(database_url, f"DROP ROLE IF EXISTS {ROLE}")
    query(database_url, f"CREATE ROLE {ROLE} LOGIN")
    query(database_url, f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC')
    query(database_url, "GRANT USAGE ON SCHEMA integ, raw, clean, shop TO " + ROLE)
    query(
        database_url,
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA integ, raw, shop TO " + ROLE,
    )
    query(database_url, "REVOKE USAGE ON SCHEMA shop FROM " + ROLE)
    query(database_url, "REVOKE INSERT ON raw.pages FROM " + ROLE)
    yield re.sub(r"//[^/@]+@", f"//{ROLE}@", database_url)
    query(database_url, f"DROP OWNED BY {ROLE}")
    query(database_url, f"DROP ROLE {ROLE}")


def test_rights_that_are_missing_are_named_until_they_are_granted(look, database_url, limited_url):
    assert ROLE in conninfo(limited_url)
    name = database_url.rpartition("/")[2].partition("?")[0]
    before = look(limited_url)
    told = saw(before, "DB_RIGHTS")
    query(database_url, f"GRANT SELECT ON public.onec_schema_migrations TO {ROLE}")
    query(database_url, f'GRANT TEMPORARY ON DATABASE "{name}" TO {ROLE}')
    query(database_url, f"GRANT USAGE ON SCHEMA shop TO {ROLE}")
    query(database_url, f"GRANT CREATE ON SCHEMA clean TO {ROLE}")
    query(database_url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA raw, clean TO {ROLE}")
    after = look(limited_url)

    assert set(codes(before)) == {"DB_RIGHTS"}
    assert before.skipped["orders"] == "needs the tables of the database"
    assert "GRANT SELECT ON public.onec_schema_migrations" in told
    assert "GRANT TEMPORARY" in told
    assert "GRANT USAGE ON SCHEMA shop" in told
    assert "GRANT CREATE ON SCHEMA clean" in told
    assert "on raw: pages" in told
    assert codes(after) == []


def test_a_pool_of_dagster_that_is_closed_is_told_until_it_has_a_limit(look, database_url):
    for statement in DAGSTER:
        query(database_url, statement)
    query(database_url, "INSERT INTO dagster.concurrency_limits VALUES ('onec', 0)")
    before = look()
    query(database_url, 'UPDATE dagster.concurrency_limits SET "limit" = 4')
    after = look()

    assert codes(before, "warning") == ["DAGSTER_POOL"]
    assert "the pool onec has limit 0" in saw(before, "DAGSTER_POOL")
    assert codes(after, "warning") == []


def test_a_database_without_dagster_is_a_note_until_dagster_was_there(look, database_url):
    before = look()
    for statement in DAGSTER:
        query(database_url, statement)
    after = look()

    assert "DAGSTER_UNUSED" in codes(before, "note")
    assert "DAGSTER_UNUSED" not in codes(after, "note")


def test_webhooks_are_off_until_there_is_a_secret_and_a_wrong_one_is_told(look):
    secret = new_secret()
    wrong = look(settings={"ONEC_WEBHOOK_SECRETS": "whsec_short"}, parse_secrets=parse_secrets)
    after = look(settings={"ONEC_WEBHOOK_SECRETS": secret}, parse_secrets=parse_secrets)

    assert "WEBHOOKS_OFF" in codes(look(), "note")
    assert codes(wrong) == ["WEBHOOK_SECRET"]
    assert "whsec_short" not in str(wrong)
    assert ("WEBHOOKS_OFF" in codes(after, "note"), codes(after)) == (False, [])
    assert secret not in str(after)


def test_an_open_way_to_1c_is_warned_of_until_it_is_closed(look):
    host = "no-such-host.invalid/ut/odata/standard.odata"
    before = look(settings={"ONEC_URL": f"http://{host}", "ONEC_VERIFY_TLS": "false"})
    after = look(settings={"ONEC_URL": f"https://{host}"})

    assert codes(before, "warning") == ["ONEC_TLS_UNVERIFIED", "ONEC_PLAIN_HTTP"]
    assert codes(after, "warning") == []


def test_a_database_that_is_down_is_told_until_it_is_up(look):
    before = look("postgresql://postgres@127.0.0.1:9/onec")

    assert codes(before) == ["DB_DOWN"]
    assert codes(look()) == []


def test_the_limits_that_tests_move_have_the_defaults_that_people_get():
    patient = Patient(settings=load_settings({}, require_onec=False), entities=())
    assert (patient.least_disk, patient.slow_seconds) == (2**30, 5.0)
