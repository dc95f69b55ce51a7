from __future__ import annotations

import pytest

from onec_pipelines.errors import Stop


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
    ],
)
def test_a_connection_that_cannot_work_is_refused(connect, changes):
    with pytest.raises(Stop) as caught:
        connect(**{"url": "http://srv/ut/odata/standard.odata", **changes})

    assert caught.value.code == "ONEC_BAD_CONNECTION"
    assert "pw" not in str(caught.value)
