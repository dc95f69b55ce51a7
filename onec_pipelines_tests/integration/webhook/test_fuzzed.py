"""What schemathesis makes of our own description, signed again: nothing that breaks the schema gets in, and nothing breaks the receiver."""

from __future__ import annotations

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode

from onec_pipelines.webhook.app import PATH
from onec_pipelines.webhook.openapi import DOCUMENT
from onec_pipelines_tests.fixtures.pipeline import value
from onec_pipelines_tests.fixtures.webhooks import post, receiving, signed_body

OPERATION = schemathesis.openapi.from_dict(json.loads(DOCUMENT))[PATH]["POST"]
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
# Each case is a request and a commit: what fails is shown as it came, not made smaller.
CASES = settings(
    max_examples=60,
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=SLOW,
    phases=[Phase.generate],
)


@pytest.fixture(scope="module")
def receiver(postgres, postgres_template):
    from onec_pipelines_tests.fixtures.postgres import _database  # noqa: PLC0415 - one database for all cases

    databases = _database(postgres, postgres_template)
    url = next(databases)
    with receiving(url) as running:
        yield running, url
    next(databases, None)


def bytes_of(body: object) -> bytes:
    if isinstance(body, bytes):
        return body
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def mode_of_body(case) -> GenerationMode:
    return next(found.mode for place, found in case.meta.components.items() if place.value == "body")


def test_a_signed_body_that_breaks_the_schema_is_refused(receiver) -> None:
    running, url = receiver
    refused = 0

    @CASES
    @given(case=OPERATION.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def send(case) -> None:
        nonlocal refused
        body = bytes_of(case.body)
        answer = post(running, signed_body(body))
        if mode_of_body(case) is GenerationMode.NEGATIVE:
            assert answer.status in {400, 413}, body
            refused += 1
        else:
            assert answer.status in {202, 400, 413}, body

    send()
    assert refused > 10
    assert post(running, signed_body(b'{"type":"ping"}')).status == 202
    assert value(url, "SELECT count(*) FROM integ.webhook_inbox") > 0


def test_a_signed_body_that_keeps_to_the_schema_is_stored(receiver) -> None:
    running, _ = receiver
    statuses = []

    @CASES
    @given(case=OPERATION.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def send(case) -> None:
        statuses.append(post(running, signed_body(bytes_of(case.body))).status)

    send()
    assert set(statuses) <= {202, 400, 413}
    # Printable text and the time's zone are more than a schema can say.
    assert statuses.count(202) > len(statuses) / 2


def test_headers_as_the_schema_describes_them_are_refused_without_the_secret(receiver) -> None:
    running, _ = receiver

    @CASES
    @given(case=OPERATION.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def send(case) -> None:
        given_headers = {name: str(text) for name, text in case.headers.items()}
        sent = signed_body(bytes_of(case.body))
        forged = type(sent)(body=sent.body, headers={**sent.headers, **given_headers})
        assert post(running, forged).status in {401, 413}

    send()
