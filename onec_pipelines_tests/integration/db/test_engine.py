"""Connections: limits that fire, errors that are ours and show no row, COPY inside a transaction."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.db.engine import Database, Limits, connect, driver_connection
from onec_pipelines.db.urls import conninfo, with_database
from onec_pipelines.errors import PipelineError, Quarantine, RetryLater, Stop
from onec_pipelines_tests.fixtures.patience import until
from onec_pipelines_tests.fixtures.postgres import TUNING


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    with connect(empty_database_url) as database:
        with database.transaction() as connection:
            connection.execute(
                text("CREATE TABLE people (id int PRIMARY KEY, phone text, sum numeric(5, 2))")
            )
        yield database


def failure(database: Database, statement: str, **values: object) -> PipelineError:
    with pytest.raises(PipelineError) as caught, database.transaction() as connection:
        connection.execute(text(statement), values)
    return caught.value


def count(database: Database) -> int:
    with database.transaction() as connection:
        return connection.execute(text("SELECT count(*) FROM people")).scalar_one()


def test_a_transaction_is_whole_or_nothing(database: Database) -> None:
    def half() -> None:
        with database.transaction() as connection:
            connection.execute(text("INSERT INTO people (id) VALUES (1)"))
            raise KeyError("ours")

    with pytest.raises(KeyError):
        half()
    assert count(database) == 0


def test_copy_is_part_of_the_transaction(database: Database) -> None:
    rows = [(1, "a\tb\\N"), (2, None), (3, "'; drop table people; --")]
    with database.transaction() as connection:
        connection.execute(text("INSERT INTO people (id) VALUES (0)"))
        raw = driver_connection(connection)
        with raw.cursor().copy("COPY people (id, phone) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    with database.transaction() as connection:
        found = connection.execute(text("SELECT id, phone FROM people WHERE id > 0 ORDER BY id")).all()
    assert [tuple(row) for row in found] == rows


def test_a_session_says_who_it_is_and_lives_in_utc(database: Database) -> None:
    with database.transaction() as connection:
        for name, value in {
            "application_name": "onec_pipelines",
            "TimeZone": "UTC",
            "statement_timeout": "15min",
            "lock_timeout": "5s",
            "idle_in_transaction_session_timeout": "1min",
        }.items():
            assert connection.execute(text(f"SHOW {name}")).scalar_one() == value


def test_the_limits_hold_for_every_connection_and_survive_a_rollback(empty_database_url: str) -> None:
    with connect(empty_database_url, limits=Limits(statement=7)) as database:
        failure(database, "SELECT nonsense")
        with database.transaction() as connection, database.session() as session:
            assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "7s"
            assert session.execute("SHOW statement_timeout").fetchone() == ("7s",)


def test_a_slow_statement_is_ended(empty_database_url: str) -> None:
    with connect(empty_database_url, limits=Limits(statement=1)) as database:
        error = failure(database, "SELECT pg_sleep(20)")
    assert (type(error), error.code) == (RetryLater, "DB_TIMEOUT")


def test_a_lock_is_not_waited_for_for_ever(database: Database, empty_database_url: str) -> None:
    with connect(empty_database_url, limits=Limits(lock=1)) as hasty, database.transaction() as connection:
        connection.execute(text("LOCK TABLE people"))
        error = failure(hasty, "SELECT * FROM people")
    assert (type(error), error.code) == (RetryLater, "DB_LOCKED")


def test_rows_never_reach_the_error(database: Database) -> None:
    """PostgreSQL's DETAIL and SQLAlchemy's parameters both hold the row (RELIABILITY 0.6)."""
    statement = "INSERT INTO people (id, phone) VALUES (1, :phone), (1, :phone)"
    error = failure(database, statement, phone="canary")
    assert (type(error), error.code) == (Quarantine, "DB_CONSTRAINT")
    assert error.message == "PostgreSQL: 23505 unique_violation constraint=people_pkey table=people"
    assert "canary" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    "values", [{"phone": "nul \0"}, {"phone": "\ud800"}, {"id": 2**40}, {"sum": "100000"}, {"sum": "many"}]
)
def test_a_value_that_does_not_fit_is_a_matter_of_the_row(
    database: Database, values: dict[str, object]
) -> None:
    row = {"id": 1, "phone": None, "sum": None, **values}
    error = failure(database, "INSERT INTO people VALUES (:id, :phone, cast(:sum AS numeric(5, 2)))", **row)
    assert (type(error), error.code) == (Quarantine, "DB_DATA")


def test_values_never_reach_the_log(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="sqlalchemy.engine"), database.transaction() as connection:
        connection.execute(text("SELECT :phone"), {"phone": "canary"})
    assert "SELECT" in caplog.text
    assert "canary" not in caplog.text


def test_a_missing_table_asks_for_a_migration(database: Database) -> None:
    error = failure(database, "SELECT * FROM nowhere")
    assert (type(error), error.code, error.remedy) == (Stop, "DB_SCHEMA", "run `onec migrate`")


def test_a_killed_connection_in_the_pool_is_replaced(database: Database, empty_database_url: str) -> None:
    assert count(database) == 0
    with psycopg.connect(conninfo(empty_database_url), autocommit=True) as killer:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        killer.execute(f"SELECT pg_terminate_backend(pid) {others}".encode())
        until(lambda: killer.execute(f"SELECT count(*) {others}".encode()).fetchone() == (0,), pause=0.01)
    assert count(database) == 0


def test_a_server_that_dies_in_a_transaction_is_a_matter_of_time(short_home: Path) -> None:
    with EmbeddedServer(short_home, tuning=TUNING) as server, connect(server.url) as database:
        with database.transaction() as connection:
            connection.execute(text("CREATE TABLE people (id int)"))

        def interrupted() -> None:
            with database.transaction() as connection:
                connection.execute(text("INSERT INTO people VALUES (1)"))
                server.stop()
                connection.execute(text("INSERT INTO people VALUES (2)"))

        with pytest.raises(RetryLater) as caught:
            interrupted()
        assert caught.value.code == "DB_DOWN"
        server.ensure_running()
        assert count(database) == 0


def test_no_server_and_no_database_are_told_apart(empty_database_url: str) -> None:
    with connect("postgresql://onec:canary@127.0.0.1:1/shop") as nowhere:
        down = failure(nowhere, "SELECT 1")
    with connect(with_database(empty_database_url, "missing")) as missing:
        unknown = failure(missing, "SELECT 1")
    assert (type(down), down.code) == (RetryLater, "DB_DOWN")
    assert "127.0.0.1" in str(down)
    assert "canary" not in str(down)
    assert (type(unknown), unknown.code) == (Stop, "DB_MISSING")


def test_repr_shows_no_password() -> None:
    database = connect("postgresql://onec:canary@db/shop")
    assert repr(database) == "Database(postgresql://onec:***@db/shop)"
    assert database.url == "postgresql://onec:canary@db/shop"


def test_another_driver_has_no_psycopg_connection() -> None:
    with create_engine("sqlite://").connect() as connection, pytest.raises(TypeError, match="psycopg 3"):
        driver_connection(connection)


def test_the_locks_of_a_session_are_free_when_it_ends(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As when PostgreSQL has not noticed yet that the connection is gone.
    with ExitStack() as later:
        monkeypatch.setattr(psycopg.Connection, "close", lambda raw: later.callback(raw.pgconn.finish))
        with database.session() as one:
            one.execute("SELECT pg_advisory_lock(7)")
        with database.session() as other:
            assert other.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (True,)
