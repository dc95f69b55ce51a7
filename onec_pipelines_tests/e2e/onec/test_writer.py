"""The writer on a real socket: one request a write, never repeated, 1C's refusals in 1C's words."""

from __future__ import annotations

from uuid import uuid4

import pytest

from onec_pipelines.errors import Quarantine, RetryLater
from onec_pipelines.onec.connection import Connection
from onec_pipelines.onec.writer import OnecWriter
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import control

PARTNER, ORDER = "Catalog_Партнеры", "Document_ЗаказКлиента"


@pytest.fixture(scope="module")
def simulator():
    with Simulator.start_process(products=10, seed=3) as running:
        yield running


@pytest.fixture
def writer(simulator):
    connection = Connection(
        url=simulator.url,
        user=simulator.user,
        password=simulator.password,
        timezone="Europe/Moscow",
        system="test",
        rate_per_second=1000,
        deadline_seconds=PATIENCE_SECONDS,
    )
    control(simulator, "stats", method="DELETE")
    with OnecWriter(connection) as opened:
        yield opened
    control(simulator, "faults", method="DELETE")


def requests(simulator):
    return [line.split()[0] for line in control(simulator, "requests?last=100")]


def test_an_object_is_created_with_the_key_we_chose_and_changed(simulator, writer):
    key = str(uuid4())
    made = writer.create(PARTNER, {"Ref_Key": key, "Description": "Ёлкин «О'Брайен»"})
    assert (made["Ref_Key"], made["Description"]) == (key, "Ёлкин «О'Брайен»")
    changed = writer.change(PARTNER, key, {"Description": "Иначе"}, data_version=made["DataVersion"])
    assert changed["Description"] == "Иначе"
    assert requests(simulator) == ["POST", "PATCH"]


def test_the_same_key_again_is_refused_as_a_duplicate(writer):
    key = str(uuid4())
    writer.create(PARTNER, {"Ref_Key": key, "Description": "Раз"})
    with pytest.raises(Quarantine) as refused:
        writer.create(PARTNER, {"Ref_Key": key, "Description": "Два"})
    assert refused.value.code == "ONEC_DUPLICATE_KEY"


def test_a_refused_posting_brings_1cs_words(writer):
    made = writer.create(ORDER, {"НомерПоДаннымКлиента": "W-1"})
    with pytest.raises(Quarantine) as refused:
        writer.post(ORDER, made["Ref_Key"])
    assert 'Поле "Партнер" не заполнено' in refused.value.onec_message


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"type": "reset_peer", "attributes": {"phase": "after"}}, "ONEC_CONNECTION_LOST"),
        ({"type": "reset_peer", "attributes": {"phase": "before"}}, "ONEC_CONNECTION_LOST"),
        ({"type": "status", "attributes": {"status": 503, "retry_after": 7}}, "ONEC_OVERLOAD"),
        ({"type": "html_200"}, "ONEC_BAD_ANSWER"),
        ({"type": "limit_data", "attributes": {"bytes": 40}}, "ONEC_CONNECTION_LOST"),
    ],
)
def test_a_write_is_never_repeated_and_counts_as_perhaps_done(fault, code, simulator, writer):
    control(simulator, "faults", {**fault, "match": "^POST", "times": 1})
    with pytest.raises(RetryLater) as lost:
        writer.create(PARTNER, {"Description": "Один раз"})
    assert (lost.value.code, lost.value.sent) == (code, True)
    assert requests(simulator) == ["POST"]


def test_a_write_that_cannot_connect_was_surely_not_sent(simulator):
    connection = Connection(
        url="http://127.0.0.1:9/ut/odata/standard.odata",
        user="odata",
        password="odata",
        timezone="UTC",
        system="test",
    )
    with OnecWriter(connection) as writer, pytest.raises(RetryLater) as refused:
        writer.create(PARTNER, {"Description": "Никуда"})
    assert (refused.value.code, refused.value.sent) == ("ONEC_UNREACHABLE", False)
