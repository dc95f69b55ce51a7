"""The migration runner: each file once, in order, whole or not at all, and never a changed one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import scalar_row

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.db.migrations import default_folder, migrate, pending, read_folder
from onec_pipelines.db.urls import conninfo, with_database
from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (x int);\n", encoding="utf-8")
    (tmp_path / "0002_second.sql").write_text(
        "CREATE TABLE second (x int);\nINSERT INTO second SELECT generate_series(1, 3);\n", encoding="utf-8"
    )
    return tmp_path


def ask(url: str, statement: str) -> object:
    with psycopg.connect(conninfo(url), autocommit=True, row_factory=scalar_row) as connection:
        return connection.execute(statement.encode()).fetchone()


def wait_for(url: str, statement: str, answer: object) -> None:
    until(lambda: ask(url, statement) == answer, pause=0.02)


def stopped(url: str, folder: Path) -> Stop:
    with pytest.raises(Stop) as caught:
        migrate(url, folder)
    return caught.value


def names(applied: tuple[object, ...]) -> list[str]:
    return [str(migration) for migration in applied]


def test_files_are_applied_once_and_in_order(empty_database_url: str, folder: Path) -> None:
    assert names(pending(empty_database_url, folder)) == ["0001_first.sql", "0002_second.sql"]
    assert names(migrate(empty_database_url, folder)) == ["0001_first.sql", "0002_second.sql"]
    assert migrate(empty_database_url, folder) == ()
    assert pending(empty_database_url, folder) == ()
    assert ask(empty_database_url, "SELECT count(*) FROM second") == 3


def test_pending_changes_nothing(empty_database_url: str, folder: Path) -> None:
    pending(empty_database_url, folder)
    assert ask(empty_database_url, "SELECT to_regclass('public.onec_schema_migrations')") is None


def test_a_later_file_is_added(empty_database_url: str, folder: Path) -> None:
    migrate(empty_database_url, folder)
    (folder / "0010_third.sql").write_text("CREATE TABLE third (x int)", encoding="utf-8")
    assert names(migrate(empty_database_url, folder)) == ["0010_third.sql"]


def test_an_edited_file_is_refused(empty_database_url: str, folder: Path) -> None:
    migrate(empty_database_url, folder)
    (folder / "0001_first.sql").write_text("CREATE TABLE first (y int);\n", encoding="utf-8")
    error = stopped(empty_database_url, folder)
    assert error.code == "MIGRATION_EDITED"
    assert "0001_first.sql was changed" in str(error)
    with pytest.raises(Stop):
        pending(empty_database_url, folder)


def test_windows_line_ends_are_no_edit(empty_database_url: str, folder: Path) -> None:
    migrate(empty_database_url, folder)
    file = folder / "0002_second.sql"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert migrate(empty_database_url, folder) == ()


def test_a_missing_file_is_refused(empty_database_url: str, folder: Path) -> None:
    migrate(empty_database_url, folder)
    (folder / "0001_first.sql").unlink()
    error = stopped(empty_database_url, folder)
    assert error.code == "MIGRATION_MISSING"
    assert "0001_first was applied, but its file is gone" in str(error)


def test_a_database_newer_than_the_code_is_refused(empty_database_url: str, folder: Path) -> None:
    migrate(empty_database_url, folder)
    (folder / "0002_second.sql").unlink()
    error = stopped(empty_database_url, folder)
    assert error.code == "MIGRATION_UNKNOWN"
    assert "0002_second, this code ends at 0001" in str(error)


def test_a_file_below_the_newest_applied_is_refused(empty_database_url: str, folder: Path) -> None:
    """Two branches took numbers: applied in another order, it might become another schema."""
    (folder / "0001_first.sql").rename(folder / "0005_first.sql")
    (folder / "0002_second.sql").rename(folder / "0006_second.sql")
    migrate(empty_database_url, folder)
    (folder / "0003_late.sql").write_text("CREATE TABLE late (x int)", encoding="utf-8")
    assert stopped(empty_database_url, folder).code == "MIGRATION_ORDER"


def test_a_failing_file_leaves_nothing_of_itself(empty_database_url: str, folder: Path) -> None:
    (folder / "0003_broken.sql").write_text(
        "CREATE TABLE half (x int);\nSELECT nonsense FROM half;\n", encoding="utf-8"
    )
    error = stopped(empty_database_url, folder)
    assert error.code == "MIGRATION_FAILED"
    assert "0003_broken.sql" in str(error)
    assert '42703 undefined_column column "nonsense" does not exist' in str(error)
    assert ask(empty_database_url, "SELECT to_regclass('half')") is None
    assert names(pending(empty_database_url, folder)) == ["0003_broken.sql"]


def test_a_failing_file_does_not_show_rows(empty_database_url: str, folder: Path) -> None:
    (folder / "0003_data.sql").write_text(
        "CREATE TABLE people (phone text CHECK (phone = ''));\nINSERT INTO people VALUES ('canary');\n"
        "SELECT 'canary'::int;\n",
        encoding="utf-8",
    )
    error = stopped(empty_database_url, folder)
    assert "23514 check_violation constraint=people_phone_check table=people" in str(error)
    assert "canary" not in str(error)


def test_an_index_may_be_built_without_a_transaction(empty_database_url: str, folder: Path) -> None:
    (folder / "0003_index.sql").write_text(
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS one ON first (x);\n"
        "-- and; another\nCREATE INDEX CONCURRENTLY IF NOT EXISTS two ON second (x);\n",
        encoding="utf-8",
    )
    assert len(migrate(empty_database_url, folder)) == 3
    assert ask(empty_database_url, "SELECT count(*) FROM pg_indexes WHERE indexname IN ('one', 'two')") == 2


@pytest.mark.parametrize("name", ["1_short.sql", "0003-dash.sql", "0003_Upper.sql", "0002_twice.sql"])
def test_a_wrong_or_doubled_name_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1", encoding="utf-8")
    with pytest.raises(Stop) as caught:
        read_folder(folder)
    assert caught.value.code == "MIGRATION_NAME"


def run(url: str, folder: Path, results: multiprocessing.Queue[int]) -> None:
    results.put(len(migrate(url, folder)))


def test_of_four_starts_at_once_one_applies(empty_database_url: str, folder: Path) -> None:
    """With a file that would deadlock with waiting sessions if they held a snapshot."""
    (folder / "0003_index.sql").write_text(
        "-- no-transaction\nSELECT pg_sleep(0.3);\nCREATE INDEX CONCURRENTLY one ON first (x);\n",
        encoding="utf-8",
    )
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=run, args=(empty_database_url, folder, results)) for _ in range(4)]
    for process in processes:
        process.start()
    applied = sorted(results.get(timeout=PATIENCE_SECONDS) for _ in processes)
    for process in processes:
        process.join()
    assert applied == [0, 0, 0, 3]


def test_who_waits_too_long_is_told(empty_database_url: str, folder: Path) -> None:
    # As long as it takes: it goes on when there is a table of this name.
    waits = "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_class WHERE relname = 'go_on') LOOP PERFORM pg_sleep(0.02); END LOOP; END $$;\n"
    (folder / "0003_slow.sql").write_text(waits, encoding="utf-8")
    slow = threading.Thread(target=migrate, args=(empty_database_url, folder))
    slow.start()
    wait_for(empty_database_url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", 1)
    with pytest.raises(RetryLater) as caught:
        migrate(empty_database_url, folder, wait_seconds=0.1)
    assert caught.value.code == "MIGRATION_BUSY"
    with psycopg.connect(conninfo(empty_database_url), autocommit=True) as connection:
        connection.execute("CREATE TABLE go_on ()")
    slow.join()


def test_a_killed_runner_leaves_a_whole_number_of_files(empty_database_url: str, folder: Path) -> None:
    (folder / "0003_slow.sql").write_text(
        "CREATE TABLE third (x int);\nSELECT pg_sleep(600);\n", encoding="utf-8"
    )
    process = multiprocessing.get_context("spawn").Process(target=migrate, args=(empty_database_url, folder))
    process.start()
    sleeping = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
    )
    wait_for(empty_database_url, sleeping, 1)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    wait_for(empty_database_url, sleeping, 0)
    assert ask(empty_database_url, "SELECT to_regclass('third')") is None
    (folder / "0003_slow.sql").write_text("CREATE TABLE third (x int);\n", encoding="utf-8")
    assert names(migrate(empty_database_url, folder)) == ["0003_slow.sql"]


def test_a_database_that_cannot_hold_cyrillic_is_refused(postgres: EmbeddedServer, folder: Path) -> None:
    maintenance = conninfo(with_database(postgres.url, "postgres"))
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'"
        )
        try:
            error = stopped(with_database(postgres.url, "latin"), folder)
        finally:
            connection.execute("DROP DATABASE latin")
    assert error.code == "DB_UNSUPPORTED"


def test_the_projects_own_files_apply_and_are_complete(database_url: str) -> None:
    assert pending(database_url) == ()
    applied = ask(database_url, "SELECT count(*) FROM public.onec_schema_migrations")
    assert applied == len(read_folder(default_folder())) > 0
