"""The receiver on real sockets and a real database: what it answers and what it keeps."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from onec_pipelines.ledger.inbox import InboxWriter
from onec_pipelines.webhook import server
from onec_pipelines.webhook.body import MOST_BYTES
from onec_pipelines.webhook.signature import new_secret
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until
from onec_pipelines_tests.fixtures.pipeline import query, value
from onec_pipelines_tests.fixtures.webhooks import (
    SECRET,
    Answer,
    connected,
    drip,
    event,
    get,
    head,
    post,
    raw,
    receiving,
    signed_body,
    until_closed,
)

A = "0a1b2c3d-1111-2222-3333-444455556666"
B = "ffffffff-1111-2222-3333-444455556666"
UNAUTHORIZED = '{"error":"unauthorized"}'


@pytest.fixture
def receiver(database_url):
    with receiving(database_url) as running:
        yield running


def inbox(database_url: str) -> int:
    return value(database_url, "SELECT count(*) FROM integ.webhook_inbox")


def queued(database_url: str) -> list[str]:
    rows = query(database_url, "SELECT subject FROM integ.retry_queue WHERE kind = 'webhook' ORDER BY 1")
    return [subject for (subject,) in rows]


def counts(database_url: str) -> dict[str, int]:
    return dict(query(database_url, "SELECT name, count FROM integ.webhook_counts"))


def test_an_event_is_stored_with_what_it_names_before_it_is_answered(receiver, database_url) -> None:
    sent = event("order.changed", A, B, msg_id="msg_o", timestamp=int(time.time()) - 10)
    assert post(receiver, sent).status == 202
    rows = query(database_url, "SELECT system_name, msg_id, type, refs, details FROM integ.webhook_inbox")
    assert rows == [("test", "msg_o", "order.changed", [UUID(A), UUID(B)], None)]
    concerned = ("order_states", "orders")
    assert queued(database_url) == [f"{entity}:{ref}" for entity in concerned for ref in (A, B)]
    payload = value(database_url, "SELECT payload FROM integ.retry_queue ORDER BY subject LIMIT 1")
    assert payload == {"entity": "order_states", "ref": A}


def test_the_second_copy_is_a_duplicate_and_leads_to_nothing(receiver, database_url) -> None:
    first = post(receiver, event("stock.changed", A, msg_id="msg_d"))
    again = post(receiver, event("stock.changed", B, msg_id="msg_d"))
    assert (first.status, again) == (202, Answer(200, '{"status":"duplicate"}', again.headers))
    assert inbox(database_url) == 1
    assert queued(database_url) == [f"stock:{A}"]


def test_a_hundred_copies_at_once_are_one_event(receiver, database_url) -> None:
    sent = event("stock.changed", A)
    with ThreadPoolExecutor(20) as threads:
        statuses = list(threads.map(lambda _: post(receiver, sent).status, range(100)))
    assert sorted(set(statuses)) == [200, 202]
    assert statuses.count(202) == 1
    assert inbox(database_url) == 1


def test_many_hints_for_one_object_that_wait_together_are_one_piece_of_work(receiver, database_url) -> None:
    for _ in range(5):
        assert post(receiver, event("stock.changed", A)).status == 202
    assert inbox(database_url) == 5
    assert queued(database_url) == [f"stock:{A}"]


def test_a_hint_for_an_object_that_is_being_fetched_waits_for_its_own_fetch(receiver, database_url) -> None:
    post(receiver, event("stock.changed", A))
    query(
        database_url,
        "UPDATE integ.retry_queue SET state = 'leased', lease_token = gen_random_uuid(), lease_until = now() + interval '1 minute'",
    )
    post(receiver, event("stock.changed", A))
    assert queued(database_url) == [f"stock:{A}"] * 2


def test_a_hint_brings_forward_what_was_put_off(receiver, database_url) -> None:
    post(receiver, event("stock.changed", A))
    query(database_url, "UPDATE integ.retry_queue SET run_at = now() + interval '6 hours', attempts = 7")
    post(receiver, event("stock.changed", A))
    rows = query(database_url, "SELECT run_at <= now(), attempts FROM integ.retry_queue")
    assert rows == [(True, 7)]


def test_an_unknown_type_is_accepted_stored_and_counted(database_url) -> None:
    with receiving(database_url) as receiver:
        assert post(receiver, event("weather.changed", A)).status == 202
    assert inbox(database_url) == 1
    assert queued(database_url) == []
    assert counts(database_url) == {"accepted": 1, "unknown_type": 1, "secret_1": 1}


def test_every_refusal_looks_the_same_and_its_reason_is_counted(database_url) -> None:
    good, now = event(), int(time.time())
    without = {name: text for name, text in good.headers.items() if name != "webhook-id"}
    with receiving(database_url) as receiver:
        answers = [
            post(receiver, type(good)(body=good.body + b" ", headers=good.headers)),
            post(receiver, type(good)(body=good.body, headers=without)),
            post(receiver, event(secret=new_secret())),
            post(receiver, event(timestamp=now - 400)),
            post(receiver, event(timestamp=now + 400)),
            post(receiver, signed_body(b"\xff not json", secret=new_secret())),
        ]
    assert {(answer.status, answer.body) for answer in answers} == {(401, UNAUTHORIZED)}
    # The date differs by its second; everything else is the same.
    assert len({tuple(sorted({**answer.headers, "date": ""}.items())) for answer in answers}) == 1
    assert inbox(database_url) == 0
    assert counts(database_url) == {
        "refused": 6,
        "refused_signature": 3,
        "refused_headers": 1,
        "refused_timestamp": 2,
    }


def test_both_secrets_are_good_while_they_are_rotated_and_it_is_counted_which(database_url) -> None:
    new = new_secret()
    with receiving(database_url, secrets=f"{new} {SECRET}") as receiver:
        assert post(receiver, event(secret=SECRET)).status == 202
        assert post(receiver, event(secret=new)).status == 202
        assert post(receiver, event(secret=new)).status == 202
    with receiving(database_url, secrets=new) as receiver:
        assert post(receiver, event(secret=SECRET)).status == 401
    found = counts(database_url)
    assert (found["secret_1"], found["secret_2"]) == (2, 1)


def test_a_capture_is_a_duplicate_in_the_window_and_refused_after_it(database_url) -> None:
    captured = event("stock.changed", A)
    with receiving(database_url) as receiver:
        assert post(receiver, captured).status == 202
        assert post(receiver, captured).status == 200
    with receiving(database_url, clock=lambda: time.time() + 301) as receiver:
        assert post(receiver, captured).status == 401
    assert inbox(database_url) == 1


def test_a_good_signature_with_a_wrong_clock_is_told_to_the_log_once(database_url, caplog) -> None:
    now = int(time.time())
    with caplog.at_level(logging.WARNING), receiving(database_url, clock=lambda: now) as receiver:
        for _ in range(3):
            post(receiver, event(timestamp=now - 400))
    told = [record.getMessage() for record in caplog.records if "webhook_clock_skew" in record.getMessage()]
    assert len(told) == 1
    assert "is 400" in told[0]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\x00", b"[]", b'{"type":"Bad Type"}'])
def test_signed_nonsense_is_a_bad_request_and_not_stored(receiver, database_url, body) -> None:
    assert post(receiver, signed_body(body)).status == 400
    assert inbox(database_url) == 0


def test_no_part_of_a_body_reaches_the_log(database_url, caplog) -> None:
    canary = "canary-79161234567"
    bodies = [
        json.dumps({"type": "ping", "data": {"refs": [canary]}}).encode(),
        json.dumps({"type": "ping", "name": canary, "data": {"data_version": f"{canary}\u0000"}}).encode(),
        canary.encode(),
    ]
    with caplog.at_level(logging.DEBUG), receiving(database_url) as receiver:
        for body in bodies:
            assert post(receiver, signed_body(body)).status == 400
            assert post(receiver, signed_body(body, secret=new_secret())).status == 401
    assert len(caplog.records) >= 3
    assert canary not in caplog.text


def test_a_body_over_the_cap_is_refused_by_its_announcement_and_by_its_bytes(receiver, database_url) -> None:
    large = signed_body(b" " * (MOST_BYTES + 1))
    assert raw(receiver, head(large)).startswith(b"HTTP/1.1 413")
    chunked = head(large).replace(b"content-length: %d" % len(large.body), b"transfer-encoding: chunked")
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    assert raw(receiver, chunked, *([chunk] * 9)).startswith(b"HTTP/1.1 413")
    assert inbox(database_url) == 0


def test_a_body_of_exactly_the_cap_is_read(receiver) -> None:
    body = b'{"type":"ping"}'
    assert post(receiver, signed_body(body + b" " * (MOST_BYTES - len(body)))).status == 202


def test_a_body_that_drips_is_cut_off(database_url) -> None:
    with receiving(database_url, body_seconds=0.3) as receiver:
        with connected(receiver) as connection:
            connection.sendall(head(event()))
            answer = drip(connection, b" ")
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in answer
    assert counts(database_url) == {"too_slow": 1}


@pytest.mark.parametrize(
    "pieces",
    [(), (b"POST",), (b"POST /webhooks/1c HTTP/1.1\r\nhost: x\r\n", b"a: b\r\n", b"c: d\r\n")],
    ids=["silent", "request line", "headers without end"],
)
def test_who_does_not_finish_the_headers_is_hung_up_on(database_url, pieces) -> None:
    with receiving(database_url, header_seconds=0.3) as receiver:
        begun = time.monotonic()
        assert raw(receiver, *pieces, pause=0.1) == b""
        assert time.monotonic() - begun > 0.2


def test_a_connection_that_is_used_is_not_hung_up_on(database_url, monkeypatch) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", PATIENCE_SECONDS)

    def request(**headers: str) -> bytes:
        sent = event()
        more = "".join(f"\r\n{name}: {text}" for name, text in headers.items()).encode()
        return head(sent).replace(b"\r\nhost: x", b"\r\nhost: x" + more) + sent.body

    def first_answer(connection) -> bytes:
        connection.sendall(request())
        return connection.recv(65_536)

    with receiving(database_url, header_seconds=0.4) as receiver, contextlib.ExitStack() as opened:
        used: list = []

        def is_in_time() -> bool:
            """A slow test may be hung up on before it has said anything."""
            connection = opened.enter_context(connected(receiver))
            with contextlib.suppress(ConnectionError):
                used[:] = [connection, first_answer(connection)]
                return bool(used[1])
            return False

        until(is_in_time)
        connection, answers = used
        time.sleep(0.5)
        connection.sendall(request())
        answers += connection.recv(65_536)
        connection.sendall(request(connection="close"))
        answers += until_closed(connection)
    assert answers.count(b"HTTP/1.1 202") == 3


def test_half_open_connections_do_not_keep_others_out(database_url) -> None:
    import socket  # noqa: PLC0415 - only here

    with receiving(database_url) as receiver:
        held = [socket.create_connection((receiver.host, receiver.port)) for _ in range(300)]
        try:
            for connection in held:
                connection.sendall(b"POST /webhooks/1c HTTP/1.1\r\n")
            assert post(receiver, event()).status == 202
            assert get(receiver, "/health").status == 200
        finally:
            for connection in held:
                connection.close()


def test_a_request_that_two_servers_would_read_differently_is_refused(receiver, database_url) -> None:
    sent = event()
    smuggled = head(sent).replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n")
    assert raw(receiver, smuggled + sent.body).startswith(b"HTTP/1.1 400")
    assert inbox(database_url) == 0


def test_who_hangs_up_in_the_middle_leaves_nothing(receiver, database_url) -> None:
    import socket  # noqa: PLC0415 - only here

    sent = event()
    with socket.create_connection((receiver.host, receiver.port)) as connection:
        connection.sendall(head(sent) + sent.body[:5])
    assert post(receiver, event()).status == 202
    assert inbox(database_url) == 1


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/webhooks/1c", 405), ("POST", "/", 404)])
def test_other_methods_and_paths_are_not_there(receiver, method, path, status) -> None:
    answer = raw(receiver, f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status}".encode())


def test_health_and_description_are_there_for_everybody(receiver) -> None:
    assert get(receiver, "/health").status == 200
    document = json.loads(get(receiver, "/openapi.json").body)
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]["/webhooks/1c"]["post"]["responses"]) == {
        "200",
        "202",
        "400",
        "401",
        "408",
        "413",
        "503",
    }


def test_stock_values_are_kept_with_the_event(receiver, database_url) -> None:
    row = {"warehouse": B, "product": A, "on_hand": "5.125"}
    body = {
        "type": "stock.changed",
        "timestamp": "2026-11-23T12:00:00Z",
        "data": {"sequence": 9, "stock": [row]},
    }
    assert post(receiver, signed_body(json.dumps(body).encode())).status == 202
    details = value(database_url, "SELECT details FROM integ.webhook_inbox")
    assert details["sequence"] == 9
    assert details["occurred_at"] == "2026-11-23T12:00:00Z"
    assert details["stock"] == [
        {"warehouse": B, "product": A, "variant": None, "on_hand": "5.125", "to_ship": None}
    ]


def test_old_events_are_forgotten_and_newer_ones_kept(database_url) -> None:
    import asyncio  # noqa: PLC0415 - only here

    from onec_pipelines.db.engine import connect  # noqa: PLC0415 - only here

    query(
        database_url,
        "INSERT INTO integ.webhook_inbox (system_name, msg_id, type, sent_at, received_at)"
        " SELECT 'test', %s || n, 'ping', now(), now() - make_interval(days => n) FROM generate_series(1, 30) n",
        str(uuid4()),
    )

    async def prune() -> int:
        with connect(database_url) as database:
            writer = InboxWriter(database, system_name="test")
            try:
                return await writer.prune(days=14)
            finally:
                await writer.close()

    assert asyncio.run(prune()) in {16, 17}
    assert inbox(database_url) in {13, 14}
