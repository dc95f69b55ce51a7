"""A backfill of ninety days in a real browser: launched by its button, cancelled in the middle, launched again, in one clean state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.defs.keys import asset_key
from onec_pipelines.entities import BY_NAME
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines_tests.fixtures.browser import CHROMIUM, ask, browser_page, dagster_ui
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until
from onec_pipelines_tests.fixtures.pipeline import control, environment, query, value
from onec_pipelines_tests.fixtures.postgres import _database

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: `apt-get install chromium`"),
    pytest.mark.timeout(1800),
]
DAYS = 90
LATENCY_MS = 500
# From the middle on the backfill stands nearly still, however long it takes to cancel it by hand.
STILL_MS = 8000
# About a third of what ninety days need.
REQUESTS_OF_THE_MIDDLE = 60
ORDERS = quote('tag:"onec/entity"="orders"', safe="")
BACKFILL = (
    "query One($id: String!){partitionBackfillOrError(backfillId: $id){... on PartitionBackfill{status}}}"
)
RUN = "{runsOrError(limit: 1){... on Runs{results{runId status}}}}"
LAUNCH = (
    "mutation Launch($parameters: ExecutionParams!){launchRun(executionParams: $parameters)"
    "{__typename ... on PythonError{message}}}"
)
ENDED = {"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "CANCELED", "FAILED"}


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A simulated 1C, its database, and Dagster's UI."""

    simulator: Simulator
    database_url: str
    ui: str


@pytest.fixture(scope="module")
def pipeline(
    postgres: EmbeddedServer, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    databases = _database(postgres, postgres_template)
    database_url, home = next(databases), tmp_path_factory.mktemp("home")
    with Simulator.start_thread(products=60, seed=5, broken=False) as simulator:
        variables = environment(simulator, database_url, home, page_rows=500)
        variables["ONEC_DEADLINE_SECONDS"] = str(PATIENCE_SECONDS)
        with dagster_ui(home, variables) as ui:
            yield Pipeline(simulator=simulator, database_url=database_url, ui=ui)
    next(databases, None)


@pytest.fixture
def page() -> Iterator[Page]:
    with browser_page() as opened:
        yield opened


def launch(page: Page, pipeline: Pipeline, days: str, shot: Path) -> str:
    """Choose all layers of orders and these days, and press the button; gives the id of the backfill."""
    page.goto(f"{pipeline.ui}/asset-groups~{ORDERS}/")
    page.get_by_text("Materialize all…", exact=True).wait_for()
    page.get_by_role("button", name="Materialize all").click()
    selection, sure = page.get_by_text("Partition selection"), page.get_by_role("button", name="Confirm")
    selection.or_(sure).first.wait_for()
    if sure.is_visible():
        # What orders stand on has never been loaded, Dagster says; their references wait.
        sure.click()
    page.get_by_text("Show all partitions").click()
    chosen = page.get_by_placeholder("ex: ")
    chosen.fill(days)
    chosen.press("Enter")
    page.get_by_text(f"{DAYS} partitions", exact=True).wait_for()
    page.screenshot(path=shot)
    with page.expect_response(
        lambda answer: "mutation LaunchPartitionBackfill" in (answer.request.post_data or "")
    ) as answer:
        page.get_by_role("button", name="Launch backfill").click()
    return str(answer.value.json()["data"]["launchPartitionBackfill"]["backfillId"])


def cancel(page: Page, pipeline: Pipeline, backfill: str, shot: Path) -> None:
    """Cancel the backfill by the menu of its row."""
    page.goto(f"{pipeline.ui}/runs?view=backfills")
    page.get_by_text(backfill).first.wait_for()
    page.locator("button:has([aria-label='expand_more'])").last.click()
    page.get_by_role("menuitem", name="Cancel backfill").click()
    sure = page.get_by_role("button", name="Cancel backfill")
    sure.wait_for()
    page.screenshot(path=shot)
    sure.click()


def end_of(page: Page, pipeline: Pipeline, backfill: str) -> str:
    """Status of the backfill, whose end is awaited."""

    def status() -> str:
        return str(ask(page, pipeline.ui, BACKFILL, id=backfill)["partitionBackfillOrError"]["status"])

    until(lambda: status() in ENDED, pause=0.2)
    return status()


def requests(pipeline: Pipeline) -> int:
    return int(control(pipeline.simulator, "stats")["requests_total"])


def debris(pipeline: Pipeline) -> dict[str, Any]:
    """What a run must not leave behind."""
    url = pipeline.database_url
    return {
        "running jobs": value(url, "SELECT count(*) FROM integ.sync_jobs WHERE status = 'running'"),
        "locks": value(
            url,
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE l.locktype = 'advisory' AND d.datname = current_database()",
        ),
        "open transactions": value(
            url,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%%'",
        ),
        "temporary tables": value(
            url, "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'"
        ),
    }


CLEAN = {"running jobs": 0, "locks": 0, "open transactions": 0, "temporary tables": 0}


def scans(pipeline: Pipeline) -> int:
    """Unfinished readings: what a cancelled one is continued from."""
    return int(
        value(pipeline.database_url, "SELECT count(*) FROM integ.sync_state WHERE kind LIKE 'scan %%'")
    )


def rows(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    """The orders of the shop, with the version of each row in the database."""
    return query(pipeline.database_url, "SELECT id, xmin::text FROM shop.orders ORDER BY 1")


def expected(pipeline: Pipeline, first: date, last: date) -> int:
    found = control(pipeline.simulator, "rows/Document_ЗаказКлиента?top=100000")["rows"]
    return sum(first.isoformat() <= one["Date"][:10] <= last.isoformat() for one in found)


def finished(pipeline: Pipeline) -> int:
    return int(
        value(pipeline.database_url, "SELECT count(*) FROM integ.sync_jobs WHERE status = 'succeeded'")
    )


def run_range(page: Page, pipeline: Pipeline, first: date, last: date) -> None:
    """The run that the backfill would launch, without the half minute in which the daemon looks for backfills."""
    launched = ask(
        page,
        pipeline.ui,
        LAUNCH,
        parameters={
            "mode": "default",
            "selector": {
                "repositoryName": "__repository__",
                "repositoryLocationName": "onec_pipelines",
                "pipelineName": "__ASSET_JOB",
                "assetSelection": [{"path": asset_key(BY_NAME["orders"], layer).path} for layer in Layer],
            },
            "executionMetadata": {
                "tags": [
                    {"key": "dagster/asset_partition_range_start", "value": str(first)},
                    {"key": "dagster/asset_partition_range_end", "value": str(last)},
                ]
            },
        },
    )
    assert launched["launchRun"]["__typename"] == "LaunchRunSuccess", launched


def test_ninety_days_cancelled_in_the_middle_and_launched_again(
    pipeline: Pipeline, page: Page, tmp_path: Path
) -> None:
    last = datetime.now(UTC).date() - timedelta(days=5)
    first = last - timedelta(days=DAYS - 1)
    days = f"[{first}...{last}]"
    control(pipeline.simulator, "faults", {"type": "latency", "attributes": {"latency": LATENCY_MS}})
    control(pipeline.simulator, "stats", method="DELETE")

    cancelled = launch(page, pipeline, days, tmp_path / "launch.png")
    until(lambda: requests(pipeline) > REQUESTS_OF_THE_MIDDLE)
    control(pipeline.simulator, "faults", {"type": "latency", "attributes": {"latency": STILL_MS}})
    cancel(page, pipeline, cancelled, tmp_path / "cancel.png")

    assert end_of(page, pipeline, cancelled) == "CANCELED"
    until(lambda: debris(pipeline) == CLEAN)
    (run,) = ask(page, pipeline.ui, RUN)["runsOrError"]["results"]
    assert run["status"] == "CANCELED"
    assert value(pipeline.database_url, "SELECT status FROM integ.sync_jobs") == "failed"
    assert scans(pipeline) == 1
    assert value(pipeline.database_url, "SELECT count(*) FROM shop.orders") == 0

    control(pipeline.simulator, "faults", method="DELETE")
    again = launch(page, pipeline, days, tmp_path / "again.png")

    assert end_of(page, pipeline, again) == "COMPLETED_SUCCESS"
    until(lambda: debris(pipeline) == CLEAN)
    assert scans(pipeline) == 0
    loaded = rows(pipeline)
    assert len(loaded) == expected(pipeline, first, last)
    asked = query(
        pipeline.database_url, "SELECT (metadata ->> 'requests')::int FROM integ.sync_jobs ORDER BY id"
    )
    assert [len(asked), asked[1][0] < 3 * DAYS - REQUESTS_OF_THE_MIDDLE // 2] == [2, True]
    page.goto(f"{pipeline.ui}/assets/shop/orders?view=partitions")
    page.get_by_text(f"Materialized ({DAYS})").first.wait_for()
    page.screenshot(path=tmp_path / "partitions.png")

    run_range(page, pipeline, first, last)
    until(lambda: finished(pipeline) == 2)
    assert rows(pipeline) == loaded
