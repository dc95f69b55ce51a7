"""Jobs and the lock that keeps two runs of one entity apart."""

from __future__ import annotations

import subprocess
import sys

import pytest

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.errors import RetryLater
from onec_pipelines.ledger import jobs
from onec_pipelines_tests.fixtures.tables import SYSTEM

HOLDER = """
import sys
from onec_pipelines.db.engine import connect
from onec_pipelines.ledger import jobs
with jobs.entity_lock(connect(sys.argv[1]), "test", "brands"):
    print("held", flush=True)
    sys.stdin.read()
"""


def begin(database, **changes):
    given = {"system_name": SYSTEM, "entity": "brands", "job_type": "inbound", "run_id": None}
    return jobs.start(database, **{**given, **changes})


def statuses(tx):
    rows = tx.execute("SELECT status FROM integ.sync_jobs ORDER BY id").fetchall()
    return [status for (status,) in rows]


def test_a_second_run_of_an_entity_is_refused_at_once(database):
    with (
        jobs.entity_lock(database, SYSTEM, "brands"),
        pytest.raises(RetryLater, match="ALREADY_RUNNING"),
        jobs.entity_lock(database, SYSTEM, "brands"),
    ):
        pytest.fail("two runs of one entity")


def test_other_entities_and_bases_are_free(database):
    held = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with (
        jobs.entity_lock(database, SYSTEM, "brands"),
        jobs.entity_lock(database, SYSTEM, "units"),
        jobs.entity_lock(database, "another", "brands"),
        database.session() as session,
    ):
        assert session.execute(held).fetchone() == (3,)

    with database.session() as session:
        assert session.execute(held).fetchone() == (0,)


def test_the_lock_of_a_killed_process_is_free_again(database, database_url):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RetryLater), jobs.entity_lock(database, SYSTEM, "brands"):
        pytest.fail("the other process holds it")

    holder.kill()
    holder.communicate()

    for _ in range(50):  # the server notices within moments
        try:
            with jobs.entity_lock(database, SYSTEM, "brands"):
                return
        except RetryLater:
            continue
    pytest.fail("the lock outlived its holder")


def test_a_job_that_died_unnoticed_is_marked_when_the_next_one_starts(database, tx):
    begin(database)
    begin(database, entity="units")

    begin(database)

    assert statuses(tx) == ["abandoned", "running", "running"]


def test_a_job_collects_counts_and_ends_with_its_figures(database, tx):
    job = begin(database, run_id="r")
    for _ in range(2):
        with database.transaction() as connection:
            jobs.progress(driver_connection(connection), job, processed=10, failed=1)

    jobs.finish(database, job, status="failed", error="[X] y", metadata={"rows": 20})

    row = tx.execute(
        "SELECT run_id, status, items_processed, items_failed, error_message, metadata,"
        " completed_at >= started_at FROM integ.sync_jobs"
    ).fetchone()
    assert row == ("r", "failed", 20, 2, "[X] y", {"rows": 20}, True)


def test_the_latest_job_of_each_entity_is_listed(database):
    begin(database)
    last = begin(database)
    begin(database, entity="units")
    jobs.finish(database, last, status="succeeded", error=None, metadata={})

    found = {one["entity_type"]: one["status"] for one in jobs.latest(database, SYSTEM)}

    assert found == {"brands": "succeeded", "units": "running"}
