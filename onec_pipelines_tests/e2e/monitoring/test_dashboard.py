"""The dashboard as people meet it: over HTTP, and in a real browser on a phone and a desktop, light and dark."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from playwright.sync_api import sync_playwright

from onec_pipelines.db.engine import connect
from onec_pipelines.db.urls import conninfo
from onec_pipelines.errors import Stop
from onec_pipelines.ledger.calls import record
from onec_pipelines.monitoring.serve import hosts_for, open_site
from onec_pipelines.monitoring.web import build_app
from onec_pipelines.onec.answers import Call
from onec_pipelines.settings import load_settings
from onec_pipelines.webhook.server import Receiver
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import query

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: `apt-get install chromium`")
TOKEN = "a-token-of-enough-characters"
CANARIES = ("Канарейкин", "canary@example.com", "CANARY-PASSWORD")
HISTORY = """
INSERT INTO integ.sync_jobs (job_type, system_name, entity_type, status, started_at, completed_at, items_processed, error_message, metadata)
SELECT 'inbound', 'ut', e, CASE WHEN n % 7 = 3 AND e = 'stock' THEN 'failed' ELSE 'succeeded' END, now() - make_interval(mins => n * 60),
    now() - make_interval(mins => n * 60) + make_interval(secs => 1 + n % 4), 100,
    CASE WHEN n % 7 = 3 AND e = 'stock' THEN '[ONEC_OVERLOAD] Канарейкин canary@example.com CANARY-PASSWORD' END,
    '{"way": "snapshot", "seconds": {"shop": 0.1}, "requests": 4}'
FROM generate_series(30, 1, -1) n, unnest(ARRAY['products', 'prices', 'stock', 'customers']) e ORDER BY n DESC;
INSERT INTO clean.quarantine
    (system_name, entity_type, external_key, row_key, failures, source_row, job_id)
VALUES ('ut', 'customers', 'x', gen_random_uuid(),
    '[{"field": "name", "rule": "not_nullable", "value": "Канарейкин"}]', '{"n": "canary@example.com"}', 1);
INSERT INTO integ.alerts (system_name, fingerprint, kind, code, severity, source, since, facts)
VALUES ('ut', 'x', 'dead_letters', 'DEAD_LETTERS', 'error', 'ledger', now(), '{"onec": "CANARY-PASSWORD"}');
INSERT INTO integ.retry_queue (system_name, kind, subject, ordering_key, state, last_error)
VALUES ('ut', 'push', 'order:1', 'order:1', 'dead', '{"code": "ONEC_RIGHTS", "message": "Канарейкин"}')
"""


@contextmanager
def serving(database_url, **variables) -> Iterator[str]:
    settings = load_settings(
        {"ONEC_SYSTEM": "ut", "ONEC_TIMEZONE": "Europe/Moscow", **variables}, require_onec=False
    )
    hosts = hosts_for("127.0.0.1", settings.dashboard_token.get_secret_value())
    with (
        open_site(settings, database_url) as site,
        Receiver(build_app(site, hosts=hosts), host="127.0.0.1", port=0) as server,
    ):
        yield server.url


def get(url, **headers):
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


@pytest.fixture
def filled(database_url) -> str:
    for statement in HISTORY.split(";\n"):
        query(database_url, statement)
    with connect(database_url) as database, psycopg.connect(conninfo(database_url)) as raw:
        (now,) = raw.execute("SELECT now()").fetchone()
        call = Call(
            kind="json",
            resource="Catalog_Номенклатура",
            status=200,
            seconds=7.5,
            wire_bytes=10,
            attempt=1,
            error_code=None,
            requested_at=now,
            request="GET Catalog_Номенклатура?$filter=Code eq '*'&$top=100&$skip=20000",
        )
        record(database, [call], system_name="ut")
    return database_url


def test_an_empty_base_shows_a_page_and_is_ready(database_url):
    with serving(database_url) as url:
        status, page, headers = get(f"{url}/")
        assert status == 200
        assert "Nothing is wrong." in page
        assert "default-src 'none'" in headers["content-security-policy"]
        assert json.loads(get(f"{url}/health")[1]) == {"status": "ok", "system": "ut", "reasons": []}


def test_the_page_speaks_the_language_that_is_asked_for(filled):
    with serving(filled) as url:
        russian = get(f"{url}/dashboard", **{"Accept-Language": "fr;q=0.9, ru-RU;q=0.8, en;q=0.5"})
        assert 'lang="ru"' in russian[1]
        assert "Цены" in russian[1]
        english = get(f"{url}/dashboard?lang=en", **{"Accept-Language": "ru"})
        assert 'lang="en"' in english[1]
        assert 'lang="en"' in get(f"{url}/dashboard?lang=xx")[1]


def test_trouble_shows_on_the_page_in_health_and_in_metrics_alike(filled):
    query(filled, "INSERT INTO integ.throttle (system_name, breaker, opened_at) VALUES ('ut', 'open', now())")
    with serving(filled) as url:
        status, body, _ = get(f"{url}/health")
        document = json.loads(body)
        assert (status, document["status"]) == (503, "down")
        assert [reason["code"] for reason in document["reasons"]] == ["ONEC_BREAKER_OPEN", "DEAD_LETTERS"]
        assert all(reason["remedy"] for reason in document["reasons"])
        assert get(f"{url}/health/live")[0] == 200
        page = get(f"{url}/dashboard")[1]
        assert "ONEC_BREAKER_OPEN" in page
        assert "<code>onec queue retry</code>" in page
        metrics = get(f"{url}/metrics")[1]
        assert 'onec_breaker_open{system="ut"} 1' in metrics
        assert 'onec_queue_items{system="ut",kind="push",state="dead"} 1' in metrics
        assert 'onec_call_seconds_count{system="ut",resource="Catalog_Номенклатура",code=""} 1' in metrics


def test_nothing_personal_and_no_secret_is_anywhere(filled):
    with serving(filled, ONEC_PASSWORD="CANARY-PASSWORD") as url:
        for path in ("/dashboard?lang=ru", "/dashboard?lang=en", "/health", "/metrics"):
            body = get(f"{url}{path}")[1]
            assert [canary for canary in CANARIES if canary in body] == [], path


def test_a_database_that_is_gone_is_503_with_the_reason_and_never_a_stack(database_url):
    gone = database_url.replace("/test_", "/gone_")
    with serving(gone) as url:
        status, body, _ = get(f"{url}/health")
        assert status == 503
        assert json.loads(body)["reasons"][0]["code"].startswith("DB_")
        status, page, _ = get(f"{url}/dashboard?lang=ru")
        assert status == 503
        assert "Traceback" not in page
        assert "Не работает" in page
        assert get(f"{url}/metrics")[1].endswith("onec_up 0\n")
        assert get(f"{url}/health/live")[0] == 200


def test_a_database_without_migrations_says_so(empty_database_url):
    with serving(empty_database_url) as url:
        assert json.loads(get(f"{url}/health")[1])["reasons"][0]["code"] == "MIGRATIONS_PENDING"


def test_with_a_token_only_the_verdict_is_public(filled):
    with serving(filled, ONEC_DASHBOARD_TOKEN=TOKEN) as url:
        for path in ("/dashboard", "/metrics"):
            status, body, headers = get(f"{url}{path}")
            assert (status, body) == (401, "")
            assert "Basic" in headers["www-authenticate"]
            assert get(f"{url}{path}", Authorization="Bearer wrong")[0] == 401
            assert get(f"{url}{path}", Authorization="Basic !!!")[0] == 401
            assert get(f"{url}{path}", Authorization=f"Bearer {TOKEN}")[0] == 200
            basic = base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
            assert get(f"{url}{path}", Authorization=f"Basic {basic}")[0] == 200
        assert json.loads(get(f"{url}/health")[1]) == {"status": "degraded"}
        assert "reasons" in json.loads(get(f"{url}/health", Authorization=f"Bearer {TOKEN}")[1])


def test_without_a_token_only_names_of_this_machine_are_answered_to(database_url):
    with serving(database_url) as url:
        assert get(f"{url}/dashboard", Host="evil.example")[0] == 400
        assert get(f"{url}/dashboard", Host="localhost:3002")[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.5", "dashboard.example.com", "::"])  # noqa: S104 - refused
def test_it_does_not_open_itself_to_others_without_a_token(host):
    with pytest.raises(Stop, match="DASHBOARD_OPEN"):
        hosts_for(host, "")
    with pytest.raises(Stop, match="DASHBOARD_OPEN"):
        hosts_for(host, "short")
    assert hosts_for(host, TOKEN) == ("*",)


def test_only_reading_is_possible(database_url):
    with serving(database_url) as url:
        request = urllib.request.Request(f"{url}/dashboard", data=b"x", method="POST")  # noqa: S310 - loopback
        with pytest.raises(urllib.error.HTTPError, match="405") as refused:
            urllib.request.urlopen(request, timeout=PATIENCE_SECONDS)  # noqa: S310 - loopback
        refused.value.close()


@pytest.fixture
def audited(database_url, tmp_path):
    """A database with one audit, whose pages are in this test's home, beside a file that is nobody's business."""
    folder = tmp_path / "data_docs" / "20260501T030000Z"
    (folder / "static").mkdir(parents=True)
    (folder / "index.html").write_text("<a href='../index.html'>Earlier audits</a>", encoding="utf-8")
    (folder / "static" / "data_docs.css").write_text("a {}", encoding="utf-8")
    (folder / "notes.txt").write_text("CANARY-PASSWORD", encoding="utf-8")
    (folder.parent / "index.html").write_text("all audits", encoding="utf-8")
    (tmp_path / ".env").write_text("CANARY-PASSWORD", encoding="utf-8")
    (tmp_path / "page.html").write_text("CANARY-PASSWORD", encoding="utf-8")
    (folder / "out.html").symlink_to(tmp_path / "page.html")
    query(
        database_url,
        "INSERT INTO integ.quality_runs (system_name, seconds, expectations, errors, warnings, docs, findings)"
        " VALUES ('ut', 1, 812, 1, 2, %s, '[]')",
        str(folder / "index.html"),
    )
    return {"ONEC_HOME": str(tmp_path)}


def test_the_pages_of_audits_are_served_and_linked(database_url, audited):
    with serving(database_url, **audited) as url:
        page = get(f"{url}/dashboard?lang=ru")[1]
        assert 'href="audits/20260501T030000Z/index.html"' in page
        assert "ошибок: 1" in page
        status, _, headers = get(f"{url}/audits/20260501T030000Z/index.html")
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "script" not in headers["content-security-policy"]
        assert get(f"{url}/audits")[1] == get(f"{url}/audits/")[1] == "all audits"
        assert get(f"{url}/audits/20260501T030000Z/static/data_docs.css")[2]["content-type"].startswith(
            "text/css"
        )


OUTSIDE = (
    *(
        "../.env",
        "../page.html",
        "..%2f.env",
        "%2e%2e/%2e%2e/etc/passwd",
        "%2e%2e%2fpage.html",
        "/etc/passwd",
    ),
    *(
        "..%5c.env",
        "20260501T030000Z/..%2f..%2fpage.html",
        "%00",
        "20260501T030000Z/index.html%00.css",
        "a" * 5000,
    ),
    *("20260501T030000Z/notes.txt", "20260501T030000Z/out.html", "20260501T030000Z/nothing.html", "static"),
)


def test_no_address_leads_out_of_the_folder_of_audits(database_url, audited):
    found = {}
    with serving(database_url, **audited) as url:
        for path in OUTSIDE:
            connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
            # As it is: urllib would tidy the path.
            connection.request("GET", f"/audits/{path}")
            answer = connection.getresponse()
            found[path[:40]] = (answer.status, answer.read().decode())
            connection.close()

    assert {status for status, _ in found.values()} == {404}, found
    assert [path for path, (_, body) in found.items() if "CANARY" in body or "root:" in body] == []


def test_audits_want_the_token_and_pages_that_are_gone_are_not_linked(database_url, audited, tmp_path):
    shutil.rmtree(tmp_path / "data_docs")
    with serving(database_url, **audited, ONEC_DASHBOARD_TOKEN=TOKEN) as url:
        assert get(f"{url}/audits/")[0] == 401
        page = get(f"{url}/dashboard", Authorization=f"Bearer {TOKEN}")[1]
        assert "812" in page
        assert "audits/2026" not in page


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_it_fits_the_screen_is_readable_and_loads_nothing_from_elsewhere(filled, width, height, scheme):
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with serving(filled) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=arguments, timeout=PATIENCE_SECONDS * 1000
        )
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{url}/dashboard?lang=ru")

        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert {one.split("/")[2] for one in asked} == {url.split("/")[2]}
        assert complaints == []
        assert page.inner_text("#level") == "Работает, есть замечания"
        assert page.locator("figure svg rect.low").count() > 20
        assert page.locator("figure.ages svg rect.high").count() == 24
        assert page.locator("#entities tbody tr").count() == 4
        assert "Глубокий $skip" in page.inner_text("#advice")
        smallest = page.evaluate(
            "Math.min(...[...document.querySelectorAll('main *')].filter(e => e.innerText && !e.children.length)"
            ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
        )
        assert smallest >= 12
        assert page.evaluate(_WORST_CONTRAST) >= 4.5
        page.get_by_role("link", name="English").click()
        page.get_by_text("Works, with troubles").wait_for()
        browser.close()


# WCAG contrast of every text against the nearest background behind it
_WORST_CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const texts = [...document.querySelectorAll('body *')].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
    && e.getClientRects().length);
  return Math.min(...texts.map(e => { const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05); }));
}"""
