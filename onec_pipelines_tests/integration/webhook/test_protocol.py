"""However a request is cut into pieces and packed with others, it is judged the same; and nobody holds a connection for nothing."""

from __future__ import annotations

import contextlib
import re
import threading

import psycopg
import pytest
from starlette.applications import Starlette

from onec_pipelines.db.urls import conninfo
from onec_pipelines.ledger import inbox
from onec_pipelines.webhook import group_commit, server
from onec_pipelines.webhook.app import PATH
from onec_pipelines.webhook.protocol import TAKE
from onec_pipelines.webhook.server import Receiver
from onec_pipelines.webhook.signature import new_secret
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until
from onec_pipelines_tests.fixtures.pipeline import value
from onec_pipelines_tests.fixtures.webhooks import (
    connected,
    drip,
    event,
    head,
    raw,
    receiving,
    signed_body,
    until_closed,
)

HEALTH = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture
def receiver(database_url):
    with receiving(database_url) as running:
        yield running


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


def last(request: bytes) -> bytes:
    return request.replace(b"host: x", b"host: x\r\nconnection: close", 1)


def whole(sent) -> bytes:
    return head(sent) + sent.body


def cut(sent) -> list[bytes]:
    middle = len(sent.body) // 2
    return [last(head(sent)), sent.body[:middle], sent.body[middle:]]


@pytest.mark.parametrize(
    ("status", "make"),
    [
        (202, event),
        (400, lambda: signed_body(b"{}")),
        (401, lambda: event(secret=new_secret())),
    ],
)
def test_a_request_in_pieces_is_answered_as_one_that_is_whole(receiver, status, make) -> None:
    at_once = raw(receiver, last(whole(make())))
    in_pieces = raw(receiver, *cut(make()), pause=0.05)
    assert statuses(at_once) == statuses(in_pieces) == [status]
    lines = [
        sorted(re.sub(rb"date: [^\r]*", b"", one).lower().split(b"\r\n")) for one in (at_once, in_pieces)
    ]
    assert lines[0] == lines[1]
    assert b"connection: close" in lines[0]


def test_requests_sent_in_one_breath_are_answered_in_their_order(receiver, database_url) -> None:
    doubled = event(msg_id="msg_twice")
    requests = [
        whole(event()),
        HEALTH,
        whole(event(secret=new_secret())),
        whole(doubled),
        whole(signed_body(b"[]")),
        whole(doubled),
        last(whole(event())),
    ]
    assert statuses(raw(receiver, b"".join(requests))) == [202, 200, 401, 202, 400, 200, 202]
    assert value(database_url, "SELECT count(*) FROM integ.webhook_inbox") == 3


def test_a_request_may_begin_behind_another_and_end_later(receiver, database_url) -> None:
    second = last(whole(event()))
    assert statuses(raw(receiver, whole(event()) + second[:50], second[50:-5], second[-5:], pause=0.05)) == [
        202,
        202,
    ]
    assert value(database_url, "SELECT count(*) FROM integ.webhook_inbox") == 2


def test_blank_lines_between_requests_do_not_hold_a_connection(receiver) -> None:
    with connected(receiver) as connection:
        connection.sendall(whole(event()))
        answer = connection.recv(65_536)
        # Only now: a slow test would have been hung up on before it had said anything.
        receiver._config.http.header_seconds = 0.4
        assert statuses(answer + drip(connection, b"\r\n")) == [202]


def test_old_and_asking_senders_are_served(receiver) -> None:
    old = raw(receiver, whole(event()).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    assert statuses(old) == [202]
    sent = event()
    asks = last(head(sent)).replace(b"host: x", b"host: x\r\nexpect: 100-continue", 1)
    assert statuses(raw(receiver, asks, sent.body, pause=0.1)) == [100, 202]


def test_the_address_with_a_question_is_the_same_address(receiver) -> None:
    asked = last(whole(event())).replace(PATH.encode(), PATH.encode() + b"?a=b", 1)
    assert statuses(raw(receiver, asked)) == [202]


def test_an_event_that_waits_is_stored_and_answered_before_the_receiver_ends(
    database_url, monkeypatch
) -> None:
    monkeypatch.setattr(
        inbox, "_SETTINGS", {**inbox._SETTINGS, "lock_timeout": "0", "statement_timeout": "0"}
    )
    monkeypatch.setattr(group_commit, "_STORE_SECONDS", PATIENCE_SECONDS)
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'integ.webhook_inbox'::regclass"
    with psycopg.connect(conninfo(database_url)) as other, contextlib.ExitStack() as running:
        receiver = running.enter_context(receiving(database_url))
        other.execute("LOCK TABLE integ.webhook_inbox IN ACCESS EXCLUSIVE MODE")
        with connected(receiver) as connection:
            connection.sendall(whole(event()))
            until(lambda: value(database_url, waits) == 1)
            ending = threading.Thread(target=running.close)
            ending.start()
            # It takes nobody in any more.
            until(lambda: receiver._socket.fileno() == -1, pause=0.01)
            other.rollback()
            answer = until_closed(connection)
            ending.join(PATIENCE_SECONDS)
    assert statuses(answer) == [202]
    assert b"connection: close" in answer
    assert value(database_url, "SELECT count(*) FROM integ.webhook_inbox") == 1


def test_a_mistake_of_ours_is_no_reason_to_drop_the_event(caplog, monkeypatch) -> None:
    # It hangs up because of the mistake, not because time is over.
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 2 * PATIENCE_SECONDS)

    def take(*_: object) -> None:
        raise ZeroDivisionError

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette):
        yield {TAKE: (PATH.encode(), take)}

    with Receiver(
        Starlette(lifespan=lifespan), host="127.0.0.1", port=0, header_seconds=2 * PATIENCE_SECONDS
    ) as receiver:
        answer = raw(receiver, whole(event()))
    assert statuses(answer) == [500]
    assert b"connection: close" in answer
    assert "webhook_broken" in caplog.text
