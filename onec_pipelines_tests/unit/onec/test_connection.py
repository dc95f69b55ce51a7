from __future__ import annotations

from pathlib import Path

import pytest

from onec_pipelines.errors import Stop
from onec_pipelines.onec.logins import Bearer, ClientCredentials


def client(**changes):
    given = {"token_url": "https://h/token", "client_id": "c", "client_secret": "pw"}
    return ClientCredentials(**{**given, **changes})


def test_neither_password_nor_proxy_is_in_the_repr(connect):
    shown = repr(connect("http://srv/ut/odata/standard.odata", password="тайна", proxy="http://u:тайна@p:1"))

    assert "тайна" not in shown


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("http://srv/ut/odata/standard.odata", "/ut/odata/standard.odata"),
        ("https://srv:8443/база/odata/standard.odata/", "/%D0%B1%D0%B0%D0%B7%D0%B0/odata/standard.odata"),
        ("http://srv/%D0%B1/odata/standard.odata", "/%D0%B1/odata/standard.odata"),
    ],
)
def test_the_path_of_the_root_is_encoded_once(connect, url, prefix):
    assert connect(url).prefix == prefix


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "srv/ut"},
        {"url": "ftp://srv/ut"},
        {"url": "http://user:pw@srv/ut"},
        {"url": "http://srv/ut?x=1"},
        {"url": "http://srv:99999/ut"},
        {"user": "a:b"},
        {"user": ""},
        {"timezone": "Moscow"},
        {"timezone": "../etc/passwd"},
        {"session_mode": "reuse"},
        {"max_sessions": 0},
        {"rate_per_second": 0},
        {"login": Bearer()},
        {"login": Bearer(token="a", token_file=Path("b"))},
        {"login": Bearer(token="Bearer pw")},
        {"login": Bearer(token="pw\r\nX: y")},
        {"login": client(token_url="")},
        {"login": client(token_url="ftp://h/token")},
        {"login": client(token_url="https://u:pw@h/token")},
        {"login": client(token_url="https://h:99999/token")},
        {"login": client(client_id="")},
        {"login": client(client_secret="")},
        {"client_key": Path("key.pem")},
        {"compression": "sometimes"},
        {"proxy": "socks5://u:pw@h:1"},
        {"proxy": "h:3128"},
        {"proxy": "http://u:pw@h:99999"},
    ],
)
def test_a_connection_that_cannot_work_is_refused(connect, changes):
    with pytest.raises(Stop) as caught:
        connect(**{"url": "http://srv/ut/odata/standard.odata", **changes})

    assert caught.value.code == "ONEC_BAD_CONNECTION"
    assert "pw" not in str(caught.value)


def test_with_a_token_no_user_is_needed(connect):
    connection = connect("http://srv/ut/odata/standard.odata", user="", password="", login=Bearer(token="t"))

    assert connection.who == "bearer"


def test_the_way_to_the_token_endpoint_verifies_always_and_shows_no_certificate(connect):
    connection = connect(
        "https://srv/ut/odata/standard.odata",
        verify=False,
        ca_file=Path("ca.pem"),
        client_cert=Path("cert.pem"),
        proxy="http://p:1",
    )
    route = connection.token_route("https://login")

    assert (route.verify, route.ca_file, route.ca_added) == (True, Path("ca.pem"), True)
    assert (route.client_cert, route.proxy) == (None, "http://p:1")
