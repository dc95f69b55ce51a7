"""The simulator on a socket: keep-alive, raw bytes, faults that only a socket can show, control, start and stop."""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection, IncompleteRead
from urllib.parse import quote, urlsplit
from urllib.request import Request, build_opener

import pytest

from onec_pipelines.simulator.options import OptionError
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until

GOODS = quote("Catalog_Номенклатура")
QUERY = "?$format=json&$top=50"

OPEN = build_opener().open


@pytest.fixture(scope="module")
def base():
    with Simulator.start_process(products=800, seed=3) as running:
        yield running


@pytest.fixture
def clean(base):
    """The base without faults, before and after."""
    control(base, "faults", method="DELETE")
    yield base
    control(base, "faults", method="DELETE")


def control(base, path, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    verb = method or ("POST" if data else "GET")
    request = Request(f"{base.control_url}/{path}", data=data, method=verb)  # noqa: S310 - our server
    with OPEN(request) as answer:
        return json.load(answer)


def headers(base):
    user = base64.b64encode(f"{base.user}:{base.password}".encode()).decode()
    return {"Authorization": f"Basic {user}"}


def connect(base):
    return HTTPConnection(urlsplit(base.url).netloc, timeout=PATIENCE_SECONDS)


def get(base, path, connection=None, method="GET", body=None):
    used = connection or connect(base)
    try:
        used.request(method, urlsplit(base.url).path + path, body=body, headers=headers(base))
        answer = used.getresponse()
        return answer, answer.read()
    finally:
        if connection is None:
            used.close()


def test_one_connection_serves_many_requests(clean):
    connection = connect(clean)
    for _ in range(3):
        answer, body = get(clean, f"/{GOODS}{QUERY}", connection)
        assert answer.status == 200
        assert len(json.loads(body)["value"]) == 50
    connection.close()


def test_a_large_set_is_streamed(clean):
    answer, body = get(clean, f"/{quote('InformationRegister_ЦеныНоменклатуры25_RecordType')}?$format=json")
    rows = json.loads(body)["value"]
    assert answer.headers["Transfer-Encoding"] == "chunked"
    _, count = get(clean, f"/{quote('InformationRegister_ЦеныНоменклатуры25_RecordType')}/$count")
    assert len(rows) == int(count.decode("utf-8-sig"))


def test_raw_utf_8_in_the_request_line_is_understood(clean):
    host, port = urlsplit(clean.url).netloc.split(":")
    line = f"GET {urlsplit(clean.url).path}/Catalog_Номенклатура/$count HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(f"{line}Authorization: {headers(clean)['Authorization']}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_location_carries_raw_utf_8(clean):
    host, port = urlsplit(clean.url).netloc.split(":")
    body = json.dumps({"Description": "Проба"}).encode()
    head = f"POST {urlsplit(clean.url).path}/{GOODS} HTTP/1.1\r\nHost: srv\r\nConnection: close\r\n"
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(
            f"{head}Authorization: {headers(clean)['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert "Location: http://srv/ut/odata/standard.odata/Catalog_Номенклатура(guid'".encode() in answer


def test_garbage_gets_400(clean):
    host, port = urlsplit(clean.url).netloc.split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(b"\x16\x03\x01 garbage\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_truncated_answer_ends_early(clean):
    control(clean, "faults", {"type": "limit_data", "attributes": {"bytes": 700}, "times": 1})
    with pytest.raises(IncompleteRead) as broken:
        get(clean, f"/{GOODS}{QUERY}")
    assert len(broken.value.partial) == 700
    assert get(clean, f"/{GOODS}{QUERY}")[0].status == 200


def test_an_answer_can_drip(clean):
    control(clean, "faults", {"type": "slicer", "attributes": {"average_size": 4000, "delay": 20}})
    started = time.monotonic()
    _, body = get(clean, f"/{GOODS}?$format=json&$top=10")
    assert time.monotonic() - started >= 0.02 * (len(body) // 4000)
    assert json.loads(body)["value"]


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_reset_is_seen_as_a_reset(clean, phase):
    control(clean, "faults", {"type": "reset_peer", "attributes": {"phase": phase}, "match": "^POST"})
    before = control(clean, f"rows/{GOODS}?top=0")["count"]
    with pytest.raises(ConnectionResetError):
        get(clean, f"/{GOODS}?$format=json", method="POST", body=b'{"Description": "x"}')
    assert control(clean, f"rows/{GOODS}?top=0")["count"] == before + (phase == "after")


def test_one_slow_request_does_not_hold_up_others():
    with Simulator.start_process(products=5) as own:
        # Slower than the test may last.
        latency = {"latency": 2000 * PATIENCE_SECONDS}
        control(own, "faults", {"type": "latency", "attributes": latency, "match": "slow"})
        slow = connect(own)
        slow.request(
            "GET", f"{urlsplit(own.url).path}/{GOODS}?$format=json&$top=1&slow=1", headers=headers(own)
        )
        until(lambda: control(own, "faults")[0]["fired"])
        assert get(own, f"/{GOODS}{QUERY}")[0].status == 200
        assert select.select([slow.sock], [], [], 0) == ([], [], [])
        slow.close()


def test_a_late_answer_comes(clean):
    control(clean, "faults", {"type": "latency", "attributes": {"latency": 200}})
    started = time.monotonic()
    assert get(clean, f"/{GOODS}{QUERY}")[0].status == 200
    assert time.monotonic() - started >= 0.2


def test_counters_tell_requests_sessions_and_statuses(clean):
    control(clean, "stats", method="DELETE")
    control(clean, "sessions", method="DELETE")
    for _ in range(3):
        get(clean, f"/{GOODS}{QUERY}")
    get(clean, "/Catalog_X")
    stats = control(clean, "stats")
    assert stats["requests"]["GET Catalog_Номенклатура"] == 3
    assert stats["statuses"] == {"200": 3, "404": 1}
    assert stats["sessions_started"] == 1
    assert control(clean, "requests?last=1") == ["GET /ut/odata/standard.odata/Catalog_X"]


def test_switches_change_while_it_runs(clean):
    control(clean, "options", {"maintenance": True}, method="PATCH")
    assert get(clean, f"/{GOODS}")[0].status == 403
    control(clean, "options", {"maintenance": False}, method="PATCH")
    assert get(clean, f"/{GOODS}")[0].status == 200


def test_control_refuses_what_it_does_not_know(clean):
    for path, body in (("faults", {"type": "x"}), ("options", {"x": 1}), ("nowhere", {})):
        with pytest.raises(OSError, match="HTTP Error 40"):
            control(clean, path, body)


def test_control_changes_rows_as_a_user_of_1c_would(clean):
    made = control(clean, f"rows/{GOODS}", {"Description": "Изнутри"})
    answer, body = get(clean, f"/{GOODS}(guid'{made['Ref_Key']}')?$format=json")
    assert (answer.status, json.loads(body)["Description"]) == (200, "Изнутри")
    control(clean, f"rows/{GOODS}/{made['Ref_Key']}", method="DELETE")
    assert get(clean, f"/{GOODS}(guid'{made['Ref_Key']}')?$format=json")[0].status == 404


def test_the_process_ends_when_it_is_told_and_leaves_no_port_open():
    with Simulator.start_process(products=5) as running:
        pid, address = running.pid, urlsplit(running.url).netloc.split(":")
        assert get(running, "/?$format=json")[0].status == 200
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address[0], int(address[1])))


def test_the_thread_variant_serves_and_stops():
    with Simulator.start_thread(products=5, seed=2) as running:
        assert get(running, f"/{GOODS}{QUERY}")[0].status == 200
        address = urlsplit(running.url).netloc.split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address[0], int(address[1])))


def test_wrong_options_are_refused_by_name():
    with pytest.raises(OptionError, match="no option 'prodcts'"):
        Simulator.start_thread(prodcts=5)
    with pytest.raises(OptionError, match="Catalog_Нет"):
        Simulator.start_thread(products=5, publish="Catalog_Нет")
    command = [sys.executable, "-m", "onec_pipelines.simulator", "--metadata", "/nonexistent.edmx"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert finished.stderr.startswith("option metadata: ")


def test_the_help_names_every_switch():
    finished = subprocess.run(
        [sys.executable, "-m", "onec_pipelines.simulator", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for name in (
        "--products",
        "--metadata",
        "--publish",
        "--sessions",
        "--web-server",
        "--if-match",
        "--replay",
    ):
        assert name in finished.stdout


def test_the_shop_works_when_told_and_the_oracle_tells_the_result(clean):
    before = control(clean, "oracle/orders")
    steps = control(clean, "day", {"steps": 5, "kind": "new order"})
    made = {touch["key"][0] for step in steps for touch in step["touched"] if touch["action"] == "create"}
    after = {row["Ref_Key"] for row in control(clean, "oracle/orders")}
    assert after == {row["Ref_Key"] for row in before} | made
    key = next(iter(made))
    assert get(clean, f"/{quote('Document_ЗаказКлиента')}(guid'{key}')?$format=json")[0].status == 200


def test_a_client_that_goes_away_during_a_large_answer_gives_its_session_back(clean):
    control(clean, "sessions", method="DELETE")
    control(clean, "options", {"pool_size": 1, "pool_timeout": PATIENCE_SECONDS / 2}, method="PATCH")
    host, port = urlsplit(clean.url).netloc.split(":")
    path = f"{urlsplit(clean.url).path}/{quote('InformationRegister_ЦеныНоменклатуры25_RecordType')}?$format=json"
    for _ in range(3):
        with socket.create_connection((host, int(port))) as raw:
            login = headers(clean)["Authorization"]
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n\r\n".encode())
            raw.recv(10)
    assert get(clean, f"/{GOODS}{QUERY}")[0].status == 200
    control(clean, "options", {"pool_size": 10, "pool_timeout": 5}, method="PATCH")
