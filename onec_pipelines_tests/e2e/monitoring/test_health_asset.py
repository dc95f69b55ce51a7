"""The asset onec/health in Dagster: each run is one point of its plots, with the figures of the views and what is wrong."""

from __future__ import annotations

import shutil

import dagster as dg
import pytest

from onec_pipelines.db.engine import connect
from onec_pipelines.definitions import defs
from onec_pipelines.defs.health import numbers
from onec_pipelines.defs.in_process import run_job
from onec_pipelines.defs.keys import HEALTH_KEY
from onec_pipelines.ledger import health
from onec_pipelines.settings import project_root
from onec_pipelines_tests.fixtures.pipeline import query

RUNS = (
    "INSERT INTO integ.sync_jobs (job_type, system_name, entity_type, status, started_at, completed_at, metadata, error_message)"
    " SELECT 'inbound', 'test', e, s, now() - interval '30 minutes', now() - interval '29 minutes',"
    ' \'{"way": "snapshot", "seconds": {"shop": 0.1}}\', m FROM (VALUES'
    " ('prices', 'succeeded', NULL), ('stock', 'failed', '[ONEC_AUTH] no'), ('stock', 'failed', '[ONEC_AUTH] no'),"
    " ('stock', 'failed', '[ONEC_AUTH] no')) v (e, s, m)"
)
DEAD = (
    "INSERT INTO integ.retry_queue (system_name, kind, subject, ordering_key, state, last_error)"
    " VALUES ('test', 'push', 'order:1', 'order:1', 'dead', '{\"code\": \"ONEC_RIGHTS\"}')"
)


@pytest.fixture
def instance(database_url, tmp_path, monkeypatch):
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    for name, held in {
        "DAGSTER_HOME": str(tmp_path),
        "ONEC_HOME": str(tmp_path),
        "ONEC_SYSTEM": "test",
        "ONEC_DATABASE_URL": database_url,
        # Nobody answers there, and nobody is asked.
        "ONEC_URL": "http://127.0.0.1:9/ut/odata/standard.odata",
        "ONEC_USER": "odata",
        "ONEC_PASSWORD": "odata",
        "ONEC_TIMEZONE": "Europe/Moscow",
    }.items():
        monkeypatch.setenv(name, held)
    with dg.DagsterInstance.get() as opened:
        yield opened


def test_each_run_is_one_point_of_every_plot_with_the_figures_of_the_views(instance, database_url):
    assert run_job(defs, "note_health", lambda _: None).problems == []
    query(database_url, RUNS)
    query(database_url, DEAD)
    assert run_job(defs, "note_health", lambda _: None).problems == []

    records = instance.fetch_materializations(HEALTH_KEY, limit=5).records
    latest, first = (
        {name: held.value for name, held in one.asset_materialization.metadata.items()} for one in records
    )
    with connect(database_url) as database:
        plotted = numbers(health.read(database, "test"))
    assert set(plotted) <= set(first), "a plot with a hole"
    assert {name: latest[name] for name in plotted} == plotted | {
        "longest_lag_minutes": latest["longest_lag_minutes"]
    }
    # It grew from half an hour to what it is now.
    assert 30 <= latest["longest_lag_minutes"] <= plotted["longest_lag_minutes"]
    assert (latest["failed_runs_day"], latest["queue_dead"]) == (3, 1)
    assert (first["status"], latest["status"]) == ("ok", "degraded")
    table = records[0].asset_materialization.metadata["reasons"]
    assert {row.data["code"] for row in table.records} == {"RUN_FAILED", "DEAD_LETTERS"}
