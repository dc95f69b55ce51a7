"""PostgreSQL is restarted, and crashes, under a receiver and a worker with the shared throttle: both go on by themselves."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter
from random import Random

import pytest

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.db.migrations import migrate
from onec_pipelines.dispatch import work
from onec_pipelines.entities import BY_NAME
from onec_pipelines.runtime import open_runtime
from onec_pipelines.settings import load_settings
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.goods import FOR_STOCK, Business, stock_of_1c, stock_of_shop
from onec_pipelines_tests.fixtures.patience import until
from onec_pipelines_tests.fixtures.pipeline import environment, query, sync, value
from onec_pipelines_tests.fixtures.postgres import TUNING, new_home
from onec_pipelines_tests.fixtures.webhooks import event, post, receiving

EVENTS = 60


@pytest.fixture
def server():
    """A server of this test's own. What it has committed survives its own crash, not the machine's."""
    home = new_home()
    with EmbeddedServer(home, tuning={**TUNING, "synchronous_commit": "on"}) as running:
        migrate(running.url)
        yield running
    shutil.rmtree(home)


def stop(server: EmbeddedServer) -> None:
    server.stop()


def crash(server: EmbeddedServer) -> None:
    pid = server.status().pid
    assert pid
    os.kill(pid, signal.SIGQUIT)
    until(lambda: not server.status().running)


def test_nothing_is_lost_or_doubled_when_the_database_goes_away_twice(server, tmp_path) -> None:
    answers: Counter[int] = Counter()
    outages = {EVENTS // 3: stop, EVENTS * 2 // 3: crash}
    over = threading.Event()
    with (
        Simulator.start_thread(products=60, seed=5, broken=False, pool_size=100) as shop,
        open_runtime(load_settings(environment(shop, server.url, tmp_path))) as runtime,
        receiving(server.url) as receiver,
    ):
        sync(runtime, [BY_NAME[name] for name in FOR_STOCK])
        business = Business(shop, Random(3))  # noqa: S311 - a fixed one, for the test to be the same each time
        worker = threading.Thread(target=work, args=(runtime, over), kwargs={"threads": 2})
        worker.start()
        for number in range(EVENTS):
            sent = event("stock.changed", *business.step(), msg_id=f"msg-{number}")
            away = None
            if number in outages:
                going = threading.Thread(target=outages[number], args=(server,))
                going.start()
                # It goes while events come, and is away until one of them was refused.
                until(lambda: post(receiver, sent).status == 503)  # noqa: B023 - waited for within the turn
                going.join()
                away = threading.Thread(target=server.ensure_running)
                away.start()
            # As 1C does: the same event again until it is taken.
            while (answer := post(receiver, sent)).status not in {200, 202}:
                answers[answer.status] += 1
                assert answer.headers["retry-after"] == "5"
                time.sleep(0.1)
            answers[answer.status] += 1
            if away is not None:
                away.join()
        is_open = "SELECT count(*) FROM integ.retry_queue WHERE state IN ('ready', 'leased')"
        until(lambda: value(server.url, is_open) == 0, pause=0.1)
        assert worker.is_alive()
        over.set()
        worker.join()
        assert sum(answers[taken] for taken in (200, 202)) == EVENTS
        assert value(server.url, "SELECT count(*) FROM integ.webhook_inbox") == EVENTS
        assert query(server.url, "SELECT DISTINCT state FROM integ.retry_queue") == [("done",)]
        assert stock_of_shop(server.url) == stock_of_1c(shop)
        # What was under way when the database went is no hole in the ledger for ever.
        sync(runtime, [BY_NAME["stock"]])
        assert value(server.url, "SELECT count(*) FROM integ.sync_jobs WHERE status = 'running'") == 0
