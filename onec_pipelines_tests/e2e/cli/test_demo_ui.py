"""`onec demo` as a person meets it: the UI in a real browser, and a materialization by its button."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from onec_pipelines_tests.fixtures.browser import CHROMIUM, browser_page
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS, until

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: `apt-get install chromium`"),
    pytest.mark.timeout(1800),
]
# The demo loads a whole shop before it opens the UI.
DEMO_SECONDS = 3 * PATIENCE_SECONDS


@pytest.fixture
def ui(short_home: Path, tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ONEC_", "DAGSTER_"))}
    environment |= {"ONEC_ENV_FILE": "", "ONEC_HOME": str(short_home)}
    log = tmp_path / "demo.log"
    with log.open("wb") as output:
        demo = subprocess.Popen(
            [sys.executable, "-m", "onec_pipelines.cli", "demo", "--products", "40", "--port", str(port)],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            until(lambda: b"Dagster's UI:" in log.read_bytes() or demo.poll() is not None, DEMO_SECONDS)
            assert demo.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(timeout=PATIENCE_SECONDS)
    assert demo.returncode == 0, log.read_text()


def test_the_graph_shows_the_layers_and_the_button_fills_the_shop(ui: str) -> None:
    with browser_page() as page:
        page.goto(f"{ui}/asset-groups")
        for layer in ("onec", "raw", "clean", "shop", "ids"):
            page.get_by_text(layer, exact=True).first.wait_for()

        page.goto(f"{ui}/assets/shop/units")
        page.get_by_text("okei_code").first.wait_for()
        # Left too early, the page would take its request to launch the run with it.
        with page.expect_response(
            lambda answer: "mutation LaunchPipelineExecution" in (answer.request.post_data or "")
        ):
            page.get_by_role("button", name="Materialize").first.click()

        # Asks for days first, because documents are partitioned; the latest is the open day.
        page.goto(f"{ui}/asset-groups")
        page.get_by_role("button", name="Materialize all").click()
        page.get_by_role("button", name="Latest", exact=True).click()
        with page.expect_response(
            lambda answer: "mutation LaunchPipelineExecution" in (answer.request.post_data or "")
        ):
            page.get_by_role("button", name="Launch 1 run").click()

        page.goto(f"{ui}/runs")
        page.wait_for_function("() => (document.body.innerText.match(/Success/g) || []).length >= 3")
        assert "Failure" not in page.inner_text("body")
