"""Record sets of registers in packets: the rows that they speak of are read anew, those that they no longer speak of, too."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import PipelineError
from onec_pipelines.inbound import Outcome, inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines_tests.fixtures.changes import open_changes, sync_changes, take_in
from onec_pipelines_tests.fixtures.pipeline import control, value
from onec_pipelines_tests.fixtures.whole import check_whole

STOCK = "AccumulationRegister_ТоварыНаСкладах"
PRICES = "InformationRegister_ЦеныНоменклатуры25"
REGISTERS = ("stock", "prices", "price_history")
CLEAN = {"layers": [Layer.RAW, Layer.CLEAN]}
SETTINGS = {"ONEC_HISTORY_START": "2010-01-01", "ONEC_PAGE_ROWS": "200"}


@pytest.fixture
def shop():
    with Simulator.start_thread(products=20, seed=5, pool_size=100, broken=False) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    """The registers have their whole reading, and nothing waits."""
    with open_changes(shop, database_url, tmp_path, **SETTINGS) as opened:
        take_in(opened)
        for name in ("price_types", "warehouses"):
            inbound(BY_NAME[name], opened, **CLEAN)
        sync_changes(opened, REGISTERS)
        yield opened


def sets(shop, register: str) -> list[dict[str, Any]]:
    return control(shop, f"rows/{register}?top=500")["rows"]


def record(shop, register: str, rows: list[dict[str, Any]], *, like: dict[str, Any]) -> str:
    """A new document writes rows into a register, dated now; gives its GUID."""
    head = {"Recorder": str(uuid.uuid4()), "Recorder_Type": like["Recorder_Type"]}
    now = datetime.now(ZoneInfo("Europe/Moscow")) + timedelta(seconds=1)
    period = now.replace(tzinfo=None, microsecond=0).isoformat()
    dated = [{**row, **head, "Period": period, "LineNumber": n} for n, row in enumerate(rows, 1)]
    control(shop, f"rows/{register}", {**head, "RecordSet": dated})
    return head["Recorder"]


def rewrite(shop, register: str, recorder: str, like: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """The document writes other rows, or none (it is unposted)."""
    numbered = [{**row, "LineNumber": number} for number, row in enumerate(rows, 1)]
    control(shop, f"rows/{register}/{recorder}/{like['Recorder_Type']}", {"RecordSet": numbered})


def of_two_products(register_sets) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rows = {row["Номенклатура_Key"]: (one, row) for one in register_sets for row in one["RecordSet"]}
    (like, first), (_, second) = list(rows.values())[:2]
    return like, [first, second]


def bring(runtime) -> Outcome:
    take_in(runtime)
    return sync_changes(runtime, ["stock"])["stock"]


def right(shop, url, *names) -> None:
    assert all(check_whole(shop, url, [BY_NAME[name] for name in names]).values())


def test_what_documents_write_and_take_back_is_read_and_nothing_else(runtime, shop, database_url):
    like, rows = of_two_products(sets(shop, STOCK))
    live = value(database_url, "SELECT count(*) FROM clean.stock WHERE deleted_at IS NULL")
    before = runtime.spent.calls
    outcomes = sync_changes(runtime, REGISTERS)
    assert {name: one.rows_read for name, one in outcomes.items()} == dict.fromkeys(REGISTERS, 0)
    # Two registers of prices may be published: which of them has rows is looked at once a run.
    assert runtime.spent.calls - before <= 2

    recorder = record(shop, STOCK, rows, like=like)
    first = bring(runtime)
    assert (first.way, first.whole) == ("changes", False)
    assert 0 < first.rows_read < live / 2
    right(shop, database_url, "stock")

    rewrite(shop, STOCK, recorder, like, [{**rows[0], "Period": "2026-11-23T00:00:00"}])
    assert not bring(runtime).whole
    right(shop, database_url, "stock")

    rewrite(shop, STOCK, recorder, like, [])
    assert not bring(runtime).whole
    assert value(database_url, "SELECT count(*) FROM raw.packet_entries WHERE kind = 'emptied'") == 1
    right(shop, database_url, "stock")


def test_every_state_counts_also_when_the_reading_was_cut_off(runtime, shop, database_url):
    """Between two runs the document came with one product, then with another, then without any."""
    like, rows = of_two_products(sets(shop, STOCK))
    recorder = record(shop, STOCK, rows[:1], like=like)
    take_in(runtime)
    rewrite(shop, STOCK, recorder, like, [{**rows[1], "Period": "2026-11-23T00:00:00"}])
    take_in(runtime)
    rewrite(shop, STOCK, recorder, like, [])
    take_in(runtime)
    control(
        shop, "faults", {"type": "status", "match": "/Balance", "attributes": {"status": 503}, "times": 9}
    )
    with pytest.raises(PipelineError):
        sync_changes(runtime, ["stock"])
    control(shop, "faults", method="DELETE")

    outcome = sync_changes(runtime, ["stock"])["stock"]

    assert outcome.completeness == "all rows of 2 keys that 3 record sets name"
    right(shop, database_url, "stock")


def test_documents_that_are_older_than_the_packets(runtime, shop, database_url):
    """Rows of the history say which document wrote them; what it had added to a balance nobody knows any more."""
    stock = sets(shop, STOCK)[0]
    prices = max(sets(shop, PRICES), key=lambda one: one["RecordSet"][0]["Period"])
    for name, one in ((STOCK, stock), (PRICES, prices)):
        rewrite(shop, name, one["Recorder"], one, [])
    take_in(runtime)

    outcomes = sync_changes(runtime, REGISTERS)

    assert {name: one.whole for name, one in outcomes.items()} == {
        "stock": True,
        "prices": True,
        "price_history": False,
    }
    assert "before packets were kept" in outcomes["stock"].message
    assert outcomes["price_history"].deleted >= len(prices["RecordSet"])
    right(shop, database_url, *REGISTERS)
    assert bring(runtime).rows_read == 0


def test_a_register_without_documents_is_read_whole(runtime):
    outcome = sync_changes(runtime, ["barcodes"], **CLEAN)["barcodes"]

    assert outcome.whole
    assert "no packet tells" in outcome.message
