"""Requests of the exchange plan and what their answers mean, against a socket that answers as told."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.onec.changes import (
    PACKET_BROKEN,
    ChangeFeed,
    Node,
    cannot_be_had,
    find_node,
    list_nodes,
    may_be_the_packet,
    readable,
)
from onec_pipelines.onec.client import OnecClient, RetryPolicy
from onec_pipelines.onec.connection import Connection

PLAN, REF = "ExchangePlan_ДляODATA", "8b9660f6-6332-11ec-ad72-000c29b45b09"
NODE = Node(plan=PLAN, ref=REF, code="SHOP", name="Магазин", sent_no=7, received_no=7)
FEED = b'<feed xmlns="http://www.w3.org/2005/Atom"></feed>'


class Told:
    """What the next answers are, and what was asked."""

    def __init__(self):
        self.answers = []
        self.asked = []


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def url(told):
    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            told.asked.append(
                (self.command, self.path, self.headers.get("Content-Length"), self.headers.get("Accept"))
            )
            told_now = told.answers.pop(0)
            if callable(told_now):
                told_now(self.connection)
                return
            status, body, kind = told_now
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server wants

        def log_message(self, *_):
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a client that gave up is what some tests want
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/ут/odata/standard.odata"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def connection(url):
    return Connection(
        url=url, user="u", password="p", timezone="Europe/Moscow", system="t", session_mode="autouse"
    )


@pytest.fixture
def exchange(connection):
    with ChangeFeed(connection) as opened:
        yield opened


@pytest.fixture
def client(connection):
    with OnecClient(connection, retry=RetryPolicy(attempts=1)) as opened:
        yield opened


def nodes(*rows):
    return (200, json.dumps({"value": list(rows)}).encode(), "application/json")


def row(code, **more):
    return {
        "Ref_Key": REF,
        "Code": code,
        "Description": "Магазин",
        "DeletionMark": False,
        "SentNo": "9",
        "ReceivedNo": "7",
        **more,
    }


def error(status, code, message):
    body = {"odata.error": {"code": code, "message": {"lang": "ru", "value": message}}}
    return (status, json.dumps(body).encode(), "application/json")


def test_the_node_is_named_by_its_canonical_address_with_single_quotes(exchange, told, url):
    told.answers = [(200, FEED, "application/atom+xml")]
    sink = io.BytesIO(b"old bytes that are longer than the packet" * 9)

    packet = exchange.select(NODE, 8, sink, deadline=60)

    method, path, length, accept = told.asked[0]
    assert (method, length) == ("POST", "0")
    assert accept.startswith("application/atom+xml")
    assert unquote(path).endswith(f"/SelectChanges?DataExchangePoint='{url}/{PLAN}(guid'{REF}')'&MessageNo=8")
    assert (packet.message_no, sink.getvalue()) == (8, FEED)


def test_an_acknowledgement_is_an_empty_answer(exchange, told):
    told.answers = [(200, b"", "text/plain")]

    exchange.acknowledge(NODE, 8, deadline=60)

    assert unquote(told.asked[0][1]).endswith("&MessageNo=8")


@pytest.mark.parametrize("body", [b"<html><body>login</body></html>", b"<!DOCTYPE html><HTML></HTML>"])
def test_a_page_instead_of_an_acknowledgement_is_none(exchange, told, body):
    told.answers = [(200, body, "text/html")]

    with pytest.raises(RetryLater) as caught:
        exchange.acknowledge(NODE, 8, deadline=60)

    assert caught.value.code == "ONEC_BAD_ANSWER"


@pytest.mark.parametrize("body", [b"", FEED[:-3], FEED[:-7], b"<html></html>", b"{}"])
def test_a_packet_that_is_none_or_is_cut_is_a_bad_answer(exchange, told, body):
    told.answers = [(200, body, "application/atom+xml")]

    with pytest.raises(RetryLater) as caught:
        exchange.select(NODE, 8, io.BytesIO(), deadline=60)

    assert caught.value.code == "ONEC_BAD_ANSWER"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (error(400, "-1", "Текст XML содержит недопустимый символ"), PACKET_BROKEN),
        (error(400, "", "Текст XML содержит недопустимый символ"), PACKET_BROKEN),
        (error(500, "-1", "Ошибка в обработчике ПриОтправкеДанных"), PACKET_BROKEN),
        (error(500, "-1", "Недостаточно памяти для получения результата"), "ONEC_OUT_OF_MEMORY"),
        (error(400, "12", "Отсутствует обязательный аргумент метода"), "ONEC_BAD_REQUEST"),
        (error(404, "9", "Экземпляр сущности не найден"), "ONEC_NODE_UNKNOWN"),
        (error(404, "8", "Сущность не найдена"), "ONEC_NOT_PUBLISHED"),
        (error(401, "20", "Нарушение прав доступа"), "ONEC_RIGHTS"),
        ((401, b"", "text/html"), "ONEC_AUTH"),
        ((503, b"busy", "text/plain"), "ONEC_OVERLOAD"),
        ((500, b"<html>crash</html>", "text/html"), "ONEC_SERVER_ERROR"),
    ],
)
def test_every_refusal_of_a_packet_has_its_name(exchange, told, answer, code):
    told.answers = [answer]

    with pytest.raises((RetryLater, Stop)) as caught:
        exchange.select(NODE, 8, io.BytesIO(), deadline=60)

    assert caught.value.code == code
    hopeless = code not in {"ONEC_OUT_OF_MEMORY", "ONEC_AUTH", "ONEC_OVERLOAD", "ONEC_SERVER_ERROR"}
    assert cannot_be_had(caught.value) == hopeless
    assert may_be_the_packet(caught.value) == (code in {"ONEC_OUT_OF_MEMORY", "ONEC_SERVER_ERROR"})


def test_words_of_1c_that_come_as_base64_are_read(exchange, told):
    words = "Текст XML содержит недопустимый символ в позиции 4711"
    told.answers = [error(400, "-1", base64.b64encode(words.encode()).decode())]

    with pytest.raises(Stop) as caught:
        exchange.select(NODE, 8, io.BytesIO(), deadline=60)

    assert words in str(caught.value)


@pytest.mark.parametrize("plain", ["", "Ошибка", "deadbeef", "q83vEjRWeJCrze8SNFZ4kA=="])
def test_other_words_stay_as_they_are(plain):
    assert readable(plain) == plain


def test_a_slow_packet_ends_at_its_deadline(exchange, told, clock):
    told.answers = [clock.pass_deadline]
    begun = time.monotonic()
    with pytest.raises(RetryLater) as caught:
        exchange.select(NODE, 8, io.BytesIO(), deadline=200)

    assert caught.value.code == "ONEC_TIMEOUT"
    assert time.monotonic() - begun < 100


def test_the_next_number_follows_the_last_received(client, told):
    told.answers = [nodes(row("SHOP"), row("000", Ref_Key=REF.replace("8b", "9b")))]

    node = find_node(client, PLAN, "SHOP")

    assert (node.next_no, node.sent_no) == (8, 9)


def test_a_node_is_found_by_guid_and_one_that_is_marked_is_not_seen(client, told):
    told.answers = [nodes(row("SHOP")), nodes(row("SHOP", DeletionMark=True))]

    assert find_node(client, PLAN, REF.upper()).code == "SHOP"
    assert list_nodes(client, PLAN) == []


@pytest.mark.parametrize(
    "rows", [[], [row("A")], [row("SHOP"), row("SHOP", Ref_Key=REF.replace("8b", "9b"))]]
)
def test_none_or_several_nodes_are_refused_with_what_there_is(client, told, rows):
    told.answers = [nodes(*rows)]

    with pytest.raises(Stop) as caught:
        find_node(client, PLAN, "SHOP")

    assert caught.value.code == "ONEC_NODE_UNKNOWN"
    assert all(one["Code"] in str(caught.value) for one in rows)


@pytest.mark.parametrize("bad", [{"SentNo": "many"}, {"Ref_Key": ""}])
def test_a_node_without_numbers_or_key_is_a_bad_answer(client, told, bad):
    told.answers = [nodes(row("SHOP", **bad))]

    with pytest.raises(RetryLater) as caught:
        list_nodes(client, PLAN)

    assert caught.value.code == "ONEC_BAD_ANSWER"
