from __future__ import annotations

import threading
import time

import pytest

from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.onec.session import SessionPool
from onec_pipelines.onec.transport import Exchange
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.unit.onec.conftest import respond

GIVES_SESSION = respond(headers=("Set-Cookie: ibsession=s-1; path=/ut",))
DEAD = respond("<html><body>Сеанс не найден</body></html>", status="400 Bad Request")
BAD_FILTER = respond(
    '{"odata.error": {"code": "14", "message": {"lang": "ru", "value": "Ошибка разбора"}}}',
    status="400 Bad Request",
)


def exchange():
    return Exchange(
        method="GET",
        target="/ut/odata/standard.odata/X",
        shown="GET X",
        ends_at=time.monotonic() + PATIENCE_SECONDS,
        max_bytes=10_000,
    )


@pytest.fixture
def pool_of(connect):
    opened = []

    def make(server, **changes):
        opened.append(SessionPool(connect(server.url, **changes)))
        return opened[-1]

    yield make
    for pool in opened:
        pool.close()


def send(pool):
    with pool.borrow(PATIENCE_SECONDS) as session:
        return session.send(exchange())


def test_login_and_password_travel_in_utf8(serve, pool_of):
    server = serve(respond())

    send(pool_of(server, user="Иван", password="п:ё"))

    assert server.header("Authorization") == "Basic 0JjQstCw0L060L860ZE="


def test_auto_finds_out_that_the_publication_gives_sessions_and_carries_the_cookie(serve, pool_of):
    server = serve(GIVES_SESSION, respond())
    pool = pool_of(server)

    send(pool)
    send(pool)

    assert (server.header("IBSession", 0), server.header("Cookie", 0)) == ("start", None)
    assert (server.header("IBSession", 1), server.header("Cookie", 1)) == (None, "ibsession=s-1")
    assert (pool.mode, pool.sessions_started) == ("use", 1)


def test_auto_finds_out_that_1c_reuses_sessions_itself_and_stops_asking(serve, pool_of):
    server = serve(respond())
    pool = pool_of(server)

    send(pool)
    send(pool)

    assert (server.header("IBSession", 0), server.header("IBSession", 1)) == ("start", None)
    assert (pool.mode, pool.sessions_started) == ("autouse", 1)


def test_autouse_never_asks_for_a_session(serve, pool_of):
    server = serve(respond())

    send(pool_of(server, session_mode="autouse"))

    assert server.header("IBSession") is None


def test_a_refused_start_teaches_nothing(serve, pool_of):
    server = serve(respond("", status="406 Not Acceptable"), GIVES_SESSION)
    pool = pool_of(server)

    assert send(pool).status == 406
    assert pool.mode == "auto"
    send(pool)
    assert pool.mode == "use"


def test_use_without_a_session_given_stops_instead_of_starting_one_per_call(serve, pool_of):
    with pytest.raises(Stop) as caught:
        send(pool_of(serve(respond()), session_mode="use"))

    assert caught.value.code == "ONEC_SESSION_MODE"


def test_a_dead_session_is_replaced_once(serve, pool_of):
    server = serve(GIVES_SESSION, DEAD, respond(headers=("Set-Cookie: ibsession=s-2",)), respond())
    pool = pool_of(server)
    send(pool)

    reply = send(pool)
    send(pool)

    assert reply.status == 200
    assert [server.header("Cookie", index) for index in range(4)] == [
        None,
        "ibsession=s-1",
        None,
        "ibsession=s-2",
    ]
    assert pool.sessions_started == 2


def test_a_complaint_about_the_request_costs_no_new_session(serve, pool_of):
    server = serve(GIVES_SESSION, BAD_FILTER)
    pool = pool_of(server)
    send(pool)

    assert send(pool).status == 400
    assert len(server.requests) == 2


def test_closing_ends_the_session_in_1c(serve, pool_of):
    server = serve(GIVES_SESSION, respond())
    pool = pool_of(server)
    send(pool)

    pool.close()

    assert (server.header("IBSession"), server.header("Cookie")) == ("finish", "ibsession=s-1")


def test_closing_works_when_1c_is_gone(serve, pool_of):
    server = serve(GIVES_SESSION)
    pool = pool_of(server)
    send(pool)
    server.close()

    pool.close()

    assert len(server.requests) == 1


def test_no_more_sessions_than_allowed_are_ever_used(serve, pool_of):
    server = serve(respond())
    pool = pool_of(server, max_sessions=2, session_mode="autouse")
    barrier = threading.Barrier(2)

    def work():
        with pool.borrow(PATIENCE_SECONDS) as session:
            barrier.wait(PATIENCE_SECONDS)
            session.send(exchange())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(server.requests) == 8
    assert (server.connections, pool.sessions_started) == (2, 2)


def test_one_thread_keeps_to_one_session(serve, pool_of):
    server = serve(respond())
    pool = pool_of(server, max_sessions=4, session_mode="autouse")

    for _ in range(5):
        send(pool)

    assert (server.connections, pool.sessions_started) == (1, 1)


def test_waiting_for_a_session_ends_and_was_never_sent(serve, pool_of):
    pool = pool_of(serve(respond()), max_sessions=1)

    with pool.borrow(PATIENCE_SECONDS), pytest.raises(RetryLater) as caught, pool.borrow(0.05):
        pytest.fail("there is no second session")

    assert (caught.value.code, caught.value.sent) == ("ONEC_BUSY", False)
