"""Postings that touch the same goods wait for each other, and give up with 1C's words (PROTOCOL §8.3)."""

from __future__ import annotations

import asyncio
import base64
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from onec_pipelines.simulator import locks
from onec_pipelines.simulator.http import Request
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.unit.simulator.asker import ORDER, ROOT, Asker

HOLD = 150


class Holding:
    """Postings that hold their locks: how many did at once at most. Each holds on until `is_enough`."""

    def __init__(self):
        self.now = self.most = self.over = 0
        self.is_enough = lambda: True

    async def sleep(self, seconds):
        assert seconds == HOLD / 1000
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)  # time for the others
        while not self.is_enough():  # noqa: ASYNC110 - what it looks at tells nobody
            await asyncio.sleep(0.005)
        self.now -= 1


@pytest.fixture
def holding(monkeypatch):
    made = Holding()
    monkeypatch.setattr(locks, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": made.sleep}))
    return made


def two_orders(ask, same):
    """Keys of two orders, unposted: with the same goods, or with none in common."""
    orders = [row for row in ask(ORDER).rows if row["Товары"] and row["Posted"]]
    first = orders[0]
    goods = {line["Номенклатура_Key"] for line in first["Товары"]}
    others = [row for row in orders if goods.isdisjoint(line["Номенклатура_Key"] for line in row["Товары"])]
    second = ask.post(ORDER, ask.order(Товары=_lines(first if same else others[0]))).json
    first = ask.post(ORDER, ask.order(Товары=_lines(first))).json
    return first["Ref_Key"], second["Ref_Key"]


def _lines(order):
    return [{name: value for name, value in line.items() if name != "Ref_Key"} for line in order["Товары"]]


def post_together(ask, keys, holding=None):
    """Post documents at the same time; gives their answers in order."""

    async def one(key):
        login = base64.b64encode(b"odata:odata").decode()
        path = quote(f"{ROOT}/{ORDER}(guid'{key}')/Post", safe="/()'")
        headers = {"authorization": f"Basic {login}", "host": "srv"}
        answer = await ask.service.handle(
            Request(method="POST", path=path, query="$format=json", headers=headers, body=b"")
        )
        if answer.finish is not None:
            await answer.finish()
        if holding is not None:
            holding.over += 1
        return answer.status, bytes(answer.body).decode("utf-8-sig")

    async def both():
        return await asyncio.gather(*(one(key) for key in keys))

    return asyncio.run(both())


def posted(ask, key):
    return ask(f"{ORDER}(guid'{key}')").json["Posted"]


def test_a_posting_of_the_same_goods_waits_for_the_first(holding):
    ask = Asker(lock_ms=HOLD, lock_timeout_ms=PATIENCE_SECONDS * 1000)
    keys = two_orders(ask, same=True)
    answers = post_together(ask, keys)
    assert [status for status, _ in answers] == [200, 200]
    assert holding.most == 1
    assert all(posted(ask, key) for key in keys)


def test_a_posting_of_other_goods_does_not_wait(holding):
    ask = Asker(lock_ms=HOLD, lock_timeout_ms=PATIENCE_SECONDS * 1000)
    keys = two_orders(ask, same=False)
    holding.is_enough = lambda: holding.most == 2
    answers = post_together(ask, keys)
    assert [status for status, _ in answers] == [200, 200]


def test_a_posting_that_waits_too_long_fails_as_a_lock_conflict_and_changes_nothing(holding):
    ask = Asker(lock_ms=HOLD, lock_timeout_ms=HOLD / 5)
    keys = two_orders(ask, same=True)
    holding.is_enough = lambda: holding.over
    (first, _), (second, text) = post_together(ask, keys, holding)
    assert (first, second) == (200, 500)
    assert "Конфликт блокировок при выполнении транзакции" in text
    assert '"code": "-1"' in text
    assert [posted(ask, key) for key in keys] == [True, False]
    assert ask(f"{ORDER}(guid'{keys[1]}')/Post", "", method="POST").status == 200


@pytest.mark.parametrize("same", [True, False])
def test_without_lock_ms_nothing_waits(same):
    ask = Asker(lock_timeout_ms=0)
    keys = two_orders(ask, same)
    assert [status for status, _ in post_together(ask, keys)] == [200, 200]
