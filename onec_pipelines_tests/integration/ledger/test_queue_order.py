"""Whatever workers, failures, lost leases and people do: items of one key end in their order, one at a time, and none is lost."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onec_pipelines.db.engine import connect, driver_connection
from onec_pipelines.db.urls import conninfo
from onec_pipelines.errors import Quarantine, RetryLater, Skip
from onec_pipelines.ledger import queue

ERRORS = {
    "done": None,
    "later": RetryLater("failed", code="ONEC_SERVER_ERROR"),
    "put_off": RetryLater("busy", code="ONEC_BUSY", sent=False),
    "refused": Quarantine("refused", code="ONEC_HANDLER"),
    "skipped": Skip("gone", code="ONEC_NOT_FOUND"),
}
STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abc"), st.sampled_from(["push", "webhook"])),
    st.tuples(st.just("claim"), st.integers(1, 4)),
    st.tuples(st.just("settle"), st.integers(0, 5), st.sampled_from(sorted(ERRORS))),
    st.tuples(st.just("vanish"), st.integers(0, 5)),
    st.tuples(st.just("retry")),
    st.tuples(st.just("drop")),
)


@pytest.fixture(scope="module")
def module_database(postgres, postgres_template):
    from onec_pipelines_tests.fixtures.postgres import _database  # noqa: PLC0415 - one database for all examples

    yield from _database(postgres, postgres_template)


class Story:
    """A database and the workers' items in hand, with what must always be true."""

    def __init__(self, url):
        self.database = connect(url)
        self.raw = psycopg.connect(conninfo(url), autocommit=True)
        self.raw.execute("TRUNCATE integ.retry_queue RESTART IDENTITY")
        self.held = []
        self.kinds = {}

    def put(self, key, kind):
        item_id = queue.enqueue(
            self.raw, system_name="test", kind=kind, subject=key, ordering_key=key, payload={}
        )
        self.kinds[item_id] = (key, kind)

    def claim(self, limit):
        self.raw.execute("UPDATE integ.retry_queue SET run_at = now() - interval '1 s' WHERE state = 'ready'")
        got = queue.claim(
            self.database, system_name="test", kinds=["push", "webhook"], limit=limit, lease_seconds=60
        )
        for item in got:
            older = [i for i, (key, _) in self.kinds.items() if key == item.ordering_key and i < item.id]
            for other in older:
                state, kind = self.raw.execute(
                    "SELECT state, kind FROM integ.retry_queue WHERE id = %s", (other,)
                ).fetchone()
                assert state in {"done", "dropped"} or (state == "dead" and kind == "webhook")
        self.held += got
        keys = [item.ordering_key for item in self.held]
        assert len(keys) == len(set(keys))

    def settle(self, place, how):
        if place < len(self.held):
            item = self.held.pop(place)
            with self.database.transaction() as connection:
                queue.settle(driver_connection(connection), item, ERRORS[how])

    def vanish(self, place):
        if place < len(self.held):
            item = self.held.pop(place)
            self.raw.execute(
                "UPDATE integ.retry_queue SET lease_until = now() - interval '1 s' WHERE id = %s", (item.id,)
            )

    def retry(self):
        with self.database.transaction() as connection:
            queue.retry(driver_connection(connection), system_name="test", chosen=queue.Chosen(), by="tester")

    def drop(self):
        dead = [row[0] for row in self.raw.execute("SELECT id FROM integ.retry_queue WHERE state = 'dead'")]
        with self.database.transaction() as connection:
            queue.drop(driver_connection(connection), system_name="test", ids=dead[:1], by="tester")

    def finish(self):
        """With good will everything ends."""
        while self.held:
            self.vanish(0)
        for _ in range(len(self.kinds) * 3 + 3):
            self.retry()
            self.claim(4)
            while self.held:
                self.settle(0, "done")
        states = {
            row[0] for row in self.raw.execute("SELECT DISTINCT state FROM integ.retry_queue").fetchall()
        }
        assert states <= {"done", "dropped"}

    def close(self):
        self.raw.close()
        self.database.close()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, max_size=30))
def test_order_holds_and_nothing_is_lost(module_database, steps):
    story = Story(module_database)
    try:
        for name, *arguments in steps:
            getattr(story, name)(*arguments)
        story.finish()
    finally:
        story.close()


def test_a_million_finished_items_cost_a_claim_nothing(module_database):
    """Told by the plan and by the pages read, not by the clock."""
    with psycopg.connect(conninfo(module_database), autocommit=True) as connection:
        connection.execute("TRUNCATE integ.retry_queue")
        connection.execute(
            "INSERT INTO integ.retry_queue (system_name, kind, subject, ordering_key, state, finished_at)"
            " SELECT 'test', 'push', 'order:' || n, 'order:' || n % 1000, 'done', now()"
            " FROM generate_series(1, 100000) AS n"
        )
        queue.enqueue(
            connection, system_name="test", kind="push", subject="x", ordering_key="order:1", payload={}
        )
        connection.execute("ANALYZE integ.retry_queue")
        plan = connection.execute(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT i.id FROM integ.retry_queue i WHERE i.system_name = 'test'"
            " AND i.kind = 'push' AND i.state = 'ready' AND i.run_at <= now() AND NOT EXISTS (SELECT FROM integ.retry_queue o"
            " WHERE o.system_name = i.system_name AND o.ordering_key = i.ordering_key AND o.is_open"
            " AND (o.id < i.id OR o.state = 'leased')) ORDER BY i.run_at, i.id LIMIT 10 FOR UPDATE OF i SKIP LOCKED"
        ).fetchone()[0][0]["Plan"]
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 30
        connection.execute("TRUNCATE integ.retry_queue")
