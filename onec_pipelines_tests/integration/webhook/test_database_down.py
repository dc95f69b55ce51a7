"""The database goes away under a running receiver, and comes back."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.db.migrations import migrate
from onec_pipelines.ledger.inbox import InboxWriter
from onec_pipelines.webhook import group_commit
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until
from onec_pipelines_tests.fixtures.pipeline import value
from onec_pipelines_tests.fixtures.postgres import TUNING, new_home
from onec_pipelines_tests.fixtures.webhooks import event, get, post, receiving


@pytest.fixture
def server():
    """A server of this test's own."""
    home = new_home()
    with EmbeddedServer(home, tuning=TUNING) as running:
        migrate(running.url)
        yield running
    shutil.rmtree(home)


def test_without_a_database_senders_are_told_to_come_again_and_nothing_is_lost(
    server, caplog, monkeypatch
) -> None:
    count, counted, answers = InboxWriter.count, [], []

    async def noted(self, counts) -> None:
        counted.append(counts)
        await count(self, counts)

    monkeypatch.setattr(InboxWriter, "count", noted)
    # The event is to be the first to fail, and the outage one, however long it takes.
    monkeypatch.setattr(group_commit, "_COUNTS_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(group_commit, "_TOLD_SECONDS", PATIENCE_SECONDS)
    sent = event("stock.changed", "0a1b2c3d-1111-2222-3333-444455556666")
    with receiving(server.url) as receiver:
        assert post(receiver, event()).status == 202
        server.stop()
        down = post(receiver, sent)
        assert (down.status, down.body, down.headers["retry-after"]) == (503, '{"error":"try_later"}', "5")
        assert get(receiver, "/health").status == 503
        # The counts fail as well: that is no news.
        monkeypatch.setattr(group_commit, "_COUNTS_SECONDS", 0.05)
        until(lambda: post(receiver, sent).status == 503 and counted)
        server.ensure_running()
        until(lambda: answers.append(post(receiver, sent).status) or answers[-1] != 503)
        assert answers[-1] == 202
        assert get(receiver, "/health").status == 200
    assert value(server.url, "SELECT count(*) FROM integ.webhook_inbox") == 2
    assert value(server.url, "SELECT count FROM integ.webhook_counts WHERE name = 'unavailable'") >= 2
    told = [record.getMessage().partition(":")[0] for record in caplog.records if "webhook" in record.name]
    assert told == ["webhook_store_failed", "webhook_database_back"]


@contextmanager
def silent_server():
    """The address of a database that hangs, which takes connections and never says a word, and these connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        held = []

        def accept() -> None:
            while True:
                try:
                    held.append(listening.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"postgresql://nobody@127.0.0.1:{listening.getsockname()[1]}/none", held
        for connection in held:
            connection.close()
        listening.shutdown(socket.SHUT_RDWR)


def test_a_database_that_hangs_holds_nobody_for_long(monkeypatch) -> None:
    for name in ("_COUNTS_SECONDS", "_PAUSE_SECONDS"):
        monkeypatch.setattr(group_commit, name, PATIENCE_SECONDS)
    with silent_server() as (url, connections), receiving(url) as receiver:
        begun = time.monotonic()
        assert post(receiver, event()).status == 503
        assert time.monotonic() - begun < 60
        # Right after a failure nobody waits for the next one: the database is not asked.
        asked = len(connections)
        assert post(receiver, event()).status == 503
        assert len(connections) == asked > 0
