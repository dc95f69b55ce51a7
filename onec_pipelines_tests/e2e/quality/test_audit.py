"""The suites on a synced shop: green on good tables, and each mistake turns its own check red, with the number of rows."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date, timedelta

import pytest
from playwright.sync_api import sync_playwright

from onec_pipelines.db.engine import connect
from onec_pipelines.entities import BY_NAME, ENTITIES
from onec_pipelines.ledger import quality
from onec_pipelines.monitoring.expectations import Severity
from onec_pipelines.monitoring.expectations.rounds import run_audit
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import SYSTEM, query, value
from onec_pipelines_tests.fixtures.schedules import switch_on

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CANARY = "Канарейкина-7719"

DEFECTS = {
    ("shop.brands", "uniqueness"): (2, "UPDATE shop.brands SET name = 'Twice' WHERE id IN (1, 2)"),
    ("shop.products", "published_has_category"): (
        3,
        (
            "UPDATE shop.products SET category_id = NULL WHERE id IN"
            " (SELECT id FROM shop.products WHERE NOT is_deleted ORDER BY id LIMIT 3)"
        ),
    ),
    ("shop.products", "ranges"): (
        1,
        (
            "UPDATE shop.products SET name = repeat('x', 101) WHERE id ="
            " (SELECT min(id) FROM shop.products WHERE NOT is_deleted)"
        ),
    ),
    ("shop.products", "not_null"): (
        2,
        (
            "ALTER TABLE shop.products ALTER name DROP NOT NULL; UPDATE shop.products SET name = NULL WHERE id IN"
            " (SELECT id FROM shop.products WHERE NOT is_deleted ORDER BY id DESC LIMIT 2)"
        ),
    ),
    ("shop.stock", "stock_has_price"): (
        1,
        (
            "UPDATE shop.prices SET is_deleted = true WHERE product_id = (SELECT s.product_id FROM shop.stock s"
            " JOIN shop.products p ON p.id = s.product_id AND NOT p.is_deleted AND p.product_type = 'goods'"
            " GROUP BY 1 HAVING min(s.available) > 0 ORDER BY 1 DESC LIMIT 1)"
        ),
    ),
    ("shop.stock", "available_not_negative"): (
        2,
        "UPDATE shop.stock SET available = -1 WHERE id IN (SELECT id FROM shop.stock WHERE available = 0 ORDER BY id LIMIT 2)",
    ),
    ("shop.orders", "total_is_sum_of_lines"): (
        1,
        "UPDATE shop.orders SET amount = amount + 1 WHERE id = (SELECT min(id) FROM shop.orders WHERE NOT is_deleted)",
    ),
    ("shop.orders", "line_has_product"): (
        1,
        (
            "UPDATE shop.order_lines SET product_id = NULL WHERE (owner_id, line_number) ="
            " (SELECT l.owner_id, l.line_number FROM shop.order_lines l JOIN shop.orders o ON o.id = l.owner_id"
            " WHERE NOT o.is_deleted ORDER BY 1, 2 LIMIT 1)"
        ),
    ),
    ("shop.orders", "references_exist"): (
        1,
        (
            "ALTER TABLE shop.orders DROP CONSTRAINT IF EXISTS orders_customer_id_fkey; UPDATE shop.orders"
            " SET customer_id = 999999 WHERE id = (SELECT max(id) FROM shop.orders WHERE NOT is_deleted)"
        ),
    ),
    ("shop.orders", "unknown_codes"): (
        1,
        "UPDATE clean.orders SET status = 'НовыйСтатус' WHERE row_key = (SELECT min(row_key::text)::uuid FROM clean.orders)",
    ),
    ("shop.warehouses", "freshness"): (
        1,
        "UPDATE integ.sync_jobs SET completed_at = now() - interval '9 days' WHERE entity_type = 'warehouses'",
    ),
}
TOUCHED = ("brands", "products", "stock", "orders", "warehouses")


def failures(report):
    found = Counter()
    for one in report.failed:
        assert not one.error, one
        found[one.table, one.expectation.check] += one.rows or 0
    return dict(found)


def test_a_synced_shop_is_green_and_its_figures_are_remembered(synced_url, settings_of):
    settings = settings_of(synced_url)
    with connect(synced_url) as database:
        report = run_audit(database, settings, ENTITIES)

        assert failures(report) == {}
        assert {one.entity for one in report.findings} == {entity.name for entity in ENTITIES}
        figures = quality.last_good(database, SYSTEM)
    live = value(synced_url, "SELECT count(*) FROM shop.products WHERE NOT is_deleted")
    assert figures["shop.products"]["rows"] == live
    assert figures["shop.prices"]["mean"]["price"] > 0


def test_each_mistake_turns_its_own_check_red_with_the_number_of_its_rows(database, copy_url, settings_of):
    switch_on(copy_url, "prices_and_stock_every_10_minutes")
    for _, statement in DEFECTS.values():
        for part in statement.split("; "):
            query(copy_url, part)

    report = run_audit(database, settings_of(copy_url), [BY_NAME[name] for name in TOUCHED], with_docs=False)

    assert failures(report) == {place: rows for place, (rows, _) in DEFECTS.items()}
    by_check = {(one.table, one.expectation.check): one for one in report.failed}
    negative = by_check["shop.stock", "available_not_negative"]
    assert negative.expectation.severity is Severity.ERROR
    assert len(negative.sample) == 2
    total = by_check["shop.orders", "total_is_sum_of_lines"]
    assert sum(total.days.values()) == 1
    assert all(one.expectation.remedy for one in report.failed)
    remembered = quality.latest(database, SYSTEM)
    assert remembered.errors == report.count(Severity.ERROR) > 0
    assert len(remembered.findings) == len(report.failed)


def test_figures_that_jump_are_told_until_they_are_accepted(database, copy_url, settings_of):
    settings, prices = settings_of(copy_url), [BY_NAME["prices"]]
    assert not run_audit(database, settings, prices, with_docs=False).failed
    query(copy_url, "UPDATE shop.prices SET price = price * 3")
    query(copy_url, "UPDATE shop.prices SET is_deleted = true WHERE id % 2 = 0")

    for accept in (False, True):
        report = run_audit(database, settings, prices, with_docs=False, accept=accept)
        told = {(one.expectation.check, *one.expectation.columns) for one in report.failed}
        assert {("distribution",), ("distribution", "price")} <= told
        assert {check for check, *_ in told} == {"distribution"}

    assert not run_audit(database, settings, prices, with_docs=False).failed


def test_a_day_of_documents_is_looked_at_alone(database, copy_url, settings_of):
    days = query(
        copy_url,
        "SELECT (date AT TIME ZONE 'Europe/Moscow')::date AS day, min(id) FROM shop.orders WHERE NOT is_deleted"
        " GROUP BY 1 ORDER BY 1 LIMIT 1",
    )
    ((day, order),) = days
    query(copy_url, "UPDATE shop.orders SET amount = amount + 1 WHERE id = %s", order)
    settings, some = settings_of(copy_url), [BY_NAME["orders"], BY_NAME["brands"]]

    on_it = run_audit(database, settings, some, day=day, with_docs=False)
    before = run_audit(database, settings, some, day=day - timedelta(days=1), with_docs=False)

    assert failures(on_it) == {("shop.orders", "total_is_sum_of_lines"): 1}
    assert on_it.failed[0].days == {day.isoformat(): 1}
    assert {one.entity for one in on_it.findings} == {"orders"}
    assert failures(before) == {}
    assert isinstance(day, date)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: `apt-get install chromium`")
def test_data_docs_open_in_a_browser_without_the_internet_and_hold_nobodys_data(
    database, copy_url, settings_of
):
    query(
        copy_url,
        "UPDATE shop.customers SET email = %s, name = %s WHERE id IN (1, 2)",
        f"{CANARY}@x.ru",
        CANARY,
    )
    settings = settings_of(copy_url)

    report = run_audit(database, settings, [BY_NAME["customers"]])

    assert failures(report) == {("shop.customers", "uniqueness"): 2}
    pages = list((settings.home / "data_docs").rglob("*.*"))
    secret = settings.password.get_secret_value()
    for page in (one for one in pages if one.suffix in {".html", ".json", ".js"}):
        text = page.read_text(encoding="utf-8")
        assert CANARY not in text
        assert secret not in text
    assert CANARY not in str(query(copy_url, "SELECT findings FROM integ.quality_runs"))
    asked = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu"],
            timeout=PATIENCE_SECONDS * 1000,
        )
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.docs.as_uri())
        assert "shop.customers" in page.inner_text("#failed")
        page.click("#tables a >> nth=0")
        page.get_by_text("Expectation Validation Result").wait_for()
        assert "No two live rows have the same email." in page.inner_text("body")
        browser.close()
    assert [url for url in asked if not url.startswith("file:")] == []
