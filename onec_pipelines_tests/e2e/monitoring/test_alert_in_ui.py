"""An operator in a real browser: assets, lineage, partitions, a check that turns red, its alert, and one notice of its end."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page

from onec_pipelines.db.embedded import EmbeddedServer
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.alerts import Receiver, http_receiver
from onec_pipelines_tests.fixtures.browser import CHROMIUM, ask, browser_page, dagster_ui
from onec_pipelines_tests.fixtures.patience import until
from onec_pipelines_tests.fixtures.pipeline import control, environment
from onec_pipelines_tests.fixtures.postgres import _database

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: `apt-get install chromium`"),
    pytest.mark.timeout(1800),
]
QUIET_SECONDS = 20
# More than ten, and more than any share an entity may have in quarantine.
BROKEN = 30
RAW = "raw/manufacturers_raw"
CLEAN = "clean/manufacturers_clean"
MANUFACTURERS = "Catalog_Производители"
REPOSITORIES = "{repositoriesOrError{... on RepositoryConnection{nodes{name location{name}}}}}"
LAUNCH = (
    "mutation Launch($parameters: ExecutionParams!){launchRun(executionParams: $parameters)"
    "{__typename ... on LaunchRunSuccess{run{runId}} ... on PythonError{message}}}"
)
STATUS = "query Status($run: ID!){runOrError(runId: $run){... on Run{status}}}"


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A running whole: the simulated 1C, its database, the address of Dagster's UI, and where alerts arrive."""

    simulator: Simulator
    database_url: str
    ui: str
    receiver: Receiver


@pytest.fixture(scope="module")
def pipeline(
    postgres: EmbeddedServer, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    databases = _database(postgres, postgres_template)
    database_url, home = next(databases), tmp_path_factory.mktemp("home")
    with Simulator.start_thread(products=60, seed=5, broken=False) as simulator, http_receiver() as receiver:
        variables = environment(simulator, database_url, home, page_rows=500)
        with dagster_ui(home, variables, receiver=receiver.url) as ui:
            yield Pipeline(simulator=simulator, database_url=database_url, ui=ui, receiver=receiver)
    next(databases, None)


@pytest.fixture
def page() -> Iterator[Page]:
    with browser_page() as opened:
        yield opened


def rename(pipeline: Pipeline, names: dict[str, str]) -> None:
    """Give manufacturers these names, as a user of 1C would: an object without a name is refused by the pipeline."""
    for key, name in names.items():
        control(pipeline.simulator, f"rows/{MANUFACTURERS}/{key}", {"Description": name})


def materialize(page: Page, pipeline: Pipeline) -> str:
    """Launch a run of the raw and the clean layer of manufacturers, whose end is awaited; gives its id."""
    (held,) = ask(page, pipeline.ui, REPOSITORIES)["repositoriesOrError"]["nodes"]
    launched = ask(
        page,
        pipeline.ui,
        LAUNCH,
        parameters={
            "mode": "default",
            "selector": {
                "repositoryName": held["name"],
                "repositoryLocationName": held["location"]["name"],
                "pipelineName": "__ASSET_JOB",
                "assetSelection": [{"path": name.split("/")} for name in (RAW, CLEAN)],
            },
        },
    )["launchRun"]
    run_id = str(launched["run"]["runId"])
    ended = {"SUCCESS", "FAILURE", "CANCELED"}
    until(lambda: ask(page, pipeline.ui, STATUS, run=run_id)["runOrError"]["status"] in ended, pause=0.2)
    return run_id


def see_check(page: Page, pipeline: Pipeline, word: str, shot: Path) -> tuple[int, int, int]:
    """Open the check of the quarantine, whose result must be this word; gives the colour of the word: red, green, blue."""
    page.goto(f"{pipeline.ui}/assets/{CLEAN}?view=checks&checkDetail=quarantine")
    result = page.get_by_text(word, exact=True).last
    result.wait_for()
    page.screenshot(path=shot)
    colour = result.evaluate("element => getComputedStyle(element).color")
    red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return red, green, blue


def test_the_ui_shows_assets_lineage_and_partitions(pipeline: Pipeline, page: Page) -> None:
    page.goto(f"{pipeline.ui}/asset-groups")
    for layer in ("onec", "raw", "clean", "shop", "ids"):
        page.get_by_text(layer, exact=True).first.wait_for()

    page.goto(f"{pipeline.ui}/assets/shop/manufacturers?view=lineage")
    for asset in ("manufacturers_clean", "manufacturers_ids", "brands"):
        page.get_by_text(asset, exact=True).first.wait_for()

    page.goto(f"{pipeline.ui}/assets/raw/orders_raw?view=partitions")
    page.get_by_text(re.compile(r"^Missing \(\d{3,}\)$")).first.wait_for()
    page.get_by_text(re.compile(r"^\d{4}-\d\d-\d\d$")).nth(20).wait_for()


def test_a_check_turns_red_an_alert_arrives_and_its_end_is_told_once(
    pipeline: Pipeline, page: Page, tmp_path: Path
) -> None:
    materialize(page, pipeline)
    red, green, _ = see_check(page, pipeline, "Passed", tmp_path / "passed.png")
    assert green > red
    rows = control(pipeline.simulator, f"rows/{MANUFACTURERS}?top={BROKEN}")["rows"]

    rename(pipeline, {row["Ref_Key"]: "" for row in rows})
    run_id = materialize(page, pipeline)
    until(lambda: pipeline.receiver.documents)

    red, green, blue = see_check(page, pipeline, "Failed", tmp_path / "failed.png")
    assert red > max(green, blue)
    raised = pipeline.receiver.documents[0]
    assert (raised["event"], raised["kind"], raised["code"]) == (
        "raised",
        "quarantine_spike",
        "QUARANTINE_SPIKE",
    )
    assert (raised["entity"], raised["rows"], raised["severity"]) == ("manufacturers", BROKEN, "error")
    assert "onec quarantine list" in raised["remedy"]
    assert raised["dagster_link"] == f"{pipeline.ui}/runs/{run_id}"
    page.goto(raised["dagster_link"])
    page.get_by_text("manufacturers_sync").first.wait_for()
    page.screenshot(path=tmp_path / "run.png")

    rename(pipeline, {row["Ref_Key"]: row["Description"] for row in rows})
    materialize(page, pipeline)
    until(lambda: len(pipeline.receiver.documents) > 1)
    see_check(page, pipeline, "Passed", tmp_path / "mended.png")
    time.sleep(QUIET_SECONDS)

    fingerprint = raised["fingerprint"]
    assert pipeline.receiver.told == [("raised", fingerprint), ("recovered", fingerprint)]
