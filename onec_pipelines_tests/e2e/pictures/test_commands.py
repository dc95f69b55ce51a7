"""`onec images` as a person and as a script use it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from onec_pipelines.cli import cli
from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import environment, open_fast, query


@pytest.fixture
def onec(database_url, tmp_path):
    """Runs a command on a base whose rows of pictures are synced."""
    with Simulator.start_thread(products=120, seed=4) as simulator:
        variables = environment(simulator, database_url, tmp_path, page_rows=1000)
        with open_fast(variables) as runtime:
            for name in ("categories", "products", "images"):
                inbound(BY_NAME[name], runtime)

        def run(*words, code=0):
            found = CliRunner().invoke(cli, ["images", *words], env=variables)
            assert found.exit_code == code, found.output
            return found.stdout

        yield run


def test_a_script_reads_what_was_done_and_how_pictures_stand(onec, database_url, tmp_path):
    assert json.loads(onec("status", "--json"))["to_fetch"] > 50
    done = json.loads(onec("fetch", "--json"))
    stands = json.loads(onec("status", "--state", "unreachable", "--json"))

    assert done["tally"]["ready"] == stands["ready"] > 50
    assert stands["to_fetch"] == 0
    assert {one["code"] for one in stands["pictures"]} == {"IMAGE_ON_VOLUME", "IMAGE_NO_BYTES"}
    assert stands["store"] == str(tmp_path / "images")
    assert json.loads(onec("verify", "--json"))["ok"]

    again = json.loads(onec("fetch", "--again", "rejected", "--json"))
    assert (again["tally"]["looked_at"], again["tally"]["rejected"]) == (1, 1)


def test_a_person_reads_the_same(onec, database_url, tmp_path):
    assert "ready" in onec("fetch")
    assert "IMAGE_ON_VOLUME" in onec("status")
    assert "IMAGE_BAD_TYPE" in onec("status", "--state", "rejected")
    (ref, path), *_ = query(
        database_url,
        "SELECT ref::text, path FROM integ.image_files JOIN integ.image_blobs USING (sha256) ORDER BY ref",
    )
    assert "ready" in onec("fetch", ref)
    (tmp_path / "images" / path).unlink()
    assert path in onec("verify", "--quick", code=1)
    assert "fetched again" in onec("verify", "--repair", code=1)
    onec("fetch")
    assert "0 missing" in onec("verify")
    assert "removed" in onec("gc")


def test_a_word_that_is_no_guid_is_wrong_usage(onec):
    onec("fetch", "photo_1", code=2)
