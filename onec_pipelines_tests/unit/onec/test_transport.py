from __future__ import annotations

import gzip
import logging
import time
import tracemalloc
from importlib import import_module

import httpcore
import httpx
import pytest

from onec_pipelines.errors import PipelineError, RetryLater, Stop
from onec_pipelines.onec.transport import Exchange, Transport
from onec_pipelines.onec.transport_faults import translate_fault
from onec_pipelines.onec.transport_sockets import is_near
from onec_pipelines_tests.fixtures.certificates import Authority
from onec_pipelines_tests.unit.onec.conftest import drip, hang_up, raw, reset, respond, silent

MEBIBYTE = 1024 * 1024


def exchange(*, seconds=60.0, max_bytes=MEBIBYTE, **changes):
    given = {"method": "GET", "target": "/ut/odata/standard.odata/Catalog_X", "shown": "GET Catalog_X"}
    return Exchange(**{**given, "ends_at": time.monotonic() + seconds, "max_bytes": max_bytes, **changes})


@pytest.fixture
def transport_to(connect):
    opened = []

    def make(server, *, keepalive=True, **changes):
        opened.append(Transport(connect(server.url, **changes).route, keepalive=keepalive))
        return opened[-1]

    yield make
    for transport in opened:
        transport.close()


HEAD = b"HTTP/1.1 200 OK\r\n"
CUT_GZIP = gzip.compress(b'{"value": []}' * 1000)[:-20]


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        pytest.param(hang_up, "ONEC_CONNECTION_LOST", id="FIN before the head"),
        pytest.param(reset, "ONEC_CONNECTION_LOST", id="RST"),
        pytest.param(raw(HEAD + b"Content-Length: 99\r\n\r\n{"), "ONEC_CONNECTION_LOST", id="short body"),
        pytest.param(
            raw(HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"v'), "ONEC_CONNECTION_LOST", id="cut chunk"
        ),
        pytest.param(raw(b"SSH-2.0-OpenSSH\r\n\r\n"), "ONEC_CONNECTION_LOST", id="not HTTP"),
        pytest.param(
            respond(CUT_GZIP, headers=("Content-Encoding: gzip",)),
            "ONEC_BAD_ANSWER",
            id="gzip cut, length right",
        ),
        pytest.param(
            respond(b"plain text, really", headers=("Content-Encoding: gzip",)),
            "ONEC_BAD_ANSWER",
            id="not gzip",
        ),
        pytest.param(
            respond(gzip.compress(b"{}")[:-8] + b"\0" * 8, headers=("Content-Encoding: gzip",)),
            "ONEC_BAD_ANSWER",
            id="wrong check sum",
        ),
        pytest.param(
            respond(b"\x1b\x00", headers=("Content-Encoding: br",)), "ONEC_BAD_ANSWER", id="not asked for"
        ),
    ],
)
def test_a_broken_answer_may_succeed_later_but_was_sent(serve, transport_to, behaviour, code):
    with pytest.raises(RetryLater) as caught:
        transport_to(serve(behaviour)).send(exchange())

    assert caught.value.code == code
    assert caught.value.sent is True


def test_a_refused_connection_was_surely_not_sent(serve, transport_to):
    server = serve(respond())
    server.close()

    with pytest.raises(RetryLater) as caught:
        transport_to(server).send(exchange())

    assert (caught.value.code, caught.value.sent) == ("ONEC_UNREACHABLE", False)


def test_an_unknown_host_was_surely_not_sent(connect):
    transport = Transport(connect("http://onec.invalid/ut/odata/standard.odata").route)

    with pytest.raises(RetryLater) as caught:
        transport.send(exchange())

    transport.close()
    assert (caught.value.code, caught.value.sent) == ("ONEC_UNREACHABLE", False)


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(silent, id="silent"),
        pytest.param(drip(HEAD + b"X: " + b"y" * 500), id="dripping head"),
        pytest.param(
            drip(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"z" * 500, 0.02), id="dripping body"
        ),
    ],
)
def test_the_deadline_ends_the_whole_exchange(serve, transport_to, behaviour):
    transport = transport_to(serve(respond(), behaviour))
    transport.send(exchange())  # connected: what follows was surely sent

    with pytest.raises(RetryLater) as caught:
        transport.send(exchange(seconds=0.4))

    assert (caught.value.code, caught.value.sent) == ("ONEC_TIMEOUT", True)


def test_silence_after_a_slow_beginning_does_not_start_the_deadline_anew(serve, transport_to, clock):
    begun = time.monotonic()
    with pytest.raises(RetryLater) as caught:
        transport_to(serve(clock.pass_deadline)).send(exchange(seconds=200))

    assert caught.value.code == "ONEC_TIMEOUT"
    assert time.monotonic() - begun < 100


def test_a_body_above_the_cap_is_refused_while_it_streams(serve, transport_to):
    with pytest.raises(Stop) as caught:
        transport_to(serve(respond(b"x" * 5000))).send(exchange(max_bytes=4000))

    assert caught.value.code == "ONEC_TOO_LARGE"


def test_a_gzip_bomb_costs_little_memory(serve, transport_to):
    bomb = gzip.compress(b"\0" * (200 * MEBIBYTE), compresslevel=1)
    server = serve(respond(bomb, headers=("Content-Encoding: gzip",)))
    transport = transport_to(server)
    tracemalloc.start()

    with pytest.raises(Stop) as caught:
        transport.send(exchange(max_bytes=4 * MEBIBYTE))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "ONEC_TOO_LARGE"
    assert peak < 12 * MEBIBYTE


def test_gzip_is_asked_for_and_unpacked_and_counted_as_transferred(serve, transport_to):
    plain = b'{"value": [' + b"1," * 10_000 + b"1]}"
    packed = gzip.compress(plain)
    server = serve(respond(packed, headers=("Content-Encoding: gzip",)))

    reply = transport_to(server, compression="on").send(exchange())

    assert (reply.body, reply.wire_bytes) == (plain, len(packed))
    assert server.header("Accept-Encoding") == "gzip"


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_nothing_is_compressed_on_the_same_machine_or_when_told_so(serve, transport_to, mode):
    server = serve(respond())

    transport_to(server, compression=mode).send(exchange())

    assert server.header("Accept-Encoding") == "identity"


def test_behind_a_proxy_the_way_counts_as_long(serve, transport_to):
    proxy, server = serve(respond()), serve(respond())

    transport_to(server, proxy=f"http://127.0.0.1:{proxy.port}").send(exchange())

    assert proxy.header("Accept-Encoding") == "gzip"


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("localhost", True),
        ("127.0.0.9", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("192.168.0.7", True),
        ("fd00::5", True),
        ("8.8.8.8", False),
        ("2001:4860:4860::8888", False),
        ("onec.invalid", False),
    ],
)
def test_loopback_and_private_addresses_are_near(host, near):
    assert is_near(host) is near


def test_gzip_members_strung_together_are_one_body(serve, transport_to):
    server = serve(
        respond(gzip.compress(b'{"a"') + gzip.compress(b": 1}"), headers=("Content-Encoding: gzip",))
    )

    assert transport_to(server).send(exchange()).body == b'{"a": 1}'


def test_a_sink_takes_a_good_body_but_no_error_page(serve, transport_to, tmp_path):
    transport = transport_to(serve(respond("<edmx/>"), respond("gone", status="404 Not Found")))
    with (tmp_path / "body").open("w+b") as sink:
        good = transport.send(exchange(sink=sink))
        bad = transport.send(exchange(sink=sink))

    assert (tmp_path / "body").read_bytes() == b"<edmx/>"
    assert (good.body, bad.body) == (b"", b"gone")


def test_a_redirect_is_handed_up_and_not_followed(serve, transport_to):
    elsewhere = serve(respond())
    server = serve(respond("", status="302 Found", headers=(f"Location: {elsewhere.url}",)))

    reply = transport_to(server).send(exchange())

    assert reply.status == 302
    assert elsewhere.requests == []


def test_the_target_travels_as_it_is_and_nobody_is_named(serve, transport_to):
    server = serve(respond())

    transport_to(server).send(exchange(target="/ut/odata/standard.odata/Catalog_X?$filter=A%20eq%20'%2B'"))

    assert server.header("Authorization") is None
    assert server.targets() == ["/ut/odata/standard.odata/Catalog_X?$filter=A%20eq%20'%2B'"]


def test_a_connection_is_kept_for_reads_and_closed_for_writes(serve, transport_to):
    reads, writes = serve(respond()), serve(respond())
    reading, writing = transport_to(reads), transport_to(writes, keepalive=False)

    for _ in range(3):
        reading.send(exchange())
        writing.send(exchange())

    assert (reads.connections, writes.connections) == (1, 3)


def test_a_cookie_of_the_server_is_not_sent_back_by_itself(serve, transport_to):
    server = serve(respond(headers=("Set-Cookie: ibsession=abc; path=/",)), respond())
    transport = transport_to(server)

    transport.send(exchange())
    transport.send(exchange())

    assert server.header("Cookie") is None


def test_proxies_of_the_environment_are_not_used(serve, transport_to, monkeypatch):
    proxy, server = serve(respond()), serve(respond())
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")

    transport_to(server).send(exchange())

    assert (len(proxy.requests), len(server.requests)) == (0, 1)


def test_a_proxy_that_is_asked_for_gets_the_whole_address(serve, transport_to):
    proxy, server = serve(respond()), serve(respond())

    transport_to(server, proxy=f"http://127.0.0.1:{proxy.port}").send(exchange())

    assert proxy.targets() == [f"http://127.0.0.1:{server.port}/ut/odata/standard.odata/Catalog_X"]
    assert server.requests == []


def test_a_header_with_raw_utf8_is_read(serve, transport_to):
    head = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nLocation: http://h/Catalog_Товары(guid'…')\r\n\r\n{}"

    reply = transport_to(serve(raw(head.encode()))).send(exchange())

    assert reply.headers["location"] == "http://h/Catalog_Товары(guid'…')"


def test_the_library_logs_neither_addresses_nor_cookies(serve, transport_to, caplog):
    server = serve(respond(headers=("Set-Cookie: ibsession=canary-cookie",)))
    with caplog.at_level(logging.DEBUG):
        transport_to(server).send(exchange(target="/ut/odata/standard.odata/X?$filter=canary-filter"))

    assert "canary" not in caplog.text


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """An authority that nobody knows, and the server side of TLS with a certificate of its."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    return authority.file, authority.server_context()


def test_a_certificate_that_nobody_vouches_for_stops_before_the_password_is_sent(
    serve, transport_to, certificate
):
    server = serve(respond(), tls=certificate[1])

    with pytest.raises(Stop) as caught:
        transport_to(server).send(exchange())

    assert caught.value.code == "ONEC_CERTIFICATE"
    assert server.requests == []


@pytest.mark.parametrize("how", ["authority", "unverified"])
def test_a_certificate_is_accepted_when_vouched_for_or_when_told_so(serve, transport_to, certificate, how):
    changes = {"ca_file": certificate[0]} if how == "authority" else {"verify": False}

    assert transport_to(serve(respond(), tls=certificate[1]), **changes).send(exchange()).status == 200


@pytest.mark.parametrize("behaviour", [silent, drip(HEAD + b"X: " + b"y" * 500)], ids=["silent", "drip"])
def test_the_deadline_holds_under_encryption(serve, transport_to, certificate, behaviour):
    transport = transport_to(serve(respond(), behaviour, tls=certificate[1]), ca_file=certificate[0])
    transport.send(exchange())

    with pytest.raises(RetryLater) as caught:
        transport.send(exchange(seconds=0.5))

    assert caught.value.code == "ONEC_TIMEOUT"


def all_exceptions(module):
    found = {getattr(import_module(module), name) for name in import_module(module).__all__}
    return sorted(
        {item for item in found if isinstance(item, type) and issubclass(item, Exception)},
        key=lambda item: item.__name__,
    )


@pytest.mark.parametrize("kind", [*all_exceptions("httpx"), *all_exceptions("httpcore")], ids=str)
def test_every_exception_of_the_library_has_a_meaning(kind):
    error = translate_fault(kind.__new__(kind), request="GET X")

    assert isinstance(error, PipelineError)
    assert error.code.startswith("ONEC_")
    assert error.remedy


@pytest.mark.parametrize("kind", [*all_exceptions("httpx"), *all_exceptions("httpcore")], ids=str)
def test_every_exception_of_the_library_is_caught(serve, connect, kind):
    class Failing(httpx.BaseTransport):
        def handle_request(self, request):
            raise kind.__new__(kind)

    transport = Transport(connect("http://127.0.0.1:1/odata/standard.odata").route)
    transport._client.close()
    transport._client = httpx.Client(transport=Failing())

    with pytest.raises(PipelineError):
        transport.send(exchange())
    transport.close()


def test_never_sent_is_said_only_of_faults_before_the_request():
    unsent = {
        kind.__name__
        for kind in all_exceptions("httpcore")
        if isinstance(error := translate_fault(kind.__new__(kind), request="GET X"), RetryLater)
        and not error.sent
    }

    assert unsent == {"ConnectError", "ConnectTimeout", "ConnectionNotAvailable", "PoolTimeout", "ProxyError"}
    assert httpcore.ReadError.__name__ not in unsent
