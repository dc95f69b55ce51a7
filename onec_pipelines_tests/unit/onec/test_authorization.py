"""Who asks, on real sockets: tokens of files and endpoints, refused ones, and that no secret gets out."""

from __future__ import annotations

import base64
import json
import logging
import os
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from onec_pipelines.errors import PipelineError, RetryLater, Stop
from onec_pipelines.onec.authorization import BearerAuthorizer, authorizer_of, shared_authorizer
from onec_pipelines.onec.logins import Bearer, ClientCredentials
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.unit.onec.conftest import respond

SECRET = "canary-secret"
PAGE = '{"value": []}'
UNAUTHORIZED = respond("<html>Идентификация пользователя не выполнена</html>", status="401 Unauthorized")
NO_RIGHT = respond(
    '{"odata.error": {"code": "20", "message": {"lang": "ru", "value": "Нет прав"}}}',
    status="401 Unauthorized",
)


def soon():
    return time.monotonic() + PATIENCE_SECONDS


def gives(text, *, seconds=300, pause=0.0):
    body = json.dumps({"access_token": text, "token_type": "Bearer", "expires_in": seconds})

    def behave(peer):
        time.sleep(pause)
        return respond(body)(peer)

    return behave


@pytest.fixture
def login_at():
    def make(server, **changes):
        given = {"client_id": "pipeline", "client_secret": SECRET}
        return ClientCredentials(token_url=f"http://127.0.0.1:{server.port}/token", **{**given, **changes})

    return make


def sent_tokens(server):
    return [server.header("Authorization", index) for index in range(len(server.requests))]


def test_a_token_goes_to_1c_and_the_secret_to_the_endpoint_alone(serve, client_of, login_at):
    endpoint, onec = serve(gives("T1")), serve(respond(PAGE))

    client_of(onec, login=login_at(endpoint), user="", password="").get("Catalog_X")

    assert sent_tokens(onec) == ["Bearer T1"]
    basic = base64.b64encode(f"pipeline:{SECRET}".encode()).decode()
    assert sent_tokens(endpoint) == [f"Basic {basic}"]
    assert SECRET not in "".join(onec.requests)
    assert basic not in "".join(onec.requests)


def test_ten_threads_of_one_client_cost_one_token_call(serve, client_of, login_at):
    endpoint, onec = serve(gives("T1", pause=0.1)), serve(respond(PAGE))
    client = client_of(onec, login=login_at(endpoint), max_sessions=10)

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda _: client.get("Catalog_X"), range(30)))

    assert len(endpoint.requests) == 1
    assert sent_tokens(onec) == ["Bearer T1"] * 30


def test_clients_of_one_connection_share_the_token(serve, client_of, login_at):
    endpoint, onec = serve(gives("T1")), serve(respond(PAGE))
    login = login_at(endpoint)

    for _ in range(3):
        client_of(onec, login=login).get("Catalog_X")

    assert len(endpoint.requests) == 1


def test_a_refused_token_is_fetched_again_once_and_the_request_repeated(serve, client_of, login_at):
    endpoint, onec = serve(gives("T1"), gives("T2")), serve(UNAUTHORIZED, respond(PAGE))

    answer = client_of(onec, login=login_at(endpoint)).get("Catalog_X")

    assert answer.status == 200
    assert sent_tokens(onec) == ["Bearer T1", "Bearer T2"]
    assert len(endpoint.requests) == 2


def test_a_token_refused_twice_stops(serve, client_of, login_at):
    endpoint, onec = serve(gives("T1"), gives("T2"), gives("T3")), serve(UNAUTHORIZED)

    with pytest.raises(Stop) as caught:
        client_of(onec, login=login_at(endpoint)).get("Catalog_X")

    assert (caught.value.code, caught.value.http_status) == ("ONEC_AUTH", 401)
    assert (len(onec.requests), len(endpoint.requests)) == (2, 2)


def test_a_missing_right_costs_no_token(serve, client_of, login_at):
    endpoint, onec = serve(gives("T1")), serve(NO_RIGHT)

    with pytest.raises(Stop) as caught:
        client_of(onec, login=login_at(endpoint)).get("Catalog_X")

    assert caught.value.code == "ONEC_RIGHTS"
    assert (len(onec.requests), len(endpoint.requests)) == (1, 1)


def test_a_wrong_password_is_never_sent_twice(serve, client_of):
    onec = serve(UNAUTHORIZED)

    with pytest.raises(Stop):
        client_of(onec).get("Catalog_X")

    assert len(onec.requests) == 1


def test_an_endpoint_that_is_down_for_a_moment_is_asked_again_and_1c_was_not(serve, client_of, login_at):
    endpoint, onec = serve(respond("", status="503 Busy"), gives("T1")), serve(respond(PAGE))

    assert client_of(onec, login=login_at(endpoint)).get("Catalog_X").status == 200
    assert (len(endpoint.requests), len(onec.requests)) == (2, 1)


def test_a_client_that_is_refused_is_not_repeated_and_1c_is_not_asked(serve, client_of, login_at):
    endpoint = serve(respond('{"error": "invalid_client"}', status="401 Unauthorized"))
    onec = serve(respond(PAGE))
    client = client_of(onec, login=login_at(endpoint))

    for _ in range(3):
        with pytest.raises(Stop) as caught:
            client.get("Catalog_X")
        assert caught.value.code == "ONEC_AUTH"

    assert (len(endpoint.requests), len(onec.requests)) == (1, 0)


def test_a_session_of_1c_is_ended_with_a_token_too(serve, client_of, login_at):
    endpoint = serve(gives("T1"))
    onec = serve(respond(PAGE, headers=("Set-Cookie: ibsession=s-1; path=/ut",)), respond(PAGE))

    with client_of(onec, login=login_at(endpoint), session_mode="auto") as client:
        client.get("Catalog_X")

    assert onec.header("IBSession") == "finish"
    assert sent_tokens(onec) == ["Bearer T1", "Bearer T1"]


def test_a_fixed_token_is_sent_as_it_is_and_refused_once(serve, client_of):
    onec = serve(respond(PAGE), UNAUTHORIZED)
    client = client_of(onec, login=Bearer(token="a.b.c"))
    client.get("Catalog_X")

    with pytest.raises(Stop):
        client.get("Catalog_X")

    assert sent_tokens(onec) == ["Bearer a.b.c"] * 2


def test_a_token_file_is_read_again_when_it_changes(serve, client_of, tmp_path):
    file, onec = tmp_path / "token", serve(respond(PAGE))
    file.write_text("T1\n")
    client = client_of(onec, login=Bearer(token_file=file))
    client.get("Catalog_X")

    (tmp_path / "next").write_text("T2\n")
    (tmp_path / "next").replace(file)  # as secrets are mounted
    client.get("Catalog_X")

    assert sent_tokens(onec) == ["Bearer T1", "Bearer T2"]


def test_a_refused_token_of_a_file_is_read_again_even_if_the_file_looks_the_same(serve, client_of, tmp_path):
    file, onec = tmp_path / "token", serve(respond(PAGE), UNAUTHORIZED, respond(PAGE))
    file.write_text("T1")
    before = file.stat()
    client = client_of(onec, login=Bearer(token_file=file))
    client.get("Catalog_X")

    file.write_text("T2")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    client.get("Catalog_X")

    assert sent_tokens(onec) == ["Bearer T1", "Bearer T1", "Bearer T2"]


def test_a_refused_token_of_a_file_that_holds_no_other_is_not_sent_again(serve, client_of, tmp_path):
    file, onec = tmp_path / "token", serve(UNAUTHORIZED)
    file.write_text("T1")

    with pytest.raises(Stop):
        client_of(onec, login=Bearer(token_file=file)).get("Catalog_X")

    assert len(onec.requests) == 1


@pytest.mark.parametrize("content", [None, "", "Bearer T1", "a\nb", "токен", "x\x00"])
def test_a_file_without_a_token_stops(tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)

    with pytest.raises(Stop) as caught:
        BearerAuthorizer(Bearer(token_file=file)).header(soon())

    assert caught.value.code == "ONEC_AUTH"
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "half a line"])
def test_while_the_file_is_being_written_the_last_token_serves(tmp_path, content, caplog):
    file = tmp_path / "token"
    file.write_text("T1")
    authorizer = BearerAuthorizer(Bearer(token_file=file))
    authorizer.header(soon())

    file.unlink()
    if content is not None:
        file.write_text(content)

    assert authorizer.header(soon()) == "Bearer T1"
    assert "stays in use" in caplog.text


def test_one_authorizer_serves_all_clients_of_a_connection(connect):
    connection = connect("http://srv/odata/standard.odata")

    assert shared_authorizer(connection) is shared_authorizer(connect("http://srv/odata/standard.odata"))
    assert shared_authorizer(connection) is not shared_authorizer(
        connect("http://srv/odata/standard.odata", password="another")
    )


ECHOES = [
    pytest.param(lambda secret: f"<html>Authorization: Bearer {secret}</html>", "401 Unauthorized", id="401"),
    pytest.param(lambda secret: f"<html>token {secret} is bad</html>", "403 Forbidden", id="403"),
    pytest.param(lambda secret: f"{secret} is bad", "500 Oops", id="500"),
    pytest.param(
        lambda secret: json.dumps({"odata.error": {"code": "-1", "message": {"value": secret}}}),
        "500 Oops",
        id="1C's own error",
    ),
]


@pytest.mark.parametrize(("page", "status"), ECHOES)
@pytest.mark.parametrize("way", ["basic", "bearer", "client_credentials"])
def test_a_server_that_echoes_the_login_does_not_bring_it_into_errors_or_logs(
    serve, client_of, login_at, caplog, *, way, page, status
):
    token = "canary-token.x-1"
    login = {
        "basic": lambda: None,
        "bearer": lambda: Bearer(token=token),
        "client_credentials": lambda: login_at(serve(gives(token))),
    }[way]()
    sent = base64.b64encode(f"user:{SECRET}".encode()).decode() if login is None else token
    onec = serve(respond(page(sent), status=status))
    client = client_of(onec, login=login, user="user", password=SECRET)

    with caplog.at_level(logging.DEBUG), pytest.raises(PipelineError) as caught:
        client.get("Catalog_X")

    assert sent in onec.header("Authorization")
    shown = "".join(traceback.format_exception(caught.value))
    said = f"{shown} {caught.value!r} {caught.value.__dict__} {caplog.text} {client.connection!r}"
    for secret in (sent, "canary"):
        assert secret not in said


def test_no_secret_is_in_a_repr(connect):
    for login in (
        Bearer(token="canary"),
        ClientCredentials(token_url="http://h/token", client_id="c", client_secret="canary"),
    ):
        connection = connect("http://srv/odata/standard.odata", login=login)
        authorizer = authorizer_of(connection)
        assert "canary" not in f"{login!r} {connection!r} {authorizer!r} {connection.route!r}"


def test_an_unreachable_endpoint_means_that_1c_was_not_asked(serve, client_of, login_at):
    endpoint, onec = serve(gives("T1")), serve(respond(PAGE))
    endpoint.close()

    with pytest.raises(RetryLater) as caught:
        client_of(onec, login=login_at(endpoint)).get("Catalog_X")

    assert (caught.value.code, caught.value.sent) == ("ONEC_TOKEN_ENDPOINT", False)
    assert onec.requests == []
