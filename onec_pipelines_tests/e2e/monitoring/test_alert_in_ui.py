"""What an operator meets in a real browser: assets, lineage, partitions, a check that turns red, the alert it sends, and one notice of its end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from onec_pipelines.settings import project_root
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.alerts import Receiver, http_receiver
from onec_pipelines_tests.fixtures.pipeline import control, environment, value

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: `apt-get install chromium`"),
    pytest.mark.timeout(420),
]
PATIENCE_SECONDS = 90
ALERT_SECONDS = 60
QUIET_SECONDS = 20
# More than ten, and more than any share an entity may have in quarantine.
BROKEN = 30
MANUFACTURERS = "Catalog_Производители"
SERVE = "import sys; from onec_pipelines.cli.dagster_ui import serve; serve(int(sys.argv[1]))"


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A running whole: the simulated 1C, its database, the address of Dagster's UI, and where alerts arrive."""

    simulator: Simulator
    database_url: str
    ui: str
    receiver: Receiver


@pytest.fixture
def pipeline(database_url: str, tmp_path: Path) -> Iterator[Pipeline]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ui = f"http://127.0.0.1:{port}"
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    with Simulator.start_thread(products=60, seed=5, broken=False) as simulator, http_receiver() as receiver:
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("ONEC_", "DAGSTER_"))}
        variables |= environment(simulator, database_url, tmp_path, page_rows=500)
        variables |= {
            "DAGSTER_HOME": str(tmp_path),
            "ONEC_DAGSTER_URL": ui,
            "ONEC_ALERT_WEBHOOK_URL": receiver.url,
        }
        with _dagster(port, variables, tmp_path / "dagster.log"):
            yield Pipeline(simulator=simulator, database_url=database_url, ui=ui, receiver=receiver)


@contextmanager
def _dagster(port: int, variables: dict[str, str], log: Path) -> Iterator[None]:
    """Dagster's UI and daemon, which runs the sensors of alerts without being told to."""
    with log.open("wb") as output:
        served = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(port)],
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            until(lambda: b"Dagster's UI:" in log.read_bytes() or served.poll() is not None, 180)
            assert served.poll() is None, log.read_text()
            yield
        finally:
            served.send_signal(signal.SIGINT)
            served.wait(timeout=60)


@pytest.fixture
def page() -> Iterator[Page]:
    arguments = [
        *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync", "--no-first-run"),
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        opened = browser.new_page(viewport={"width": 1600, "height": 900})
        opened.set_default_timeout(PATIENCE_SECONDS * 1000)
        yield opened
        browser.close()


def until(is_so: Callable[[], object], seconds: float) -> float:
    """Seconds until it is so; fails when they are more."""
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() < begun + seconds, f"not within {seconds} s"
        time.sleep(0.2)
    return time.monotonic() - begun


def rename(pipeline: Pipeline, names: dict[str, str]) -> None:
    """Give manufacturers these names, as a user of 1C would: an object without a name is refused by the pipeline."""
    for key, name in names.items():
        control(pipeline.simulator, f"rows/{MANUFACTURERS}/{key}", {"Description": name})


def materialize(page: Page, pipeline: Pipeline) -> None:
    """Press the button above the layers of manufacturers, and wait for the run that it starts."""
    runs = "SELECT count(*) FROM dagster.runs"
    ended = f"{runs} WHERE status IN ('SUCCESS', 'FAILURE', 'CANCELED')"
    before = value(pipeline.database_url, ended)
    page.goto(f'{pipeline.ui}/asset-groups?asset-selection=key%3A"*%2Fmanufacturers*"')
    page.get_by_text("manufacturers_clean").first.wait_for()
    # Left too early, the page would take its request to launch the run with it.
    with page.expect_response(lambda answer: "mutation LaunchPipeline" in (answer.request.post_data or "")):
        page.get_by_role("button", name="Materialize").first.click()
    until(lambda: value(pipeline.database_url, ended) > before, PATIENCE_SECONDS)


def test_a_check_turns_red_an_alert_arrives_and_its_end_is_told_once(pipeline: Pipeline, page: Page) -> None:
    shots = Path("/root/uishots")
    t0 = time.monotonic()

    def shot(name: str) -> None:
        page.screenshot(path=shots / f"{name}.png")
        (shots / f"{name}.txt").write_text(page.inner_text("body"))
        print(name, round(time.monotonic() - t0, 1), flush=True)  # noqa: T201

    page.goto(f'{pipeline.ui}/asset-groups?asset-selection=key%3A"*%2Fmanufacturers*"')
    page.wait_for_timeout(8000)
    shot("graph")
    page.goto(f"{pipeline.ui}/assets/shop/manufacturers?view=lineage")
    page.wait_for_timeout(5000)
    shot("lineage")
    page.goto(f"{pipeline.ui}/assets/raw/orders_raw?view=partitions")
    page.wait_for_timeout(5000)
    shot("partitions")
    page.goto(f"{pipeline.ui}/assets/clean/manufacturers_clean?view=checks")
    page.wait_for_timeout(5000)
    shot("checks0")
    materialize(page, pipeline)
    shot("launched")
    good = {
        row["Ref_Key"]: row["Description"]
        for row in control(pipeline.simulator, f"rows/{MANUFACTURERS}?top={BROKEN}")["rows"]
    }
    rename(pipeline, dict.fromkeys(good, ""))
    materialize(page, pipeline)
    page.goto(f"{pipeline.ui}/assets/clean/manufacturers_clean?view=checks")
    page.wait_for_timeout(5000)
    shot("red")
    until(lambda: pipeline.receiver.documents, 60)
    print(pipeline.receiver.documents, flush=True)  # noqa: T201
