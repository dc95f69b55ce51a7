"""Asking a token endpoint: what is sent to it, and what each of its answers means."""

from __future__ import annotations

import base64
import json
import logging
import time

import pytest

from onec_pipelines.errors import PipelineError, RetryLater, Stop
from onec_pipelines.onec.logins import ClientCredentials
from onec_pipelines.onec.token_endpoint import TokenEndpoint
from onec_pipelines_tests.unit.onec.conftest import hang_up, raw, respond

SECRET = "canary-secret"


def answer(value, status="200 OK", headers=()):
    return respond(json.dumps(value), status=status, headers=("Content-Type: application/json", *headers))


def ask(server, connect, *, seconds=60.0, path="/oauth2/token", **changes):
    given = {"client_id": "pipeline", "client_secret": SECRET}
    login = ClientCredentials(token_url=f"http://127.0.0.1:{server.port}{path}", **{**given, **changes})
    route = connect("http://127.0.0.1:1/odata/standard.odata").token_route(login.origin)
    return TokenEndpoint(login, route).fetch(time.monotonic() + seconds)


def test_the_client_is_named_and_a_token_comes_back(serve, connect):
    server = serve(answer({"access_token": "T-1.a_b", "token_type": "bearer", "expires_in": 300}))

    token = ask(server, connect, client_id="мы", client_secret="a:b c", scope="ut.read ut.write")

    assert (token.text, token.seconds) == ("T-1.a_b", 300.0)
    sent = base64.b64decode(server.header("Authorization").removeprefix("Basic ")).decode()
    assert sent == "%D0%BC%D1%8B:a%3Ab+c"
    assert server.body() == "grant_type=client_credentials&scope=ut.read+ut.write"
    assert server.header("Content-Type") == "application/x-www-form-urlencoded"
    assert server.targets() == ["/oauth2/token"]


def test_without_a_scope_none_is_sent_and_a_query_of_the_address_stays(serve, connect):
    server = serve(answer({"access_token": "T"}))

    ask(server, connect, path="/token?tenant=a%20b")

    assert server.body() == "grant_type=client_credentials"
    assert server.targets() == ["/token?tenant=a%20b"]


@pytest.mark.parametrize(
    ("life", "seconds"),
    [(300, 300.0), ("3599", 3599.0), (None, None), (-1, None), ("soon", None), ([], None), (1e400, None)],
)
def test_a_life_that_cannot_be_understood_is_unknown(serve, connect, life, seconds):
    server = serve(answer({"access_token": "T", "expires_in": life}))

    assert ask(server, connect).seconds == seconds


@pytest.mark.parametrize(
    ("behaviour", "kind", "code", "words"),
    [
        (answer({"error": "invalid_client"}, "401 Unauthorized"), Stop, "ONEC_AUTH", "ONEC_CLIENT_SECRET"),
        (answer({"error": "invalid_client"}, "400 Bad Request"), Stop, "ONEC_AUTH", "invalid_client"),
        (answer({"error": "unauthorized_client"}, "400 Bad Request"), Stop, "ONEC_AUTH", "Allow the grant"),
        (answer({"error": "invalid_scope"}, "400 Bad Request"), Stop, "ONEC_AUTH", "ONEC_SCOPE"),
        (respond("<html>", status="401 Unauthorized"), Stop, "ONEC_AUTH", "HTTP 401"),
        (respond("<html>", status="403 Forbidden"), Stop, "ONEC_AUTH", "HTTP 403"),
        (respond("<html>", status="404 Not Found"), Stop, "ONEC_TOKEN_ENDPOINT", "ONEC_TOKEN_URL"),
        (
            respond("", status="302 Found", headers=("Location: /x",)),
            Stop,
            "ONEC_TOKEN_ENDPOINT",
            "ONEC_TOKEN_URL",
        ),
        (answer({"access_token": "a b"}), Stop, "ONEC_TOKEN_ENDPOINT", "no access_token"),
        (answer({"access_token": "a\r\nX: y"}), Stop, "ONEC_TOKEN_ENDPOINT", "no access_token"),
        (answer({"access_token": 7}), Stop, "ONEC_TOKEN_ENDPOINT", "no access_token"),
        (answer({"token": "T"}), Stop, "ONEC_TOKEN_ENDPOINT", "no access_token"),
        (answer({"access_token": "T", "token_type": "mac"}), Stop, "ONEC_TOKEN_ENDPOINT", "type Bearer"),
        (respond("<html>Login</html>"), RetryLater, "ONEC_TOKEN_ENDPOINT", "not JSON"),
        (respond("x", status="500 Oops"), RetryLater, "ONEC_TOKEN_ENDPOINT", "HTTP 500"),
        (respond("x", status="429 Slow"), RetryLater, "ONEC_TOKEN_ENDPOINT", "HTTP 429"),
        (hang_up, RetryLater, "ONEC_TOKEN_ENDPOINT", "ONEC_CONNECTION_LOST"),
        (raw(b"SSH-2.0\r\n\r\n"), RetryLater, "ONEC_TOKEN_ENDPOINT", "ONEC_CONNECTION_LOST"),
        (respond(b"x" * 2_000_000), Stop, "ONEC_TOKEN_ENDPOINT", "ONEC_TOO_LARGE"),
    ],
)
def test_each_answer_has_its_error(serve, connect, *, behaviour, kind, code, words):
    server = serve(behaviour)

    with pytest.raises(PipelineError) as caught:
        ask(server, connect)

    assert (type(caught.value), caught.value.code) == (kind, code)
    assert words in str(caught.value)
    assert len(server.requests) == 1
    assert getattr(caught.value, "sent", False) is False


def test_silence_ends_at_the_deadline(serve, connect, clock):
    begun = time.monotonic()
    with pytest.raises(RetryLater, match="ONEC_TIMEOUT"):
        ask(serve(clock.pass_deadline), connect, seconds=200.0)

    assert time.monotonic() - begun < 100


def test_an_overloaded_endpoint_says_when_to_come_back(serve, connect):
    busy = answer({}, "503 Service Unavailable", ("Retry-After: 7",))

    with pytest.raises(RetryLater) as caught:
        ask(serve(busy), connect)

    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize(
    "behaviour",
    [
        answer({"error": "invalid_client", "error_description": f"bad {SECRET}"}, "401 Unauthorized"),
        answer({"error": SECRET}, "400 Bad Request"),
        respond(f"<html>{SECRET}</html>", status="500 Oops"),
        respond(SECRET, status=f"418 {SECRET}"),
        answer({"access_token": f"{SECRET}\n"}),
        answer({"access_token": "T", "token_type": SECRET}),
        hang_up,
    ],
)
def test_an_endpoint_that_echoes_the_secret_does_not_bring_it_into_errors_or_logs(
    serve, connect, caplog, behaviour
):
    with caplog.at_level(logging.DEBUG), pytest.raises(PipelineError) as caught:
        ask(serve(behaviour), connect)

    said = f"{caught.value} {caught.value!r} {caught.value.__dict__} {caplog.text}"
    assert SECRET not in said
    assert base64.b64encode(f"pipeline:{SECRET}".encode()).decode() not in said
