"""Every way of logging in to and of reaching the simulated 1C, from the settings on, over real sockets."""

from __future__ import annotations

import base64
import json
import logging
import ssl
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from onec_pipelines.errors import Stop
from onec_pipelines.onec.authorization import authorizer_of
from onec_pipelines.onec.client import OnecClient, RetryPolicy
from onec_pipelines.onec.query import SetQuery
from onec_pipelines.onec.throttle import LocalThrottle
from onec_pipelines.onec.token_cache import TokenCache
from onec_pipelines.onec.token_endpoint import TokenEndpoint
from onec_pipelines.runtime import connection_of
from onec_pipelines.settings import load_settings
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.certificates import Authority
from onec_pipelines_tests.fixtures.front import forward_proxy, tls_front
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import control

PASSWORD = "canary-password"
ASKED = SetQuery(resource="Catalog_Валюты").target()


@pytest.fixture(scope="module")
def bearer_base():
    with Simulator.start_process(products=20, seed=3, bearer=True, password=PASSWORD, gzip=True) as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


def environment(simulator, **variables):
    return {
        "ONEC_URL": simulator.url,
        "ONEC_TIMEZONE": "Europe/Moscow",
        "ONEC_SYSTEM": "test",
        "ONEC_DEADLINE_SECONDS": str(PATIENCE_SECONDS),
        **variables,
    }


def basic(simulator, **variables):
    given = {"ONEC_USER": simulator.user, "ONEC_PASSWORD": simulator.password}
    return environment(simulator, **{**given, **variables})


def client_credentials(simulator, **variables):
    given = {
        "ONEC_AUTH": "client_credentials",
        "ONEC_TOKEN_URL": token_url(simulator),
        "ONEC_CLIENT_ID": simulator.user,
        "ONEC_CLIENT_SECRET": simulator.password,
    }
    return environment(simulator, **{**given, **variables})


def token_url(simulator):
    parts = urlsplit(simulator.url)
    return f"{parts.scheme}://{parts.netloc}/token"


def a_token(simulator):
    """A token as somebody else would fetch it."""
    login = base64.b64encode(f"{simulator.user}:{simulator.password}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - loopback
        token_url(simulator), b"grant_type=client_credentials", {"Authorization": f"Basic {login}"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - loopback
        return json.load(answer)["access_token"]


@contextmanager
def client_of(variables, *, authorizer_for=authorizer_of):
    connection = connection_of(load_settings(variables))
    with OnecClient(
        connection,
        LocalThrottle(rate_per_second=1000, max_calls=connection.max_sessions),
        retry=RetryPolicy(attempts=2, wait_initial=0.01, wait_jitter=0),
        authorizer=authorizer_for(connection),
    ) as client:
        yield client


def read(variables):
    with client_of(variables) as client:
        return client.get(ASKED)


def refusal(variables):
    with pytest.raises(Stop) as caught, client_of(variables) as client:
        client.get(ASKED)
    return caught.value


def test_user_and_password_open_the_base(bearer_base):
    assert read(basic(bearer_base)).status == 200


def test_a_token_opens_the_base_without_a_user(bearer_base):
    token = a_token(bearer_base)

    assert read(environment(bearer_base, ONEC_AUTH="bearer", ONEC_TOKEN=token)).status == 200


def test_a_token_file_that_is_replaced_is_followed(bearer_base, tmp_path):
    file = tmp_path / "token"
    file.write_text("forged.token.x")
    with client_of(environment(bearer_base, ONEC_AUTH="bearer", ONEC_TOKEN_FILE=str(file))) as client:
        with pytest.raises(Stop, match="ONEC_AUTH"):
            client.get(ASKED)
        file.write_text(a_token(bearer_base))

        assert client.get(ASKED).status == 200


def test_client_credentials_open_the_base_with_one_token_for_ten_threads(bearer_base):
    fetched = []

    def counting(connection):
        endpoint = TokenEndpoint(connection.login, connection.token_route(connection.login.origin))
        return TokenCache(lambda ends_at: fetched.append(ends_at) or endpoint.fetch(ends_at))

    variables = client_credentials(bearer_base, ONEC_MAX_SESSIONS="10")
    with (
        client_of(variables, authorizer_for=counting) as client,
        ThreadPoolExecutor(10) as threads,
    ):
        answers = list(threads.map(lambda _: client.get(ASKED), range(30)))

    assert {answer.status for answer in answers} == {200}
    assert len(fetched) == 1


def test_a_token_that_1c_finds_too_old_is_replaced_and_the_read_succeeds():
    """The clock of the client stands still, so that only 1C notices that the token has ended.

    The first token has ended before it is used: a request within its short life would be a race.
    """
    fetched = []

    def blind(connection):
        endpoint = TokenEndpoint(connection.login, connection.token_route(connection.login.origin))

        def fetch(ends_at):
            token = endpoint.fetch(ends_at)
            fetched.append(token)
            control(base, "options", {"bearer_seconds": 3600}, method="PATCH")
            return replace(token, seconds=3600.0)

        return TokenCache(fetch, clock=lambda: 0.0)

    with (
        Simulator.start_process(products=5, seed=3, bearer=True, bearer_seconds=0) as base,
        client_of(client_credentials(base), authorizer_for=blind) as client,
    ):
        assert client.get(ASKED).status == 200
        assert len(fetched) == 2
        assert client.get(ASKED).status == 200
        assert len(fetched) == 2


def test_a_wrong_secret_stops_and_says_what_to_check(bearer_base):
    error = refusal(client_credentials(bearer_base, ONEC_CLIENT_SECRET="wrong"))

    assert (error.code, error.http_status) == ("ONEC_AUTH", 401)
    assert "ONEC_CLIENT_SECRET" in error.remedy


def test_a_token_of_a_base_without_tokens_is_asked_for_twice_and_then_stops(simulator, bearer_base):
    """The endpoint gives good tokens, but this base knows only user and password."""
    error = refusal(client_credentials(bearer_base, ONEC_URL=simulator.url))

    assert (error.code, error.http_status) == ("ONEC_AUTH", 401)


def test_the_metadata_comes_with_a_token_too(bearer_base, tmp_path):
    with client_of(client_credentials(bearer_base)) as client:
        assert "Catalog_Валюты" in client.metadata(tmp_path).sets


def test_tls_with_an_authority_of_ones_own(bearer_base, authority):
    with tls_front(bearer_base.url, authority.server_context()) as url:
        trusted = basic(bearer_base, ONEC_URL=url, ONEC_CA_FILE=str(authority.file))
        assert read(trusted).status == 200
        assert read(basic(bearer_base, ONEC_URL=url, ONEC_VERIFY_TLS="false")).status == 200
        assert refusal(basic(bearer_base, ONEC_URL=url)).code == "ONEC_CERTIFICATE"


def test_a_token_endpoint_is_verified_even_if_1c_is_not(bearer_base, authority):
    with tls_front(bearer_base.url, authority.server_context()) as url:
        endpoint = f"https://{urlsplit(url).netloc}/token"
        variables = client_credentials(bearer_base, ONEC_URL=url, ONEC_TOKEN_URL=endpoint)

        assert read({**variables, "ONEC_CA_FILE": str(authority.file)}).status == 200
        error = refusal({**variables, "ONEC_VERIFY_TLS": "false"})
        assert error.code == "ONEC_CERTIFICATE"
        assert "token endpoint" in error.message


def test_a_client_certificate_is_shown_and_wanted(bearer_base, authority, tmp_path):
    clients = Authority(tmp_path, "clients")
    ours, foreign = clients.sign("pipeline"), authority.sign("stranger")
    with tls_front(bearer_base.url, authority.server_context(clients=clients)) as url:
        variables = basic(bearer_base, ONEC_URL=url, ONEC_CA_FILE=str(authority.file))
        two_files = {"ONEC_CLIENT_CERT": str(ours.cert), "ONEC_CLIENT_KEY": str(ours.key)}
        assert read({**variables, **two_files}).status == 200
        assert read({**variables, "ONEC_CLIENT_CERT": str(ours.both)}).status == 200
        assert refusal(variables).code == "ONEC_CLIENT_CERTIFICATE"
        wrong = refusal({**variables, "ONEC_CLIENT_CERT": str(foreign.both)})
        assert wrong.code == "ONEC_CLIENT_CERTIFICATE"


def test_a_handshake_that_the_web_server_breaks_off_is_not_repeated(bearer_base, authority, tmp_path):
    """Before TLS 1.3 a missing client certificate is told no more precisely than that."""
    context = authority.server_context(clients=Authority(tmp_path, "clients"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with tls_front(bearer_base.url, context) as url:
        error = refusal(basic(bearer_base, ONEC_URL=url, ONEC_CA_FILE=str(authority.file)))

    assert error.code == "ONEC_TLS"
    assert "ONEC_CLIENT_CERT" in error.remedy


def test_certificate_files_that_cannot_be_used_are_named(bearer_base, authority, tmp_path):
    locked = authority.sign("locked", key_password=b"x")
    other = authority.sign("other")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    for wrong in (
        {"ONEC_CA_FILE": str(garbage)},
        {"ONEC_CLIENT_CERT": str(garbage)},
        {"ONEC_CLIENT_CERT": str(locked.both)},
        {"ONEC_CLIENT_CERT": str(other.cert), "ONEC_CLIENT_KEY": str(locked.key)},
        {"ONEC_CLIENT_CERT": str(other.cert)},
    ):
        error = refusal(basic(bearer_base, **wrong))
        assert error.code == "ONEC_TLS_FILES"
        assert next(iter(wrong)) in error.message


def test_a_proxy_is_used_for_1c_and_for_the_token(bearer_base):
    login = "Basic " + base64.b64encode(b"u:canary-proxy").decode()
    with forward_proxy(login=login) as proxy:
        variables = client_credentials(
            bearer_base, ONEC_PROXY=f"http://u:canary-proxy@127.0.0.1:{proxy.port}"
        )
        assert read(variables).status == 200

    assert [line.split()[0] for line in proxy.seen] == ["POST", "GET"]
    assert all(f" {token_url(bearer_base).removesuffix('/token')}/" in line for line in proxy.seen)


def test_through_a_proxy_tls_stays_closed_to_it(bearer_base, authority):
    with tls_front(bearer_base.url, authority.server_context()) as url, forward_proxy() as proxy:
        variables = basic(
            bearer_base,
            ONEC_URL=url,
            ONEC_CA_FILE=str(authority.file),
            ONEC_PROXY=f"http://127.0.0.1:{proxy.port}",
        )
        assert read(variables).status == 200

    assert {line.split()[0] for line in proxy.seen} == {"CONNECT"}
    assert "authorization" not in "".join(proxy.heads).lower()


@pytest.mark.parametrize(("secured", "code"), [(True, "ONEC_PROXY"), (False, "ONEC_FORBIDDEN")])
def test_a_proxy_that_wants_another_login_stops(bearer_base, authority, secured, code):
    with (
        tls_front(bearer_base.url, authority.server_context()) as url,
        forward_proxy(login="Basic another") as proxy,
    ):
        error = refusal(
            basic(
                bearer_base,
                ONEC_URL=url if secured else bearer_base.url,
                ONEC_CA_FILE=str(authority.file),
                ONEC_PROXY=f"http://u:canary-proxy@127.0.0.1:{proxy.port}",
            )
        )

    assert error.code == code
    assert "canary" not in f"{error} {error!r}"


@pytest.mark.parametrize(("mode", "smaller"), [("on", True), ("off", False), ("auto", False)])
def test_answers_are_compressed_when_told_so_and_not_on_the_same_machine(bearer_base, mode, smaller):
    answer = read(basic(bearer_base, ONEC_COMPRESSION=mode))

    assert (answer.wire_bytes < len(answer.body)) is smaller


def test_no_secret_is_logged_on_any_of_these_ways(bearer_base, authority, caplog):
    token = a_token(bearer_base)
    with caplog.at_level(logging.DEBUG), tls_front(bearer_base.url, authority.server_context()) as url:
        read(basic(bearer_base))
        read(client_credentials(bearer_base))
        read(environment(bearer_base, ONEC_AUTH="bearer", ONEC_TOKEN=token))
        read(basic(bearer_base, ONEC_URL=url, ONEC_VERIFY_TLS="false"))
        errors = [
            refusal(environment(bearer_base, ONEC_AUTH="bearer", ONEC_TOKEN=f"{token}x")),
            refusal(client_credentials(bearer_base, ONEC_CLIENT_SECRET="canary-wrong")),
            refusal(basic(bearer_base, ONEC_PASSWORD="canary-wrong")),
        ]

    said = caplog.text + "".join(f"{error} {error!r} {error.__dict__}" for error in errors)
    for secret in (PASSWORD, "canary", token, token.rpartition(".")[2], "Y2FuYXJ5"):
        assert secret not in said
