"""How a base speaks, starts and keeps time: what is odd is told until it is mended. Visits look at one small entity."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.doctor import codes, saw, visit
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import control, query
from onec_pipelines_tests.fixtures.proxy import running_proxy
from onec_pipelines_tests.fixtures.schemas import renamed, write

FEW = [BY_NAME["currencies"]]
CURRENCIES = "Catalog_Валюты"
ORDER = "Document_ЗаказКлиента"


@pytest.fixture(scope="module")
def base():
    with Simulator.start_thread(products=5, seed=5) as running:
        yield running


@pytest.fixture
def look(base, database_url, tmp_path):
    """The report on one entity; `settings` besides those that lead to the base."""

    def made(**more):
        return visit(base, database_url, tmp_path, **{"entities": FEW, **more})

    yield made
    control(base, "faults", method="DELETE")
    control(
        base, "options", {"count": "supported", "cold_start_ms": 0, "session_max_age": 20}, method="PATCH"
    )


@pytest.fixture
def between(base):
    """A proxy between us and the base that changes answers."""
    with running_proxy(base.url) as proxy:
        yield proxy


def through(proxy, **more):
    return {"ONEC_URL": proxy.url, **more}


def test_a_limit_of_rows_is_a_note_with_the_number_until_fewer_are_asked_for(look, between):
    def cut(rows):
        del rows[2:]

    between.replace_rows(CURRENCIES, cut)
    before = look(settings=through(between, ONEC_PAGE_ROWS="3"))
    after = look(settings=through(between, ONEC_PAGE_ROWS="2"))

    assert "ONEC_PAGE_LIMIT" in codes(before, "note")
    assert saw(before, "ONEC_PAGE_LIMIT") == f"of 3 rows of {CURRENCIES} that were asked for, 2 came"
    assert before.capabilities["page_rows"] == 2
    assert "ONEC_PAGE_LIMIT" not in codes(after, "note")


def test_a_base_that_tells_no_number_of_rows_is_warned_of_until_it_counts(base, look, between):
    def uncounted(address, body):
        if "$inlinecount" not in address:
            return body
        page = json.loads(body.decode("utf-8-sig"))
        page.pop("odata.count", None)
        return json.dumps(page).encode()

    between.changes.append(uncounted)
    control(base, "options", {"count": "refused"}, method="PATCH")
    before = look(settings=through(between))
    between.changes.clear()
    by_inline = look(settings=through(between))
    control(base, "options", {"count": "supported"}, method="PATCH")
    after = look(settings=through(between))

    assert codes(before, "warning") == ["ONEC_NO_COUNT"]
    assert CURRENCIES in saw(before, "ONEC_NO_COUNT")
    assert (codes(by_inline, "warning"), "ONEC_COUNT_REFUSED" in codes(by_inline, "note")) == ([], True)
    assert "ONEC_COUNT_REFUSED" not in codes(after, "note")


def test_atom_that_is_not_given_is_a_warning_only_with_an_exchange_plan(base, look):
    plan = next(name for name in control(base, "tables") if name.startswith("ExchangePlan_"))
    node = control(base, f"rows/{plan}")["rows"][0]["Ref_Key"]
    planned = {"ONEC_EXCHANGE_PLAN": plan, "ONEC_EXCHANGE_NODE": node}
    control(base, "faults", {"type": "html_200", "match": r"^GET [^?]*\?\$top=1$"})
    noted, warned = look(), look(settings=planned)
    control(base, "faults", method="DELETE")
    after = look(settings=planned)

    assert "ONEC_NO_ATOM" in codes(noted, "note")
    assert codes(warned, "warning") == ["ONEC_NO_ATOM"]
    assert warned.capabilities["atom"] is False
    assert (codes(after, "warning"), after.capabilities["atom"]) == ([], True)


def test_a_session_that_starts_slowly_is_a_note_until_sessions_live_longer(base, look):
    control(base, "options", {"cold_start_ms": 400, "session_max_age": 3600}, method="PATCH")
    control(base, "sessions", method="DELETE")
    before = look(slow_seconds=0.3)
    # The session of the visit before lives on, as with a larger sessionMaxAge: a new one would not start before the test is over.
    control(base, "options", {"cold_start_ms": 2000 * PATIENCE_SECONDS}, method="PATCH")
    after = look(slow_seconds=PATIENCE_SECONDS)

    assert "ONEC_SLOW_START" in codes(before, "note")
    assert "s (cold start)" in saw(before, "ONEC_SLOW_START")
    assert (codes(after), "ONEC_SLOW_START" in codes(after, "note")) == ([], False)


def test_a_zone_too_far_west_shows_in_a_document_of_the_future_until_it_is_right(base, look):
    there = datetime.now(UTC).astimezone(ZoneInfo("Asia/Vladivostok")) - timedelta(minutes=1)
    pattern = control(base, f"rows/{ORDER}?top=1")["rows"][0]
    order = {name: pattern[name] for name in ("Партнер_Key", "Организация_Key", "Валюта_Key", "Склад_Key")}
    control(base, f"rows/{ORDER}", {**order, "Date": f"{there:%Y-%m-%dT%H:%M}:17"})
    orders = [BY_NAME["currencies"], BY_NAME["orders"]]
    before = look(entities=orders, settings={"ONEC_TIMEZONE": "Europe/Moscow"})
    after = look(entities=orders, settings={"ONEC_TIMEZONE": "Asia/Vladivostok"})

    assert codes(before, "warning") == ["ONEC_TIMEZONE_DOUBTFUL"]
    assert f"an order is dated {there:%Y-%m-%dT%H:%M}:17" in saw(before, "ONEC_TIMEZONE_DOUBTFUL")
    assert codes(after, "warning") == []


def test_orders_are_not_ready_until_the_defaults_of_the_store_are_set(base, look, database_url):
    query(
        database_url,
        "INSERT INTO shop.stores (code, system_name, defaults) VALUES ('main', 'test', '{}')",
    )
    before = look()
    refs = {
        "ONEC_ORDER_ORGANIZATION": "Catalog_Организации",
        "ONEC_ORDER_AGREEMENT": "Catalog_СоглашенияСКлиентами",
        "ONEC_ORDER_WAREHOUSE": "Catalog_Склады",
        "ONEC_ORDER_PRICE_TYPE": "Catalog_ВидыЦен",
        "ONEC_ORDER_CANCEL_REASON": "Catalog_ПричиныОтменыЗаказовКлиентов",
    }
    settings = {
        name: control(base, f"rows/{table}?top=1")["rows"][0]["Ref_Key"] for name, table in refs.items()
    }
    after = look(settings=settings)

    assert set(codes(before, "warning")) == {"ORDERS_NOT_READY"}
    assert "agreement is not set (ONEC_ORDER_AGREEMENT)" in saw(before, "ORDERS_NOT_READY")
    assert (codes(after, "warning"), "ORDERS_NOT_READY" in codes(after, "note")) == ([], False)


def test_a_plan_that_is_not_published_is_in_error_until_the_setting_names_one_that_is(base, look):
    plans = [name for name in control(base, "tables") if name.startswith("ExchangePlan_")]
    node = control(base, f"rows/{plans[0]}")["rows"][0]["Ref_Key"]
    before = look(settings={"ONEC_EXCHANGE_PLAN": "ExchangePlan_Нет", "ONEC_EXCHANGE_NODE": node})
    after = look(settings={"ONEC_EXCHANGE_PLAN": plans[0], "ONEC_EXCHANGE_NODE": node})

    assert codes(before) == ["ONEC_NOT_PUBLISHED"]
    assert f"published plans: {', '.join(sorted(plans))}" in saw(before, "ONEC_NOT_PUBLISHED")
    assert codes(after) == []


def test_a_pause_is_told_until_it_ends(look, database_url):
    query(database_url, "INSERT INTO integ.throttle (system_name, paused_at) VALUES ('test', now())")
    before = look()
    query(database_url, "UPDATE integ.throttle SET paused_at = NULL")
    after = look()

    assert (codes(before, "warning"), before.requests) == (["ONEC_PAUSED"], 0)
    assert (codes(after, "warning"), after.requests > 0) == ([], True)


def test_a_host_that_is_dead_or_unknown_is_told_until_the_address_is_right(look):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        dead = look(settings={"ONEC_URL": f"http://127.0.0.1:{port}/ut/odata/standard.odata"})
    unknown = look(settings={"ONEC_URL": "https://no-such-host.invalid/ut/odata/standard.odata"})
    after = look()

    assert codes(dead) == codes(unknown) == ["ONEC_UNREACHABLE"]
    assert codes(after) == []


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("ONEC_CONNECTION_LOST", {"type": "reset_peer"}),
        ("ONEC_OVERLOAD", {"type": "status", "attributes": {"status": 503}}),
        (
            "ONEC_NO_LICENCE",
            {
                "type": "odata_error",
                "attributes": {
                    "status": 406,
                    "message": "Не найдена лицензия",
                },
            },
        ),
    ],
)
def test_a_base_that_does_not_get_to_an_answer_is_one_finding_until_it_does(base, look, code, fault):
    control(base, "faults", fault)
    before = look()
    control(base, "faults", method="DELETE")
    after = look()

    assert (codes(before), codes(after)) == ([code], [])


def test_a_field_that_another_release_lacks_is_a_note_only_there(base, database_url, tmp_path):
    brands = [BY_NAME["currencies"], BY_NAME["vat_rates"]]
    with Simulator.start_thread(products=5, seed=5, release="11.4") as old:
        before = visit(old, database_url, tmp_path / "old", entities=brands)
    after = visit(base, database_url, tmp_path / "new", entities=brands, accept_base=True)

    assert "ONEC_NOT_PUBLISHED" in codes(before, "note")
    assert "it may be absent" in saw(before, "ONEC_NOT_PUBLISHED")
    assert "ONEC_NOT_PUBLISHED" not in codes(after, "note")


def test_a_field_that_the_base_lacks_is_a_note_until_it_is_there(look, tmp_path, database_url):
    shape = renamed(CURRENCIES, "НаименованиеПолное", "Иначе")
    with Simulator.start_thread(products=5, seed=5, metadata=str(write(shape, tmp_path / "a.xml"))) as other:
        before = visit(other, database_url, tmp_path / "other", entities=FEW)
    after = look(accept_base=True)

    assert "currencies: " in saw(before, "ONEC_FIELDS_MISSING")
    assert "ONEC_FIELDS_MISSING" not in codes(after, "note")


def test_a_composition_that_is_empty_is_in_error_until_sets_are_ticked(base, look, database_url, tmp_path):
    with Simulator.start_thread(products=5, seed=5, publish="none") as empty:
        before = visit(empty, database_url, tmp_path, entities=FEW)

    assert codes(before) == ["ONEC_COMPOSITION_EMPTY"]
    assert codes(look()) == []


def test_a_probe_that_cannot_write_is_told_until_partners_are_published(base, look, database_url, tmp_path):
    with Simulator.start_thread(products=5, seed=5, publish=CURRENCIES) as reduced:
        before = visit(reduced, database_url, tmp_path, entities=FEW, write_probe=True)

    assert "PROBE_FAILED" in codes(before, "warning")
    assert "Catalog_Партнеры is not published" in saw(before, "PROBE_FAILED")
    assert "PROBE_FAILED" not in codes(look(write_probe=True), "warning")
