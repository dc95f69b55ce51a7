"""Traffic of a base is recorded through the proxy, masked, and answered again by the simulator."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, build_opener

from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS

PARTNERS = quote("Catalog_Партнеры")
QUERY = "?$format=json&$top=3&$select=" + quote("Ref_Key,Description,КонтактнаяИнформация")

OPEN = build_opener().open


def ask(base, url, path):
    user = base64.b64encode(f"{base.user}:{base.password}".encode()).decode()
    try:
        request = Request(f"{url}/{path}", headers={"Authorization": f"Basic {user}"})  # noqa: S310 - our server
        with OPEN(request) as answer:
            return answer.status, answer.read().decode("utf-8-sig")
    except HTTPError as refusal:
        return refusal.code, refusal.read().decode("utf-8-sig")


@contextmanager
def proxy(upstream, file):
    command = [
        sys.executable,
        "-m",
        "onec_pipelines.simulator.replay",
        "--upstream",
        upstream,
        "--file",
        str(file),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()


def test_a_recording_hides_people_and_replays_the_rest(tmp_path):
    file = tmp_path / "case.jsonl"
    with Simulator.start_process(products=20) as base, proxy(base.url, file) as url:
        status, original = ask(base, url, PARTNERS + QUERY)
        assert status == 200
        assert url in original
        assert ask(base, url, "Catalog_X?$format=json")[0] == 404
    rows = json.loads(original)["value"]
    recorded = file.read_text("utf-8")
    assert base64.b64encode(b"odata:odata").decode() not in recorded
    for row in rows:
        assert row["Ref_Key"] in recorded
        assert not row["Description"] or row["Description"] not in recorded
    with Simulator.start_process(products=5, replay=str(file)) as replayed:
        status, again = ask(replayed, replayed.url, PARTNERS + QUERY)
        assert status == 200
        masked = json.loads(again)
        assert masked["odata.metadata"].startswith(replayed.url)
        assert [row["Ref_Key"] for row in masked["value"]] == [row["Ref_Key"] for row in rows]
        assert [len(row["Description"]) for row in masked["value"]] == [
            len(row["Description"]) for row in rows
        ]
        assert ask(replayed, replayed.url, "Catalog_X?$format=json")[0] == 404
        status, text = ask(replayed, replayed.url, "Catalog_Y")
        assert (status, "No recorded answer" in text) == (404, True)
