from __future__ import annotations

import gzip
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from onec_pipelines.errors import PipelineError, RetryLater, Skip, Stop
from onec_pipelines.onec.client import RetryPolicy
from onec_pipelines.onec.throttle import LocalThrottle
from onec_pipelines_tests.fixtures.patience import until
from onec_pipelines_tests.unit.onec.conftest import hang_up, respond, silent

PAGE = '{"odata.metadata": "x", "value": []}'
OVERLOADED = respond("busy", status="503 Service Unavailable")
REFUSED = respond(
    "<html>no</html>", status="401 Unauthorized", headers=('WWW-Authenticate: Basic realm="1C"',)
)


def fault(code, text, status):
    return respond(
        f'{{"odata.error": {{"code": "{code}", "message": {{"lang": "ru", "value": "{text}"}}}}}}',
        status=status,
    )


def test_an_answer_says_what_was_asked_and_what_it_cost(serve, client_of):
    body = b"\xef\xbb\xbf" + PAGE.encode()
    server = serve(respond(gzip.compress(body), headers=("Content-Encoding: gzip",)))
    before, begun = datetime.now(UTC), time.monotonic()

    answer = client_of(server).get("Catalog_X?$format=json&$filter=ИНН%20eq%20'77'".replace("ИНН", "A"))

    assert (answer.body, answer.status, answer.wire_bytes) == (body, 200, len(gzip.compress(body)))
    assert answer.request == "GET Catalog_X?$format=json&$filter=A eq '*'"
    assert before - timedelta(seconds=1) <= answer.requested_at <= datetime.now(UTC)
    assert 0 < answer.elapsed_seconds <= time.monotonic() - begun
    assert server.header("Accept") == "application/json"


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(hang_up, id="lost connection"),
        pytest.param(OVERLOADED, id="503"),
        pytest.param(respond("", status="406 Not Acceptable"), id="406"),
        pytest.param(respond("<html>login</html>"), id="HTML under 200"),
        pytest.param(respond(""), id="empty under 200"),
        pytest.param(respond('{"value": ['), id="cut JSON"),
        pytest.param(fault("-1", "Конфликт блокировок", "500 Error"), id="lock"),
    ],
)
def test_what_may_pass_is_repeated_and_succeeds(serve, client_of, first):
    server = serve(first, respond(PAGE))

    assert client_of(server).get("Catalog_X").status == 200
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("first", "kind", "code"),
    [
        pytest.param(REFUSED, Stop, "ONEC_AUTH", id="401 locks accounts"),
        pytest.param(fault("20", "права", "401 Unauthorized"), Stop, "ONEC_RIGHTS", id="rights"),
        pytest.param(fault("-1", "Не заполнено", "500 Error"), Stop, "ONEC_HANDLER", id="handler"),
        pytest.param(
            fault("9", "Экземпляр сущности не найден", "404 Not Found"), Skip, "ONEC_NOT_FOUND", id="absent"
        ),
        pytest.param(
            fault("-1", "Ведутся технические работы", "403 Forbidden"),
            RetryLater,
            "ONEC_MAINTENANCE",
            id="maintenance",
        ),
        pytest.param(
            fault("-1", "Недостаточно памяти", "500 E"), RetryLater, "ONEC_OUT_OF_MEMORY", id="memory"
        ),
        pytest.param(respond("", status="302 Found"), Stop, "ONEC_REDIRECT", id="redirect"),
        pytest.param(respond("x" * 5000), Stop, "ONEC_TOO_LARGE", id="too large"),
    ],
)
def test_what_repeating_cannot_help_is_sent_once(serve, client_of, first, kind, code):
    server = serve(first, respond(PAGE))

    with pytest.raises(kind) as caught:
        client_of(server).get("Catalog_X", max_bytes=4000)

    assert caught.value.code == code
    assert len(server.requests) == 1


def test_what_did_not_come_by_its_deadline_is_asked_for_once(serve, client_of, clock):
    server = serve(clock.pass_deadline, respond(PAGE))

    with pytest.raises(RetryLater) as caught:
        client_of(server).get("Catalog_X")

    assert caught.value.code == "ONEC_TIMEOUT"
    assert len(server.requests) == 1


def test_repeats_end_after_the_allowed_attempts(serve, client_of):
    server = serve(OVERLOADED)

    with pytest.raises(RetryLater) as caught:
        client_of(server).get("Catalog_X")

    assert caught.value.code == "ONEC_OVERLOAD"
    assert len(server.requests) == 3


def test_retry_after_is_waited_for(serve, client_of):
    server = serve(respond("", status="503 Busy", headers=("Retry-After: 1",)), respond(PAGE))
    calls = []

    client_of(server, observer=calls.append, retry=RetryPolicy(wait_initial=0.01, wait_jitter=0)).get(
        "Catalog_X"
    )

    assert (calls[1].requested_at - calls[0].requested_at).total_seconds() >= 1.0


def test_a_long_retry_after_is_left_to_the_caller(serve, client_of):
    server = serve(respond("", status="503 Busy", headers=("Retry-After: 86400",)))

    with pytest.raises(RetryLater) as caught:
        client_of(server).get("Catalog_X")

    assert caught.value.retry_after == 900.0
    assert len(server.requests) == 1


def test_a_check_can_have_a_body_fetched_again(serve, client_of):
    server = serve(respond('{"value": [1,]}'), respond(PAGE))
    seen = []

    def check(answer):
        seen.append(answer.body)
        if b",]" in answer.body:
            raise RetryLater("it does not parse", code="ONEC_BAD_ANSWER")

    client_of(server).get("Catalog_X", check=check)

    assert len(seen) == 2


def test_the_observer_sees_every_attempt_without_addresses_or_values(serve, client_of):
    server = serve(OVERLOADED, hang_up, respond(PAGE))
    calls = []

    client_of(server, observer=calls.append).get(
        "Catalog_X(guid'8b9660f6-6332-11ec-ad72-000c29b45b09')?$filter=A%20eq%20'b'"
    )

    assert [(call.attempt, call.status, call.error_code) for call in calls] == [
        (1, 503, "ONEC_OVERLOAD"),
        (2, None, "ONEC_CONNECTION_LOST"),
        (3, 200, None),
    ]
    assert {call.resource for call in calls} == {"Catalog_X"}
    assert calls[-1].wire_bytes == len(PAGE)
    assert all(call.seconds >= 0 for call in calls)


def test_overload_slows_the_throttle_down(serve, client_of):
    throttle = LocalThrottle(rate_per_second=1000, max_calls=4)

    client_of(serve(OVERLOADED, respond(PAGE)), throttle=throttle).get("Catalog_X")

    assert throttle.limit == 2


@pytest.mark.parametrize(
    "address",
    [
        "http://elsewhere/ut/odata/standard.odata/Catalog_X",
        "https://127.0.0.1/ut/odata/standard.odata/Catalog_X",
        "//127.0.0.1/ut/odata/standard.odata/Catalog_X",
        "http://127.0.0.1@elsewhere/ut/odata/standard.odata/Catalog_X",
    ],
)
def test_the_password_goes_to_no_other_origin(serve, client_of, address):
    server = serve(respond(PAGE))

    with pytest.raises(Stop) as caught:
        client_of(server).get(address)

    assert caught.value.code == "ONEC_FOREIGN_URL"
    assert server.requests == []


def test_a_path_outside_the_service_is_another_place_too(serve, client_of):
    server = serve(respond(PAGE))

    with pytest.raises(Stop):
        client_of(server).get(f"http://127.0.0.1:{server.port}/other/odata/standard.odata/Catalog_X")

    assert server.requests == []


def test_a_whole_address_of_the_same_base_is_read(serve, client_of):
    server = serve(respond(PAGE))

    client_of(server).get(server.url + "/Catalog_X?$top=1")

    assert server.targets() == ["/ut/odata/standard.odata/Catalog_X?$top=1"]


@pytest.mark.parametrize(
    "address",
    [
        "Document_X(guid'8b9660f6-6332-11ec-ad72-000c29b45b09')/Post?PostingModeOperational=false",
        "Document_X(guid'8b9660f6-6332-11ec-ad72-000c29b45b09')/Unpost()",
        "SelectChanges?MessageNo=1",
        "NotifyChangesReceived?MessageNo=1",
        "Catalog_X/../../secret",
        "Catalog_X?$filter=A eq 1",
        "Catalog_Номенклатура",
        "Catalog_X\r\nHost: elsewhere",
    ],
)
def test_actions_and_raw_addresses_are_never_sent_by_get(serve, client_of, address):
    server = serve(respond(PAGE))

    with pytest.raises(Stop) as caught:
        client_of(server).get(address)

    assert caught.value.code == "ONEC_BAD_QUERY"
    assert server.requests == []


def test_rows_are_counted_by_the_count_segment(serve, client_of):
    server = serve(respond(b"\xef\xbb\xbf1103"))

    assert client_of(server).count("Catalog_X", "A eq 1") == 1103
    assert server.targets() == ["/ut/odata/standard.odata/Catalog_X/$count?$filter=A%20eq%201"]


def test_a_base_that_refuses_the_count_segment_is_asked_another_way_and_remembered(serve, client_of):
    server = serve(
        fault("6", "Сегмент пути $count не найден!", "400 Bad Request"),
        respond('{"odata.metadata": "x", "odata.count": "7", "value": []}'),
        respond('{"odata.metadata": "x", "odata.count": "8", "value": []}'),
    )
    client = client_of(server)

    assert (client.count("Catalog_X"), client.count("Catalog_X")) == (7, 8)
    assert len(server.requests) == 3
    assert server.targets()[1].endswith("Catalog_X?$format=json&$top=0&$inlinecount=allpages")


def test_a_count_that_is_refused_both_ways_says_why(serve, client_of):
    server = serve(fault("14", "Ошибка разбора опций запроса", "400 Bad Request"))

    with pytest.raises(Stop) as caught:
        client_of(server).count("Catalog_X", "A eq")

    assert caught.value.onec_message == "Ошибка разбора опций запроса"


EDMX = (
    '<edmx:Edmx xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" Version="1.0"><Schema>'
    '<EntityType Name="Catalog_X"><Key><PropertyRef Name="Ref_Key"/></Key>'
    '<Property Name="Ref_Key" Type="Edm.Guid"/></EntityType>'
    '<EntityContainer><EntitySet Name="Catalog_X" EntityType="StandardODATA.Catalog_X"/></EntityContainer>'
    "</Schema></edmx:Edmx>"
)


def test_metadata_is_fetched_once_and_kept_with_its_hash(serve, client_of, tmp_path):
    server = serve(respond(EDMX))
    client = client_of(server)

    first = client.metadata_file(tmp_path / "cache")
    second = client.metadata_file(tmp_path / "cache")

    assert client.metadata(tmp_path / "cache").find_set("Catalog_X").key == ("Ref_Key",)
    assert first == second
    assert (first.path.read_text(), first.size) == (EDMX, len(EDMX))
    assert server.targets() == ["/ut/odata/standard.odata/$metadata"]


def test_metadata_is_fetched_again_when_old_damaged_or_of_another_base(serve, client_of, tmp_path):
    server, other = serve(respond(EDMX)), serve(respond(EDMX))
    client = client_of(server)

    client.metadata_file(tmp_path, max_age_seconds=0)
    kept = client.metadata_file(tmp_path, max_age_seconds=0)
    kept.path.write_text(EDMX + " ")
    client.metadata_file(tmp_path)
    client_of(other).metadata_file(tmp_path)

    assert (len(server.requests), len(other.requests)) == (3, 1)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("bad", [respond("<html>login</html>"), respond(EDMX[:-20]), respond("")])
def test_metadata_that_is_not_metadata_never_replaces_what_is_kept(serve, client_of, tmp_path, bad):
    server = serve(respond(EDMX), bad)
    client = client_of(server)
    kept = client.metadata_file(tmp_path)

    with pytest.raises(RetryLater):
        client.metadata_file(tmp_path, max_age_seconds=0)

    assert kept.path.read_text() == EDMX
    assert not list(tmp_path.glob("*.part"))


def test_nothing_secret_or_personal_is_logged_or_said(serve, client_of, caplog):
    server = serve(OVERLOADED, hang_up, REFUSED)
    with caplog.at_level(logging.DEBUG), pytest.raises(Stop) as caught:
        client_of(server, user="canary-user", password="canary-password").get(
            "Catalog_X?$filter=A%20eq%20'canary-value'"
        )

    said = f"{caplog.text} {caught.value} {caught.value!r}"
    for secret in ("canary", "Y2FuYXJ5", "Basic "):
        assert secret not in said


def test_a_closed_client_says_so(serve, client_of):
    server = serve(respond(PAGE))
    client = client_of(server)
    client.close()

    with pytest.raises(Stop) as caught:
        client.get("Catalog_X")

    assert caught.value.code == "ONEC_CLOSED"
    assert server.requests == []


def test_closing_ends_a_call_of_another_thread(serve, client_of):
    server = serve(silent)
    client = client_of(server, deadline_seconds=200.0)
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(client.get, "Catalog_X")
        until(lambda: server.requests, pause=0.01)
        begun = time.monotonic()
        client.close()
        with pytest.raises(PipelineError):
            call.result()

    assert time.monotonic() - begun < 100


def test_many_threads_share_one_client(serve, client_of):
    server = serve(respond(PAGE))
    client = client_of(server, max_sessions=3)

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda number: client.get(f"Catalog_{number}"), range(60)))

    assert [answer.request for answer in answers] == [f"GET Catalog_{number}" for number in range(60)]
    assert server.connections <= 3
    assert client.sessions_started <= 3
