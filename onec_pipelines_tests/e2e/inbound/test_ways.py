# ruff: noqa: S608 - statements made of names that are declared
"""What each way of reading promises: what it asks for, what it finds, how it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from onec_pipelines.db.migrations import migrate
from onec_pipelines.db.urls import conninfo
from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import RetryLater, Stop
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines.steps.windows import Window
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync, value
from onec_pipelines_tests.fixtures.state import debris_of

PRODUCTS, ORDERS, HISTORY = BY_NAME["products"], BY_NAME["orders"], BY_NAME["price_history"]
CATALOG = ("categories", "products", "variants", "customers", "price_types", "warehouses")
DOCUMENTS = ("orders", "price_history")
REGISTERS = ("barcodes", "prices", "stock")
ALL = tuple(BY_NAME[name] for name in (*CATALOG, *DOCUMENTS, *REGISTERS))
_NOT_FACTS = {"changed_in", "changed_at", "deleted_at", "deleted_why", "absent_sweeps"}


@pytest.fixture
def shop():
    with Simulator.start_thread(products=80, seed=5, pool_size=100) as running:
        yield running


@pytest.fixture
def variables(shop, database_url, tmp_path):
    """The simulated business stands in June 2026; all of it is within the open horizon."""
    return {**environment(shop, database_url, tmp_path, page_rows=100), "ONEC_OPEN_DAYS": "3650"}


@pytest.fixture
def runtime(variables):
    with open_fast(variables) as opened:
        yield opened


def live(url, entities=ALL) -> dict[str, list[str]]:
    """Rows of clean that are not deleted, with their tabular sections, and open entries of the quarantine."""
    found = {}
    with psycopg.connect(conninfo(url), row_factory=dict_row) as connection:
        for entity in entities:
            found[entity.name] = facts(
                connection, f"SELECT * FROM {entity.clean_table} WHERE deleted_at IS NULL"
            )
            for section in entity.sections:
                found[f"{entity.name}.{section.name}"] = facts(
                    connection,
                    f"SELECT s.* FROM {entity.section_table(section)} s JOIN {entity.clean_table} o"
                    " ON o.row_key = s.owner_key WHERE o.deleted_at IS NULL",
                )
        names = [entity.name for entity in entities]
        found["quarantine"] = facts(
            connection,
            "SELECT entity_type, external_key, data_version FROM clean.quarantine"
            f" WHERE resolved_at IS NULL AND entity_type = ANY('{{{','.join(names)}}}')",
        )
    return found


def facts(connection: psycopg.Connection[dict[str, Any]], statement: str) -> list[str]:
    return sorted(
        repr(sorted((name, str(held)) for name, held in row.items() if name not in _NOT_FACTS))
        for row in connection.execute(statement.encode())
    )


def test_after_days_of_business_clean_is_what_a_first_load_gives(
    shop, database_url, empty_database_url, variables
):
    """Rejected rows among them; each entity in its own way. Every entity in every way is `test_strategies.py`."""
    with open_fast(variables) as runtime:
        sync(runtime, ALL)
        for steps in (30, 40):
            control(shop, "day", {"steps": steps})
            sync(runtime, ALL)
        # What is gone has to be missed twice.
        sync(runtime, ALL)

    migrate(empty_database_url)
    with open_fast({**variables, "ONEC_DATABASE_URL": empty_database_url}) as fresh:
        sync(fresh, ALL)
    wanted, found = live(empty_database_url), live(database_url)
    for name, rows in wanted.items():
        assert found[name] == rows, name
    assert debris_of(database_url) == []


def test_a_run_without_changes_asks_for_versions_only(runtime):
    inbound(PRODUCTS, runtime)

    outcome = inbound(PRODUCTS, runtime)

    assert outcome.way == "versions"
    assert outcome.complete
    assert outcome.rows_seen == outcome.rows_scanned > 0
    assert (outcome.rows_read, outcome.clean_changed, outcome.absent) == (0, 0, 0)
    # Counted before and read in one page, which holds all that was counted.
    assert outcome.requests == 2


def test_only_what_changed_is_fetched(runtime, shop, database_url):
    inbound(PRODUCTS, runtime)
    keys = [ref for (ref,) in query(database_url, "SELECT ref::text FROM clean.products LIMIT 3")]
    for key in keys:
        control(shop, f"rows/Catalog_Номенклатура/{key}", {"Description": "Изменилось"})

    outcome = inbound(PRODUCTS, runtime)

    assert (outcome.rows_read, outcome.clean_changed, outcome.shop_changed) == (3, 3, 3)
    assert outcome.requests == 3


def test_a_rejected_object_is_fetched_again_only_when_it_changed(runtime, shop, database_url):
    inbound(PRODUCTS, runtime)
    rejected = value(
        database_url, "SELECT external_key FROM clean.quarantine WHERE entity_type = 'products' LIMIT 1"
    )

    assert inbound(PRODUCTS, runtime).rows_read == 0
    control(shop, f"rows/Catalog_Номенклатура/{rejected}", {"Артикул": "НОВЫЙ"})
    assert inbound(PRODUCTS, runtime).rows_read == 1
    assert inbound(PRODUCTS, runtime).rows_read == 0


def test_when_most_has_changed_everything_is_read(runtime, database_url, monkeypatch):
    monkeypatch.setattr("onec_pipelines.steps.versions._FEW", 5)
    inbound(PRODUCTS, runtime)
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute("UPDATE clean.products SET data_version = 'old', name = 'old'")

    outcome = inbound(PRODUCTS, runtime)

    assert outcome.way == "snapshot"
    assert "read as a whole" in outcome.message
    assert value(database_url, "SELECT count(*) FROM clean.products WHERE name = 'old'") == 0
    assert debris_of(database_url) == []


def test_what_a_version_scan_misses_twice_is_deleted(runtime, shop, database_url):
    inbound(PRODUCTS, runtime)
    (key,) = query(database_url, "SELECT ref::text FROM clean.products LIMIT 1")[0]
    control(shop, f"rows/Catalog_Номенклатура/{key}", method="DELETE")

    outcomes = [inbound(PRODUCTS, runtime) for _ in range(3)]

    assert [(one.absent, one.deleted) for one in outcomes] == [(1, 0), (1, 1), (0, 0)]
    assert query(database_url, "SELECT ref::text FROM clean.products WHERE deleted_why = 'absent'") == [
        (key,)
    ]


def test_the_brake_holds_in_a_version_scan(runtime, shop, database_url):
    inbound(PRODUCTS, runtime)
    for (key,) in query(database_url, "SELECT ref::text FROM clean.products LIMIT 40"):
        control(shop, f"rows/Catalog_Номенклатура/{key}", method="DELETE")

    with pytest.raises(Stop, match="DELETION_BRAKE"):
        inbound(PRODUCTS, runtime)

    assert value(database_url, "SELECT count(*) FROM clean.products WHERE absent_sweeps > 0") == 0
    assert debris_of(database_url) == []
    assert inbound(PRODUCTS, runtime, allow_deletes=True).absent == 40


def test_a_field_that_is_read_since_then_is_filled_in_everything(runtime, database_url):
    """Objects that did not change would otherwise keep it empty."""
    with_less = replace(PRODUCTS, fields=tuple(f for f in PRODUCTS.fields if f.name != "description"))
    inbound(with_less, runtime, layers=[Layer.RAW, Layer.CLEAN])
    described = "SELECT count(*) FROM clean.products WHERE description IS NOT NULL"
    assert value(database_url, described) == 0

    outcome = inbound(PRODUCTS, runtime)

    assert outcome.way == "snapshot"
    assert value(database_url, described) > 0


def a_day(database_url, table="clean.orders", field="date"):
    """The day with most rows."""
    day = value(
        database_url,
        f"SELECT date_trunc('day', {field}, 'Europe/Moscow') FROM {table} GROUP BY 1 ORDER BY count(*) DESC LIMIT 1",
    )
    return Window(start=day, end=day + timedelta(days=1))


def test_a_window_is_read_again_without_effect_on_others(runtime, shop, database_url):
    inbound(ORDERS, runtime)
    day = a_day(database_url)
    inside, outside = (
        value(
            database_url,
            f"SELECT ref::text FROM clean.orders WHERE {sign} (date >= %s AND date < %s) LIMIT 1",
            day.start,
            day.end,
        )
        for sign in ("", "NOT")
    )
    for key in (inside, outside):
        control(shop, f"rows/Document_ЗаказКлиента/{key}", {"Комментарий": "правка"})

    first, second = (inbound(ORDERS, runtime, window=day) for _ in range(2))

    assert first.complete
    assert (first.clean_changed, second.clean_changed, second.shop_changed) == (1, 0, 0)
    assert first.rows_seen == second.rows_seen
    assert (first.absent, second.absent) == (0, 0)


def test_a_document_that_left_its_window_is_gone_or_only_dated_otherwise(runtime, shop, database_url):
    inbound(ORDERS, runtime)
    last = a_day(database_url)
    month = Window(start=last.start - timedelta(days=30), end=last.end)
    keys = query(
        database_url,
        "SELECT ref::text FROM clean.orders WHERE date >= %s AND date < %s LIMIT 2",
        month.start,
        month.end,
    )
    (moved,), (gone,) = keys
    control(shop, f"rows/Document_ЗаказКлиента/{moved}", {"Date": "2025-12-31T10:00:00"})
    control(shop, f"rows/Document_ЗаказКлиента/{gone}", method="DELETE")

    outcome = inbound(ORDERS, runtime, window=month)

    assert (outcome.absent, outcome.deleted) == (1, 1)
    kept = "SELECT date, deleted_why FROM clean.orders WHERE ref = %s"
    assert query(database_url, kept, moved) == [(datetime(2025, 12, 31, 7, tzinfo=UTC), None)]
    assert query(database_url, kept, gone)[0][1] == "absent"


def test_late_edits_and_new_documents_are_found_by_their_versions(runtime, shop, database_url):
    inbound(ORDERS, runtime)
    old = value(database_url, "SELECT ref::text FROM clean.orders ORDER BY date LIMIT 1")
    control(shop, f"rows/Document_ЗаказКлиента/{old}", {"Комментарий": "правка задним числом"})
    control(shop, "day", {"steps": 1, "kind": "new order"})

    outcome = inbound(ORDERS, runtime)

    assert outcome.way == "windows"
    assert 2 <= outcome.rows_read < 10
    assert outcome.clean_changed == outcome.rows_read


def test_a_cancelled_backfill_goes_on_where_it_was(runtime, shop, database_url, monkeypatch):
    """Something else runs in between, as schedules do."""
    inbound(ORDERS, runtime)
    last = a_day(database_url)
    quarter = Window(start=last.end - timedelta(days=90), end=last.end)
    whole = inbound(ORDERS, runtime, window=quarter)
    stored = []
    original = "onec_pipelines.steps.load.Scan._committed"

    def interrupt(scan):
        scan._checkpoint = scan._pending
        stored.append(1)
        if len(stored) == 40:
            raise RetryLater("cancelled", code="TEST")

    with monkeypatch.context() as patched:
        patched.setattr(original, interrupt)
        with pytest.raises(RetryLater):
            inbound(ORDERS, runtime, window=quarter)
    inbound(ORDERS, runtime)

    rest = inbound(ORDERS, runtime, window=quarter)

    assert rest.complete
    assert rest.requests < whole.requests * 2 / 3
    assert rest.rows_seen == whole.rows_seen
    assert debris_of(database_url) == []


def test_price_history_is_read_by_the_time_of_prices(runtime, shop, database_url):
    sync(runtime, (BY_NAME["price_types"], HISTORY))
    before = value(database_url, "SELECT count(*) FROM clean.price_history")
    control(shop, "day", {"steps": 3, "kind": "price change"})

    outcome = inbound(HISTORY, runtime)

    assert outcome.complete
    assert outcome.clean_new > 0
    assert value(database_url, "SELECT count(*) FROM clean.price_history") == before + outcome.clean_new


def test_pages_of_a_time_are_replayed_and_newer_ones_stay(runtime, shop, database_url):
    begun = datetime.now(UTC)
    inbound(PRODUCTS, runtime)
    changed, other = (
        ref for (ref,) in query(database_url, "SELECT ref::text FROM clean.products ORDER BY 1 LIMIT 2")
    )
    between = datetime.now(UTC)
    control(shop, f"rows/Catalog_Номенклатура/{changed}", {"Description": "Позже"})
    inbound(PRODUCTS, runtime)
    wanted = live(database_url, (PRODUCTS,))
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute("UPDATE clean.products SET name = 'spoiled' WHERE ref = %s", (other,))

    outcome = inbound(
        PRODUCTS,
        runtime,
        layers=[Layer.CLEAN, Layer.SHOP],
        window=Window(start=begun - timedelta(seconds=1), end=between),
    )

    assert outcome.requests == 0
    assert live(database_url, (PRODUCTS,)) == wanted
    assert debris_of(database_url) == []


def test_a_replay_ends_with_what_came_after_the_last_whole_reading(runtime, shop, database_url):
    inbound(PRODUCTS, runtime)
    changed, gone = (
        ref for (ref,) in query(database_url, "SELECT ref::text FROM clean.products ORDER BY 1 LIMIT 2")
    )
    control(shop, f"rows/Catalog_Номенклатура/{changed}", {"Description": "Позже"})
    control(shop, f"rows/Catalog_Номенклатура/{gone}", method="DELETE")
    inbound(PRODUCTS, runtime, only=[changed, gone])
    wanted = live(database_url, (PRODUCTS,))
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute("UPDATE clean.products SET name = 'spoiled'")

    inbound(PRODUCTS, runtime, layers=[Layer.CLEAN])

    assert live(database_url, (PRODUCTS,)) == wanted


def test_a_time_without_pages_is_said(runtime):
    inbound(PRODUCTS, runtime)

    with pytest.raises(Stop, match="NOTHING_TO_REPLAY"):
        inbound(
            PRODUCTS,
            runtime,
            layers=[Layer.CLEAN],
            window=Window(start=datetime(2020, 1, 1, tzinfo=UTC), end=datetime(2020, 1, 2, tzinfo=UTC)),
        )
