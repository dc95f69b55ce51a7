"""Kill -9 at every named place between the arrival of an event and its end: the shop is right afterwards, and nothing is done twice."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.webhook.app import PATH
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, value
from onec_pipelines_tests.fixtures.state import debris_of
from onec_pipelines_tests.fixtures.webhooks import SECRET, event

PROGRAM = Path(__file__).with_name("killed_path.py")
ROOT = Path(__file__).resolve().parents[3]
NEW_NAME = "Новое имя"


@pytest.fixture(scope="module")
def shop():
    with Simulator.start_process(products=40, seed=5, broken=False) as running:
        yield running


@pytest.fixture
def variables(shop, database_url, tmp_path) -> dict[str, str]:
    more = {"ONEC_WEBHOOK_SECRETS": SECRET, "ONEC_WEBHOOK_PORT": "0"}
    return {**environment(shop, database_url, tmp_path), **more}


@pytest.fixture
def product(shop, variables, database_url) -> Iterator[str]:
    """A product that has changed in 1C and not yet in the shop."""
    before = {name: text for name, text in variables.items() if not name.startswith("ONEC_WEBHOOK")}
    with open_fast(before) as runtime:
        inbound(BY_NAME["products"], runtime)
    (ref,) = query(database_url, "SELECT ref::text FROM clean.products ORDER BY 1 LIMIT 1")[0]
    old = value(database_url, "SELECT name FROM clean.products WHERE ref = %s", ref)
    control(shop, f"rows/Catalog_Номенклатура/{ref}", {"Description": NEW_NAME})
    yield ref
    control(shop, f"rows/Catalog_Номенклатура/{ref}", {"Description": old})


class Forker:
    """Starts receivers and workers out of a process that has everything imported."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **job: object) -> dict:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def drain(self, variables: dict[str, str], kill_at: str | None = None) -> dict | None:
        """What was drained, or None when the worker was killed."""
        found = self.ask(do="drain", environment=variables, kill_at=kill_at)
        code = self.ask(do="wait", pid=found["pid"])["code"]
        assert code == (-signal.SIGKILL if kill_at else 0)
        return json.loads(found["says"]) if found["says"] else None

    @contextmanager
    def receiver(self, variables: dict[str, str], kill_at: str | None = None) -> Iterator[str]:
        """The address of a receiver; at the end it must have died as was asked, or be ended."""
        found = self.ask(do="receive", environment=variables, kill_at=kill_at)
        yield found["says"].removeprefix("http://")
        if kill_at is None:
            os.kill(found["pid"], signal.SIGTERM)
        code = self.ask(do="wait", pid=found["pid"])["code"]
        assert code in ({0, -signal.SIGTERM} if kill_at is None else {-signal.SIGKILL})


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    with subprocess.Popen(
        [sys.executable, str(PROGRAM)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Forker(process)
        assert process.stdin
        process.stdin.close()
        process.wait(PATIENCE_SECONDS)


def send(address: str, sent) -> int | None:
    """The status, or None when the other side died before it answered."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
    try:
        connection.request("POST", PATH, sent.body, dict(sent.headers))
        return connection.getresponse().status
    except (ConnectionError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def changed(database_url: str) -> int:
    return value(database_url, "SELECT count(*) FROM shop.products WHERE name = %s", NEW_NAME)


@pytest.mark.parametrize("kill_at", ["webhook_received", "webhook_stored"])
def test_a_receiver_that_dies_has_the_event_or_gets_it_again(
    forker, variables, database_url, product, kill_at
) -> None:
    was_kept = kill_at == "webhook_stored"
    sent = event("product.changed", product)
    with forker.receiver(variables, kill_at) as address:
        assert send(address, sent) is None
    assert value(database_url, "SELECT count(*) FROM integ.webhook_inbox") == int(was_kept)
    with forker.receiver(variables) as address:
        assert send(address, sent) == (200 if was_kept else 202)
    assert forker.drain(variables)["done"] == 1
    assert changed(database_url) == 1


@pytest.mark.parametrize("kill_at", ["hint_claimed", "hint_fetched", "hint_noted"])
def test_a_worker_that_dies_leaves_the_hint_to_the_next_one(
    forker, variables, database_url, product, kill_at
) -> None:
    with forker.receiver(variables) as address:
        assert send(address, event("product.changed", product)) == 202
    assert forker.drain(variables, kill_at) is None
    assert query(database_url, "SELECT state FROM integ.retry_queue") == [("leased",)]
    query(database_url, "UPDATE integ.retry_queue SET lease_until = now()")

    def ends() -> bool:
        """The lease is over: whoever comes next takes the item back, after a pause that grows with the attempts."""
        forker.drain(variables)
        query(database_url, "UPDATE integ.retry_queue SET run_at = now() WHERE state = 'ready'")
        return query(database_url, "SELECT state FROM integ.retry_queue") == [("done",)]

    until(ends)
    assert changed(database_url) == 1
    assert [line for line in debris_of(database_url) if "products" in line] == []
