"""The client against the simulated 1C: each way of asking, each refusal, both kinds of sessions."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from onec_pipelines.errors import RetryLater, Skip, Stop
from onec_pipelines.onec import query
from onec_pipelines.onec.atom import read_feed
from onec_pipelines.onec.client import OnecClient, RetryPolicy
from onec_pipelines.onec.connection import Connection
from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.onec.paging import PagePolicy, PageRows, read_pages
from onec_pipelines.onec.query import SetQuery
from onec_pipelines.onec.throttle import LocalThrottle
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS

PRODUCTS = "Catalog_Номенклатура"
STOCK = "AccumulationRegister_ТоварыНаСкладах"
NOWHERE = "ffffffff-ffff-ffff-ffff-ffffffffffff"


def client_for(simulator, **changes):
    given = {
        "url": simulator.url,
        "user": simulator.user,
        "password": simulator.password,
        "timezone": "Europe/Moscow",
        "system": "test",
        "deadline_seconds": PATIENCE_SECONDS,
    }
    connection = Connection(**{**given, **changes})
    throttle = LocalThrottle(rate_per_second=1000, max_calls=connection.max_sessions)
    return OnecClient(connection, throttle, retry=RetryPolicy(attempts=2, wait_initial=0.01, wait_jitter=0))


@pytest.fixture(scope="module")
def own():
    """A simulator whose switches these tests change; each test sets what it needs and sets it back."""
    with Simulator.start_process(products=60, seed=3) as running:
        yield running


@pytest.fixture
def switch(own):
    changed = {}

    def set_options(**options):
        before = control(own, "/options")
        changed.update({name: before[name] for name in options if name not in changed})
        control(own, "/options", options)

    yield set_options
    if changed:
        control(own, "/options", changed)


def control(simulator, path, values=None):
    body = None if values is None else json.dumps(values).encode()
    with urllib.request.urlopen(simulator.control_url + path, body, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - loopback
        return json.load(answer)


@pytest.fixture
def client(simulator):
    with client_for(simulator) as opened:
        yield opened


def rows(answer):
    return json.loads(answer.body.decode("utf-8-sig"))["value"]


def by_key(answer):
    keys = [row["Ref_Key"] for row in rows(answer)]
    return PageRows(len(keys), keys[0] if keys else None, keys[-1] if keys else None, keys)


def test_metadata_is_read_and_says_what_is_published(client, tmp_path):
    metadata = client.metadata(tmp_path)

    published = {item["name"] for item in rows(client.service_document())}
    assert published == set(metadata.sets)
    assert "SliceLast" in metadata.functions("InformationRegister_ЦеныНоменклатуры25_RecordType")


def test_the_simulator_publishes_what_the_genuine_metadata_says(client, tmp_path, request):
    edmx = request.config.rootpath.parent / "shared" / "onec" / "ut_11.5.20.68.edmx"
    if not edmx.is_file():
        pytest.skip("no genuine metadata beside this checkout")
    ours, genuine = client.metadata(tmp_path), parse_metadata(edmx)

    common = sorted(set(ours.sets) & set(genuine.sets))

    assert len(common) > 10
    for name in common:
        assert ours.find_set(name).key == genuine.find_set(name).key
        assert ours.find_set(name).properties == genuine.find_set(name).properties


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_catalog_is_read_whole_in_small_pages(client, parallel):
    whole = rows(client.get(SetQuery(resource=PRODUCTS, select=("Ref_Key",)).target()))
    policy = PagePolicy(rows=40, max_rows=40, overlap=5)

    with read_pages(
        client,
        SetQuery(resource=PRODUCTS, select=("Ref_Key", "Description")),
        key=("Ref_Key",),
        rows_of=by_key,
        policy=policy,
        parallel=parallel,
    ) as pages:
        seen = {key for page in pages for key in page.rows.keys}

    assert seen == {row["Ref_Key"] for row in whole}
    assert pages.completeness.verdict == "complete"
    assert pages.completeness.distinct == client.count(PRODUCTS)


def test_a_catalog_is_read_by_key_batches(client):
    whole = rows(client.get(SetQuery(resource=PRODUCTS, select=("Ref_Key",), top=95).target()))
    keys = [row["Ref_Key"] for row in whole]

    got = []
    for batch, narrowed in query.key_batches(keys, SetQuery(resource=PRODUCTS, select=("Ref_Key",))):
        part = [row["Ref_Key"] for row in rows(client.get(narrowed.target()))]
        assert set(part) == set(batch)
        got += part

    assert sorted(got) == sorted(keys)


def test_an_object_is_read_by_its_key_and_an_absent_one_is_skipped(client):
    key = rows(client.get(SetQuery(resource=PRODUCTS, select=("Ref_Key",), top=1).target()))[0]["Ref_Key"]

    found = json.loads(client.get(query.entity(PRODUCTS, key, select=("Ref_Key", "Code"))).body)
    with pytest.raises(Skip) as caught:
        client.get(query.entity(PRODUCTS, NOWHERE))

    assert found["Ref_Key"] == key
    assert (caught.value.code, caught.value.onec_code) == ("ONEC_NOT_FOUND", "9")


def test_a_text_with_every_hard_character_is_found_or_not_but_never_an_error(client):
    odd = "O'Нил + 50% & «Ко» /?#=;"
    target = SetQuery(resource=PRODUCTS, filter=f"Description eq {query.string(odd)}").target()

    assert rows(client.get(target)) == []


@pytest.mark.parametrize("style", ["query", "path"])
def test_balances_are_the_same_in_both_ways_of_asking_and_sum_up(client, style):
    store = rows(client.get(SetQuery(resource="Catalog_Склады", filter="IsFolder eq false", top=1).target()))[
        0
    ]
    condition = f"Склад_Key eq {query.guid(store['Ref_Key'])}"

    fine, coarse = (
        rows(
            client.get(
                query.virtual_table(STOCK, "Balance", condition=condition, dimensions=dimensions, style=style)
            )
        )
        for dimensions in (("Номенклатура", "Склад"), ("Склад",))
    )

    assert {row["Склад_Key"] for row in fine} == {store["Ref_Key"]}
    assert len(fine) > 1
    assert sum(row["ВНаличииBalance"] for row in fine) == pytest.approx(coarse[0]["ВНаличииBalance"])


def test_last_prices_are_read_for_one_price_type(client):
    register = "InformationRegister_ЦеныНоменклатуры25_RecordType"
    some = rows(client.get(query.virtual_table(register, "SliceLast", top=1)))
    kind = some[0]["ВидЦены_Key"]

    prices = rows(
        client.get(query.virtual_table(register, "SliceLast", condition=f"ВидЦены_Key eq {query.guid(kind)}"))
    )

    assert {row["ВидЦены_Key"] for row in prices} == {kind}


def test_atom_gives_the_rows_that_json_gives(client, tmp_path):
    metadata = client.metadata(tmp_path)
    target = SetQuery(resource=PRODUCTS, top=20, skip=30).target()

    as_json = json.loads(client.get(target).body.decode("utf-8-sig"), parse_float=str, parse_int=str)["value"]
    feed = read_feed(client.get(target.replace("$format=json", "$format=atom"), kind="atom").body, metadata)

    assert len(feed.entries) == 20
    for entry, row in zip(feed.entries, as_json, strict=True):
        for name, value in entry.row.items():
            if not isinstance(value, list | dict):
                assert plain(value) == plain(row[name]), name


def plain(value):
    return str(value) if not isinstance(value, bool) and value is not None else value


@pytest.mark.parametrize(
    ("target", "code", "onec_code"),
    [
        ("Catalog_Nothing?$format=json", "ONEC_NOT_PUBLISHED", "8"),
        (SetQuery(resource=PRODUCTS, select=("Нет",)).target(), "ONEC_UNKNOWN_NAME", "6"),
        (SetQuery(resource=PRODUCTS, filter="Code eq").target(), "ONEC_BAD_REQUEST", "14"),
        (f"{PRODUCTS}?$format=json&$search=x", "ONEC_NOT_SUPPORTED", "0"),
        (
            f"{PRODUCTS}?$format=json&$filter=Code%20eq%20'a'+and%20Code%20eq%20'b'",
            "ONEC_WHERE_FORBIDDEN",
            "-1",
        ),
        (f"{PRODUCTS}?$format=json&$filter=Ref_Key%20gt%20guid'{NOWHERE}'", None, "-1"),
    ],
)
def test_a_refusal_is_named_with_the_words_of_1c(client, target, code, onec_code):
    with pytest.raises(Stop) as caught:
        client.get(target.replace(PRODUCTS, quote(PRODUCTS)))

    assert code is None or caught.value.code == code
    assert caught.value.onec_code == onec_code
    assert caught.value.onec_message


def test_a_wrong_password_is_tried_once(own):
    before = control(own, "/stats")["statuses"].get("401", 0)

    with client_for(own, password="wrong") as stranger, pytest.raises(Stop) as caught:
        stranger.count(PRODUCTS)

    assert caught.value.code == "ONEC_AUTH"
    assert control(own, "/stats")["statuses"]["401"] == before + 1


@pytest.mark.parametrize(
    ("options", "kind", "code"),
    [
        ({"maintenance": True}, RetryLater, "ONEC_MAINTENANCE"),
        ({"version_mismatch": True}, RetryLater, "ONEC_VERSION_MISMATCH"),
        ({"publication_off": True}, Stop, "ONEC_NO_SERVICE"),
        ({"denied": PRODUCTS}, Stop, "ONEC_RIGHTS"),
        ({"rls": f"{PRODUCTS}:3"}, Stop, "ONEC_RIGHTS"),
    ],
)
def test_a_state_of_the_base_is_named(own, switch, options, kind, code):
    switch(**options)

    with client_for(own) as client, pytest.raises(kind) as caught:
        client.get(SetQuery(resource=PRODUCTS).target())

    assert caught.value.code == code


def test_allowed_only_reads_what_the_user_may_see(own, switch):
    switch(rls=f"{PRODUCTS}:3")

    with client_for(own) as client:
        seen = rows(client.get(SetQuery(resource=PRODUCTS, select=("Ref_Key",), allowed_only=True).target()))

    assert seen


@pytest.mark.parametrize("mode", ["autouse", "use", "dontuse"])
def test_sessions_are_started_per_worker_and_not_per_request(own, switch, mode):
    # Nobody's session ends because the others were slow.
    switch(sessions=mode, session_max_age=3600.0)
    before = control(own, "/stats")["sessions_started"]

    with client_for(own, max_sessions=3) as client, ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: client.get(SetQuery(resource="Catalog_Валюты").target()), range(30)))
        started = control(own, "/stats")["sessions_started"] - before
        counted = client.sessions_started

    assert started <= (3 if mode != "dontuse" else 30)
    assert mode != "use" or counted == started


def test_sessions_with_cookies_end_with_the_client(own, switch):
    switch(sessions="use", session_max_age=3600.0)
    with client_for(own) as client:
        client.count(PRODUCTS)
        during = control(own, "/stats")["sessions_open"]

    assert control(own, "/stats")["sessions_open"] == during - 1


def test_a_session_that_expired_in_1c_is_replaced(own, switch):
    switch(sessions="use", session_max_age=0.0)

    with client_for(own, max_sessions=1) as client:
        assert client.count(PRODUCTS) == client.count(PRODUCTS)
        assert client.sessions_started >= 2


def test_a_full_pool_of_sessions_slows_us_down_and_is_named(own, switch):
    switch(sessions="use", pool_size=1, pool_timeout=0.1, session_max_age=3600.0)

    with client_for(own) as first, client_for(own) as second:
        first.count(PRODUCTS)
        with pytest.raises(RetryLater) as caught:
            second.count(PRODUCTS)

    assert caught.value.code == "ONEC_POOL_FULL"


def test_a_base_without_the_count_segment_is_counted_all_the_same(own, switch):
    with client_for(own) as client:
        expected = client.count(PRODUCTS, "IsFolder eq false")
    switch(count="refused")

    with client_for(own) as client:
        assert client.count(PRODUCTS, "IsFolder eq false") == expected == 60


def test_iis_refuses_long_addresses_and_that_is_named(own, switch):
    switch(web_server="iis")
    target = SetQuery(resource=PRODUCTS, select=("Наименование",) * 60).target()

    with client_for(own) as client, pytest.raises(Stop) as caught:
        client.get(target)

    assert caught.value.code == "ONEC_URL_TOO_LONG"


@pytest.mark.parametrize(
    "options", [{"gzip": True}, {"bom": "always"}, {"charset": "windows-1251"}, {"accept": "ignore"}]
)
def test_oddities_of_the_web_server_do_no_harm(own, switch, options):
    with client_for(own) as client:
        plain_rows = rows(client.get(SetQuery(resource="Catalog_Валюты").target()))
    switch(**options)

    with client_for(own, compression="on") as client:
        answer = client.get(SetQuery(resource="Catalog_Валюты").target())

    assert rows(answer) == plain_rows
    assert options != {"gzip": True} or answer.wire_bytes < len(answer.body)
