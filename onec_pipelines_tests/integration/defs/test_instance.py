"""Dagster's instance as `dagster.yaml` describes it, with no variables but the project's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import yaml

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.db.urls import conninfo
from onec_pipelines.settings import project_root

PROJECT = project_root()


@dg.asset
def materialised() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"rows": 3})


@pytest.fixture
def dagster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("ONEC_HOME", str(tmp_path / "var"))
    return tmp_path


@pytest.fixture
def instance(
    dagster_home: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("ONEC_DATABASE_URL", empty_database_url)
    with dg.DagsterInstance.get() as instance:
        yield instance


def tables(url: str) -> dict[str, int]:
    with psycopg.connect(conninfo(url)) as connection:
        rows = connection.execute(
            "SELECT schemaname, count(*) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') GROUP BY 1"
        )
        return dict(rows.fetchall())


def test_a_run_is_recorded_in_the_schema_dagster(
    instance: dg.DagsterInstance, empty_database_url: str
) -> None:
    """The first event of a run is where psycopg 3 would break dagster-postgres (RELIABILITY 0.1)."""
    result = dg.materialize([materialised], instance=instance)
    assert result.success
    assert instance.get_run_by_id(result.run_id).status is dg.DagsterRunStatus.SUCCESS
    event = instance.get_latest_materialization_event(dg.AssetKey("materialised"))
    assert event.asset_materialization.metadata["rows"].value == 3
    assert set(tables(empty_database_url)) == {"dagster"}


def test_another_process_gets_the_same_instance(instance: dg.DagsterInstance) -> None:
    """The webserver, the daemon and each run are handed a reference, not the object."""
    dg.materialize([materialised], instance=instance)
    with dg.DagsterInstance.from_ref(instance.get_ref()) as again:
        again.optimize_for_webserver(statement_timeout=5000, pool_recycle=3600, max_overflow=5)
        assert again.get_runs_count() == 1


def test_the_reference_holds_no_address(instance: dg.DagsterInstance, empty_database_url: str) -> None:
    """It appears in the command lines of Dagster's processes, and the address may hold a password."""
    assert empty_database_url not in str(instance.get_ref())
    assert "postgresql" not in str(instance.get_ref())


def test_dagsters_own_migration_runs(instance: dg.DagsterInstance) -> None:
    instance.upgrade()
    assert instance.get_runs_count() == 0


def test_files_and_logs_go_to_the_home(instance: dg.DagsterInstance, dagster_home: Path) -> None:
    result = dg.materialize([materialised], instance=instance)
    assert result.success
    assert instance.storage_directory().startswith(str(dagster_home / "var" / "dagster"))
    assert list((dagster_home / "var" / "dagster" / "logs").rglob("*.err"))
    assert {path.name for path in dagster_home.iterdir()} == {"dagster.yaml", "var"}


def test_pools_cannot_be_blocked_by_dead_runs(instance: dg.DagsterInstance) -> None:
    """RELIABILITY 0.9: without both limits a killed run holds its slot for ever."""
    settings = instance.get_settings("run_monitoring")
    assert settings["enabled"] is True
    assert settings["max_runtime_seconds"] > 0
    assert settings["free_slots_after_run_end_seconds"] > 0
    assert instance.run_retries_enabled
    assert not instance.telemetry_enabled


def test_the_workspace_names_the_definitions() -> None:
    workspace = yaml.safe_load((PROJECT / "workspace.yaml").read_text(encoding="utf-8"))
    module = workspace["load_from"][0]["python_module"]
    assert (module["module_name"], module["working_directory"]) == ("onec_pipelines.definitions", ".")


def test_by_hand_without_any_preparation(short_home: Path) -> None:
    """A process with nothing but DAGSTER_HOME starts the embedded server and writes into it."""
    shutil.copy(PROJECT / "dagster.yaml", short_home)
    (short_home / ".env").write_text(f"ONEC_HOME={short_home / 'var'}\n", encoding="utf-8")
    code = short_home / "graph.py"
    code.write_text("import dagster as dg\n\n@dg.asset\ndef one():\n    return 1\n", encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ONEC_")}
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "asset", "materialize", "--select", "one", "-f", str(code)],
        check=False,
        cwd=short_home,
        env={**environ, "DAGSTER_HOME": str(short_home)},
        capture_output=True,
        text=True,
    )
    server = EmbeddedServer(short_home / "var")
    try:
        assert done.returncode == 0, done.stderr
        with psycopg.connect(conninfo(server.url)) as connection:
            assert connection.execute("SELECT status FROM dagster.runs").fetchall() == [("SUCCESS",)]
    finally:
        server.stop()
