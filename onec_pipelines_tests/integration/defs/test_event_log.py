"""Our storage of Dagster's events against Dagster's own: the same rows from the same run, and a kept connection that dies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import EventLogStorage
from dagster_postgres import DagsterPostgresStorage

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.defs.instance import OnecStorage
from onec_pipelines.settings import project_root
from onec_pipelines_tests.fixtures.pipeline import query
from onec_pipelines_tests.fixtures.postgres import _database

STORED = {
    "events": "SELECT dagster_event_type, step_key, asset_key, partition FROM dagster.event_logs",
    "assets": "SELECT asset_key, last_materialization IS NULL, last_run_id IS NULL FROM dagster.asset_keys",
    "checks": (
        "SELECT asset_key, check_name, partition, execution_status, evaluation_event_storage_id IS NULL,"
        " evaluation_event_timestamp > now() AT TIME ZONE 'UTC' - interval '1 hour' FROM dagster.asset_check_executions"
    ),
}


@dg.multi_asset(
    specs=[dg.AssetSpec("first"), dg.AssetSpec("second", deps=["first"])],
    check_specs=[
        dg.AssetCheckSpec("good", asset="first"),
        dg.AssetCheckSpec("bad", asset="second"),
        # Planned and never evaluated.
        dg.AssetCheckSpec("silent", asset="second"),
    ],
    can_subset=True,
)
def both() -> Iterator[dg.MaterializeResult[None]]:
    good = dg.AssetCheckResult(passed=True, check_name="good", asset_key="first")
    yield dg.MaterializeResult(asset_key="first", check_results=[good])
    bad = dg.AssetCheckResult(passed=False, check_name="bad", asset_key="second")
    yield dg.MaterializeResult(asset_key="second", check_results=[bad])


@pytest.fixture
def databases(postgres: EmbeddedServer) -> Iterator[tuple[str, str]]:
    made = [_database(postgres, "template1") for _ in range(2)]
    first, second = (next(one) for one in made)
    yield first, second
    for one in made:
        next(one, None)


@contextmanager
def opened(url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(
        (project_root() / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    for name, held in {"DAGSTER_HOME": home, "ONEC_HOME": home / "var", "ONEC_DATABASE_URL": url}.items():
        monkeypatch.setenv(name, str(held))
    with dg.DagsterInstance.get() as instance:
        yield instance


def stored_by_a_run(url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[type, dict[str, list]]:
    with opened(url, home, monkeypatch) as instance:
        assert dg.materialize([both], instance=instance).success
        storage: EventLogStorage = instance.event_log_storage
        return type(storage), {name: sorted(map(str, query(url, asked))) for name, asked in STORED.items()}


def test_a_run_leaves_what_dagsters_own_storage_leaves(
    databases: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, found = stored_by_a_run(databases[0], tmp_path / "ours", monkeypatch)
    monkeypatch.setattr(OnecStorage, "__init__", DagsterPostgresStorage.__init__)
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
    theirs, wanted = stored_by_a_run(databases[1], tmp_path / "theirs", monkeypatch)

    assert ours is not theirs
    assert found == wanted
    assert len(found["checks"]) == 3


def test_a_kept_connection_that_the_server_closed_is_replaced(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with opened(empty_database_url, tmp_path, monkeypatch) as instance:
        assert dg.materialize([both], instance=instance).success
        assert query(empty_database_url, f"SELECT pg_terminate_backend(pid) {others}")
        time.sleep(2.1)

        assert instance.get_runs_count() == 1
        assert dg.materialize([both], instance=instance).success
