"""What stands around the OData service: login, sessions, maintenance, limits of web servers (PROTOCOL §5, §8.3, §9)."""

from __future__ import annotations

import asyncio
import gzip
import json
from types import SimpleNamespace

import pytest

from onec_pipelines.simulator import service
from onec_pipelines.simulator.http import Request
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.unit.simulator.asker import GOODS, ROOT, Asker

BASIC = "basic b2RhdGE6b2RhdGE="


def together(ask, count, seconds=None, **headers):
    """Statuses of requests sent at the same time."""
    request = Request(
        method="GET",
        path=f"{ROOT}/$metadata",
        query="",
        headers={"authorization": BASIC, "host": "s", **headers},
        body=b"",
    )

    async def run():
        return await asyncio.gather(*(ask.service.handle(request) for _ in range(count)))

    return [answer.status for answer in asyncio.run(run())]


def test_a_wrong_password_is_401_without_a_code_of_1c(ask):
    answer = ask(GOODS, authorization="Basic eDp5")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert b"code" not in answer.body


def test_login_and_password_are_utf_8(start):
    ask = start(user="Интеграция", password="пароль: да")
    assert ask(GOODS, "$top=1").status == 200
    legacy = "Basic " + __import__("base64").b64encode("Интеграция:пароль: да".encode("cp1251")).decode()
    assert ask(GOODS, authorization=legacy).status == 401


def test_requests_one_after_another_share_a_session(start):
    ask = start()
    for _ in range(5):
        ask(GOODS, "$top=1")
    assert ask.service.sessions.started == 1


def test_the_pool_grows_to_the_number_of_requests_at_one_time(start):
    ask = start(latency_ms=20)
    assert together(ask, 4) == [200] * 4
    assert ask.service.sessions.started == 4


def test_a_full_pool_is_406_after_the_wait(start):
    ask = start(pool_size=2, pool_timeout=0.05)
    answer = ask.service._answer

    async def until_one_is_refused(*given):
        while not ask.service.sessions.refused:  # noqa: ASYNC110 - a count of the simulator, which tells nobody
            await asyncio.sleep(0.005)
        return await answer(*given)

    ask.service._answer = until_one_is_refused
    assert sorted(together(ask, 3)) == [200, 200, 406]


def test_a_full_pool_is_waited_for(start):
    ask = start(latency_ms=20, pool_size=1, pool_timeout=PATIENCE_SECONDS)
    assert together(ask, 3) == [200] * 3
    assert ask.service.sessions.started == 1


def test_an_idle_session_ends(start):
    ask = start(session_max_age=0)
    ask(GOODS, "$top=1")
    ask(GOODS, "$top=1")
    assert ask.service.sessions.started == 2


def test_a_session_can_be_started_used_and_finished_by_cookie(start):
    ask = start(sessions="use")
    cookie = ask(GOODS, "$top=1", ibsession="start").headers["Set-Cookie"].split(";")[0]
    assert cookie.startswith("ibsession=")
    assert ask(GOODS, "$top=1", cookie=cookie).status == 200
    assert ask.service.sessions.started == 1
    assert ask(GOODS, "$top=1", cookie=cookie, ibsession="finish").status == 200
    assert ask(GOODS, "$top=1", cookie=cookie).status == 400


def test_without_the_header_every_request_has_a_session_of_its_own_in_use_mode(start):
    ask = start(sessions="use")
    ask(GOODS, "$top=1")
    ask(GOODS, "$top=1")
    assert (ask.service.sessions.started, ask.service.sessions.open_count()) == (2, 0)


def test_in_autouse_the_header_is_ignored(start):
    assert "Set-Cookie" not in start()(GOODS, "$top=1", ibsession="start").headers


def test_maintenance_is_a_json_exception_behind_a_bom(start):
    answer = start(maintenance=True)(GOODS)
    assert answer.status == 403
    assert answer.body.startswith(b"\xef\xbb\xbf")
    assert answer.json["exception"]["inner"]["descr"].startswith(
        "Начало сеанса с информационной базой запрещено"
    )


def test_a_version_mismatch_is_409_html(start):
    answer = start(version_mismatch=True)(GOODS)
    assert answer.status == 409
    assert "Различаются версии клиента и сервера" in answer.text


def test_a_publication_that_is_off_is_404_without_a_word_of_1c(start):
    answer = start(publication_off=True)(GOODS)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_iis_may_replace_the_words_of_1c(start):
    answer = start(hide_errors=True)(f"{GOODS}(guid'11111111-1111-1111-1111-111111111111')")
    assert answer.status == 404
    assert "Экземпляр" not in answer.text


@pytest.mark.parametrize(
    ("server", "query", "status"),
    [
        ("apache", 9000, 414),
        ("nginx", 9000, 414),
        ("iis", 3000, 404),
        ("none", 9000, 200),
        ("apache", 7000, 200),
    ],
)
def test_web_servers_limit_the_length_of_addresses(start, server, query, status):
    answer = start(web_server=server)(GOODS, f"$top=1&x={'a' * query}")
    assert answer.status == status
    assert not (status != 200 and b"odata.error" in answer.body)


def test_iis_limits_a_segment_of_the_path(start):
    condition = " or ".join(f"Склад_Key eq guid''11111111-1111-1111-1111-{at:012}''" for at in range(6))
    path = f"AccumulationRegister_ТоварыНаСкладах/Balance(Condition='{condition}')"
    assert start(web_server="iis")(path).status == 400
    assert start()(path).status == 200


def test_answers_are_compressed_for_clients_that_accept_it(start):
    ask = start(gzip=True)
    answer = ask(GOODS, "$format=json&$top=1", accept_encoding="gzip, deflate")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body))["value"]
    assert "Content-Encoding" not in ask(GOODS, "$format=json&$top=1").headers


def token(ask, **form):
    body = "&".join(f"{name}={value}" for name, value in form.items()).encode()
    request = Request(method="POST", path="/token", query="", headers={"host": "s"}, body=body)
    answer = asyncio.run(ask.service.handle(request))
    return answer.status, json.loads(answer.body)


def test_a_token_for_client_credentials_opens_the_base(start):
    ask = start(bearer=True)
    status, given = token(ask, grant_type="client_credentials", client_id="odata", client_secret="odata")
    assert (status, given["token_type"]) == (200, "Bearer")
    assert ask(GOODS, "$top=1", authorization=f"Bearer {given['access_token']}").status == 200
    assert ask(GOODS, "$top=1", authorization=f"Bearer {given['access_token']}x").status == 401


def test_a_wrong_client_gets_no_token_and_an_expired_one_is_refused(start):
    ask = start(bearer=True, bearer_seconds=0)
    assert token(ask, grant_type="client_credentials", client_id="odata", client_secret="no")[0] == 401
    _, given = token(ask, grant_type="client_credentials", client_id="odata", client_secret="odata")
    answer = ask(GOODS, "$top=1", authorization=f"Bearer {given['access_token']}")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_tokens_are_unknown_to_a_base_without_them(ask: Asker):
    assert ask(GOODS, authorization="Bearer x").status == 401


def test_iis_wants_a_length_of_what_changes_something(start):
    ask = start(web_server="iis")
    address = f"{GOODS}(guid'{ask.first(GOODS)['Ref_Key']}')"
    assert ask(address, method="DELETE").status == 411
    assert ask(address, method="DELETE", content_length="0").status == 204


def test_only_the_first_request_of_a_session_pays_for_its_start(start, monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(service, "asyncio", SimpleNamespace(sleep=sleep))
    ask = start(cold_start_ms=120)
    assert ask(GOODS, "$format=json&$top=1").status == 200
    assert slept == [0.12]
    assert ask(GOODS, "$format=json&$top=1").status == 200
    assert slept == [0.12]
